//! The shortest useful program: an H-BitLinear layer on made-up data, every number printed with its bits.
//!
//! `ffi/examples/h_bitlinear.c` and `.cpp` are the same program through the C ABI; a test holds their output against
//! this one's, line by line.

use core::error::Error;
use std::io::{Write, stdout};

use hbitlinear::{
    Backend, BitLinear, InputStages, Layout, OutputMut, Quantizer, RmsNorm, Rule, Scaling, Transform,
    WeightSpec, Weights, absmean,
};

const TOKENS: usize = 4;
const INPUTS: usize = 1536;
const OUTPUTS: usize = 32;
const EPSILON: f32 = 1e-5;

/// Numbers in −8..8 that every language computes alike: x ← 1664525·x + 1013904223 mod 2³², upper half / 4096 − 8.
struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as f32 / 4096.0 - 8.0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout())
}

pub(crate) fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let backend = Backend::best();
    writeln!(out, "backend {}", backend.name())?;
    let mut random = Random(1);

    // Offline: trained weights to ternary ones, packed into a blob that a file could hold.
    let trained: Vec<f32> = (0..OUTPUTS * INPUTS).map(|_| random.next()).collect();
    let mut ternary = vec![0; trained.len()];
    let alpha = absmean(backend, &trained, EPSILON, &mut ternary)?;
    let spec = WeightSpec::new(OUTPUTS, INPUTS, Layout::TwoBit, Scaling::Tensor)?;
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&ternary, &[alpha], &mut blob)?;
    writeln!(out, "weights: {} bytes, alpha 0x{:08x}", blob.len(), alpha.to_bits())?;

    // The layer is a description that borrows the blob.
    let stages = InputStages::new(INPUTS, Quantizer::new(Rule::Int4AbsMean, EPSILON)?)?
        .with_norm(RmsNorm::new(None, EPSILON)?)?
        .with_transform(Transform::named("paley1:12*128")?)?;
    let layer = BitLinear::new(stages, Weights::open(&blob)?)?;

    // Activations with outlier channels, as real ones have.
    let mut x: Vec<f32> = (0..TOKENS * INPUTS).map(|_| random.next()).collect();
    x.iter_mut().step_by(97).for_each(|x| *x *= 32.0);
    let mut y = vec![0.0; TOKENS * OUTPUTS];
    let mut workspace = vec![0; layer.workspace_len(TOKENS)?];
    layer.forward(backend, &x, OutputMut::rows(&mut y, OUTPUTS)?, &mut workspace)?;

    for (token, row) in y.chunks(OUTPUTS).enumerate() {
        for (output, value) in row.iter().enumerate() {
            writeln!(out, "y[{token}][{output}] = {value:.6} 0x{:08x}", value.to_bits())?;
        }
    }
    Ok(())
}
