//! Scores to weights.

use crate::kernels::Backend;

/// `x_i ← e^(x_i − max) · f32(1 / Σ)` in place, the same bits on every backend.
///
/// The difference `y = x_i − max` is rounded to f32. `e^y` is `2^k · e^r` with `k = round(y · log₂e)` and a Taylor polynomial of degree 7, within 1.5 units in the last place of
/// the true value; 0 for `y < −87`. The sum is f64, in the order of [`layout::sums`](crate::layout::sums). An element of −∞
/// becomes 0. If one is NaN or +∞, or all are −∞, all become NaN. No scores stay no scores.
///
/// ```
/// use hbitlinear::{Backend, softmax};
/// let mut scores = [3.0, 3.0, f32::NEG_INFINITY];
/// softmax(Backend::best(), &mut scores);
/// assert_eq!(scores, [0.5, 0.5, 0.0]);
/// ```
pub fn softmax(backend: Backend, scores: &mut [f32]) {
    let exponentials = backend.kernels(|kernels| kernels.attention.exponentials);
    let sum_magnitude = backend.kernels(|kernels| kernels.sum_magnitude);
    let multiply = backend.kernels(|kernels| kernels.attention.multiply);
    // SAFETY: `backend` proves the CPU's features.
    unsafe {
        exponentials(scores);
        // No term is negative.
        let sum = sum_magnitude(scores);
        if sum.is_nan() {
            scores.fill(f32::NAN);
        } else {
            multiply(scores, (1.0 / sum) as f32);
        }
    }
}
