//! Norm, transform and quantiser in one pass over a row: what turns a layer's input into activations.
//!
//! **What one pass saves** of a row in first-level cache is the norm's writing: a store and two loads for each vector, which
//! ride on the transform's first pass. Of 4096 elements with AVX2 that is 512 vectors, some 130 ns at 3.9 GHz, of 1 785 ns that
//! norm (448), transform (860) and quantiser (423, two readings) take one after the other; measured 1 626 ns, 1.10 times as
//! fast (AVX-512 1.14; Sapphire Rapids). The statistic on the transform's last pass would save a third reading, 50 to 60 ns. With
//! 16 rows, which do not stay in that cache between the calls, 1.33 and 1.48.

use super::input::{Element, Input, Rows};
use super::norm::RmsNorm;
use super::quantize::{NonFinite, Quantizer};
use super::statistics::max_magnitude;
use super::transform::Transform;
use super::workspace::{Size, Workspace};
use crate::buffer::{Buffer, init};
use crate::error::{Error, Result, check_len, check_nonzero};
use crate::kernels::Backend;
use crate::kernels::contract::Prologue;
use crate::layout::{Activations, ActivationsMut, MAX_INPUTS};
use crate::matrices::Direction;

/// Rows whose norm is kept from the scan of all rows: as many as a host will pass at a time.
const KEPT_ROOTS: usize = 512;

/// What happens to a row of K inputs before the product: RMSNorm if there is one, transform if there is one, quantiser
/// (eq. 7). Layers that share their input (gate and up; queries, keys and values) share one of these and what it computes.
///
/// ```
/// use hbitlinear::{ActivationsMut, Backend, InputStages, Quantizer, RmsNorm, Rule, Transform};
/// let stages = InputStages::new(4, Quantizer::new(Rule::Int4AbsMean, 1e-5)?)?
///     .with_norm(RmsNorm::new(None, 1e-5)?)?
///     .with_transform(Transform::sylvester(4)?)?;
/// let (mut values, mut scales, mut sums) = ([0; 2], [0.0; 1], [0; 1]);
/// let room = ActivationsMut::new(stages.quantizer().rule().bits(), 4, &mut values, &mut scales, &mut sums)?;
/// let mut workspace = vec![0; stages.workspace_len()?];
/// let q = stages.quantize(Backend::best(), &[0.5, -1.0, 2.0, 0.25], room, &mut workspace)?;
/// assert_eq!(q.tokens(), 1);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct InputStages<'a> {
    inputs: usize,
    norm: Option<RmsNorm<'a>>,
    transform: Option<Transform<'a>>,
    quantizer: Quantizer,
    /// Below this no sum of the transform's values can overflow.
    overflow_limit: f32,
}

impl<'a> InputStages<'a> {
    /// A quantiser alone, for rows of `inputs` (K).
    ///
    /// # Errors
    /// [`Error::Zero`] or [`Error::SizeOverflow`] on K.
    pub fn new(inputs: usize, quantizer: Quantizer) -> Result<InputStages<'a>> {
        check_nonzero("inputs", inputs)?;
        if inputs > MAX_INPUTS {
            return Err(Error::SizeOverflow { argument: "inputs" });
        }
        Ok(InputStages { inputs, norm: None, transform: None, quantizer, overflow_limit: f32::MAX / 2.0 })
    }

    /// With a norm before all else.
    ///
    /// # Errors
    /// [`Error::Length`] if its weight is not K long.
    pub fn with_norm(self, norm: RmsNorm<'a>) -> Result<InputStages<'a>> {
        norm.check(self.inputs)?;
        Ok(InputStages { norm: Some(norm), ..self })
    }

    /// With a transform before the quantiser.
    ///
    /// # Errors
    /// [`Error::TransformLength`] if its rows are not K long.
    pub fn with_transform(self, transform: Transform<'a>) -> Result<InputStages<'a>> {
        if transform.row_len() != self.inputs {
            return Err(Error::TransformLength { block: transform.row_len(), actual: self.inputs });
        }
        let overflow_limit = f32::MAX / transform.block_len() as f32 / 2.0;
        Ok(InputStages { transform: Some(transform), overflow_limit, ..self })
    }

    /// K.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// The norm, if there is one.
    #[must_use]
    pub const fn norm(&self) -> Option<&RmsNorm<'a>> {
        self.norm.as_ref()
    }

    /// The transform, if there is one.
    #[must_use]
    pub const fn transform(&self) -> Option<&Transform<'a>> {
        self.transform.as_ref()
    }

    /// The quantiser.
    #[must_use]
    pub const fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// Bytes of workspace for [`quantize`](Self::quantize) of any number of rows of any element.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`].
    pub fn workspace_len(&self) -> Result<usize> {
        self.size().map(Size::bytes)
    }

    pub(crate) fn size(&self) -> Result<Size> {
        let converted = if cfg!(feature = "half") { self.inputs } else { 0 };
        Size::EMPTY.and::<f32>(self.inputs)?.and::<f32>(converted)?.and::<f64>(KEPT_ROOTS)
    }

    /// Any rows of the input to quantised activations, in the room `out`; returns what was written. Threads pass their own
    /// rows of `x`, their own part of the room and their own workspace.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::Stride`] unless `x` has a row of K for each token of the room; [`Error::Length`],
    /// [`Error::Value`] if the room has another K or width; [`Error::Workspace`] below
    /// [`workspace_len`](Self::workspace_len) bytes; [`Error::NonFinite`] naming the row within `x`, unless the quantiser
    /// says [`NonFinite::Spoil`]. Then the room is untouched.
    pub fn quantize<'x, 'o, 'w, T: Element>(
        &self,
        backend: Backend,
        x: impl Into<Input<'x, T>>,
        mut out: ActivationsMut<'o>,
        workspace: impl Into<Buffer<'w, u8>>,
    ) -> Result<Activations<'o>> {
        self.quantizer.check(&out)?;
        check_len("inputs of the activations", self.inputs, out.inputs())?;
        let x = x.into().rows(out.tokens(), self.inputs)?;
        let mut workspace = Workspace::new(workspace.into(), self.size()?)?;
        let row = workspace.take::<f32>(self.inputs);
        let converted = workspace.take_filled(T::converted_len(self.inputs), 0.0);
        let roots = workspace.take_filled(KEPT_ROOTS.min(out.tokens()), 0.0);
        let mut rotate = Rotate { stages: self, backend, row };
        // A row with a NaN or an infinity is found out by its norm or its statistic before anything of it is written, so
        // only a call that refuses such rows and has several must look at all of them first.
        let kept = if out.tokens() > 1 && self.quantizer.non_finite() == NonFinite::Refuse {
            self.refuse_non_finite(&mut rotate, x, out.tokens(), converted, roots)?;
            roots.len()
        } else {
            0
        };
        for token in 0..out.tokens() {
            let x = T::to_f32(x.row(token), converted);
            let root = roots[..kept].get(token).copied().or_else(|| self.root(backend, x));
            match root {
                Some(root) => self.quantizer.token(backend, rotate.row(root, x), &mut out, token)?,
                None => self.quantizer.spoil(&mut out, token)?,
            }
        }
        // SAFETY: every token was written.
        Ok(unsafe { out.assume_written() })
    }

    /// [`Error::NonFinite`] naming the first row that does not reach the quantiser as finite numbers. A scan of the input is
    /// enough, unless values that no model has come near an overflow in the norm's gain or in the transform. The norm's sum
    /// is such a scan; what it finds is kept, for the first rows, so that they are not read for it again.
    fn refuse_non_finite<T: Element>(
        &self,
        rotate: &mut Rotate<'_, '_>,
        x: Rows<'_, T>,
        tokens: usize,
        converted: &mut [f32],
        roots: &mut [f64],
    ) -> Result<()> {
        let backend = rotate.backend;
        let behind_norm = self.largest_behind_norm(backend);
        for row in 0..tokens {
            let x = T::to_f32(x.row(row), converted);
            let largest = behind_norm.unwrap_or_else(|| max_magnitude(backend, x));
            let root = self.root(backend, x).filter(|&root| {
                largest < self.overflow_limit || max_magnitude(backend, rotate.row(root, x)).is_finite()
            });
            let root = root.ok_or(Error::NonFinite { argument: "x", row })?;
            if let Some(kept) = roots.get_mut(row) {
                *kept = root;
            }
        }
        Ok(())
    }

    /// The norm's root of a row, 1 without a norm; `None` if the norm meets a NaN or an infinity.
    fn root(&self, backend: Backend, x: &[f32]) -> Option<f64> {
        self.norm.as_ref().map_or(Some(1.0), |norm| norm.root(backend, x))
    }

    /// A bound on what leaves the norm, if there is one: an RMS-normalised value is at most √n.
    fn largest_behind_norm(&self, backend: Backend) -> Option<f32> {
        let norm = self.norm.as_ref()?;
        let gain = norm.weight().map_or(1.0, |weight| max_magnitude(backend, weight));
        Some(gain * self.inputs as f32)
    }
}

/// Norm and transform of one row after another.
struct Rotate<'s, 'w> {
    stages: &'s InputStages<'s>,
    backend: Backend,
    row: &'w mut [core::mem::MaybeUninit<f32>],
}

impl Rotate<'_, '_> {
    /// Norm and transform of one row with that root. The norm's product and the transform's signs ride on the first
    /// pass of the butterflies, so that the row is read once and written once.
    fn row<'r>(&'r mut self, root: f64, x: &'r [f32]) -> &'r [f32] {
        let (stages, backend) = (self.stages, self.backend);
        let prologue = match (&stages.norm, &stages.transform) {
            (None, None) => return x,
            (Some(norm), None) => return norm.write(backend, root, x, self.row),
            (None, Some(_)) => Prologue { values: Some(x), ..Prologue::IN_PLACE },
            (Some(norm), Some(_)) => norm.prologue(root, x).unwrap_or_else(|| {
                norm.write(backend, root, x, self.row);
                Prologue::IN_PLACE
            }),
        };
        if let Some(transform) = &stages.transform {
            // SAFETY: a row and the prologue's slices are K long; what the prologue does not bring was written just now.
            unsafe { transform.row(backend, Direction::Forward, prologue, self.row) };
        }
        // SAFETY: written by the transform.
        unsafe { init(self.row) }
    }
}
