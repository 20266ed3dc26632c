//! What llama.cpp calls the tensors of Hugging Face's `bitnet`.

use crate::file::Result;

/// What a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ternary weights.
    Matrix,
    /// Gains.
    Norm,
    /// The embedding.
    Table,
}

/// A layer's tensors: there, here, without `.weight`.
const OF_LAYER: [(&str, &str, Kind); 11] = [
    ("input_layernorm", "attn_norm", Kind::Norm),
    ("self_attn.q_proj", "attn_q", Kind::Matrix),
    ("self_attn.k_proj", "attn_k", Kind::Matrix),
    ("self_attn.v_proj", "attn_v", Kind::Matrix),
    ("self_attn.attn_sub_norm", "attn_sub_norm", Kind::Norm),
    ("self_attn.o_proj", "attn_output", Kind::Matrix),
    ("post_attention_layernorm", "ffn_norm", Kind::Norm),
    ("mlp.gate_proj", "ffn_gate", Kind::Matrix),
    ("mlp.up_proj", "ffn_up", Kind::Matrix),
    ("mlp.ffn_sub_norm", "ffn_sub_norm", Kind::Norm),
    ("mlp.down_proj", "ffn_down", Kind::Matrix),
];

/// Every tensor: its name in the checkpoint, the one in the new file without `.weight`, and what it is.
pub(super) fn all(layers: u32) -> impl Iterator<Item = (String, String, Kind)> {
    let ends = [("embed_tokens", "token_embd", Kind::Table), ("norm", "output_norm", Kind::Norm)];
    let ends = ends.map(|(there, here, kind)| (format!("model.{there}.weight"), here.into(), kind));
    let layer = |layer: u32| {
        OF_LAYER.map(|(there, here, kind)| {
            (format!("model.layers.{layer}.{there}.weight"), format!("blk.{layer}.{here}"), kind)
        })
    };
    ends.into_iter().chain((0..layers).flat_map(layer))
}

/// A contract's text with the new names; its transforms and rules stay.
pub(super) fn contract(text: &str) -> Result<String> {
    let mut new = String::new();
    for line in text.lines() {
        let pattern = line.split_ascii_whitespace().next().unwrap_or_default();
        let is_of_tensor = !(new.is_empty() || pattern.is_empty() || pattern.starts_with('#'));
        if is_of_tensor {
            let name = renamed(pattern)
                .ok_or_else(|| format!("contract: llama.cpp's bitnet has no tensor {pattern}"))?;
            new += &line.replacen(pattern, &name, 1);
        } else {
            new += line;
        }
        new.push('\n');
    }
    Ok(new)
}

/// The new name of a matrix, or of a pattern of such, whose layer may be a `*`.
fn renamed(pattern: &str) -> Option<String> {
    let (layer, part) = pattern.strip_prefix("model.layers.")?.split_once('.')?;
    let part = part.strip_suffix(".weight")?;
    let (_, here, _) = OF_LAYER.iter().find(|&&(there, _, kind)| there == part && kind == Kind::Matrix)?;
    Some(format!("blk.{layer}.{here}.weight"))
}
