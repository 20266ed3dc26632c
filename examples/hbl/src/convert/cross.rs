//! From a container to a file of another kind than the one it came from: the tensors under their names, and nothing of the
//! model's metadata but a rotation contract.

use std::path::Path;

use hbitlinear::container::{Container, Entry, Kind};
use hbitlinear::interop::contract::Contract;
use hbitlinear::interop::{Export, Format};
use serde_json::{Value, json};

use super::Convert;
use super::restore::{Part, write as write_parts};
use crate::file::gguf_header::{ALIGNMENT, Header};
use crate::file::{Result, ggml_types};
use crate::model::{CONTRACT, FileKind};

/// A tensor of the new file.
struct Tensor<'a> {
    name: String,
    /// Outermost first.
    shape: Vec<u64>,
    type_name: String,
    len: usize,
    part: Part<'a>,
}

pub(super) fn write(
    convert: &Convert,
    container: &Container<'_>,
    kind: FileKind,
    to: &Path,
) -> Result<Value> {
    let mut tensors = Vec::new();
    let mut scales = Vec::new();
    for entry in container.entries() {
        let named = |error: String| format!("tensor {}: {error}", entry.name());
        match entry.kind() {
            Kind::Weights => tensors.push(weights(convert, kind, entry, &mut scales).map_err(named)?),
            Kind::Tensor if is_scale_of_weights(container, &entry) => {}
            Kind::Tensor => tensors.push(plain(kind, entry).map_err(named)?),
            _ => {}
        }
    }
    tensors.extend(scales.iter().map(|(name, scale)| Tensor {
        name: name.clone(),
        shape: vec![1],
        type_name: "F32".into(),
        len: scale.len(),
        part: Part::Bytes(scale),
    }));
    let contract = match container.find(CONTRACT) {
        Some(entry) => Some(entry.text().map_err(|error| format!("{CONTRACT}: {error}"))?),
        None => None,
    };
    let (header, alignment) = match kind {
        FileKind::Gguf => (gguf_header(&tensors, contract)?, ALIGNMENT),
        _ => (safetensors_header(&tensors, contract), 1),
    };
    let (mut place, count) = (header.len(), tensors.len());
    let mut parts = vec![(0, Part::Bytes(&header[..]))];
    for tensor in tensors {
        place = place.next_multiple_of(alignment);
        parts.push((place as u64, tensor.part));
        place += tensor.len;
    }
    let len = place.next_multiple_of(alignment);
    write_parts(&parts, len as u64, to, convert.threads)?;
    Ok(json!({ "to": to.display().to_string(), "bytes": len, "tensors": count }))
}

/// Weights, and their scale if that is a tensor of its own.
fn weights<'a>(
    convert: &Convert,
    kind: FileKind,
    entry: Entry<'a>,
    scales: &mut Vec<(String, [u8; 4])>,
) -> Result<Tensor<'a>> {
    let format = convert.format.filter(|format| (kind == FileKind::Gguf) == format.ggml_type().is_some());
    let format = format.ok_or_else(|| {
        let fits =
            Format::ALL.iter().filter(|format| (kind == FileKind::Gguf) == format.ggml_type().is_some());
        let names: Vec<_> = fits.map(|format| format.name()).collect();
        format!("a file of another kind needs a format for ternary weights: --as {}", names.join("|"))
    })?;
    let weights = entry.weights_unread().map_err(|error| error.to_string())?;
    let export = Export::new(format, &weights).map_err(|error| error.to_string())?;
    let mut shape: Vec<u64> = entry.shape().collect();
    if let Some(scale) = export.weight_scale() {
        if !weights.outputs().is_multiple_of(4) {
            return Err(format!("expected a multiple of 4 outputs for {format}, got {}", weights.outputs()));
        }
        shape[0] /= 4;
        let base = entry.name().strip_suffix("weight").ok_or("expected a name that ends with weight")?;
        scales.push((format!("{base}weight_scale"), scale.to_le_bytes()));
    }
    let type_name = format.ggml_type().map_or_else(|| "U8".into(), |number| number.to_string());
    let (name, len) = (entry.name().into(), export.len());
    Ok(Tensor { name, shape, type_name, len, part: Part::Weights(entry, format) })
}

/// Whether it is the scale that packed weights of HF's format have in them.
fn is_scale_of_weights(container: &Container<'_>, entry: &Entry<'_>) -> bool {
    let weights = entry.name().strip_suffix("weight_scale").map(|base| format!("{base}weight"));
    let weights = weights.and_then(|name| container.find(&name));
    weights.is_some_and(|weights| {
        weights.kind() == Kind::Weights && weights.type_name().starts_with("hf-bitnet")
    })
}

/// A tensor of a type that both kinds have.
fn plain(kind: FileKind, entry: Entry<'_>) -> Result<Tensor<'_>> {
    let common = ["f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64"];
    let lower = entry.type_name().to_ascii_lowercase();
    if !common.contains(&lower.as_str()) {
        return Err(format!("a file of another kind has no type {}", entry.type_name()));
    }
    let type_name = match (kind, ggml_types::number(&lower)) {
        (FileKind::Gguf, Some(number)) => number.to_string(),
        _ => lower.to_ascii_uppercase(),
    };
    let (name, len) = (entry.name().into(), entry.data().len());
    Ok(Tensor { name, shape: entry.shape().collect(), type_name, len, part: Part::Data(entry) })
}

fn gguf_header(tensors: &[Tensor<'_>], contract: Option<&str>) -> Result<Vec<u8>> {
    let mut header = Header::default();
    header.text("general.architecture", "unknown");
    if let Some(text) = contract {
        header.text(Contract::KEY, text);
    }
    for tensor in tensors {
        let number = tensor.type_name.parse();
        let number = number.map_err(|_| format!("tensor {}: no type of GGUF", tensor.name))?;
        header.tensor(&tensor.name, &tensor.shape, number, tensor.len)?;
    }
    Ok(header.finish().0)
}

fn safetensors_header(tensors: &[Tensor<'_>], contract: Option<&str>) -> Vec<u8> {
    let mut object = serde_json::Map::new();
    let mut metadata = serde_json::Map::from_iter([("format".into(), "pt".into())]);
    metadata.extend(contract.map(|text| (Contract::KEY.into(), text.into())));
    object.insert("__metadata__".into(), metadata.into());
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.len;
        let info = json!({ "dtype": tensor.type_name, "shape": tensor.shape, "data_offsets": [start, end] });
        object.insert(tensor.name.clone(), info);
        start = end;
    }
    let mut text = Value::Object(object).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend(text);
    header
}
