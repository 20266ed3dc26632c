//! hbitlinear: per-token quantisation, then the product, both timed.

use cpu_time::ThreadTime;
use hbitlinear::{
    ActivationsMut, Backend, Layout, OutputMut, Quantizer, Result, Rule, Scaling, WeightSpec, Weights,
    product, product_workspace_len,
};

use crate::measure::{Contestant, Seconds, Work};
use crate::problem::{Problem, SCALE, WORKING_SET};

/// The layouts of the weights, by name.
pub const LAYOUTS: [(&str, Layout); 2] = [("two-bit", Layout::TwoBit), ("five-trit", Layout::FiveTrit)];

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
    let spec = WeightSpec::new(problem.outputs, problem.inputs, layout.1, Scaling::Tensor)?;
    let mut blob = vec![0; spec.packed_len().next_multiple_of(64)];
    spec.pack(&problem.ternary, &[SCALE], &mut blob[..spec.packed_len()])?;
    let mut blobs = vec![0; 64 + WORKING_SET.next_multiple_of(blob.len())];
    let start = blobs.as_ptr().align_offset(64);
    blobs[start..].chunks_exact_mut(blob.len()).for_each(|copy| copy.copy_from_slice(&blob));
    let tokens = problem.x.len() / problem.inputs;
    let ours = Ours {
        backend,
        quantizer: Quantizer::new(rule.1, 1e-5)?,
        problem,
        tokens,
        packed_len: spec.packed_len(),
        blobs,
        start,
        values: vec![0; tokens * rule.1.bits().row_bytes(problem.inputs)],
        scales: vec![0.0; tokens],
        sums: vec![0; tokens],
        y: vec![0.0; tokens * problem.outputs],
        workspace: vec![0; product_workspace_len()],
    };
    Ok(Contestant {
        name: format!("{}-{}", layout.0, rule.0),
        tolerance: rule.2,
        copies: WORKING_SET.div_ceil(blob.len()),
        work: Box::new(ours),
    })
}

impl Ours<'_> {
    fn forward(&mut self, copy: usize) -> Result<Seconds> {
        let Problem { outputs, inputs, ref x, .. } = *self.problem;
        let (tokens, bits) = (self.tokens, self.quantizer.rule().bits());
        let blob = &self.blobs[self.start + copy * self.packed_len.next_multiple_of(64)..][..self.packed_len];
        let weights = Weights::open_verified(blob)?;
        let values = &mut self.values[..tokens * bits.row_bytes(inputs)];
        let (scales, sums) = (&mut self.scales[..tokens], &mut self.sums[..tokens]);
        let room = ActivationsMut::new(bits, inputs, values, scales, sums)?;
        let y = OutputMut::new(&mut self.y, tokens, outputs, outputs)?;
        let start = ThreadTime::now();
        let quantised = self.quantizer.forward(self.backend, &x[..tokens * inputs], room)?;
        let middle = ThreadTime::now();
        let (tokens, outputs, workspace) = (0..tokens, 0..outputs, &mut self.workspace);
        product(self.backend, &weights, &quantised, tokens, outputs, y, workspace)?;
        let end = ThreadTime::now();
        Ok([start, middle].map(|since| end.duration_since(since).as_secs_f64()))
    }
}

impl Work for Ours<'_> {
    fn set_rows(&mut self, rows: usize) {
        self.tokens = rows;
    }

    fn call(&mut self, copy: usize) -> Seconds {
        self.forward(copy).expect("lengths fit")
    }

    fn outputs(&mut self) -> Vec<f32> {
        self.y[(self.tokens - 1) * self.problem.outputs..][..self.problem.outputs].to_vec()
    }
}
