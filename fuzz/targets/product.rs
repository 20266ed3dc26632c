//! Any shape, ranges and scales: the integer product is the oracle's, and every backend gives scalar's bits.

#![no_main]

use std::ops::Range;

use hbitlinear::quantize::{Activations, Bits};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
use hbitlinear::{Backend, OutputMut, Result, gemm};
use hbitlinear_fuzz::{cycle, cycle_floats, others, same, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

/// Most multiplications of one input.
const MAX_WORK: usize = 1 << 18;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    rows: u16,
    columns: u16,
    tokens: u8,
    four_bits: bool,
    scaling: u8,
    /// `T5` instead of `T2`.
    trits: bool,
    weights: &'a [u8],
    weight_scales: Vec<u32>,
    values: &'a [u8],
    scales: Vec<u32>,
    token_range: (u8, u8),
    output_range: (u16, u16),
    stride: u8,
}

fuzz_target!(|input: Input| {
    // Beyond calls of 32 panels of 16 rows and 32 tokens, and the 4032 columns that a table's sums take.
    let (rows, columns) = (usize::from(input.rows) % 600 + 1, usize::from(input.columns) % 4400 + 1);
    let tokens = usize::from(input.tokens) % 70;
    if rows * columns * tokens > MAX_WORK {
        return;
    }
    let blob = pack(&input, rows, columns);
    let weights = Weights::open(&blob).expect("what was packed opens");

    let bits = if input.four_bits { Bits::Four } else { Bits::Eight };
    let values = cycle(input.values, tokens * bits.row_bytes(columns));
    let scales = cycle_floats(&input.scales, tokens);
    let zeros = vec![0; tokens];
    let unsummed = Activations::new(bits, columns, &values, &scales, &zeros).expect("lengths that match");
    let sums: Vec<i32> =
        (0..tokens).map(|t| (0..columns).map(|k| i32::from(unsummed.value(t, k))).sum()).collect();
    let x = Activations::new(bits, columns, &values, &scales, &sums).expect("lengths that match");

    let product = Product {
        weights,
        x,
        // One beyond the end now and then: those must be refused.
        tokens: input.token_range.0.into()..usize::from(input.token_range.1) % (tokens + 2),
        outputs: input.output_range.0.into()..usize::from(input.output_range.1) % (rows + 2),
        gap: input.stride.into(),
    };
    let integers = product.run(scalar(), i32::MIN, gemm::product_i32);
    if integers.0.is_ok() {
        product.check_oracle(&integers.1);
    }
    let (expected, expected_y) = product.run(scalar(), -1.5, gemm::product);
    for backend in others() {
        assert_eq!(integers, product.run(backend, i32::MIN, gemm::product_i32), "{backend:?}");
        let (result, y) = product.run(backend, -1.5, gemm::product);
        assert_eq!(expected, result, "{backend:?}");
        assert!(same(&expected_y, &y), "{backend:?}");
    }
});

fn pack(input: &Input, rows: usize, columns: usize) -> Vec<u8> {
    let scaling = match input.scaling % 8 {
        0 => Scaling::Tensor,
        1 => Scaling::Row,
        group @ 2..5 => Scaling::Group(32 << (group - 1)),
        group => Scaling::GroupF16(32 << (group - 4)),
    };
    let layout = if input.trits { Layout::T5 } else { Layout::T2 };
    let spec = WeightSpec::new(rows, columns, layout, scaling).expect("a small shape");
    let ternary: Vec<i8> =
        cycle(input.weights, rows * columns).iter().map(|byte| (byte % 3) as i8 - 1).collect();
    let scales: Vec<f32> = cycle_floats(&input.weight_scales, spec.scale_count())
        .into_iter()
        .map(|scale| match scaling {
            // Any f16 of moderate size.
            Scaling::GroupF16(_) => (scale.to_bits() % 2048) as f32 / 256.0,
            _ if scale.is_finite() => scale,
            _ => 1.0,
        })
        .collect();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&ternary, &scales, &mut blob).expect("ternary weights and finite scales");
    blob
}

/// `gemm::product` or `gemm::product_i32`.
type Kernel<T> = fn(
    Backend,
    &Weights<'_>,
    &Activations<'_>,
    Range<usize>,
    Range<usize>,
    &mut OutputMut<'_, T>,
    &mut [u8],
) -> Result<()>;

struct Product<'a> {
    weights: Weights<'a>,
    x: Activations<'a>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    /// Elements between the rows of the output.
    gap: usize,
}

impl Product<'_> {
    fn stride(&self) -> usize {
        self.outputs.len() + self.gap
    }

    /// The output with its gaps, which must still hold `empty`, as must all of it after an error.
    fn run<T: Copy + PartialEq>(
        &self,
        backend: Backend,
        empty: T,
        kernel: Kernel<T>,
    ) -> (Result<()>, Vec<T>) {
        let (tokens, outputs) = (self.tokens.clone(), self.outputs.clone());
        let (m, n, stride) = (tokens.len(), outputs.len(), self.stride());
        let mut y = vec![empty; m * stride];
        let mut workspace = vec![0xA5; gemm::workspace_len()];
        let mut view = OutputMut::new(&mut y, m, n, stride).expect("m rows of the stride");
        let result = kernel(backend, &self.weights, &self.x, tokens, outputs, &mut view, &mut workspace);
        let written = if result.is_ok() { n } else { 0 };
        let untouched = |row: &[T]| row[written..].iter().all(|&value| value == empty);
        assert!(stride == 0 || y.chunks_exact(stride).all(untouched), "writes nothing but its own outputs");
        (result, y)
    }

    fn check_oracle(&self, y: &[i32]) {
        for (row, t) in self.tokens.clone().enumerate() {
            for (column, n) in self.outputs.clone().enumerate() {
                let sum: i64 = (0..self.weights.columns())
                    .map(|k| i64::from(self.weights.weight(n, k)) * i64::from(self.x.value(t, k)))
                    .sum();
                assert_eq!(i64::from(y[row * self.stride() + column]), sum, "token {t}, output {n}");
            }
        }
    }
}
