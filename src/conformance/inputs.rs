//! Inputs that are the same everywhere: integers from a generator, and floats that are made of them without a rounding.

use crate::layout::Bits;

/// xorshift64*.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// About normal, σ = 1.15: the sum of four integers of 22 bits, over 2^21.
    fn normal(&mut self) -> f32 {
        let sum: i32 = (0..4).map(|_| (self.next() >> 42) as i32 - (1 << 21)).sum();
        sum as f32 / (1 << 21) as f32
    }

    /// Any sign and mantissa, with an exponent field within the range.
    fn float(&mut self, exponents: core::ops::Range<u32>) -> f32 {
        let exponent = exponents.start + self.below(exponents.end - exponents.start);
        f32::from_bits((self.next() >> 32) as u32 & 0x807f_ffff | exponent << 23)
    }

    pub(super) fn normals(&mut self, x: &mut [f32]) {
        x.fill_with(|| self.normal());
    }

    pub(super) fn ternary(&mut self, weights: &mut [i8]) {
        weights.fill_with(|| self.below(3) as i8 - 1);
    }

    pub(super) fn signs(&mut self, signs: &mut [i8]) {
        signs.fill_with(|| 1 - 2 * self.below(2) as i8);
    }

    /// Positive, of full precision, between 2^-7 and 2.
    pub(super) fn scales(&mut self, scales: &mut [f32]) {
        scales.fill_with(|| self.float(120..128).abs());
    }

    /// Quantised rows as the crate packs them, and their sums.
    pub(super) fn quantised(&mut self, bits: Bits, inputs: usize, values: &mut [u8], sums: &mut [i32]) {
        for (row, sum) in values.chunks_exact_mut(bits.row_bytes(inputs)).zip(sums) {
            *sum = 0;
            row.fill(0);
            for input in 0..inputs {
                let q = match bits {
                    Bits::Eight => self.next() as i8,
                    Bits::Four => self.below(16) as i8 - 8,
                };
                set_value(row, bits, input, q);
                *sum += i32::from(q);
            }
        }
    }

    /// A row of a kind below [`KINDS`].
    pub(super) fn row(&mut self, kind: usize, x: &mut [f32]) {
        let len = x.len();
        // A sum of the row's elements must not overflow.
        let limit = 250 - len.next_power_of_two().trailing_zeros();
        match kind {
            0 => self.normals(x),
            1 => {
                self.normals(x);
                x[len * 2 / 3] = -300.0;
            }
            2 => x.fill_with(|| self.float(0..1)),
            3 => x.fill_with(|| self.float(0..4)),
            4 => x.fill_with(|| self.float(limit - 2..limit)),
            5 => x.fill_with(|| self.float(0..limit)),
            6 => x.fill_with(|| self.float(100..140)),
            7 => each(x, |_| 0.0),
            8 => each(x, |i| if i % 5 == 4 { 0.0 } else { -0.0 }),
            9 => each(x, |_| 0.1),
            _ => each(x, |i| (i % 19) as f32 - 9.5),
        }
    }
}

/// Kinds of rows: normal, with an outlier, subnormal, tiny, huge, of all exponents, of many, zeros of either sign, all
/// equal, and halves.
pub(super) const KINDS: usize = 11;

/// Stores a quantised value in a row whose bytes are 0.
pub(super) fn set_value(row: &mut [u8], bits: Bits, input: usize, q: i8) {
    match bits {
        Bits::Eight => row[input] = q as u8,
        Bits::Four => row[input / 2] |= (q as u8 & 15) << (input % 2 * 4),
    }
}

fn each(x: &mut [f32], value: impl Fn(usize) -> f32) {
    for (i, x) in x.iter_mut().enumerate() {
        *x = value(i);
    }
}
