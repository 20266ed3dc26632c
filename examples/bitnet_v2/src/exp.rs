//! The exponential function in f64, without a branch or a call, so that loops of it become vectors.

use core::f64::consts::LOG2_E;

// ln 2 in two parts, of which the first has few enough bits that k times it is exact.
const LN2_HIGH: f64 = f64::from_bits(core::f64::consts::LN_2.to_bits() & 0xffff_ffff_0000_0000);
const LN2_LOW: f64 = 4.7493250390316726e-07;

/// 1.5 · 2⁵²: a sum with it is an integer.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// `e^x` to within two units in the last place for |x| ≤ 708; beyond, that of ±708. NaN for NaN.
///
/// `2^k · e^r` with `k = round(x · log₂e)`, so that |r| ≤ 0.35, and e^r by its Taylor polynomial of degree 12.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    let x = if x > 708.0 { 708.0 } else { x };
    let x = if x < -708.0 { -708.0 } else { x };
    let shifted = x * LOG2_E + SHIFT;
    let k = shifted - SHIFT;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let mut tail = 1.0 / 479_001_600.0;
    tail = tail * r + 1.0 / 39_916_800.0;
    tail = tail * r + 1.0 / 3_628_800.0;
    tail = tail * r + 1.0 / 362_880.0;
    tail = tail * r + 1.0 / 40_320.0;
    tail = tail * r + 1.0 / 5040.0;
    tail = tail * r + 1.0 / 720.0;
    tail = tail * r + 1.0 / 120.0;
    tail = tail * r + 1.0 / 24.0;
    tail = tail * r + 1.0 / 6.0;
    tail = tail * r + 0.5;
    let value = (tail * (r * r) + r) + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(1023) << 52;
    value * f64::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_accurate() {
        let mut worst = 0.0_f64;
        for step in -70_700..=70_700 {
            let x = f64::from(step) * 0.010_013;
            let expected = libm::exp(x);
            worst = worst.max(((exp(x) - expected) / expected).abs());
        }
        assert!(worst <= 2.0 * f64::EPSILON, "{worst:e}");
        assert!(exp(0.0) == 1.0 && exp(-1e9) < 1e-300 && exp(1e9) > 1e300 && exp(f64::NAN).is_nan());
    }
}
