//! Random weights in the file's bytes, and what a product with them must give, computed plainly in f64.

use hbitlinear::interop::{Export, Format};
use hbitlinear::{Direction, GroupLen, Layout, Scaling, Transform, WeightSpec, Weights};

/// Numbers that look random: xorshift64*.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    /// From -1 to 1.
    pub(crate) fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

pub(crate) struct Matrix {
    pub(crate) kind: i32,
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    pub(crate) bytes: Vec<u8>,
    /// Dequantised.
    weights: Vec<f64>,
}

/// The types with their format and block.
pub(crate) const KINDS: [(i32, Format, usize); 3] =
    [(34, Format::Tq1_0, 256), (35, Format::Tq2_0, 256), (42, Format::Q2_0, 64)];

impl Matrix {
    /// A matrix of any of the types: one scale or many, blocks of zeros, and now and then a code that is not ternary.
    pub(crate) fn random(random: &mut Random) -> Matrix {
        let (kind, format, block) = KINDS[random.below(3)];
        let inputs = block * (1 + random.below(1536 / block));
        let outputs = 1 + random.below(100);
        Self::of(random, kind, format, block, outputs, inputs)
    }

    pub(crate) fn of(
        random: &mut Random,
        kind: i32,
        format: Format,
        block: usize,
        outputs: usize,
        inputs: usize,
    ) -> Matrix {
        let group = GroupLen::try_from(block).expect("a group");
        let spec =
            WeightSpec::new(outputs, inputs, Layout::TwoBit, Scaling::GroupF16(group)).expect("a spec");
        let mut ternary: Vec<i8> = (0..outputs * inputs).map(|_| random.below(3) as i8 - 1).collect();
        let shared = random.one_in(2);
        let mut scales = vec![0.5; outputs * inputs / block];
        for (scale, weights) in scales.iter_mut().zip(ternary.chunks_exact_mut(block)) {
            if !shared {
                // Any f16 of a few bits.
                *scale = (1 + random.below(64)) as f32 / 64.0;
            }
            if random.one_in(10) {
                weights.fill(0);
                *scale = if random.one_in(2) { 0.0 } else { *scale };
            }
        }
        let mut blob = vec![0; spec.packed_len()];
        spec.pack(&ternary, &scales, &mut blob).expect("packs");
        let export = Export::new(format, &Weights::open(&blob).expect("opens")).expect("exports");
        let mut bytes = vec![0; export.len()];
        export.write(&mut bytes).expect("writes");
        let mut weights: Vec<f64> = ternary
            .chunks_exact(block)
            .zip(&scales)
            .flat_map(|(weights, &scale)| weights.iter().map(move |&w| f64::from(w) * f64::from(scale)))
            .collect();
        // Code 3 is twice the scale: Q2_0 may hold what is not ternary.
        if format == Format::Q2_0 && random.one_in(8) {
            let at = random.below(outputs * inputs);
            let (row_block, within) = (at / block, at % block);
            bytes[row_block * 18 + 2 + within / 4] |= 3 << (within % 4 * 2);
            weights[at] = 2.0 * f64::from(scales[row_block]);
        }
        Matrix { kind, outputs, inputs, bytes, weights }
    }

    /// What a row gives by int8: outputs, and for each the sum of the products' magnitudes, which bounds its rounding.
    /// Quantised as documented, so that every integer is the one that the backend must have.
    pub(crate) fn multiply(&self, x: &[f32]) -> Vec<(f64, f64)> {
        let largest = x.iter().fold(0.0, |a: f32, b| if b.is_nan() { f32::NAN } else { a.max(b.abs()) });
        if !largest.is_finite() {
            return vec![(f64::NAN, f64::NAN); self.outputs];
        }
        let factor = (127.0 / (f64::from(largest) + f64::from(1e-5_f32))) as f32;
        let q: Vec<f64> = x.iter().map(|x| f64::from((x * factor).round_ties_even())).collect();
        self.products(&q, f64::from(largest) / 127.0)
    }

    /// The same by eq. 6 behind a transform, in f64 throughout: an integer may be one off where f32 rounds to the other side.
    pub(crate) fn multiply_rotated(&self, x: &[f32], transform: &Transform<'_>) -> Vec<(f64, f64)> {
        let mut x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        transform.apply_f64(Direction::Forward, &mut x).expect("whole rows");
        let mean = x.iter().map(|x| x.abs()).sum::<f64>() / x.len() as f64;
        let factor = 7.0_f64.sqrt() / (mean + 1e-5);
        let q: Vec<f64> = x.iter().map(|x| (x * factor).round_ties_even().clamp(-8.0, 7.0)).collect();
        self.products(&q, mean / 7.0_f64.sqrt())
    }

    fn products(&self, q: &[f64], scale: f64) -> Vec<(f64, f64)> {
        let row = |weights: &[f64]| {
            let products = || weights.iter().zip(q).map(|(w, q)| w * q * scale);
            (products().sum(), products().map(f64::abs).sum())
        };
        self.weights.chunks_exact(self.inputs).map(row).collect()
    }
}
