//! Ternary weights from trained ones: absmean, per tensor or per row (arXiv 2504.18415, eq. 1 and 2).

use num_traits::Float;

use crate::arch::Backend;
use crate::error::{Error, Result, check_epsilon, check_len, check_nonzero};
use crate::means::mean_magnitude;
use crate::norm::check_finite;

/// `w = clamp(round_half_even(W / (α + ε)), −1, 1)` with `α = mean|W|` over the whole tensor; returns α, the
/// weight scale, rounded to f32. The quotient is taken in f64.
///
/// # Errors
/// [`Error::Zero`] for an empty tensor; [`Error::Length`] unless `ternary` is as long as `weights`;
/// [`Error::Epsilon`]; [`Error::NonFinite`] (row 0). Then `ternary` is untouched.
///
/// ```
/// use hbitlinear::{Backend, weights::absmean};
/// let mut w = [0; 4];
/// let alpha = absmean(Backend::best(), &[0.9, -0.1, -1.5, 1.5], 0.0, &mut w)?;
/// assert_eq!((alpha, w), (1.0, [1, 0, -1, 1]));
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn absmean(backend: Backend, weights: &[f32], epsilon: f32, ternary: &mut [i8]) -> Result<f32> {
    let mut alpha = [0.0];
    absmean_rows(backend, weights.len(), weights, epsilon, ternary, &mut alpha)?;
    Ok(alpha[0])
}

/// The same for each row of `columns` weights on its own; `scales` receives the rows' α.
///
/// # Errors
/// As [`absmean`]; also [`Error::Length`] unless `weights` holds one row for each scale.
/// [`Error::NonFinite`] names the row.
pub fn absmean_rows(
    backend: Backend,
    columns: usize,
    weights: &[f32],
    epsilon: f32,
    ternary: &mut [i8],
    scales: &mut [f32],
) -> Result<()> {
    check_epsilon(epsilon)?;
    check_nonzero("columns", columns)?;
    let len = crate::error::checked_size(scales.len(), columns, "rows * columns")?;
    check_len("weights", len, weights.len())?;
    check_len("ternary", len, ternary.len())?;
    check_finite(backend, "weights", columns, weights)?;
    let rows = weights.chunks_exact(columns).zip(ternary.chunks_exact_mut(columns));
    for ((row, ternary), scale) in rows.zip(scales) {
        let alpha = mean_magnitude(backend, row);
        let divisor = alpha + f64::from(epsilon);
        for (code, &weight) in ternary.iter_mut().zip(row) {
            // Half to even, then clamped to ±1: exactly the magnitudes above one half round away from zero.
            // 0/0 in a row of zeros compares false, and stays zero.
            let quotient = f64::from(weight) / divisor;
            *code = if quotient.abs() > 0.5 { Float::signum(quotient) as i8 } else { 0 };
        }
        *scale = alpha as f32;
    }
    Ok(())
}

/// [`Error::Code`] for the first weight that is not −1, 0 or 1.
pub(super) fn check_ternary(columns: usize, ternary: &[i8]) -> Result<()> {
    match ternary.iter().position(|w| !(-1..=1).contains(w)) {
        None => Ok(()),
        Some(index) => Err(Error::Code { row: index / columns, column: index % columns }),
    }
}
