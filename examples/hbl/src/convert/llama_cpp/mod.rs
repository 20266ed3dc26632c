//! From a checkpoint in Hugging Face's `bitnet` layout to a GGUF file of the architecture `bitnet`, which llama.cpp runs.
//!
//! Ternary weights get a scale of 1 in every block, and their own, an f32, becomes the tensor `NAME.scale` that llama.cpp
//! multiplies a product with: so nothing is rounded. Norms become f32; the embedding, which is the output's weight there too,
//! stays what it is. Heads of queries and keys are not reordered: llama.cpp rotates the halves of this architecture's heads,
//! as Hugging Face does. A model that llama.cpp would run in another way than it was trained is refused.
//!
//! A rotation contract is stored with the tensors' new names, under its key and, because llama.cpp shows no backend a file's
//! metadata, as a text beside the file: `model.gguf` gets `model.contract`.

mod config;
mod names;
mod vocabulary;

use std::path::Path;

use half::bf16;
use hbitlinear::interop::contract::Contract;
use hbitlinear::interop::{Format, Import};
use serde_json::{Value, json};

use super::Convert;
use super::output::Output;
use super::restore::{Part, write as write_parts};
use crate::file::gguf_header::Header;
use crate::file::{Result, ggml_types};
use crate::mapped::Mapped;
use crate::model::{Model, Tensor};
use crate::rotation::Stored;
use crate::ternary::Ternary;
use config::Config;
use names::Kind;

/// The ternary formats that llama.cpp has.
const FORMATS: [Format; 3] = [Format::Tq1_0, Format::Tq2_0, Format::Q2_0];

/// Number of GGUF's type f32.
const F32: u32 = 0;

/// A tensor of the new file.
struct New<'a> {
    name: String,
    /// Outermost first.
    shape: Vec<u64>,
    ggml_type: u32,
    data: Data<'a>,
}

enum Data<'a> {
    Stored(&'a [u8]),
    Made(Vec<u8>),
    Ternary(Import<'a>, Format),
}

pub(super) fn write(convert: &Convert, file: &Mapped, model: &Model<'_>, to: &Path) -> Result<Value> {
    let format = convert.format.filter(|format| FORMATS.contains(format)).ok_or_else(|| {
        format!("llama.cpp needs a format for ternary weights: --as {}", FORMATS.map(Format::name).join("|"))
    })?;
    let config =
        Config::parse(model.config.as_deref().ok_or("llama.cpp needs a config.json beside the weights")?)?;
    let stored = Stored::of(model, convert.contract.clone())?;
    stored.parse()?;
    let contract = stored.text().map(names::contract).transpose()?;
    let tensors = tensors(convert, format, model, &config)?;
    let mut header = Header::default();
    config.write(&mut header);
    vocabulary::write(&mut header, &file.path, &config)?;
    if let Some(text) = &contract {
        header.text(Contract::KEY, text);
    }
    for tensor in &tensors {
        header.tensor(&tensor.name, &tensor.shape, tensor.ggml_type, tensor.data.len()?)?;
    }
    let (header, places, len) = header.finish();
    let mut parts = vec![(0, Part::Bytes(&header[..]))];
    parts.extend(places.iter().zip(&tensors).map(|(&place, tensor)| (place, tensor.data.part())));
    let beside = contract.map(|text| write_beside(to, &text)).transpose()?;
    write_parts(&parts, len, to, convert.threads)?;
    Ok(json!({
        "to": to.display().to_string(),
        "bytes": len,
        "tensors": tensors.len(),
        "contract": beside,
    }))
}

/// The contract's text as a file of its own; gives its name.
fn write_beside(to: &Path, text: &str) -> Result<String> {
    let path = to.with_extension("contract");
    let out = Output::create(&path)?;
    out.write_at(0, text.as_bytes())?;
    out.finish()?;
    Ok(path.display().to_string())
}

/// All that llama.cpp expects, and nothing that it would pass over.
fn tensors<'a>(
    convert: &Convert,
    format: Format,
    model: &Model<'a>,
    config: &Config,
) -> Result<Vec<New<'a>>> {
    let mut new = Vec::new();
    let mut known = Vec::new();
    for (name, new_name, kind) in names::all(config.layers) {
        let tensor = model.find(&name)?;
        let named = |error: String| format!("tensor {name}: {error}");
        match kind {
            Kind::Matrix => {
                let Some(Ternary::Foreign(import)) = model.ternary(tensor, &convert.told)? else {
                    return Err(named("expected ternary weights".into()));
                };
                new.extend(matrix(&new_name, &import, tensor.bytes, format).map_err(named)?);
                known.push(model.weight_scale_of(tensor).map_or("", |scale| &scale.stated.name));
            }
            Kind::Norm => new.push(norm(new_name, tensor).map_err(named)?),
            Kind::Table => new.push(table(new_name, tensor).map_err(named)?),
        }
        known.push(&tensor.stated.name);
    }
    let other = model.tensors.iter().find(|tensor| !known.contains(&&tensor.stated.name[..]));
    match other {
        Some(other) => Err(format!("tensor {}: llama.cpp's bitnet has no such tensor", other.stated.name)),
        None => Ok(new),
    }
}

/// Weights of scale 1, and their scale.
fn matrix<'a>(name: &str, import: &Import<'a>, bytes: &'a [u8], format: Format) -> Result<[New<'a>; 2]> {
    let text = |error: hbitlinear::Error| error.to_string();
    let (outputs, inputs) = (import.outputs(), import.inputs());
    format.tensor_len(outputs, inputs).map_err(|error| format!("as {format}: {error}"))?;
    let scale = import.scale(0, 0).map_err(text)?;
    let unscaled = Import::new(Format::HfMultiply, outputs, inputs, bytes).map_err(text)?;
    let unscaled = unscaled.with_weight_scale(1.0).map_err(text)?;
    let weights = New {
        name: format!("{name}.weight"),
        shape: vec![outputs as u64, inputs as u64],
        ggml_type: format.ggml_type().expect("a type of GGUF"),
        data: Data::Ternary(unscaled, format),
    };
    let scale = New {
        name: format!("{name}.scale"),
        shape: vec![1],
        ggml_type: F32,
        data: Data::Made(scale.to_le_bytes().into()),
    };
    Ok([weights, scale])
}

fn norm<'a>(name: String, tensor: &Tensor<'a>) -> Result<New<'a>> {
    let data = match tensor.stated.type_name.as_str() {
        "F32" => Data::Stored(tensor.bytes),
        "BF16" => {
            let (values, _) = tensor.bytes.as_chunks();
            let values = values.iter().flat_map(|&value| bf16::from_le_bytes(value).to_f32().to_le_bytes());
            Data::Made(values.collect())
        }
        other => return Err(format!("expected F32 or BF16, got {other}")),
    };
    Ok(New { name: format!("{name}.weight"), shape: tensor.stated.shape.clone(), ggml_type: F32, data })
}

fn table<'a>(name: String, tensor: &Tensor<'a>) -> Result<New<'a>> {
    let type_name = &tensor.stated.type_name;
    let ggml_type = Some(type_name).filter(|name| ["F32", "F16", "BF16"].contains(&name.as_str()));
    let ggml_type = ggml_type.and_then(|name| ggml_types::number(&name.to_ascii_lowercase()));
    let ggml_type = ggml_type.ok_or_else(|| format!("expected F32, F16 or BF16, got {type_name}"))?;
    let shape = tensor.stated.shape.clone();
    Ok(New { name: format!("{name}.weight"), shape, ggml_type, data: Data::Stored(tensor.bytes) })
}

impl Data<'_> {
    fn len(&self) -> Result<usize> {
        match self {
            Data::Stored(bytes) => Ok(bytes.len()),
            Data::Made(bytes) => Ok(bytes.len()),
            Data::Ternary(import, format) => {
                format.tensor_len(import.outputs(), import.inputs()).map_err(|error| error.to_string())
            }
        }
    }

    fn part(&self) -> Part<'_> {
        match self {
            Data::Stored(bytes) => Part::Bytes(bytes),
            Data::Made(bytes) => Part::Bytes(bytes),
            Data::Ternary(import, format) => Part::Import(import, *format),
        }
    }
}
