//! Ternary weights from trained ones: absmean, per tensor or per row (arXiv 2504.18415, eq. 1 and 2).

use num_traits::Float;

use super::statistics::{check_finite, mean_magnitude};
use crate::buffer::Buffer;
#[cfg(doc)]
use crate::error::Error;
use crate::error::{Result, check_epsilon, check_len, check_nonzero, checked_size};
use crate::kernels::Backend;

/// `w = clamp(round_half_even(W / (α + ε)), −1, 1)` with `α = mean|W|` over the whole tensor; returns α, the
/// weight scale, rounded to f32. The quotient is taken in f64.
///
/// # Errors
/// [`Error::Zero`] for an empty tensor; [`Error::Length`] unless `ternary` is as long as `weights`;
/// [`Error::Epsilon`]; [`Error::NonFinite`] (row 0). Then `ternary` is untouched.
///
/// ```
/// use hbitlinear::{Backend, absmean};
/// let mut w = [0; 4];
/// let alpha = absmean(Backend::best(), &[0.9, -0.1, -1.5, 1.5], 0.0, &mut w)?;
/// assert_eq!((alpha, w), (1.0, [1, 0, -1, 1]));
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn absmean<'t>(
    backend: Backend,
    weights: &[f32],
    epsilon: f32,
    ternary: impl Into<Buffer<'t, i8>>,
) -> Result<f32> {
    let mut alpha = [0.0];
    absmean_rows(backend, weights.len(), weights, epsilon, ternary, &mut alpha)?;
    Ok(alpha[0])
}

/// The same for each row of `inputs` weights on its own; `scales` receives the rows' α.
///
/// # Errors
/// As [`absmean`]; also [`Error::Length`] unless `weights` holds one row for each scale.
/// [`Error::NonFinite`] names the row.
pub fn absmean_rows<'t, 's>(
    backend: Backend,
    inputs: usize,
    weights: &[f32],
    epsilon: f32,
    ternary: impl Into<Buffer<'t, i8>>,
    scales: impl Into<Buffer<'s, f32>>,
) -> Result<()> {
    let (ternary, scales) = (ternary.into(), scales.into());
    check_epsilon("epsilon", epsilon)?;
    check_nonzero("inputs", inputs)?;
    let len = checked_size(scales.len(), inputs, "outputs * inputs")?;
    check_len("weights", len, weights.len())?;
    check_len("ternary", len, ternary.len())?;
    check_finite(backend, "weights", inputs, weights)?;
    let mut rows = weights.chunks_exact(inputs).zip(ternary.into_uninit().chunks_exact_mut(inputs));
    scales.fill_with(|_| {
        let Some((row, ternary)) = rows.next() else { return 0.0 };
        let alpha = mean_magnitude(backend, row);
        let divisor = alpha + f64::from(epsilon);
        for (code, &weight) in ternary.iter_mut().zip(row) {
            // Half to even, then clamped to ±1: exactly the magnitudes above one half round away from zero. A row of zeros
            // has no quotients.
            let quotient = if divisor > 0.0 { f64::from(weight) / divisor } else { 0.0 };
            code.write(if quotient.abs() > 0.5 { Float::signum(quotient) as i8 } else { 0 });
        }
        alpha as f32
    });
    Ok(())
}
