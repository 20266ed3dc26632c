//! RMSNorm, the `Norm` of eq. 7.

use crate::arch::Backend;
use crate::arch::kernels::Source;
use crate::error::{Error, Result, check_epsilon, check_len, check_nonzero, checked_size};
use crate::means::mean_square;

/// RMSNorm of rows: `y = x / √(mean(x²) + ε) · weight`.
///
/// The mean is summed in the order of [`crate::layout`]; the reciprocal root is rounded to f32 once and
/// multiplied to every element, then the weight.
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm<'a> {
    weight: Option<&'a [f32]>,
    epsilon: f32,
}

impl<'a> RmsNorm<'a> {
    /// With a gain for each of the K features, or none.
    ///
    /// # Errors
    /// [`Error::Epsilon`] if ε is negative or not finite; [`Error::NonFinite`] (row 0) if a gain is not finite.
    pub fn new(weight: Option<&'a [f32]>, epsilon: f32) -> Result<RmsNorm<'a>> {
        check_epsilon(epsilon)?;
        if weight.is_some_and(|weight| weight.iter().any(|gain| !gain.is_finite())) {
            return Err(Error::NonFinite { argument: "norm weight", row: 0 });
        }
        Ok(RmsNorm { weight, epsilon })
    }

    /// Normalises each row of `x` (`[M, K]`, row-major) into the same row of `y`.
    ///
    /// # Errors
    /// [`Error::Zero`] if `features` (K) is 0; [`Error::Length`] unless `x` is a whole number of rows, `y` as long
    /// as `x` and the weight K long; [`Error::NonFinite`] naming the first row of `x` with a NaN or an infinity.
    ///
    /// ```
    /// use hbitlinear::{Backend, norm::RmsNorm};
    /// let mut y = [0.0; 4];
    /// RmsNorm::new(None, 0.0)?.forward(Backend::best(), 4, &[2.0, -2.0, 2.0, -2.0], &mut y)?;
    /// assert_eq!(y, [1.0, -1.0, 1.0, -1.0]);
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn forward(&self, backend: Backend, features: usize, x: &[f32], y: &mut [f32]) -> Result<()> {
        check_nonzero("features", features)?;
        self.check(features)?;
        let tokens = x.len() / features;
        check_len("x", checked_size(tokens, features, "tokens * features")?, x.len())?;
        check_len("y", x.len(), y.len())?;
        // One row finds out by its sum; several are tried before any is written.
        if tokens > 1 {
            check_finite(backend, "x", features, x)?;
        }
        for (x, y) in x.chunks_exact(features).zip(y.chunks_exact_mut(features)) {
            let root = self.root(backend, x).ok_or(Error::NonFinite { argument: "x", row: 0 })?;
            // SAFETY: `backend` proves the CPU's features; the lengths were checked.
            self.source(root, x, y).write(y, |x, factor, weight, y| unsafe {
                (backend.kernels().scale_row)(x, factor, weight, y);
            });
        }
        Ok(())
    }

    /// The gain of each feature, if there is one.
    #[must_use]
    pub const fn weight(&self) -> Option<&'a [f32]> {
        self.weight
    }

    /// [`Error::Length`] unless the weight fits rows of `features`.
    pub(crate) fn check(&self, features: usize) -> Result<()> {
        self.weight.map_or(Ok(()), |weight| check_len("norm weight", features, weight.len()))
    }

    /// A row so small, with an ε below 1e-76, that `1/root` overflows f32: divided in f64. A zero row stays zero.
    fn tiny_row(&self, root: f64, x: &[f32], y: &mut [f32]) {
        for (i, (y, &x)) in y.iter_mut().zip(x).enumerate() {
            let normal = if root > 0.0 { (f64::from(x) / root) as f32 } else { 0.0 };
            *y = self.weight.map_or(normal, |weight| normal * weight[i]);
        }
    }

    /// `√(mean(x²) + ε)` of a row; `None` if an element is not finite.
    pub(crate) fn root(&self, backend: Backend, x: &[f32]) -> Option<f64> {
        let root = num_traits::Float::sqrt(mean_square(backend, x) + f64::from(self.epsilon));
        root.is_finite().then_some(root)
    }

    /// The normalised row, given its [`RmsNorm::root`], for the first pass over it to apply. Writes `y` only in the odd
    /// case of [`RmsNorm::tiny_row`], and then that is the source.
    pub(crate) fn source<'b>(&'b self, root: f64, x: &'b [f32], y: &mut [f32]) -> Source<'b> {
        let factor = (1.0 / root) as f32;
        if factor.is_finite() {
            return Source { values: Some(x), factor, weight: self.weight, signs: None };
        }
        self.tiny_row(root, x, y);
        Source::IN_PLACE
    }
}

/// [`Error::NonFinite`] naming the first row of `x` that holds a NaN or an infinity.
pub(crate) fn check_finite(
    backend: Backend,
    argument: &'static str,
    features: usize,
    x: &[f32],
) -> Result<()> {
    for (row, x) in x.chunks_exact(features).enumerate() {
        // SAFETY: `backend` proves the CPU's features.
        if unsafe { (backend.kernels().max_magnitude_bits)(x) } >= f32::INFINITY.to_bits() {
            return Err(Error::NonFinite { argument, row });
        }
    }
    Ok(())
}
