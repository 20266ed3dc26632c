//! Test vectors for kernels in any language, to standard output: `cargo run --example vectors >vectors.bin`.
//! `ffi/examples/read_vectors.c` reads them.
//!
//! All numbers are little-endian. The file is the 8 bytes `HBLVEC1\n` and then records, to its end. A record begins with
//! 36 bytes,
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | u32, the kind |
//! | 4..8 | u32, a number that the kind explains |
//! | 8..20 | u32 each, tokens M, outputs N, inputs K |
//! | 20..36 | a name, filled up with zeros |
//!
//! and goes on with arrays, row-major:
//!
//! | kind | number | arrays |
//! |---|---|---|
//! | 1, product | bits of q, 4 or 8 | w int8 `[N, K]`, q int8 `[M, K]`, y int32 `[M, N]`, exactly `q · wᵀ` |
//! | 2, transform by name | 0 forward, 1 transpose | x f32 `[M, K]`, y f32 `[M, K]`; N is K |
//! | 3, quantiser | the [`Rule`], by an epsilon of 0 | x f32 `[M, K]`, q int8 `[M, K]`, scales f32 `[M]`, sums of q int32 `[M]`; N is K |
//!
//! Products and quantisers must be met bit for bit; a transform with its additions in another order to some roundings,
//! 10⁻⁶ of the length of a row.

use std::io::Write;

use hbitlinear::reference::{self, Shape};
use hbitlinear::{ActivationsMut, Backend, BackendId, Direction, Quantizer, Rule, Transform};

type Outcome<T = ()> = Result<T, Box<dyn core::error::Error>>;

/// A small generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn in_range(&mut self, low: i32, high: i32) -> i8 {
        (low + (self.next() % (high - low + 1) as u32) as i32) as i8
    }

    /// Multiples of 1/1024 below 8, among them ties of every rounding.
    fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.next() % 16384) as f32 / 1024.0 - 8.0).collect()
    }
}

pub(crate) fn main() -> Outcome {
    Ok(std::io::stdout().write_all(&vectors()?)?)
}

/// The file.
pub(crate) fn vectors() -> Outcome<Vec<u8>> {
    let (mut out, mut random) = (b"HBLVEC1\n".to_vec(), Random(1));
    for (bits, least, largest) in [(4, -8, 7), (8, -128, 127)] {
        for (tokens, outputs, inputs) in
            [(1, 1, 1), (2, 3, 7), (1, 16, 64), (3, 17, 65), (5, 33, 257), (2, 2, 6913)]
        {
            let any: Vec<i8> = (0..tokens * inputs).map(|_| random.in_range(least, largest)).collect();
            let w: Vec<i8> = (0..outputs * inputs).map(|_| random.in_range(-1, 1)).collect();
            let product = Shape { tokens, outputs, inputs };
            add_product(&mut out, bits, product, &w, &any)?;
            // Sums that 16 bits do not hold.
            add_product(&mut out, bits, product, &vec![1; w.len()], &vec![largest as i8; any.len()])?;
            add_product(&mut out, bits, product, &vec![-1; w.len()], &vec![least as i8; any.len()])?;
        }
    }
    let backend = Backend::new(BackendId::Scalar)?;
    for (name, direction) in ["1", "2", "64", "1024", "paley1:12*1", "paley1:20*16"]
        .into_iter()
        .flat_map(|name| [(name, Direction::Forward), (name, Direction::Transpose)])
    {
        let transform = Transform::named(name)?;
        let (tokens, inputs) = (2, transform.row_len());
        let x = random.floats(tokens * inputs);
        let mut y = x.clone();
        match direction {
            Direction::Forward => transform.forward(backend, &mut y)?,
            Direction::Transpose => transform.transpose(backend, &mut y)?,
        }
        let number = u32::from(direction == Direction::Transpose);
        begin(&mut out, [2, number], Shape { tokens, outputs: inputs, inputs }, name)?;
        out.extend(x.iter().chain(&y).flat_map(|x| x.to_le_bytes()));
    }
    for &rule in Rule::ALL {
        for inputs in [1, 2, 15, 64, 257] {
            add_quantised(&mut out, backend, rule, inputs, &random.floats(3 * inputs))?;
        }
    }
    Ok(out)
}

fn begin(out: &mut Vec<u8>, numbers: [u32; 2], shape: Shape, name: &str) -> Outcome {
    let Shape { tokens, outputs, inputs } = shape;
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    for size in [tokens, outputs, inputs] {
        out.extend(u32::try_from(size)?.to_le_bytes());
    }
    let mut field = [0; 16];
    field[..name.len()].copy_from_slice(name.as_bytes());
    out.extend(field);
    Ok(())
}

fn add_product(out: &mut Vec<u8>, bits: u32, shape: Shape, w: &[i8], q: &[i8]) -> Outcome {
    let mut y = vec![0; shape.tokens * shape.outputs];
    reference::product(q, w, shape, &mut y)?;
    begin(out, [1, bits], shape, "")?;
    out.extend(w.iter().chain(q).map(|&byte| byte as u8));
    for sum in y {
        out.extend(i32::try_from(sum)?.to_le_bytes());
    }
    Ok(())
}

fn add_quantised(out: &mut Vec<u8>, backend: Backend, rule: Rule, inputs: usize, x: &[f32]) -> Outcome {
    let (bits, tokens) = (rule.bits(), x.len() / inputs);
    let (mut values, mut scales, mut sums) =
        (vec![0; tokens * bits.row_bytes(inputs)], vec![0.0; tokens], vec![0; tokens]);
    let written = ActivationsMut::new(bits, inputs, &mut values, &mut scales, &mut sums)?;
    let q = Quantizer::new(rule, 0.0)?.forward(backend, x, written)?;
    begin(out, [3, rule as u32], Shape { tokens, outputs: inputs, inputs }, rule.name())?;
    out.extend(x.iter().flat_map(|x| x.to_le_bytes()));
    out.extend((0..x.len()).map(|i| q.value(i / inputs, i % inputs) as u8));
    out.extend(q.scales().iter().flat_map(|scale| scale.to_le_bytes()));
    out.extend(q.sums().iter().flat_map(|sum| sum.to_le_bytes()));
    Ok(())
}
