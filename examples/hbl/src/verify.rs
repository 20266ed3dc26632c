//! `hbl verify`: whether two files hold the same ternary weights and scales.

use core::ops::Range;

use serde_json::{Value, json};

use crate::file::Result;
use crate::model::{Model, Tensor, Told};
use crate::ternary::Ternary;
use crate::{progress, share};

/// A place where two tensors differ, and what they have there.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Row.
    pub output: usize,
    /// Column.
    pub input: usize,
    /// `weight` or `scale`.
    pub what: &'static str,
    /// Of the first file.
    pub first: f32,
    /// Of the second.
    pub second: f32,
}

/// Compares every tensor of the first file with the one of the same name in the second, where that name may be llama.cpp's
/// for Hugging Face's. The report's `differ` lists what differs.
///
/// # Errors
/// If a tensor is refused.
pub fn verify(first: &Model<'_>, second: &Model<'_>, told: &Told, threads: usize) -> Result<Value> {
    let bytes = first.tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum();
    let bar = progress::bar(bytes, "comparing");
    let (mut differ, mut compared, mut passed_over) = (Vec::new(), [0_u64; 2], Vec::new());
    for tensor in &first.tensors {
        let name = &tensor.stated.name;
        let weights = first.ternary(tensor, told)?;
        let other = find(second, name);
        match (weights, other) {
            (Some(_), None) => differ.push(json!({ "tensor": name, "what": "not in the second file" })),
            (None, None) => passed_over.push(name.clone()),
            (Some(weights), Some(other)) => match second.ternary(other, told)? {
                None => differ.push(json!({ "tensor": name, "what": "not ternary in the second file" })),
                Some(others) => {
                    compared[0] += 1;
                    differ.extend(report(name, &weights, &others, threads)?);
                }
            },
            (None, Some(other)) if same_type(tensor, other) => {
                compared[1] += 1;
                if tensor.bytes != other.bytes {
                    differ.push(json!({ "tensor": name, "what": "its bytes" }));
                }
            }
            (None, Some(other)) => {
                if second.ternary(other, told)?.is_some() {
                    differ.push(json!({ "tensor": name, "what": "ternary in the second file alone" }));
                } else {
                    passed_over.push(name.clone());
                }
            }
        }
        bar.inc(tensor.bytes.len() as u64);
    }
    for tensor in &second.tensors {
        let name = &tensor.stated.name;
        if find(first, name).is_none() && second.ternary(tensor, told)?.is_some() {
            differ.push(json!({ "tensor": name, "what": "not in the first file" }));
        }
    }
    bar.finish_and_clear();
    Ok(json!({
        "same": differ.is_empty(), "ternary": compared[0], "others": compared[1], "differ": differ,
        "passed_over": passed_over,
    }))
}

fn same_type(first: &Tensor<'_>, second: &Tensor<'_>) -> bool {
    first.stated.type_name.eq_ignore_ascii_case(&second.stated.type_name)
        && first.stated.elements() == second.stated.elements()
}

fn report(name: &str, first: &Ternary<'_>, second: &Ternary<'_>, threads: usize) -> Result<Option<Value>> {
    let shapes = [first, second].map(|weights| [weights.outputs(), weights.inputs()]);
    if shapes[0] != shapes[1] {
        return Ok(Some(json!({ "tensor": name, "what": "shape", "first": shapes[0], "second": shapes[1] })));
    }
    let rows = (1_usize << 18).div_ceil(first.inputs());
    let buffers = || (vec![0; first.inputs()], vec![0; first.inputs()]);
    let found = share::pieces(threads, first.outputs(), rows, buffers, |(a, b), rows| {
        compare(first, second, rows, a, b)
    });
    let found = found.map_err(|error| format!("tensor {name}: {error}"))?;
    Ok(found.into_iter().flatten().next().map(|difference| {
        json!({
            "tensor": name, "what": difference.what, "output": difference.output, "input": difference.input,
            "first": difference.first, "second": difference.second,
        })
    }))
}

/// The first difference of some rows. Scales of weights that are 0 have no say.
fn compare(
    first: &Ternary<'_>,
    second: &Ternary<'_>,
    rows: Range<usize>,
    a: &mut [i8],
    b: &mut [i8],
) -> hbitlinear::Result<Option<Difference>> {
    let step = first.scale_step().min(second.scale_step());
    for output in rows {
        first.row(output, a)?;
        second.row(output, b)?;
        if a != b {
            let input = a.iter().zip(&*b).position(|(a, b)| a != b).expect("they differ");
            let (first, second) = (a[input].into(), b[input].into());
            return Ok(Some(Difference { output, input, what: "weight", first, second }));
        }
        for (start, weights) in (0..).step_by(step).zip(a.chunks(step)) {
            let Some(at) = weights.iter().position(|&weight| weight != 0) else { continue };
            let input = start + at;
            let (first, second) = (first.scale(output, input)?, second.scale(output, input)?);
            if first.to_bits() != second.to_bits() {
                return Ok(Some(Difference { output, input, what: "scale", first, second }));
            }
        }
    }
    Ok(None)
}

/// The tensor of that name, or of the name that the other project has for it.
fn find<'m, 'a>(model: &'m Model<'a>, name: &str) -> Option<&'m Tensor<'a>> {
    let exact = model.tensors.iter().find(|tensor| tensor.stated.name == name);
    exact.or_else(|| {
        let wanted = canonical(name);
        model.tensors.iter().find(|tensor| canonical(&tensor.stated.name) == wanted)
    })
}

/// Hugging Face's names of a layer's parts, and llama.cpp's.
const NAMES: &[(&str, &str)] = &[
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.attn_sub_norm", "attn_sub_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("mlp.ffn_sub_norm", "ffn_sub_norm"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
];

/// llama.cpp's name for Hugging Face's, where it has one.
fn canonical(name: &str) -> String {
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
    let part = layer.and_then(|(layer, rest)| Some((layer, rest.strip_suffix(".weight")?)));
    let known = part.and_then(|(layer, part)| {
        let (_, ours) = NAMES.iter().find(|(theirs, _)| *theirs == part)?;
        Some(format!("blk.{layer}.{ours}.weight"))
    });
    known.unwrap_or_else(|| match name {
        "model.embed_tokens.weight" => "token_embd.weight".into(),
        "model.norm.weight" => "output_norm.weight".into(),
        "lm_head.weight" => "output.weight".into(),
        _ => name.into(),
    })
}

/// Prints a report for people.
///
/// # Errors
/// As the writer.
pub fn print(report: &Value, out: &mut impl std::io::Write) -> std::io::Result<()> {
    for difference in report["differ"].as_array().into_iter().flatten() {
        let what = difference["what"].as_str().unwrap_or_default();
        write!(out, "{}: {what}", difference["tensor"].as_str().unwrap_or_default())?;
        if difference.get("output").is_some() {
            write!(out, " of output {}, input {}", difference["output"], difference["input"])?;
        }
        if difference.get("first").is_some() {
            write!(out, ": {} and {}", difference["first"], difference["second"])?;
        }
        writeln!(out)?;
    }
    for name in report["passed_over"].as_array().into_iter().flatten() {
        writeln!(out, "{}: not compared", name.as_str().unwrap_or_default())?;
    }
    let word = if report["same"] == true { "the same" } else { "different" };
    writeln!(out, "{word}: {} ternary tensors, {} others compared", report["ternary"], report["others"])
}
