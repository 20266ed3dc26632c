//! The whole flow on one screen: norm → Hadamard → quantise → ternary product → dequantise (eq. 7).
//!
//! [`BitLinear`] is the layer without a transform (W_qkv, W_up, W_gate of a BitNet v2 model), [`HBitLinear`] the
//! one with it (W_o, W_down). Both offer [`forward`](HBitLinear::forward) and its two phases, for hosts that put
//! their own barrier between them: every thread quantises its tokens, all wait, every thread multiplies its share.

use core::ops::Range;

use crate::arch::Backend;
use crate::arch::kernels::Source;
use crate::error::{Error, Result, check_len, checked_size};
use crate::gemm;
use crate::hadamard::{Direction, Transform};
use crate::input::{self, Input};
use crate::norm::{RmsNorm, check_finite};
use crate::output::OutputMut;
use crate::quantize::{Activations, ActivationsMut, Quantizer};
use crate::weights::Weights;
use crate::workspace::{Size, Workspace};

/// Rows whose norm is kept from the scan of all rows: as many as a host will pass at a time.
const KEPT_ROOTS: usize = 512;

/// What both layers share.
#[derive(Clone, Copy, Debug)]
struct Stages<'a> {
    norm: Option<RmsNorm<'a>>,
    transform: Option<Transform<'a>>,
    quantizer: Quantizer,
    weights: Weights<'a>,
}

impl<'a> Stages<'a> {
    fn new(
        norm: Option<RmsNorm<'a>>,
        transform: Option<Transform<'a>>,
        quantizer: Quantizer,
        weights: Weights<'a>,
    ) -> Result<Stages<'a>> {
        if let Some(norm) = norm {
            norm.check(weights.columns())?;
        }
        if let Some(transform) = transform
            && transform.row_len() != weights.columns()
        {
            return Err(Error::TransformLength { block: transform.row_len(), actual: weights.columns() });
        }
        Ok(Stages { norm, transform, quantizer, weights })
    }

    fn quantize_size(&self) -> Result<Size> {
        let features = self.weights.columns();
        Size::EMPTY.and::<f32>(features)?.and::<f32>(input::room(features))?.and::<f64>(KEPT_ROOTS)
    }

    fn quantize<T: Input>(
        &self,
        backend: Backend,
        x: &[T],
        out: &mut ActivationsMut<'_>,
        workspace: &mut [u8],
    ) -> Result<()> {
        let features = self.weights.columns();
        self.quantizer.check(out)?;
        check_len("features of the activations", features, out.features())?;
        check_len("x", checked_size(out.tokens(), features, "tokens * features")?, x.len())?;
        let mut workspace = Workspace::new(workspace, self.quantize_size()?)?;
        let row = workspace.take::<f32>(features);
        let room = workspace.take::<f32>(input::room(features));
        let roots = workspace.take::<f64>(KEPT_ROOTS);
        // A row with a NaN or an infinity is found out by its norm or its statistic before anything of it is written.
        // Several rows are all tried before any is written: a scan for non-finite input is enough, unless values that
        // no model has come near an overflow in the norm's gain or in the transform. The norm's sum is such a scan; what
        // it found is kept, for the first rows, so that they are not read for it again.
        let mut kept = 0;
        if out.tokens() > 1 {
            let behind_norm = self.largest_behind_norm(backend);
            for (index, x) in x.chunks_exact(features).enumerate() {
                let x = T::to_f32(x, room);
                let largest = behind_norm.unwrap_or_else(|| largest(backend, x));
                let root = self.root(backend, x).filter(|&root| {
                    largest < self.overflow_limit() || {
                        self.rotate(backend, root, x, row);
                        check_finite(backend, "x", features, row).is_ok()
                    }
                });
                let root = root.ok_or(Error::NonFinite { argument: "x", row: index })?;
                if let Some(place) = roots.get_mut(index) {
                    (*place, kept) = (root, index + 1);
                }
            }
        }
        for (index, (x, (values, scale, sum))) in x.chunks_exact(features).zip(out.rows()).enumerate() {
            let x = T::to_f32(x, room);
            let root = roots[..kept].get(index).copied().or_else(|| self.root(backend, x));
            let packed = root.and_then(|root| {
                self.rotate(backend, root, x, row);
                self.quantizer.row(backend, row, values)
            });
            (*scale, *sum) = packed.ok_or(Error::NonFinite { argument: "x", row: 0 })?;
        }
        Ok(())
    }

    /// The norm's root of a row, 1 without a norm; `None` if the norm meets a NaN or an infinity.
    fn root(&self, backend: Backend, x: &[f32]) -> Option<f64> {
        self.norm.as_ref().map_or(Some(1.0), |norm| norm.root(backend, x))
    }

    /// Norm and transform of one row with that root. The norm's product and the transform's signs ride on the first
    /// pass of the butterflies, so that the row is read once and written once.
    fn rotate(&self, backend: Backend, root: f64, x: &[f32], row: &mut [f32]) {
        let source = match &self.norm {
            Some(norm) => norm.source(root, x, row),
            None => Source { values: Some(x), ..Source::IN_PLACE },
        };
        match &self.transform {
            Some(transform) => transform.row(backend, Direction::Forward, source, row),
            // SAFETY: `backend` proves the CPU's features; all slices are rows.
            None => source.write(row, |x, factor, weight, y| unsafe {
                (backend.kernels().scale_row)(x, factor, weight, y);
            }),
        }
    }

    /// A bound on what leaves the norm, if there is one: an RMS-normalised value is at most √n.
    fn largest_behind_norm(&self, backend: Backend) -> Option<f32> {
        let norm = self.norm.as_ref()?;
        let gain = norm.weight().map_or(1.0, |weight| largest(backend, weight));
        Some(gain * self.weights.columns() as f32)
    }

    /// Below this no sum of a transform's n values can overflow.
    fn overflow_limit(&self) -> f32 {
        let points = self.transform.map_or(1, |transform| transform.block_len()) as f32;
        f32::MAX / points / 2.0
    }

    fn forward_size(&self, tokens: usize) -> Result<Size> {
        let bytes = self.quantizer.rule().bits().row_bytes(self.weights.columns());
        Size::EMPTY
            .and::<u8>(checked_size(tokens, bytes, "tokens * row bytes")?)?
            .and::<f32>(tokens)?
            .and::<i32>(tokens)?
            .and::<u8>(self.quantize_size()?.bytes().max(gemm::workspace_len()))
    }

    fn forward<T: Input>(
        &self,
        backend: Backend,
        x: &[T],
        y: &mut OutputMut<'_, f32>,
        workspace: &mut [u8],
    ) -> Result<()> {
        let (tokens, features, outputs) = (y.tokens(), self.weights.columns(), self.weights.rows());
        check_len("outputs of y", outputs, y.outputs())?;
        let mut workspace = Workspace::new(workspace, self.forward_size(tokens)?)?;
        let bits = self.quantizer.rule().bits();
        let mut out = ActivationsMut::new(
            bits,
            features,
            workspace.take(tokens * bits.row_bytes(features)),
            workspace.take(tokens),
            workspace.take(tokens),
        )?;
        let scratch = workspace.take(self.quantize_size()?.bytes().max(gemm::workspace_len()));
        self.quantize(backend, x, &mut out, scratch)?;
        let activations = out.into_activations();
        gemm::product(backend, &self.weights, &activations, 0..tokens, 0..outputs, y, scratch)
    }
}

/// The largest magnitude; a NaN or an infinity if there is one.
fn largest(backend: Backend, x: &[f32]) -> f32 {
    // SAFETY: `backend` proves the CPU's features.
    f32::from_bits(unsafe { (backend.kernels().max_magnitude_bits)(x) })
}

macro_rules! layer {
    ($name:ident) => {
        impl<'a> $name<'a> {
            /// The layer's weights.
            #[must_use]
            pub const fn weights(&self) -> &Weights<'a> {
                &self.stages.weights
            }

            /// Bytes of workspace for [`forward`](Self::forward) of `tokens` rows.
            ///
            /// # Errors
            /// [`Error::SizeOverflow`].
            pub fn workspace_len(&self, tokens: usize) -> Result<usize> {
                self.stages.forward_size(tokens).map(Size::bytes)
            }

            /// Bytes of workspace for [`quantize`](Self::quantize) of any number of rows.
            ///
            /// # Errors
            /// [`Error::SizeOverflow`].
            pub fn quantize_workspace_len(&self) -> Result<usize> {
                self.stages.quantize_size().map(Size::bytes)
            }

            /// `x` (`[M, K]`, row-major) to `y` (`[M, N]`): both phases, one thread.
            ///
            /// # Errors
            /// [`Error::Length`] unless `x` holds K values for each row of `y` and `y` has N outputs;
            /// [`Error::Workspace`] below [`workspace_len`](Self::workspace_len) bytes; [`Error::NonFinite`] naming the
            /// first row with a NaN, an infinity or an overflow. Then `y` is untouched.
            pub fn forward<T: Input>(
                &self,
                backend: Backend,
                x: &[T],
                y: &mut OutputMut<'_, f32>,
                workspace: &mut [u8],
            ) -> Result<()> {
                self.stages.forward(backend, x, y, workspace)
            }

            /// Phase 1: any rows of the input to quantised activations. A thread passes its own rows of `x` and its
            /// own part of the room.
            ///
            /// # Errors
            /// [`Error::Length`], [`Error::Value`] if the room has another width than the quantiser,
            /// [`Error::Workspace`] below [`quantize_workspace_len`](Self::quantize_workspace_len) bytes,
            /// [`Error::NonFinite`] naming the row within `x`. Then the room is untouched.
            pub fn quantize<T: Input>(
                &self,
                backend: Backend,
                x: &[T],
                out: &mut ActivationsMut<'_>,
                workspace: &mut [u8],
            ) -> Result<()> {
                self.stages.quantize(backend, x, out, workspace)
            }

            /// Phase 2: any range of tokens and of outputs; see [`gemm::product`].
            ///
            /// # Errors
            /// As [`gemm::product`].
            pub fn multiply(
                &self,
                backend: Backend,
                activations: &Activations<'_>,
                tokens: Range<usize>,
                outputs: Range<usize>,
                y: &mut OutputMut<'_, f32>,
                workspace: &mut [u8],
            ) -> Result<()> {
                gemm::product(backend, &self.stages.weights, activations, tokens, outputs, y, workspace)
            }
        }
    };
}

/// `Y = Q_w(W) · Q_a(Norm(X))`: the layer without a transform.
#[derive(Clone, Copy, Debug)]
pub struct BitLinear<'a> {
    stages: Stages<'a>,
}

impl<'a> BitLinear<'a> {
    /// From opened weights; `None` leaves the norm out.
    ///
    /// # Errors
    /// [`Error::Length`] if the norm's weight is not K long.
    pub fn new(
        norm: Option<RmsNorm<'a>>,
        quantizer: Quantizer,
        weights: Weights<'a>,
    ) -> Result<BitLinear<'a>> {
        Ok(BitLinear { stages: Stages::new(norm, None, quantizer, weights)? })
    }
}

layer!(BitLinear);

/// `Y = Q_w(W) · Q_a(Hadamard(Norm(X)))`, eq. 7.
///
/// ```
/// use hbitlinear::{Backend, HBitLinear, OutputMut, hadamard::Transform, norm::RmsNorm, quantize::*, weights::*};
/// let spec = WeightSpec::new(3, 4, Layout::T2, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, -1], &[1.0], &mut blob)?;
///
/// let layer = HBitLinear::new(
///     Some(RmsNorm::new(None, 1e-5)?),
///     Transform::sylvester(4)?,
///     Quantizer::new(Rule::Int4AbsMean, 1e-5)?,
///     Weights::open(&blob)?,
/// )?;
/// let (x, mut y) = ([0.5, -1.0, 2.0, 0.25], [0.0; 3]);
/// let mut workspace = vec![0; layer.workspace_len(1)?];
/// layer.forward(Backend::best(), &x, &mut OutputMut::new(&mut y, 1, 3, 3)?, &mut workspace)?;
/// assert!(y[0] > 0.0);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HBitLinear<'a> {
    stages: Stages<'a>,
}

impl<'a> HBitLinear<'a> {
    /// From opened weights; `None` leaves the norm out.
    ///
    /// # Errors
    /// [`Error::Length`] if the norm's weight is not K long; [`Error::TransformLength`] if the transform's rows are
    /// not.
    pub fn new(
        norm: Option<RmsNorm<'a>>,
        transform: Transform<'a>,
        quantizer: Quantizer,
        weights: Weights<'a>,
    ) -> Result<HBitLinear<'a>> {
        Ok(HBitLinear { stages: Stages::new(norm, Some(transform), quantizer, weights)? })
    }
}

layer!(HBitLinear);
