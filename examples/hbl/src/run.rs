//! `hbl run`: one layer forward, straight from the map, beside the oracle.

use std::path::PathBuf;
use std::time::Instant;

use hbitlinear::interop::Import;
use hbitlinear::{
    Backend, BitLinear, InputStages, Layout, OutputMut, Quantizer, Rule, Transform, Weights, reference,
};
use serde_json::{Value, json};

use crate::file::Result;
use crate::mapped::Mapped;
use crate::model::Told;
use crate::npy;
use crate::rotation::{Stored, named};
use crate::ternary::Ternary;

/// The quantiser's ε, as in BitNet's own code.
pub const EPSILON: f32 = 1e-5;

/// Largest number of tokens that the oracle computes.
const ORACLE_TOKENS: usize = 4;

/// What to run.
#[derive(Debug)]
pub struct Run {
    /// The tensor.
    pub tensor: String,
    /// Its input; without one a synthetic token.
    pub x: Option<PathBuf>,
    /// Where the output goes.
    pub out: Option<PathBuf>,
    /// How the input is quantised, where no contract says.
    pub rule: Option<Rule>,
    /// The transform, where no contract says: a word of the contract.
    pub transform: Option<String>,
    /// What the file does not say.
    pub told: Told,
    /// Layout that weights of other files are packed in first.
    pub layout: Layout,
    /// Most that the output may differ from the oracle's, relative to the oracle's largest.
    pub tolerance: f64,
}

impl Run {
    /// Runs the layer. The report's `ok` says whether the oracle agrees.
    ///
    /// # Errors
    /// If something is refused.
    pub fn run(&self, file: &Mapped) -> Result<Value> {
        let start = Instant::now();
        let model = file.model()?;
        let tensor = model.find(&self.tensor)?;
        let ternary = model.ternary(tensor, &self.told)?;
        let ternary = ternary.ok_or_else(|| format!("tensor {}: it is not ternary", self.tensor))?;
        let open_ms = start.elapsed().as_secs_f64() * 1e3;

        let mut blob = Vec::new();
        let weights = self.weights(&ternary, &mut blob)?;
        let stored = Stored::of(&model, None)?;
        let contracts = stored.parse()?;
        let said = contracts.tensor(&self.tensor, weights.inputs())?;
        let transform = self.transform(said.transform, weights.inputs())?;
        let rule = match (said.rule, self.rule) {
            (Some(said), Some(given)) if said != given => {
                return Err(format!("--rule {given}: the file's contract says {said}"));
            }
            (said, given) => said.or(given).unwrap_or(Rule::Int8AbsMax),
        };
        let (tokens, x) = match &self.x {
            Some(path) => npy::read(path, weights.inputs())?,
            None => (1, synthetic(weights.inputs())),
        };

        let named = |error: hbitlinear::Error| format!("tensor {}: {error}", self.tensor);
        let quantizer = Quantizer::new(rule, EPSILON).map_err(named)?;
        let mut stages = InputStages::new(weights.inputs(), quantizer).map_err(named)?;
        if let Some(transform) = transform {
            stages = stages.with_transform(transform).map_err(named)?;
        }
        let layer = BitLinear::new(stages, weights).map_err(named)?;
        let elements = tokens.checked_mul(weights.outputs()).ok_or("too many tokens")?;
        let (mut y, mut workspace) =
            (vec![0.0; elements], vec![0; layer.workspace_len(tokens).map_err(named)?]);
        let start = Instant::now();
        let output = OutputMut::rows(&mut y, weights.outputs()).map_err(named)?;
        layer.forward(Backend::best(), &x, output, &mut workspace).map_err(named)?;
        let forward_ms = start.elapsed().as_secs_f64() * 1e3;
        if let Some(path) = &self.out {
            npy::write(path, tokens, weights.outputs(), &y)?;
        }
        let oracle = reference::BitLinear {
            norm: None,
            transform: transform.as_ref(),
            rule,
            epsilon: EPSILON.into(),
            weights: &weights,
        };
        let checked = tokens.min(ORACLE_TOKENS);
        let (difference, largest) = compare(&oracle, &x, &y, checked).map_err(named)?;
        let relative = if largest == 0.0 { difference } else { difference / largest };
        Ok(json!({
            "tensor": self.tensor, "outputs": weights.outputs(), "inputs": weights.inputs(), "tokens": tokens,
            "rule": rule.name(), "transform": transform.map(|transform| transform.block_len()),
            "contract": said.words(), "from_the_map": blob.is_empty(), "backend": Backend::best().name(),
            "open_ms": open_ms, "forward_ms": forward_ms, "oracle_tokens": checked,
            "max_difference": difference, "max_output": largest, "relative": relative, "ok": relative <= self.tolerance,
        }))
    }

    /// The file's own, or the tensor packed.
    fn weights<'w>(&self, ternary: &Ternary<'w>, blob: &'w mut Vec<u8>) -> Result<Weights<'w>> {
        match ternary {
            Ternary::Packed(weights) => Ok(*weights),
            Ternary::Foreign(import) => {
                pack(import, self.layout, blob).map_err(|error| format!("tensor {}: {error}", self.tensor))
            }
        }
    }

    fn transform<'t>(&self, said: Option<Transform<'t>>, inputs: usize) -> Result<Option<Transform<'t>>> {
        match (said, &self.transform) {
            (Some(_), Some(_)) => Err("--transform: the file's contract has one".into()),
            (said, None) => Ok(said),
            (None, Some(word)) => named(word, inputs),
        }
    }
}

/// Packs a tensor in memory.
///
/// # Errors
/// As [`Import::pack`].
pub fn pack<'b>(
    import: &Import<'_>,
    layout: Layout,
    blob: &'b mut Vec<u8>,
) -> core::result::Result<Weights<'b>, hbitlinear::Error> {
    let spec = import.spec(layout, import.scaling()?)?;
    blob.resize(spec.packed_len(), 0);
    import.pack(&spec, &mut *blob)?;
    Weights::open_verified(blob)
}

/// Some token: a bell-like row with a few outliers, the same on all machines.
#[must_use]
pub fn synthetic(inputs: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let values =
        (0..inputs).map(|input| (random() + random() + random()) * if input % 128 == 7 { 30.0 } else { 1.0 });
    values.collect()
}

/// Largest difference of the first tokens, and the oracle's largest magnitude.
fn compare(
    oracle: &reference::BitLinear<'_>,
    x: &[f32],
    y: &[f32],
    tokens: usize,
) -> core::result::Result<(f64, f64), hbitlinear::Error> {
    let (inputs, outputs) = (oracle.weights.inputs(), oracle.weights.outputs());
    let (mut expected, mut scratch, mut q) = (vec![0.0; outputs], vec![0.0; 2 * inputs], vec![0; inputs]);
    let (mut difference, mut largest) = (0.0_f64, 0.0_f64);
    for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact(outputs)).take(tokens) {
        let x: Vec<f64> = x.iter().copied().map(f64::from).collect();
        oracle.forward(&x, &mut expected, &mut scratch, &mut q)?;
        for (&expected, &y) in expected.iter().zip(y) {
            difference = difference.max((expected - f64::from(y)).abs());
            largest = largest.max(expected.abs());
        }
    }
    Ok((difference, largest))
}

/// Prints a report for people.
///
/// # Errors
/// As the writer.
pub fn print(report: &Value, out: &mut impl std::io::Write) -> std::io::Result<()> {
    let text = |key: &str| report[key].as_str().unwrap_or("none").to_owned();
    let number = |key: &str| report[key].as_f64().unwrap_or_default();
    writeln!(
        out,
        "{}: {} x {}, {} tokens, {} on {}; contract: {}",
        text("tensor"),
        report["outputs"],
        report["inputs"],
        report["tokens"],
        text("rule"),
        text("backend"),
        text("contract")
    )?;
    let from = if report["from_the_map"] == true { "straight from the map" } else { "packed in memory" };
    writeln!(out, "opened in {:.3} ms, {from}; forward {:.3} ms", number("open_ms"), number("forward_ms"))?;
    writeln!(
        out,
        "largest difference from the f64 oracle, {} tokens: {:.3e}, {:.3e} of its largest output",
        report["oracle_tokens"],
        number("max_difference"),
        number("relative")
    )
}
