//! The oracle of attention over quantised states, from the equations of [`attention`](crate::stages::attention).

use num_traits::Float;

use super::check_finite;
use crate::error::{Result, check_len, check_nonzero};

/// One head to unsigned integers of b bits, `levels` = 2^b − 1: with γ = max|x|, which is returned,
/// `q = clamp(round((x/γ + 1) · levels/2), 0, levels)`, worth [`state`]`(q, levels, γ)`. A head of zeros gives zeros.
///
/// # Errors
/// [`Error::Zero`](crate::Error::Zero) without elements; [`Error::Length`](crate::Error::Length) unless `q` is as long as `x`;
/// [`Error::NonFinite`](crate::Error::NonFinite) (row 0). Then `q` is untouched.
///
/// ```
/// use hbitlinear::reference;
/// let mut q = [0; 4];
/// let gamma = reference::quantize_state(15, &[2.0, -2.0, 0.0, 0.1], &mut q)?;
/// assert_eq!((gamma, q), (2.0, [15, 0, 8, 8])); // 0 lies between two codes: to the even one
/// assert!((reference::state(8, 15, gamma) - 2.0 / 15.0).abs() < 1e-15);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn quantize_state(levels: u8, x: &[f64], q: &mut [u8]) -> Result<f64> {
    check_nonzero("head size", x.len())?;
    check_len("q", x.len(), q.len())?;
    check_finite("x", x)?;
    let (gamma, levels) = (x.iter().fold(0.0, |gamma: f64, x| gamma.max(x.abs())), f64::from(levels));
    for (q, x) in q.iter_mut().zip(x) {
        let place = if gamma > 0.0 { (x / gamma + 1.0) * levels / 2.0 } else { 0.0 };
        let is_half = Float::fract(place) == 0.5;
        let round = if is_half { 2.0 * Float::round(place / 2.0) } else { Float::round(place) };
        *q = round.max(0.0).min(levels) as u8;
    }
    Ok(gamma)
}

/// What a code is worth: `(2q/levels − 1) · γ`.
#[must_use]
pub fn state(q: u8, levels: u8, gamma: f64) -> f64 {
    (2.0 * f64::from(q) / f64::from(levels) - 1.0) * gamma
}

/// One head: `out = Σ_t p_t · values[t]` with `p = softmax(scale · keys · query)`; keys and values are `[tokens, head size]`.
/// `weights` takes p.
///
/// # Errors
/// [`Error::Zero`](crate::Error::Zero) without elements or tokens; [`Error::Length`](crate::Error::Length) unless keys and values
/// are as long as `weights` rows of the query's length, and `out` one. Then nothing is written.
///
/// ```
/// use hbitlinear::reference;
/// let (mut weights, mut out) = ([0.0; 2], [0.0; 1]);
/// reference::attend(&[1.0], &[0.0, 3.0_f64.ln()], &[4.0, 8.0], 1.0, &mut weights, &mut out)?;
/// assert!((weights[1] - 0.75).abs() < 1e-15 && (out[0] - 7.0).abs() < 1e-14);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn attend(
    query: &[f64],
    keys: &[f64],
    values: &[f64],
    scale: f64,
    weights: &mut [f64],
    out: &mut [f64],
) -> Result<()> {
    check_nonzero("head size", query.len())?;
    check_nonzero("tokens", weights.len())?;
    let expected = crate::error::checked_size(weights.len(), query.len(), "tokens * head size")?;
    check_len("keys", expected, keys.len())?;
    check_len("values", expected, values.len())?;
    check_len("out", query.len(), out.len())?;
    for (weight, key) in weights.iter_mut().zip(keys.chunks_exact(query.len())) {
        *weight = scale * query.iter().zip(key).map(|(q, k)| q * k).sum::<f64>();
    }
    let max = weights.iter().fold(f64::NEG_INFINITY, |max, &x| max.max(x));
    weights.iter_mut().for_each(|weight| *weight = Float::exp(*weight - max));
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    out.fill(0.0);
    for (weight, value) in weights.iter().zip(values.chunks_exact(out.len())) {
        for (out, value) in out.iter_mut().zip(value) {
            *out += weight * value;
        }
    }
    Ok(())
}
