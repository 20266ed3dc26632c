//! What is measured on a layer: the loss of the quantisers, the error of the output, the time of each stage.

use core::time::Duration;
use std::time::Instant;

use hbitlinear::{
    ActivationsMut, Backend, BitLinear, Error, InputStages, Layout, OutputMut, Quantizer, RmsNorm, Rule,
    Scaling, WeightSpec, Weights, absmean, product, product_workspace_len, reference,
};

use crate::distribution::Distribution;
use crate::layer::Layer;

/// ε of the quantisers, the weights and the norm.
pub(crate) const EPSILON: f32 = 1e-5;

/// Operations the oracle may take on one layer unless told the tokens; it runs on as many as that allows.
const ORACLE_OPERATIONS: usize = 1 << 28;

/// How long a stage is run for its median.
const TIMING: Duration = Duration::from_millis(30);

/// Everything that was found out about a layer.
pub(crate) struct Measurement {
    pub(crate) backend: Backend,
    pub(crate) snr: Vec<Snr>,
    pub(crate) before: Distribution,
    pub(crate) after: Distribution,
    pub(crate) rule: Rule,
    pub(crate) accuracy: Accuracy,
    pub(crate) times: Times,
}

/// Signal-to-noise ratio of a quantiser, in decibels.
pub(crate) struct Snr {
    pub(crate) rule: Rule,
    pub(crate) without: f64,
    pub(crate) with: f64,
}

/// The layer's output against the oracle.
pub(crate) struct Accuracy {
    /// Tokens compared.
    pub(crate) tokens: usize,
    /// Largest |y − oracle| in a token over the token's largest |oracle|, over all of them.
    pub(crate) error: f64,
    /// The same, over the tokens whose quantised activations are all the oracle's.
    pub(crate) error_of_equals: f64,
    /// Quantised activations compared.
    pub(crate) integers: usize,
    /// How many of them differ from the oracle's.
    pub(crate) differing: usize,
    /// How far the farthest of those was from a rounding edge, by the oracle, in steps of the quantiser.
    pub(crate) edge: f64,
    /// Digest of the whole output.
    pub(crate) digest: u64,
}

/// Microseconds per token, medians.
pub(crate) struct Times {
    pub(crate) norm: f64,
    pub(crate) transform: f64,
    pub(crate) quantize: f64,
    pub(crate) product: f64,
    pub(crate) forward: f64,
}

/// Runs it all, `check` tokens of it on the oracle as well; an error's message starts with the layer's name.
pub(crate) fn measure(
    layer: &Layer,
    backend: Backend,
    rule: Rule,
    check: Option<usize>,
) -> Result<Measurement, String> {
    run(layer, backend, rule, check).map_err(|error| format!("{}: {error}", layer.name))
}

fn run(layer: &Layer, backend: Backend, rule: Rule, check: Option<usize>) -> Result<Measurement, Error> {
    let (x, inputs) = (&layer.activations.values, layer.weights.columns);
    let mut rotated = x.clone();
    // An overflow of the transform shows in the quantiser, which names the row.
    layer.transform.transform.forward(backend, &mut rotated)?;
    let mut snr = Vec::new();
    for &rule in Rule::ALL {
        let ratio = |x| signal_to_noise(backend, rule, inputs, x);
        snr.push(Snr { rule, without: ratio(x)?, with: ratio(&rotated)? });
    }

    let packed = pack(layer, backend)?;
    let weights = Weights::open(&packed)?;
    let run = Run {
        layer,
        backend,
        norm: RmsNorm::new(None, EPSILON)?,
        quantizer: Quantizer::new(rule, EPSILON)?,
        weights,
    };
    Ok(Measurement {
        backend,
        snr,
        before: Distribution::new(inputs, x),
        after: Distribution::new(inputs, &rotated),
        rule,
        accuracy: run.accuracy(check)?,
        times: run.times()?,
    })
}

/// `10 · log₁₀(Σx² / Σ(x − x̂)²)` over all of `x`.
fn signal_to_noise(backend: Backend, rule: Rule, inputs: usize, x: &[f32]) -> Result<f64, Error> {
    let mut buffers = Buffers::new(rule, inputs, x.len() / inputs);
    let quantized = Quantizer::new(rule, EPSILON)?.forward(backend, x, buffers.activations()?)?;
    let (mut signal, mut noise) = (0.0, 0.0);
    for (token, row) in x.chunks_exact(inputs).enumerate() {
        let scale = f64::from(quantized.scales()[token]);
        for (input, &x) in row.iter().enumerate() {
            let x = f64::from(x);
            let error = x - f64::from(quantized.value(token, input)) * scale;
            (signal, noise) = (signal + x * x, noise + error * error);
        }
    }
    Ok(10.0 * (signal / noise).log10())
}

/// The weights by absmean over the tensor, packed.
fn pack(layer: &Layer, backend: Backend) -> Result<Vec<u8>, Error> {
    let weights = &layer.weights;
    let mut ternary = vec![0; weights.values.len()];
    let alpha = absmean(backend, &weights.values, EPSILON, &mut ternary)?;
    let spec = WeightSpec::new(weights.rows, weights.columns, Layout::TwoBit, Scaling::Tensor)?;
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&ternary, &[alpha], &mut blob)?;
    Ok(blob)
}

/// A layer that is ready to run.
struct Run<'a> {
    layer: &'a Layer,
    backend: Backend,
    norm: RmsNorm<'a>,
    quantizer: Quantizer,
    weights: Weights<'a>,
}

impl Run<'_> {
    fn tokens(&self) -> usize {
        self.layer.activations.rows
    }

    fn bit_linear(&self) -> Result<BitLinear<'_>, Error> {
        let stages = InputStages::new(self.weights.inputs(), self.quantizer)?
            .with_norm(self.norm)?
            .with_transform(self.layer.transform.transform)?;
        BitLinear::new(stages, self.weights)
    }

    fn accuracy(&self, check: Option<usize>) -> Result<Accuracy, Error> {
        let (x, tokens) = (&self.layer.activations.values, self.tokens());
        let (outputs, inputs) = (self.weights.outputs(), self.weights.inputs());
        let layer = self.bit_linear()?;

        let mut y = vec![0.0_f32; tokens * outputs];
        let mut workspace = vec![0; layer.workspace_len(tokens)?];
        layer.forward(self.backend, x, OutputMut::rows(&mut y, outputs)?, &mut workspace)?;
        let mut buffers = Buffers::new(self.quantizer.rule(), inputs, tokens);
        let quantized = layer.stages().quantize(self.backend, x, buffers.activations()?, &mut workspace)?;

        let block = self.layer.transform.transform.block_len();
        let operations = inputs.saturating_mul(outputs.saturating_add(block));
        let compared = check.unwrap_or(ORACLE_OPERATIONS / operations).clamp(1, tokens);
        let mut accuracy = Accuracy {
            tokens: compared,
            error: 0.0,
            error_of_equals: 0.0,
            integers: compared * inputs,
            differing: 0,
            edge: 0.0,
            digest: fnv1a(y.iter().flat_map(|y| y.to_le_bytes())),
        };
        for (token, y) in y.chunks_exact(outputs).enumerate().take(compared) {
            let oracle = self.oracle(token)?;
            let largest = oracle.y.iter().fold(0.0_f64, |largest, y| largest.max(y.abs()));
            let distance = y.iter().zip(&oracle.y).map(|(&y, oracle)| (f64::from(y) - oracle).abs());
            let distance = distance.fold(0.0, f64::max);
            let error = if distance == 0.0 { 0.0 } else { distance / largest };
            accuracy.error = accuracy.error.max(error);

            let differing = (0..inputs).filter(|&k| quantized.value(token, k) != oracle.q[k]);
            let edges: Vec<f64> = differing
                .map(|k| oracle.before_rounding[k])
                .map(|value| (value - value.floor() - 0.5).abs())
                .collect();
            accuracy.differing += edges.len();
            accuracy.edge = edges.iter().copied().fold(accuracy.edge, f64::max);
            if edges.is_empty() {
                accuracy.error_of_equals = accuracy.error_of_equals.max(error);
            }
        }
        Ok(accuracy)
    }

    /// One token by the oracle.
    fn oracle(&self, token: usize) -> Result<Oracle, Error> {
        let inputs = self.weights.inputs();
        let row = &self.layer.activations.values[token * inputs..][..inputs];
        let x: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        let (mut y, mut q) = (vec![0.0; self.weights.outputs()], vec![0; inputs]);
        let mut scratch = vec![0.0; 2 * inputs];
        let (rule, epsilon) = (self.quantizer.rule(), f64::from(EPSILON));
        let layer = reference::BitLinear {
            norm: Some(reference::Norm { weight: None, epsilon }),
            transform: Some(&self.layer.transform.transform),
            rule,
            epsilon,
            weights: &self.weights,
        };
        layer.forward(&x, &mut y, &mut scratch, &mut q)?;
        // It leaves the rotated row in the second half.
        let mut before_rounding = scratch.split_off(inputs);
        let factor = reference::quantize(rule, epsilon, &before_rounding, &mut q)?.factor;
        before_rounding.iter_mut().for_each(|value| *value *= factor);
        Ok(Oracle { y, q, before_rounding })
    }

    fn times(&self) -> Result<Times, Error> {
        let (x, tokens) = (&self.layer.activations.values, self.tokens());
        let (outputs, inputs) = (self.weights.outputs(), self.weights.inputs());
        let (backend, layer) = (self.backend, self.bit_linear()?);
        let per_token = |run: &mut dyn FnMut() -> Result<(), Error>| -> Result<f64, Error> {
            Ok(median_micros(run)? / tokens as f64)
        };

        let mut rows = vec![0.0; x.len()];
        let norm = per_token(&mut || self.norm.forward(backend, inputs, x, &mut rows))?;
        // Orthonormal, so that running it again and again on its own output stays in range.
        let transform = per_token(&mut || self.layer.transform.transform.forward(backend, &mut rows))?;
        let mut buffers = Buffers::new(self.quantizer.rule(), inputs, tokens);
        let quantize =
            per_token(&mut || self.quantizer.forward(backend, &rows, buffers.activations()?).map(drop))?;

        let quantized = self.quantizer.forward(backend, &rows, buffers.activations()?)?;
        let mut y = vec![0.0_f32; tokens * outputs];
        let mut workspace = vec![0; layer.workspace_len(tokens)?.max(product_workspace_len())];
        let product = per_token(&mut || {
            let y = OutputMut::rows(&mut y, outputs)?;
            product(backend, &self.weights, &quantized, 0..tokens, 0..outputs, y, &mut workspace)
        })?;
        let forward =
            per_token(&mut || layer.forward(backend, x, OutputMut::rows(&mut y, outputs)?, &mut workspace))?;
        Ok(Times { norm, transform, quantize, product, forward })
    }
}

/// What the oracle says of a token: the output, the quantised activations, and those before they were rounded.
struct Oracle {
    y: Vec<f64>,
    q: Vec<i8>,
    before_rounding: Vec<f64>,
}

/// Buffers for quantised activations.
struct Buffers {
    rule: Rule,
    inputs: usize,
    values: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl Buffers {
    fn new(rule: Rule, inputs: usize, tokens: usize) -> Buffers {
        let values = vec![0; tokens * rule.bits().row_bytes(inputs)];
        Buffers { rule, inputs, values, scales: vec![0.0; tokens], sums: vec![0; tokens] }
    }

    fn activations(&mut self) -> Result<ActivationsMut<'_>, Error> {
        let bits = self.rule.bits();
        ActivationsMut::new(bits, self.inputs, &mut self.values, &mut self.scales, &mut self.sums)
    }
}

fn median_micros(run: &mut dyn FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    run()?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || start.elapsed() < TIMING {
        let begin = Instant::now();
        run()?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// FNV-1a, 64 bits: a few lines in any language, so that other programs can print the same digest.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
