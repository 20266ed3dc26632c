//! RMSNorm, the `Norm` of eq. 7.

use super::statistics::mean_square;
use crate::buffer::{Buffer, init};
use crate::error::{Error, Result, check_epsilon, check_len, check_nonzero, checked_size};
use crate::kernels::Backend;
use crate::kernels::contract::Prologue;

/// RMSNorm of rows: `y = x / √(mean(x²) + ε) · weight`.
///
/// The mean is summed in the order of [`crate::layout::sums`]; the reciprocal root is rounded to f32 once and
/// multiplied to every element, then the weight.
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm<'a> {
    weight: Option<&'a [f32]>,
    epsilon: f32,
}

impl<'a> RmsNorm<'a> {
    /// With a gain for each of the K inputs, or none.
    ///
    /// # Errors
    /// [`Error::Epsilon`] if ε is negative or not finite; [`Error::NonFinite`] (row 0) if a gain is not finite.
    pub fn new(weight: Option<&'a [f32]>, epsilon: f32) -> Result<RmsNorm<'a>> {
        check_epsilon("epsilon of the norm", epsilon)?;
        if weight.is_some_and(|weight| weight.iter().any(|gain| !gain.is_finite())) {
            return Err(Error::NonFinite { argument: "norm weight", row: 0 });
        }
        Ok(RmsNorm { weight, epsilon })
    }

    /// Normalises each row of `x` (`[M, K]`, row-major, K = `inputs`) into the same row of `y`.
    ///
    /// # Errors
    /// [`Error::Zero`] if `inputs` is 0; [`Error::Length`] unless `x` is a whole number of rows, `y` as long
    /// as `x` and the weight K long; [`Error::NonFinite`] naming the first row of `x` with a NaN or an infinity. Then `y` is
    /// untouched.
    ///
    /// ```
    /// use hbitlinear::{Backend, RmsNorm};
    /// let mut y = [0.0; 4];
    /// RmsNorm::new(None, 0.0)?.forward(Backend::best(), 4, &[2.0, -2.0, 2.0, -2.0], &mut y)?;
    /// assert_eq!(y, [1.0, -1.0, 1.0, -1.0]);
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn forward<'y>(
        &self,
        backend: Backend,
        inputs: usize,
        x: &[f32],
        y: impl Into<Buffer<'y, f32>>,
    ) -> Result<()> {
        let y = y.into();
        check_nonzero("inputs", inputs)?;
        self.check(inputs)?;
        check_len("x", checked_size(x.len() / inputs, inputs, "tokens * inputs")?, x.len())?;
        check_len("y", x.len(), y.len())?;
        // One row finds out by its norm; several are tried before any is written.
        if x.len() > inputs {
            super::statistics::check_finite(backend, "x", inputs, x)?;
        }
        let y = y.into_uninit().chunks_exact_mut(inputs);
        for (row, (x, y)) in x.chunks_exact(inputs).zip(y).enumerate() {
            let root = self.root(backend, x).ok_or(Error::NonFinite { argument: "x", row })?;
            self.write(backend, root, x, y);
        }
        Ok(())
    }

    /// The gain of each input, if there is one.
    #[must_use]
    pub const fn weight(&self) -> Option<&'a [f32]> {
        self.weight
    }

    /// ε.
    #[must_use]
    pub const fn epsilon(&self) -> f32 {
        self.epsilon
    }

    /// [`Error::Length`] unless the weight fits rows of `inputs`.
    pub(crate) fn check(&self, inputs: usize) -> Result<()> {
        self.weight.map_or(Ok(()), |weight| check_len("norm weight", inputs, weight.len()))
    }

    /// `√(mean(x²) + ε)` of a row; `None` if an element is not finite.
    pub(crate) fn root(&self, backend: Backend, x: &[f32]) -> Option<f64> {
        let root = num_traits::Float::sqrt(mean_square(backend, x) + f64::from(self.epsilon));
        root.is_finite().then_some(root)
    }

    /// The normalised row, given its [`RmsNorm::root`], for the first pass over it to apply; `None` in the odd case of
    /// [`RmsNorm::tiny_row`].
    pub(crate) fn prologue<'b>(&'b self, root: f64, x: &'b [f32]) -> Option<Prologue<'b>> {
        // A division by zero would raise an exception flag.
        let factor = if root > 0.0 { (1.0 / root) as f32 } else { f32::INFINITY };
        let prologue = Prologue { values: Some(x), factor, weight: self.weight, signs: None };
        factor.is_finite().then_some(prologue)
    }

    /// Writes a row so small, with an ε below 1e-76, that `1/root` overflows f32: divided in f64. A zero row stays zero.
    fn tiny_row(&self, root: f64, x: &[f32], y: &mut [core::mem::MaybeUninit<f32>]) {
        for (i, (y, &x)) in y.iter_mut().zip(x).enumerate() {
            let normal = if root > 0.0 { (f64::from(x) / root) as f32 } else { 0.0 };
            y.write(self.weight.map_or(normal, |weight| normal * weight[i]));
        }
    }

    /// The normalised row in memory, given its root.
    pub(crate) fn write<'y>(
        &self,
        backend: Backend,
        root: f64,
        x: &[f32],
        y: &'y mut [core::mem::MaybeUninit<f32>],
    ) -> &'y mut [f32] {
        if let Some(prologue) = self.prologue(root, x) {
            // SAFETY: `backend` proves the CPU's features; the caller's rows have one length, and there are values.
            return unsafe { prologue.apply(y, backend.kernels(|kernels| kernels.scale_row)) };
        }
        self.tiny_row(root, x, y);
        // SAFETY: just written.
        unsafe { init(y) }
    }
}
