//! A checkpoint's configuration as llama.cpp's metadata.

use serde_json::Value;

use crate::file::Result;
use crate::file::gguf_header::Header;
use crate::json;

/// What llama.cpp has to know.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) layers: u32,
    pub(super) vocabulary: u32,
    /// The token that a text begins with.
    pub(super) begin: u32,
    hidden: u32,
    ffn: u32,
    heads: u32,
    kv_heads: u32,
    context: u32,
    epsilon: f32,
    rope_theta: f32,
}

impl Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// Names the key that is missing, or says what llama.cpp's `bitnet` computes otherwise.
    pub(super) fn parse(text: &str) -> Result<Config> {
        let config = json::parse(text).ok_or("config.json: no JSON")?;
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        if text("model_type") != Some("bitnet") {
            return Err("config.json: model_type: expected bitnet".into());
        }
        if text("hidden_act") != Some("silu") {
            return Err(format!(
                "config.json: hidden_act: llama.cpp's bitnet computes silu, and the model wants {}: the file would load, and \
                 answer wrongly",
                text("hidden_act").unwrap_or("something else")
            ));
        }
        if config.get("tie_word_embeddings") == Some(&Value::Bool(false)) {
            return Err("config.json: tie_word_embeddings: llama.cpp's bitnet takes the embedding as the output's weight".into());
        }
        let scaled = |key: &str| config.get(key).is_some_and(|value| !value.is_null());
        if scaled("rope_scaling")
            || config.pointer("/rope_parameters/rope_type").is_some_and(|kind| kind != "default")
        {
            return Err("config.json: a scaled rotary embedding is not written".into());
        }
        let number = |key: &str| {
            let value = config.get(key).and_then(Value::as_u64).and_then(|value| u32::try_from(value).ok());
            value.ok_or_else(|| format!("config.json: {key}: expected a whole number"))
        };
        let positive = |key: &str| match number(key)? {
            0 => Err(format!("config.json: {key}: expected a number above 0")),
            value => Ok(value),
        };
        let float = |value: Option<&Value>, key: &str| {
            let value = value.and_then(Value::as_f64);
            value.map(|value| value as f32).ok_or_else(|| format!("config.json: {key}: expected a number"))
        };
        let theta = config.get("rope_theta").or_else(|| config.pointer("/rope_parameters/rope_theta"));
        let new = Config {
            layers: positive("num_hidden_layers")?,
            vocabulary: positive("vocab_size")?,
            begin: config.get("bos_token_id").map_or(Ok(0), |_| number("bos_token_id"))?,
            hidden: positive("hidden_size")?,
            ffn: positive("intermediate_size")?,
            heads: positive("num_attention_heads")?,
            kv_heads: positive("num_key_value_heads")?,
            context: positive("max_position_embeddings")?,
            epsilon: float(config.get("rms_norm_eps"), "rms_norm_eps")?,
            rope_theta: float(theta, "rope_theta")?,
        };
        let head = new.hidden / new.heads;
        if !new.hidden.is_multiple_of(new.heads)
            || config.get("head_dim").is_some_and(|dim| !dim.is_null() && *dim != head)
        {
            return Err(
                "config.json: head_dim: llama.cpp's bitnet has heads of hidden_size / num_attention_heads"
                    .into(),
            );
        }
        if new.begin >= new.vocabulary {
            return Err(format!(
                "config.json: bos_token_id: expected less than {}, got {}",
                new.vocabulary, new.begin
            ));
        }
        Ok(new)
    }

    /// Writes it.
    pub(super) fn write(&self, header: &mut Header) {
        header.text("general.architecture", "bitnet");
        header.u32("bitnet.context_length", self.context);
        header.u32("bitnet.embedding_length", self.hidden);
        header.u32("bitnet.block_count", self.layers);
        header.u32("bitnet.feed_forward_length", self.ffn);
        header.u32("bitnet.attention.head_count", self.heads);
        header.u32("bitnet.attention.head_count_kv", self.kv_heads);
        header.f32("bitnet.attention.layer_norm_rms_epsilon", self.epsilon);
        header.u32("bitnet.rope.dimension_count", self.hidden / self.heads);
        header.f32("bitnet.rope.freq_base", self.rope_theta);
        header.u32("bitnet.vocab_size", self.vocabulary);
    }
}
