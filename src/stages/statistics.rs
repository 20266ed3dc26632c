//! What a row is measured by: largest magnitude, means of magnitudes and of squares. A mean is a backend's sum grouped in
//! f32 and, where f32 does not reach, one in f64. See [`crate::layout::sums`].

use crate::error::{Error, Result};
use crate::kernels::Backend;
use crate::layout::sums::{SUM_LANES, fold_lanes};

/// Means of squares below this are summed in f64: underflow changes no square by more than 2⁻¹⁵⁰.
const LEAST_MEAN_SQUARE: f64 = 1.0 / (1_u128 << 100) as f64;

/// The largest magnitude; a NaN or an infinity if there is one.
pub(super) fn max_magnitude(backend: Backend, x: &[f32]) -> f32 {
    // SAFETY: `backend` proves the CPU's features.
    f32::from_bits(unsafe { backend.kernels(|kernels| kernels.max_magnitude_bits)(x) })
}

/// `mean(|x|)`; finite if and only if every element is.
pub(super) fn mean_magnitude(backend: Backend, x: &[f32]) -> f64 {
    // SAFETY: `backend` proves the CPU's features.
    let sum = unsafe { backend.kernels(|kernels| kernels.sum_magnitude)(x) };
    let sum = if sum.is_finite() { sum } else { wide_sum(x, f64::abs) };
    sum / x.len() as f64
}

/// `mean(x²)`; finite if and only if every element is.
pub(super) fn mean_square(backend: Backend, x: &[f32]) -> f64 {
    // SAFETY: `backend` proves the CPU's features.
    let mean = unsafe { backend.kernels(|kernels| kernels.sum_square)(x) } / x.len() as f64;
    if mean.is_finite() && mean >= LEAST_MEAN_SQUARE { mean } else { wide_sum(x, |x| x * x) / x.len() as f64 }
}

/// Any sum of finite f32 or of their squares is finite in f64.
#[cold]
#[inline(never)]
fn wide_sum(x: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; SUM_LANES];
    for run in x.chunks(SUM_LANES) {
        for (lane, &x) in lanes.iter_mut().zip(run) {
            *lane += term(x.into());
        }
    }
    fold_lanes(lanes)
}

/// [`Error::NonFinite`] naming the first row of `x` that holds a NaN or an infinity.
pub(super) fn check_finite(backend: Backend, argument: &'static str, inputs: usize, x: &[f32]) -> Result<()> {
    for (row, x) in x.chunks_exact(inputs).enumerate() {
        if !max_magnitude(backend, x).is_finite() {
            return Err(Error::NonFinite { argument, row });
        }
    }
    Ok(())
}
