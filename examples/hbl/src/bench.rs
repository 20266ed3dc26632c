//! `hbl bench`: how fast this machine multiplies a tensor, beside how fast it reads memory.

use core::hint::black_box;
use std::time::Instant;

use hbitlinear::{
    Activations, ActivationsMut, Backend, Layout, OutputMut, Quantizer, Rule, Weights, product,
    product_workspace_len,
};
use serde_json::{Value, json};

use crate::file::Result;
use crate::mapped::Mapped;
use crate::model::{Model, Tensor, Told};
use crate::run::{EPSILON, pack, synthetic};
use crate::ternary::Ternary;

/// Tokens of a prompt.
const MANY: usize = 64;

/// Bytes that push everything else out of the caches.
const LARGE: usize = 256 << 20;

/// What to measure.
#[derive(Debug)]
pub struct Bench {
    /// The tensor; the largest ternary one if none is named.
    pub tensor: Option<String>,
    /// What the file does not say.
    pub told: Told,
    /// Layout that weights of other files are packed in first.
    pub layout: Layout,
    /// How often.
    pub rounds: usize,
}

/// A product, and the seconds that it took.
struct Case {
    rule: Rule,
    tokens: usize,
    seconds: Vec<f64>,
}

impl Bench {
    /// Measures, on one core.
    ///
    /// # Errors
    /// If something is refused.
    pub fn bench(&self, file: &Mapped) -> Result<Value> {
        let model = file.model()?;
        let tensor = self.tensor(&model)?;
        let name = &tensor.stated.name;
        let ternary =
            model.ternary(tensor, &self.told)?.ok_or_else(|| format!("tensor {name}: it is not ternary"))?;
        let mut blob = Vec::new();
        let weights = match ternary {
            Ternary::Packed(weights) => weights,
            Ternary::Foreign(import) => {
                pack(&import, self.layout, &mut blob).map_err(|error| format!("tensor {name}: {error}"))?
            }
        };
        let mut cases = Vec::new();
        for tokens in [1, MANY] {
            for rule in [Rule::Int4AbsMean, Rule::Int8AbsMax] {
                cases.push(Case { rule, tokens, seconds: Vec::new() });
            }
        }
        let named = |error: hbitlinear::Error| format!("tensor {name}: {error}");
        let reads = measure(&weights, &mut cases, self.rounds).map_err(named)?;
        let bytes = weights.spec().packed_len() as f64;
        let read = weights.parts().1.len() as f64 / median(reads);
        let results = cases.into_iter().map(|case| {
            let seconds = median(case.seconds);
            let macs = case.tokens as f64 * weights.outputs() as f64 * weights.inputs() as f64;
            json!({
                "rule": case.rule.name(), "tokens": case.tokens, "microseconds": seconds * 1e6,
                "gmac_per_second": macs / seconds / 1e9, "weights_gb_per_second": bytes / seconds / 1e9,
                "of_memory_limit": bytes / seconds / read,
            })
        });
        Ok(json!({
            "tensor": name, "outputs": weights.outputs(), "inputs": weights.inputs(), "blob_bytes": bytes,
            "layout": weights.spec().layout().name(), "backend": Backend::best().name(), "rounds": self.rounds,
            "memory_read_gb_per_second": read / 1e9, "results": results.collect::<Vec<_>>(),
        }))
    }

    fn tensor<'m, 'a>(&self, model: &'m Model<'a>) -> Result<&'m Tensor<'a>> {
        if let Some(name) = &self.tensor {
            return model.find(name);
        }
        let mut largest = None;
        for tensor in &model.tensors {
            let is_ternary = tensor.is_packed() || model.format(tensor, &self.told)?.is_some();
            if is_ternary
                && largest.is_none_or(|largest: &Tensor<'_>| largest.bytes.len() < tensor.bytes.len())
            {
                largest = Some(tensor);
            }
        }
        largest.ok_or_else(|| "no ternary tensor in the file".into())
    }
}

/// Takes turns: pushes the weights out of the caches and reads them, does so again and multiplies with them, and so on. Returns
/// the seconds of the reads: of the same bytes, in the same pages.
fn measure(weights: &Weights<'_>, cases: &mut [Case], rounds: usize) -> hbitlinear::Result<Vec<f64>> {
    let backend = Backend::best();
    let (inputs, outputs) = (weights.inputs(), weights.outputs());
    let large = vec![1_u8; LARGE];
    let x: Vec<f32> = synthetic(inputs).repeat(MANY);
    let (mut y, mut workspace) = (vec![0.0; MANY * outputs], vec![0; product_workspace_len()]);
    let mut reads = Vec::new();
    for _ in 0..rounds {
        for case in &mut *cases {
            let bits = case.rule.bits();
            let (mut q, mut scales, mut sums) =
                (vec![0; case.tokens * bits.row_bytes(inputs)], vec![0.0; case.tokens], vec![0; case.tokens]);
            let room = ActivationsMut::new(bits, inputs, &mut q, &mut scales, &mut sums)?;
            let x = &x[..case.tokens * inputs];
            let activations: Activations<'_> =
                Quantizer::new(case.rule, EPSILON)?.forward(backend, x, room)?;
            read(&large);
            let start = Instant::now();
            read(weights.parts().1);
            reads.push(start.elapsed().as_secs_f64());
            read(&large);
            let y = OutputMut::rows(&mut y[..case.tokens * outputs], outputs)?;
            let start = Instant::now();
            product(backend, weights, &activations, 0..case.tokens, 0..outputs, y, &mut workspace)?;
            case.seconds.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(reads)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Reads all of it, as fast as a core can.
fn read(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has it.
        return unsafe { read_avx2(bytes) };
    }
    read_plain(bytes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn read_avx2(bytes: &[u8]) {
    read_plain(bytes);
}

#[inline(always)]
fn read_plain(bytes: &[u8]) {
    let mut bits = [0_u64; 32];
    for bytes in black_box(bytes).as_chunks::<256>().0 {
        for (bits, bytes) in bits.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *bits |= u64::from_le_bytes(*bytes);
        }
    }
    black_box(bits);
}

/// Prints a report for people.
///
/// # Errors
/// As the writer.
pub fn print(report: &Value, out: &mut impl std::io::Write) -> std::io::Result<()> {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    writeln!(
        out,
        "{}: {} x {}, {}, {}; one core, medians of {} rounds",
        report["tensor"].as_str().unwrap_or_default(),
        report["outputs"],
        report["inputs"],
        report["layout"].as_str().unwrap_or_default(),
        report["backend"].as_str().unwrap_or_default(),
        report["rounds"]
    )?;
    writeln!(
        out,
        "plain reads of the weights from memory: {:.1} GB/s",
        number(&report["memory_read_gb_per_second"])
    )?;
    for result in report["results"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "{:<11} {:>3} tokens {:>10.1} us {:>7.1} GMAC/s  weights {:>5.1} GB/s, {:>4.0} % of the reads",
            result["rule"].as_str().unwrap_or_default(),
            result["tokens"],
            number(&result["microseconds"]),
            number(&result["gmac_per_second"]),
            number(&result["weights_gb_per_second"]),
            number(&result["of_memory_limit"]) * 100.0
        )?;
    }
    Ok(())
}
