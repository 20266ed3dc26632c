//! `config.json` of a checkpoint in the layout of Hugging Face's `bitnet`.

use std::fs;
use std::path::Path;

use hbitlinear::interop::Format;
use serde::Deserialize;

use crate::Result;

/// What the runner needs of `config.json`. Anything that would change the computation and is not built here is refused.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// Width of a token between the layers.
    pub hidden_size: usize,
    /// Width of the feed-forward part.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads of queries.
    pub num_attention_heads: usize,
    /// Heads of keys and values.
    pub num_key_value_heads: usize,
    /// Width of a head, where it is not `hidden_size / num_attention_heads`.
    pub head_dim: Option<usize>,
    /// What the gate goes through.
    pub hidden_act: Gate,
    /// ε of all norms.
    pub rms_norm_eps: f32,
    /// Base of the rotary embedding; newer configs have it in `rope_parameters`.
    rope_theta: Option<f64>,
    rope_parameters: Option<Rope>,
    rope_scaling: Option<serde_json::Value>,
    /// Tokens that there are.
    pub vocab_size: usize,
    /// Length that the model was trained with.
    pub max_position_embeddings: usize,
    #[serde(default)]
    attention_bias: bool,
    /// Whether the output's weight is the embedding; otherwise it is `lm_head.weight`.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
    /// The token that a text begins with.
    pub bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMore>,
    quantization_config: Quantization,
}

fn yes() -> bool {
    true
}

/// The function of the gate in `down(f(gate(x)) · up(x))`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Gate {
    /// `x / (1 + exp(−x))`.
    #[serde(rename = "silu")]
    Silu,
    /// `max(x, 0)²`.
    #[serde(rename = "relu2")]
    Relu2,
}

#[derive(Clone, Debug, Deserialize)]
struct Rope {
    rope_theta: f64,
    #[serde(default)]
    rope_type: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

#[derive(Clone, Debug, Deserialize)]
struct Quantization {
    quant_method: String,
    #[serde(default)]
    linear_class: LinearClass,
    #[serde(default)]
    use_rms_norm: bool,
}

/// The two classes of transformers, whose `weight_scale` means opposite things.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum LinearClass {
    #[default]
    BitLinear,
    AutoBitLinear,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Says the file and the key.
    pub fn read(path: &Path) -> Result<Config> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Config::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Checks the text of such a file.
    ///
    /// # Errors
    /// Says the key.
    pub fn parse(text: &str) -> Result<Config> {
        let config: Config = serde_json::from_str(text).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let counts = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        for (key, count) in counts {
            if count == 0 || count > 1 << 24 {
                return Err(format!("{key}: expected 1 to 2^24, got {count}"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(format!(
                "num_key_value_heads: expected a divisor of the {} heads, got {}",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if self.head_dim.is_none() && !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!(
                "hidden_size: expected a multiple of the {} heads, got {}",
                self.num_attention_heads, self.hidden_size
            ));
        }
        if !self.head_size().is_multiple_of(2) {
            return Err(format!("head_dim: expected an even number, got {}", self.head_size()));
        }
        let rope_type = self.rope_parameters.as_ref().and_then(|rope| rope.rope_type.as_deref());
        if rope_type.is_some_and(|name| name != "default") || self.rope_scaling.is_some() {
            return Err("rope: a scaled rotary embedding is not known here".into());
        }
        if self.quantization_config.quant_method != "bitnet" {
            return Err(format!(
                "quantization_config.quant_method: expected \"bitnet\", got {:?}",
                self.quantization_config.quant_method
            ));
        }
        if self.attention_bias || self.quantization_config.use_rms_norm {
            return Err("attention_bias, use_rms_norm: expected false".into());
        }
        Ok(())
    }

    /// Width of a head.
    #[must_use]
    pub fn head_size(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// Base of the rotary embedding.
    #[must_use]
    pub fn rope_theta(&self) -> f64 {
        let newer = self.rope_parameters.as_ref().map(|rope| rope.rope_theta);
        newer.or(self.rope_theta).unwrap_or(500_000.0)
    }

    /// The tokens that end a text.
    #[must_use]
    pub fn end_tokens(&self) -> &[u32] {
        match &self.eos_token_id {
            None => &[],
            Some(OneOrMore::One(token)) => core::slice::from_ref(token),
            Some(OneOrMore::More(tokens)) => tokens,
        }
    }

    /// How the ternary weights' scale is to be read.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.quantization_config.linear_class {
            LinearClass::AutoBitLinear => Format::HfMultiply,
            LinearClass::BitLinear => Format::HfDivide,
        }
    }
}
