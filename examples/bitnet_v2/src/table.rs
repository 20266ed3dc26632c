//! The embedding: a row for each token, looked up at the start and multiplied with at the end. It is kept as it is stored,
//! because it is what one token reads most of.
//!
//! A dot product has one order of additions, 32 lanes and a tree, on every CPU.

use half::bf16;
use multiversion::multiversion;
use rayon::prelude::*;

const LANES: usize = 32;

/// `[tokens, inputs]` in f32 or bf16.
#[derive(Clone, Debug)]
pub struct Table {
    inputs: usize,
    values: Values,
}

/// The numbers of a [`Table`].
#[derive(Clone, Debug)]
pub enum Values {
    /// Single precision.
    F32(Vec<f32>),
    /// Its upper half.
    Bf16(Vec<bf16>),
}

impl Values {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::Bf16(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All as f32.
    #[must_use]
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Values::F32(values) => values,
            Values::Bf16(values) => values.into_iter().map(bf16::to_f32).collect(),
        }
    }
}

impl Table {
    /// Rows of `inputs` numbers, which must be a divisor of how many there are.
    #[must_use]
    pub fn new(inputs: usize, values: Values) -> Table {
        assert!(values.len().is_multiple_of(inputs), "whole rows");
        Table { inputs, values }
    }

    /// What one multiplication reads.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.values {
            Values::F32(values) => bytemuck::cast_slice(values),
            Values::Bf16(values) => bytemuck::cast_slice(values),
        }
    }

    /// The row of a token, which must be in the table.
    pub fn row(&self, token: usize, out: &mut [f32]) {
        let range = token * self.inputs..(token + 1) * self.inputs;
        match &self.values {
            Values::F32(values) => out.copy_from_slice(&values[range]),
            Values::Bf16(values) => {
                for (out, value) in out.iter_mut().zip(&values[range]) {
                    *out = value.to_f32();
                }
            }
        }
    }

    /// The dot product of each row of `x` with each row of the table, `[M, tokens]`, in about `threads` parts.
    pub fn multiply(&self, x: &[f32], out: &mut [f32], threads: usize) {
        let (tokens, rows) = (x.len() / self.inputs, self.values.len() / self.inputs);
        if tokens == 1 && threads > 1 {
            let part = rows.div_ceil(threads);
            let parts = out.par_chunks_mut(part).enumerate();
            parts.for_each(|(index, out)| self.part(x, index * part, out));
        } else if threads > 1 {
            let rows_of_x = out.par_chunks_mut(rows).zip(x.par_chunks(self.inputs));
            rows_of_x.for_each(|(out, x)| self.part(x, 0, out));
        } else {
            for (out, x) in out.chunks_mut(rows).zip(x.chunks(self.inputs)) {
                self.part(x, 0, out);
            }
        }
    }

    /// One row of x with the rows of the table from `first` on.
    fn part(&self, x: &[f32], first: usize, out: &mut [f32]) {
        let range = first * self.inputs..(first + out.len()) * self.inputs;
        match &self.values {
            Values::F32(values) => dots_f32(x, &values[range], out),
            Values::Bf16(values) => dots_bf16(x, &values[range], out),
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn dots_f32(x: &[f32], rows: &[f32], out: &mut [f32]) {
    dots(x, rows, out, |value| value);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn dots_bf16(x: &[f32], rows: &[bf16], out: &mut [f32]) {
    dots(x, rows, out, |value| f32::from_bits(u32::from(value.to_bits()) << 16));
}

/// Several rows at a time: their sums wait for each other's additions, and memory is read in as many places.
#[inline(always)]
fn dots<T: Copy>(x: &[f32], rows: &[T], out: &mut [f32], to_f32: impl Fn(T) -> f32 + Copy) {
    let (outs, out_rest) = out.as_chunks_mut::<4>();
    let (whole, rest) = rows.split_at(outs.len() * 4 * x.len());
    for (out, rows) in outs.iter_mut().zip(whole.chunks_exact(4 * x.len())) {
        *out = four_dots(x, rows, to_f32);
    }
    for (out, row) in out_rest.iter_mut().zip(rest.chunks_exact(x.len())) {
        let mut sums = [0.0; LANES];
        let (x_blocks, x_rest) = x.as_chunks();
        let (blocks, rest) = row.as_chunks();
        for (x, block) in x_blocks.iter().zip(blocks) {
            add(&mut sums, x, block, to_f32);
        }
        *out = total(sums, x_rest, rest, to_f32);
    }
}

/// x with each of four rows. Written out, as sums in an array of arrays would go to memory and back.
#[inline(always)]
fn four_dots<T: Copy>(x: &[f32], rows: &[T], to_f32: impl Fn(T) -> f32 + Copy) -> [f32; 4] {
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let row = |index: usize| rows[index * x.len()..][..x.len()].as_chunks::<LANES>();
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] = [row(0), row(1), row(2), row(3)];
    let [mut a_sums, mut b_sums, mut c_sums, mut d_sums] = [[0.0; LANES]; 4];
    for ((((x, a), b), c), d) in x_blocks.iter().zip(a).zip(b).zip(c).zip(d) {
        add(&mut a_sums, x, a, to_f32);
        add(&mut b_sums, x, b, to_f32);
        add(&mut c_sums, x, c, to_f32);
        add(&mut d_sums, x, d, to_f32);
    }
    [
        total(a_sums, x_rest, a_rest, to_f32),
        total(b_sums, x_rest, b_rest, to_f32),
        total(c_sums, x_rest, c_rest, to_f32),
        total(d_sums, x_rest, d_rest, to_f32),
    ]
}

#[inline(always)]
fn add<T: Copy>(sums: &mut [f32; LANES], x: &[f32; LANES], row: &[T; LANES], to_f32: impl Fn(T) -> f32) {
    for lane in 0..LANES {
        sums[lane] += x[lane] * to_f32(row[lane]);
    }
}

/// The lanes' sum: each with the one half the width further on, until there is one. Each width is an array of its own, which
/// stays in registers.
#[inline(always)]
fn total<T: Copy>(mut sums: [f32; LANES], x: &[f32], row: &[T], to_f32: impl Fn(T) -> f32) -> f32 {
    for ((sum, &x), &value) in sums.iter_mut().zip(x).zip(row) {
        *sum += x * to_f32(value);
    }
    let sixteen: [f32; 16] = core::array::from_fn(|lane| sums[lane] + sums[lane + 16]);
    let eight: [f32; 8] = core::array::from_fn(|lane| sixteen[lane] + sixteen[lane + 8]);
    let four: [f32; 4] = core::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}
