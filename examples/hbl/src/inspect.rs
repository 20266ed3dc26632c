//! `hbl inspect`: what is in a file.

use std::io::Write;

use serde_json::{Value, json};

use crate::file::Result;
use crate::file::metadata;
use crate::mapped::Mapped;
use crate::model::{Model, Tensor, Told};
use crate::rotation::{Contracts, Stored, fitting};
use crate::ternary::Ternary;
use crate::{progress, share};

/// What to look at.
#[derive(Debug)]
pub struct Inspect {
    /// What the file does not say.
    pub told: Told,
    /// Leave the weights unread.
    pub quick: bool,
    /// Threads to count with.
    pub threads: usize,
}

const NO_CONTRACT: &str = "no rotation contract in this file. A plain BitNet model has none and needs none; a BitNet v2 model \
    needs one and cannot be told from a plain one by its weights: if it is one, its activations must be rotated before the \
    layers that its paper names, and results are wrong without";
const BITNET_NO_CONTRACT: &str = "architecture bitnet and no rotation contract. llama.cpp loads such a file and computes plain BitNet \
    with it. A BitNet v2 model needs its activations rotated and rounded to 4 bits before attn_output and ffn_down, and answers \
    wrongly without; whether this is one, neither weights nor metadata tell. Nor do they tell whether its FFN wants the SiLU \
    that llama.cpp computes, or the squared ReLU of BitNet-b1.58-2B-4T";

impl Inspect {
    /// Everything, as JSON.
    ///
    /// # Errors
    /// If the file is refused; not for a tensor that is, which says so itself.
    pub fn report(&self, file: &Mapped) -> Result<Value> {
        let start = std::time::Instant::now();
        let model = file.model()?;
        let open = start.elapsed();
        let stored = Stored::of(&model, None);
        let contracts = stored.as_ref().map_err(Clone::clone).and_then(Stored::parse);
        let bar = progress::bar(if self.quick { 0 } else { file.bytes().len() as u64 }, "reading");
        let tensors = model.tensors.iter().map(|tensor| {
            let report = self.tensor(&model, tensor, contracts.as_ref().ok());
            bar.inc(tensor.bytes.len() as u64);
            report
        });
        let tensors: Vec<Value> = tensors.collect();
        bar.finish_and_clear();
        let is_ternary = |tensor: &Value| tensor.get("outputs").is_some() || tensor.get("refused").is_some();
        let contract = match &contracts {
            Err(error) => json!({ "refused": error }),
            Ok(contracts) => json!({ "found": !contracts.is_empty() }),
        };
        let warn = tensors.iter().any(is_ternary) && contracts.as_ref().is_ok_and(Contracts::is_empty);
        let about = about(&model)?;
        let is_bitnet = about.get("general.architecture").is_some_and(|name| name == "bitnet");
        Ok(json!({
            "file": file.path.display().to_string(),
            "kind": model.kind.name(),
            "bytes": file.bytes().len(),
            "open_ms": open.as_secs_f64() * 1e3,
            "about": about,
            "contract": contract,
            "warning": warn.then_some(if is_bitnet { BITNET_NO_CONTRACT } else { NO_CONTRACT }),
            "tensors": tensors,
        }))
    }

    fn tensor(&self, model: &Model<'_>, tensor: &Tensor<'_>, contracts: Option<&Contracts<'_>>) -> Value {
        let mut report = json!({
            "name": tensor.stated.name,
            "type": tensor.stated.type_name,
            "shape": tensor.stated.shape,
            "bytes": tensor.bytes.len(),
            "packed": tensor.is_packed(),
        });
        if let Err(error) = self.weights(model, tensor, contracts, &mut report) {
            report["refused"] = error.into();
        }
        report
    }

    fn weights(
        &self,
        model: &Model<'_>,
        tensor: &Tensor<'_>,
        contracts: Option<&Contracts<'_>>,
        report: &mut Value,
    ) -> Result<()> {
        let told = if model.format(tensor, &self.told).is_err() {
            // Counts are the same in either reading; one of them fits the shape.
            report["not_told"] = model.format(tensor, &Told::default()).err().into();
            assumed(model, tensor)
        } else {
            self.told
        };
        let Some(ternary) = model.ternary(tensor, &told)? else { return Ok(()) };
        report["outputs"] = ternary.outputs().into();
        report["inputs"] = ternary.inputs().into();
        report["transforms_that_fit"] = fitting(ternary.inputs()).into();
        if let Ternary::Packed(weights) = ternary {
            report["layout"] = weights.spec().layout().name().into();
        }
        if let Some(contracts) = contracts {
            let said = contracts.tensor(&tensor.stated.name, ternary.inputs())?;
            report["contract"] = said.words().into();
        }
        if self.quick {
            return Ok(());
        }
        let named = |error: hbitlinear::Error| error.to_string();
        let rows = (1_usize << 20).div_ceil(ternary.inputs());
        let counts =
            share::pieces(self.threads, ternary.outputs(), rows, || (), |(), rows| ternary.count(rows));
        let counts =
            counts.map_err(named)?.into_iter().reduce(crate::ternary::Counts::and).unwrap_or_default();
        report["scales"] = json!({
            "are": ternary.scaling().map_err(named)?,
            "least": counts.least.is_finite().then_some(counts.least),
            "most": counts.most.is_finite().then_some(counts.most),
        });
        report["share"] = counts.shares().to_vec().into();
        Ok(())
    }
}

/// Some reading of a tensor whose real one is not known.
fn assumed(model: &Model<'_>, tensor: &Tensor<'_>) -> Told {
    use hbitlinear::interop::Format;
    let readings = [Format::I2sX86, Format::I2sArm]
        .map(|i2s| Told { i2s: Some(i2s), weight_scale: Some(Format::HfMultiply) });
    let fits = |told: &&Told| model.ternary(tensor, told).is_ok();
    *readings.iter().find(fits).unwrap_or(&readings[0])
}

/// A few words of the file about itself.
fn about(model: &Model<'_>) -> Result<Value> {
    let mut about = serde_json::Map::new();
    for (key, value) in model.metadata()? {
        if let ("general.architecture" | "general.name" | "general.alignment", value) = (key, value) {
            about.insert(
                key.into(),
                match value {
                    metadata::Value::Text(text) => text.into(),
                    metadata::Value::Unsigned(number) => number.into(),
                    _ => continue,
                },
            );
        }
    }
    Ok(about.into())
}

/// Prints a report for people.
///
/// # Errors
/// As the writer.
pub fn print(report: &Value, out: &mut impl Write) -> std::io::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
    writeln!(
        out,
        "{}: {}, {} bytes, {} tensors",
        text(&report["file"]),
        text(&report["kind"]),
        report["bytes"],
        array(&report["tensors"]).len()
    )?;
    for (key, value) in report["about"].as_object().into_iter().flatten() {
        writeln!(out, "  {key} = {}", text(value))?;
    }
    for tensor in array(&report["tensors"]) {
        writeln!(out, "{:<40} {:<12} {}", text(&tensor["name"]), text(&tensor["type"]), tensor["shape"])?;
        if let Some(refused) = tensor["refused"].as_str() {
            writeln!(out, "    REFUSED: {refused}")?;
        }
        if tensor.get("outputs").is_none() {
            continue;
        }
        write!(out, "    ternary {} x {}", tensor["outputs"], tensor["inputs"])?;
        if let Some(layout) = tensor["layout"].as_str() {
            write!(out, ", {layout}")?;
        }
        if let Some(shares) = tensor["share"].as_array() {
            let shares: Vec<f64> =
                shares.iter().filter_map(Value::as_f64).map(|share| share * 100.0).collect();
            write!(out, "; -1/0/+1: {:.1}/{:.1}/{:.1} %", shares[0], shares[1], shares[2])?;
            let scales = &tensor["scales"];
            write!(out, "; scales: {}, {} to {}", text(&scales["are"]), scales["least"], scales["most"])?;
        }
        writeln!(out)?;
        let fit: Vec<String> = array(&tensor["transforms_that_fit"]).iter().map(text).collect();
        writeln!(
            out,
            "    transforms that fit: {}",
            if fit.is_empty() { "none".into() } else { fit.join(", ") }
        )?;
        for (key, what) in [("contract", "contract"), ("not_told", "to be told")] {
            if let Some(words) = tensor[key].as_str() {
                writeln!(out, "    {what}: {words}")?;
            }
        }
    }
    if let Some(refused) = report["contract"]["refused"].as_str() {
        writeln!(out, "rotation contract REFUSED: {refused}")?;
    }
    if let Some(warning) = report["warning"].as_str() {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether something in the report is refused.
#[must_use]
pub fn has_refused(report: &Value) -> bool {
    let refused = |value: &Value| value.get("refused").is_some();
    refused(&report["contract"]) || array(&report["tensors"]).iter().any(refused)
}
