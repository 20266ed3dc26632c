//! hbitlinear: per-token quantisation, then the product, both timed.

use cpu_time::ThreadTime;
use hbitlinear::quantize::{ActivationsMut, Quantizer, Rule};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
use hbitlinear::{Backend, OutputMut, Result, gemm};

use crate::measure::{Contestant, Product, Seconds};
use crate::{Problem, SCALE, WORKING_SET};

/// The layouts of the weights, by name.
pub const LAYOUTS: [(&str, Layout); 2] = [("t2", Layout::T2), ("t5", Layout::T5)];

/// The quantisers, by name, with the error of uniform activations (0.4 % and 9.5 %) rounded up.
pub const RULES: [(&str, Rule, f64); 2] = [("i8", Rule::Int8AbsMax, 0.005), ("i4", Rule::Int4AbsMean, 0.11)];

/// One layout and one quantiser, with room for all tokens of the problem.
struct Ours<'a> {
    backend: Backend,
    quantizer: Quantizer,
    problem: &'a Problem,
    tokens: usize,
    packed_len: usize,
    /// The copies, from `start` on: at the start of a cache line each.
    blobs: Vec<u8>,
    start: usize,
    values: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    y: Vec<f32>,
    workspace: Vec<u8>,
}

/// Packs the weights with an entry of [`LAYOUTS`]; calls will quantise with one of [`RULES`].
pub fn contestant<'a>(
    backend: Backend,
    (layout, rule): ((&str, Layout), (&str, Rule, f64)),
    problem: &'a Problem,
) -> Result<Contestant<'a>> {
    let spec = WeightSpec::new(problem.rows, problem.columns, layout.1, Scaling::Tensor)?;
    let mut blob = vec![0; spec.packed_len().next_multiple_of(64)];
    spec.pack(&problem.ternary, &[SCALE], &mut blob[..spec.packed_len()])?;
    let mut blobs = vec![0; 64 + WORKING_SET.next_multiple_of(blob.len())];
    let start = blobs.as_ptr().align_offset(64);
    blobs[start..].chunks_exact_mut(blob.len()).for_each(|copy| copy.copy_from_slice(&blob));
    let tokens = problem.x.len() / problem.columns;
    let ours = Ours {
        backend,
        quantizer: Quantizer::new(rule.1, 1e-5)?,
        problem,
        tokens,
        packed_len: spec.packed_len(),
        blobs,
        start,
        values: vec![0; tokens * rule.1.bits().row_bytes(problem.columns)],
        scales: vec![0.0; tokens],
        sums: vec![0; tokens],
        y: vec![0.0; tokens * problem.rows],
        workspace: vec![0; gemm::workspace_len()],
    };
    Ok(Contestant {
        name: format!("{}-{}", layout.0, rule.0),
        tolerance: rule.2,
        copies: WORKING_SET.div_ceil(blob.len()),
        product: Box::new(ours),
    })
}

impl Ours<'_> {
    fn forward(&mut self, copy: usize) -> Result<Seconds> {
        let Problem { rows, columns, ref x, .. } = *self.problem;
        let (tokens, bits) = (self.tokens, self.quantizer.rule().bits());
        let blob = &self.blobs[self.start + copy * self.packed_len.next_multiple_of(64)..][..self.packed_len];
        let weights = Weights::open_verified(blob)?;
        let values = &mut self.values[..tokens * bits.row_bytes(columns)];
        let (scales, sums) = (&mut self.scales[..tokens], &mut self.sums[..tokens]);
        let mut quantised = ActivationsMut::new(bits, columns, values, scales, sums)?;
        let mut y = OutputMut::new(&mut self.y, tokens, rows, rows)?;
        let start = ThreadTime::now();
        self.quantizer.forward(self.backend, &x[..tokens * columns], &mut quantised)?;
        let middle = ThreadTime::now();
        let quantised = quantised.into_activations();
        let (tokens, outputs, workspace) = (0..tokens, 0..rows, &mut self.workspace);
        gemm::product(self.backend, &weights, &quantised, tokens, outputs, &mut y, workspace)?;
        let end = ThreadTime::now();
        Ok([start, middle].map(|since| end.duration_since(since).as_secs_f64()))
    }
}

impl Product for Ours<'_> {
    fn set_tokens(&mut self, tokens: usize) {
        self.tokens = tokens;
    }

    fn call(&mut self, copy: usize) -> Seconds {
        self.forward(copy).expect("lengths fit")
    }

    fn outputs(&self) -> Vec<f32> {
        self.y[(self.tokens - 1) * self.problem.rows..][..self.problem.rows].to_vec()
    }
}
