//! Rows of floats, and what the oracle says about them.

use std::ops::Range;

use hbitlinear::Rule;
use libfuzzer_sys::arbitrary;

use crate::{TINY, U, cycle, hash};

/// Floats of some style, stretched from a few seeds.
#[derive(arbitrary::Arbitrary, Clone, Debug)]
pub struct Floats {
    style: Style,
    /// Twice the power of two they are scaled by, but for [`Style::Bits`].
    power: i8,
    seeds: Vec<u32>,
}

#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
enum Style {
    /// The seeds are the floats' bits: any NaN, infinity and subnormal.
    Bits,
    /// Like random numbers in [−1, 1), without a period.
    Mixed,
    /// The same with outliers.
    Outliers,
    /// Small multiples of a half.
    Halves,
}

impl Floats {
    /// So many of them.
    #[must_use]
    pub fn take(&self, len: usize) -> Vec<f32> {
        let scale = 2_f32.powi(i32::from(self.power) / 2);
        let uniform =
            |(index, seed): (usize, u32)| (hash(seed.into(), index) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let seeds = cycle(&self.seeds, len).into_iter();
        match self.style {
            Style::Bits => seeds.map(f32::from_bits).collect(),
            Style::Mixed => seeds.enumerate().map(uniform).map(|x| x * scale).collect(),
            Style::Outliers => {
                let outlier = |index| if index % 61 == 17 { 1000.0 } else { 1.0 };
                seeds
                    .enumerate()
                    .map(|(index, seed)| uniform((index, seed)) * outlier(index) * scale)
                    .collect()
            }
            Style::Halves => seeds.map(|seed| ((seed % 41) as f32 / 2.0 - 10.0) * scale).collect(),
        }
    }

    /// So many, NaN and infinities replaced.
    #[must_use]
    pub fn take_finite(&self, len: usize) -> Vec<f32> {
        self.take(len).into_iter().map(|x| if x.is_finite() { x } else { 1.0 }).collect()
    }
}

/// As f64.
#[must_use]
pub fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

/// The first row that holds a NaN or an infinity.
#[must_use]
pub fn first_non_finite(x: &[f32], inputs: usize) -> Option<usize> {
    x.iter().position(|x| !x.is_finite()).map(|index| index / inputs)
}

/// Whether the magnitudes are multiples of one power of two, and few and small enough that f32 adds them without rounding,
/// in any order: then the mean is the oracle's, and ties are ties.
#[must_use]
pub fn sums_exactly(x: &[f32]) -> bool {
    let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    if !(largest.is_normal() && largest > 1e-30) {
        return false;
    }
    // 2⁻¹⁰ of the largest's power of two.
    let unit = f32::from_bits(largest.to_bits() & 0x7f80_0000) / 1024.0;
    x.iter().all(|x| (x / unit).fract() == 0.0)
        && x.iter().map(|x| (x / unit).abs()).sum::<f32>() < 16_777_216.0
}

/// How far a normalised element may lie from the oracle's `x / root · gain`: the mean changes by 4u at most, its root by
/// half as much; the reciprocal root, the product with it and the gain round once each, and where results are subnormal
/// each of these roundings is as large as [`TINY`].
#[must_use]
pub fn norm_tolerance(x: f32, root: f64, gain: f64) -> f64 {
    let (x, gain) = (f64::from(x.abs()), gain.abs());
    let normal = if root > 0.0 { x / root } else { 0.0 };
    // A reciprocal that overflows f32 is not taken: the quotient is rounded once.
    let reciprocal = if root > 0.0 && 1.0 / root < f64::from(f32::MAX) { TINY } else { 0.0 };
    gain * (normal * 5.01 * U + x * reciprocal * 1.01 + 1.01 * TINY) + TINY
}

/// Levels and clipping range of a rule.
#[must_use]
pub fn levels(rule: Rule) -> (f64, f64, f64) {
    match rule {
        Rule::Int8AbsMax => (127.0, -128.0, 127.0),
        Rule::Int4AbsMean => (7_f64.sqrt(), -8.0, 7.0),
        _ => (7.0, -8.0, 7.0),
    }
}

/// Which integers a value near `value` may become, if it is that near.
#[must_use]
pub fn integers(rule: Rule, value: f64, distance: f64) -> Range<i16> {
    let (_, low, high) = levels(rule);
    let clip = |value: f64| value.round_ties_even().clamp(low, high) as i16;
    clip(value - distance)..clip(value + distance) + 1
}

/// How far `x · factor` in f32 may lie from the oracle's: factor and product round once; a mean is off by 3u at most.
#[must_use]
pub fn quotient_tolerance(rule: Rule, x: f64, factor: f64) -> f64 {
    let roundings = if rule == Rule::Int4AbsMean { 5.01 } else { 2.01 };
    (x * factor).abs() * roundings * U + x.abs() * 1.01 * TINY + TINY
}

/// How far a scale may lie from the oracle's: half a unit, and what a mean is off by.
#[must_use]
pub fn scale_tolerance(rule: Rule, scale: f64) -> f64 {
    let roundings = if rule == Rule::Int4AbsMean { 4.01 } else { 1.01 };
    scale * roundings * U + TINY
}
