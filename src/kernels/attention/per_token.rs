//! What is done once for each token or element, whatever the head's size: plain Rust on short arrays, so that the compiler
//! makes vectors of it in every instruction set. Roundings to integers add 1.5 · 2²³ and look at the bits, as `core` has no
//! `round_ties_even`.

use super::{TileWeights, Tokens};
use crate::layout::states::TILE_TOKENS;

/// 1.5 · 2²³: a sum with it is an integer, halves to even, for magnitudes below 2²².
const SHIFT: f32 = 12_582_912.0;

/// Elements of a run.
const RUN: usize = 32;

/// Sums side by side.
const LANES: usize = 8;

/// The integer nearest to a magnitude below 2²², halves to even.
#[inline(always)]
fn round(x: f32) -> i32 {
    (x + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits()) as i32
}

/// See [`AttentionKernels::quantize`](super::AttentionKernels::quantize).
#[inline(always)]
pub(super) fn quantize(x: &[f32], gamma: f32, levels: u8, codes: &mut [u8]) {
    let half = f32::from(levels) / 2.0;
    let (runs, rest) = x.as_chunks::<RUN>();
    let (code_runs, code_rest) = codes.as_chunks_mut::<RUN>();
    for (x, codes) in runs.iter().zip(code_runs) {
        for i in 0..RUN {
            codes[i] = round((x[i] / gamma + 1.0) * half) as u8;
        }
    }
    for (x, code) in rest.iter().zip(code_rest) {
        *code = round((x / gamma + 1.0) * half) as u8;
    }
}

impl TileWeights {
    /// The weights of a tile's tokens.
    #[inline(always)]
    pub(super) fn set(&mut self, weights: &[f32; TILE_TOKENS], gammas: &[f32; TILE_TOKENS], levels: u8) {
        const UNITS: f32 = 32_639.0;
        const LEAST: f32 = 1.0 / (1_u128 << 100) as f32;
        let mut w = [0.0; TILE_TOKENS];
        for t in 0..TILE_TOKENS {
            w[t] = weights[t] * gammas[t];
        }
        let mut max = 0;
        for w in w {
            max = max.max(w.abs().to_bits());
        }
        let max = f32::from_bits(max);
        if !max.is_finite() || max < LEAST {
            let scale = if max.is_finite() { 0.0 } else { f32::NAN };
            *self = TileWeights { scale, ..TileWeights::ZERO };
            return;
        }
        let factor = UNITS / max;
        let mut units = [0_i16; TILE_TOKENS];
        // Exact, as all are integers and 32 of them stay below 2²⁴; of integers the compiler adds each lane by itself.
        let mut sums = [0.0; LANES];
        for (units, w) in units.as_chunks_mut::<LANES>().0.iter_mut().zip(w.as_chunks::<LANES>().0) {
            for i in 0..LANES {
                let shifted = w[i] * factor + SHIFT;
                units[i] = shifted.to_bits() as i16;
                sums[i] += shifted - SHIFT;
            }
        }
        for t in 0..TILE_TOKENS {
            // The largest is 2¹⁵ − 1 with the 128.
            self.high[t] = ((units[t] + 128) >> 8) as i8;
            self.low[t] = units[t] as i8;
        }
        if levels == 255 {
            for t in 0..TILE_TOKENS {
                self.words[t] = units[t & !3 | (t & 1) << 1 | (t & 2) >> 1];
            }
        }
        for width in [4, 2, 1] {
            for i in 0..width {
                sums[i] += sums[i + width];
            }
        }
        self.sum = i32::from(levels) * sums[0] as i32;
        self.scale = max / UNITS / f32::from(levels);
    }
}

impl Tokens<'_> {
    /// The weights of a tile's tokens.
    #[inline(always)]
    pub(super) fn tile(&self, tile: usize, levels: u8, units: &mut TileWeights) {
        let (weights, gammas) = (&self.weights[tile * TILE_TOKENS..], &self.gammas[tile * TILE_TOKENS..]);
        let without_first = self.first_apart && tile == 0;
        if let (Some(weights), Some(gammas), false) =
            (weights.first_chunk(), gammas.first_chunk(), without_first)
        {
            units.set(weights, gammas, levels);
            return;
        }
        let [mut padded_weights, mut padded_gammas] = [[0.0; TILE_TOKENS]; 2];
        let len = weights.len().min(TILE_TOKENS);
        padded_weights[..len].copy_from_slice(&weights[..len]);
        padded_gammas[..len].copy_from_slice(&gammas[..len]);
        if without_first {
            padded_weights[0] = 0.0;
        }
        units.set(&padded_weights, &padded_gammas, levels);
    }
}

/// `e^x` for `x ≤ 0`, to within 1.5 units in the last place; 0 below −87.
///
/// `2^k · e^r` with `k = round(x · log₂e)`, so that |r| ≤ 0.35, and e^r by its Taylor polynomial of degree 7.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = core::f32::consts::LOG2_E;
    // ln 2 in two parts, of which the first has few enough bits that k times it is exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = (core::f64::consts::LN_2 - 355.0 / 512.0) as f32;
    let shifted = x * LOG2_E + SHIFT;
    let k = shifted - SHIFT;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let mut tail = 1.0 / 5040.0;
    tail = tail * r + 1.0 / 720.0;
    tail = tail * r + 1.0 / 120.0;
    tail = tail * r + 1.0 / 24.0;
    tail = tail * r + 1.0 / 6.0;
    tail = tail * r + 0.5;
    let value = (tail * (r * r) + r) + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(127) << 23;
    if x < -87.0 { 0.0 } else { value * f32::from_bits(exponent) }
}

/// The largest element, leaving out NaNs.
#[inline(always)]
fn max(x: &[f32]) -> f32 {
    let (runs, rest) = x.as_chunks::<RUN>();
    let mut lanes = [f32::NEG_INFINITY; RUN];
    for run in runs {
        for i in 0..RUN {
            lanes[i] = if run[i] > lanes[i] { run[i] } else { lanes[i] };
        }
    }
    let mut max = f32::NEG_INFINITY;
    for &x in rest.iter().chain(&lanes) {
        max = if x > max { x } else { max };
    }
    max
}

/// See [`AttentionKernels::exponentials`](super::AttentionKernels::exponentials).
#[inline(always)]
pub(super) fn exponentials(x: &mut [f32]) {
    let max = max(x);
    if !max.is_finite() {
        x.fill(f32::NAN);
        return;
    }
    let (runs, rest) = x.as_chunks_mut::<RUN>();
    for run in runs {
        for i in 0..RUN {
            run[i] = exp(run[i] - max);
        }
    }
    for x in rest {
        *x = exp(*x - max);
    }
}

/// See [`AttentionKernels::multiply`](super::AttentionKernels::multiply).
#[inline(always)]
pub(super) fn multiply(x: &mut [f32], factor: f32) {
    for x in x {
        *x *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every f32 in a sieve of the range, against f64.
    #[test]
    fn exp_is_accurate() {
        let (mut worst, mut at) = (0.0_f64, 0.0);
        let mut bits = 0_u32;
        while f32::from_bits(bits) <= 87.0 {
            let x = -f32::from_bits(bits);
            let expected = num_traits::Float::exp(f64::from(x));
            let ulp = f64::from(f32::EPSILON)
                * num_traits::Float::exp2(num_traits::Float::floor(num_traits::Float::log2(expected)));
            let error = (f64::from(exp(x)) - expected).abs() / ulp;
            if error > worst {
                (worst, at) = (error, x);
            }
            bits += 97;
        }
        assert!(worst <= 1.5, "{worst} units at {at}");
        assert!(exp(0.0) == 1.0 && exp(-87.1) == 0.0 && exp(f32::NEG_INFINITY) == 0.0);
    }

    #[test]
    fn bytes_of_weights() {
        let mut to = TileWeights::ZERO;
        for seed in 0..200_u32 {
            let mut w = [0.0; TILE_TOKENS];
            for (t, w) in w.iter_mut().enumerate() {
                let mixed = (seed * 31 + t as u32).wrapping_mul(0x9e37_79b9) >> 8;
                *w = mixed as f32 / (1 << 24) as f32 - 0.3;
            }
            w[seed as usize % TILE_TOKENS] = if seed % 2 == 0 { 0.9 } else { -0.9 };
            to.set(&w, &[2.0; TILE_TOKENS], 15);
            let mut sum = 0;
            for t in 0..TILE_TOKENS {
                let unit = 256 * i32::from(to.high[t]) + i32::from(to.low[t]);
                let error = f64::from(unit) * f64::from(to.scale) * 15.0 - 2.0 * f64::from(w[t]);
                assert!(error.abs() <= 1.8 / 65_277.0, "{error}");
                sum += 15 * unit;
            }
            assert_eq!(to.sum, sum);
            let units: [i32; TILE_TOKENS] =
                core::array::from_fn(|t| 256 * i32::from(to.high[t]) + i32::from(to.low[t]));
            to.set(&w, &[2.0; TILE_TOKENS], 255);
            for (t, unit) in units.into_iter().enumerate() {
                let order = t & !3 | (t & 1) << 1 | (t & 2) >> 1;
                assert_eq!(i32::from(to.words[order]), unit);
            }
        }
    }
}
