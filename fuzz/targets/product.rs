//! Any shape, ranges and scales: the integers are the oracle's, the floats the documented expression of them, and every
//! backend gives the same bits.

#![no_main]

use std::ops::Range;

use hbitlinear::reference::Shape;
use hbitlinear::{
    Activations, Backend, Bits, Error, OutputMut, Result, Weights, product, product_i32,
    product_workspace_len, reference,
};
use hbitlinear_fuzz::matrix::{Matrix, Packed};
use hbitlinear_fuzz::rows::Floats;
use hbitlinear_fuzz::{cycle, others, same, same_bits, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

/// Most multiplications of one input.
const MAX_WORK: usize = 1 << 16;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    outputs: u16,
    inputs: u16,
    tokens: u8,
    four_bits: bool,
    matrix: Matrix<'a>,
    scales: Floats,
    token_range: (u8, u8),
    output_range: (u16, u16),
    gap: u8,
    /// Bytes that the workspace lacks, and those before it, so that it is not aligned.
    short: u8,
    before: u8,
    values: &'a [u8],
}

fuzz_target!(|input: Input| {
    // Beyond calls of 32 panels of 16 outputs and 32 tokens, and the 4032 inputs that a table's sums take.
    let (outputs, inputs) = (usize::from(input.outputs) % 600 + 1, usize::from(input.inputs) % 4400 + 1);
    let tokens = usize::from(input.tokens) % 70;
    if outputs * inputs * tokens > MAX_WORK {
        return;
    }
    let packed = input.matrix.pack(outputs, inputs);
    let bits = if input.four_bits { Bits::Four } else { Bits::Eight };
    let values = cycle(input.values, tokens * bits.row_bytes(inputs));
    let scales = input.scales.take(tokens);
    let q = integers(bits, inputs, &values);
    let sums: Vec<i32> = q.chunks(inputs).map(|row| row.iter().map(|&q| i32::from(q)).sum()).collect();

    let case = Case {
        weights: Weights::open(&packed.blob).expect("what was packed opens"),
        x: Activations::new(bits, inputs, &values, &scales, &sums).expect("lengths that match"),
        // One beyond the end now and then: those must be refused.
        tokens: input.token_range.0.into()..usize::from(input.token_range.1) % (tokens + 2),
        outputs: input.output_range.0.into()..usize::from(input.output_range.1) % (outputs + 2),
        gap: input.gap.into(),
        before: input.before.into(),
        short: if input.short.is_multiple_of(16) { (input.short / 16).into() } else { 0 },
    };
    // What a product leaves there, the next one finds.
    let mut workspace = vec![0xA5; case.before + product_workspace_len() - case.short];
    let (integers, floats) =
        (case.run::<i32>(scalar(), &mut workspace), case.run::<f32>(scalar(), &mut workspace));
    assert_eq!((integers.0, floats.0), (case.expected(), case.expected()));
    if integers.0.is_ok() {
        case.check(&packed, &q, &integers.1, &floats.1);
    }
    for backend in others() {
        let (result, y) = case.run::<i32>(backend, &mut workspace);
        assert_eq!(integers.0, result, "{backend:?}");
        assert!(integers.1 == y, "{backend:?}");
        let (result, y) = case.run::<f32>(backend, &mut workspace);
        assert_eq!(floats.0, result, "{backend:?}");
        assert!(same(&floats.1, &y), "{backend:?}");
    }
});

/// Of packed rows.
fn integers(bits: Bits, inputs: usize, values: &[u8]) -> Vec<i8> {
    let value = |row: &[u8], input: usize| match bits {
        Bits::Eight => row[input] as i8,
        Bits::Four => (((row[input / 2] >> (input % 2 * 4) & 15) ^ 8) as i8).wrapping_sub(8),
    };
    values
        .chunks(bits.row_bytes(inputs))
        .flat_map(|row| (0..inputs).map(move |input| value(row, input)))
        .collect()
}

struct Case<'a> {
    weights: Weights<'a>,
    x: Activations<'a>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    /// Elements between the rows of the output.
    gap: usize,
    /// Bytes before the workspace.
    before: usize,
    /// Bytes that it lacks.
    short: usize,
}

/// What a product gives: sums, or floats.
trait Element: Copy + PartialEq {
    const EMPTY: Self;

    fn product(case: &Case<'_>, backend: Backend, y: OutputMut<'_, Self>, workspace: &mut [u8])
    -> Result<()>;
}

impl Element for i32 {
    const EMPTY: i32 = i32::MIN;

    fn product(case: &Case<'_>, backend: Backend, y: OutputMut<'_, i32>, workspace: &mut [u8]) -> Result<()> {
        let (tokens, outputs) = (case.tokens.clone(), case.outputs.clone());
        product_i32(backend, &case.weights, &case.x, tokens, outputs, y, workspace)
    }
}

impl Element for f32 {
    const EMPTY: f32 = -1.5;

    fn product(case: &Case<'_>, backend: Backend, y: OutputMut<'_, f32>, workspace: &mut [u8]) -> Result<()> {
        let (tokens, outputs) = (case.tokens.clone(), case.outputs.clone());
        product(backend, &case.weights, &case.x, tokens, outputs, y, workspace)
    }
}

impl Case<'_> {
    fn stride(&self) -> usize {
        self.outputs.len() + self.gap
    }

    fn expected(&self) -> Result<()> {
        let check = |argument, range: &Range<usize>, limit| {
            if range.start <= range.end && range.end <= limit {
                return Ok(());
            }
            Err(Error::Range { argument, start: range.start, end: range.end, limit })
        };
        check("tokens", &self.tokens, self.x.tokens())?;
        check("outputs", &self.outputs, self.weights.outputs())?;
        match (product_workspace_len(), self.short) {
            (_, 0) => Ok(()),
            (expected, short) => Err(Error::Workspace { expected, actual: expected - short }),
        }
    }

    /// The output with its gaps, which must still be empty, as must all of it after an error.
    fn run<T: Element>(&self, backend: Backend, workspace: &mut [u8]) -> (Result<()>, Vec<T>) {
        let (m, n, stride) = (self.tokens.len(), self.outputs.len(), self.stride());
        let mut y = vec![T::EMPTY; m * stride];
        let view = OutputMut::new(&mut y, m, n, stride).expect("m rows of the stride");
        let result = T::product(self, backend, view, &mut workspace[self.before..]);
        let written = if result.is_ok() { n } else { 0 };
        let untouched = |row: &[T]| row[written..].iter().all(|&value| value == T::EMPTY);
        assert!(stride == 0 || y.chunks_exact(stride).all(untouched), "writes nothing but its own outputs");
        (result, y)
    }

    fn check(&self, packed: &Packed, q: &[i8], sums: &[i32], floats: &[f32]) {
        let inputs = packed.spec.inputs();
        let q = &q[self.tokens.start * inputs..self.tokens.end * inputs];
        let ternary = &packed.ternary[self.outputs.start * inputs..self.outputs.end * inputs];
        let shape = Shape { tokens: self.tokens.len(), outputs: self.outputs.len(), inputs };
        let mut oracle = vec![0; shape.tokens * shape.outputs];
        reference::product(q, ternary, shape, &mut oracle).expect("slices of the shape");
        for (row, q) in q.chunks(inputs).enumerate() {
            let scale = self.x.scales()[self.tokens.start + row];
            for (column, output) in self.outputs.clone().enumerate() {
                let at = row * self.stride() + column;
                assert_eq!(
                    i64::from(sums[at]),
                    oracle[row * shape.outputs + column],
                    "{row}, output {output}"
                );
                let expected = packed.dequantised(output, q, scale);
                assert!(same_bits(floats[at], expected), "{row}, output {output}: {} {expected}", floats[at]);
            }
        }
    }
}
