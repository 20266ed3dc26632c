//! The whole flow: norm → Hadamard → quantise ([`InputStages`]) → ternary product → dequantise (eq. 7).
//!
//! A [`BitLinear`] whose stages have no transform is the layer of W_qkv, W_up and W_gate in a BitNet v2 model; with one it is
//! an H-BitLinear: W_o and W_down. Hosts with threads call the two phases instead of [`BitLinear::forward`]: every thread
//! quantises its tokens ([`InputStages::quantize`]), all wait, every thread multiplies its share ([`product`]).

use crate::buffer::Buffer;
use crate::error::{Result, check_len, checked_size};
use crate::kernels::Backend;
use crate::layout::{ActivationsMut, Weights};
use crate::stages::{
    Element, Input, InputStages, OutputMut, Size, Workspace, product, product_workspace_len,
};

/// `Y = Q_w(W) · Q_a(Norm(X))` or, with a transform, `Y = Q_w(W) · Q_a(Hadamard(Norm(X)))` (eq. 7): a small description
/// that borrows the packed weights.
///
/// ```
/// use hbitlinear::{
///     Backend, BitLinear, InputStages, Layout, OutputMut, Quantizer, RmsNorm, Rule, Scaling, Transform, WeightSpec, Weights,
/// };
/// let spec = WeightSpec::new(3, 4, Layout::TwoBit, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, -1], &[1.0], &mut blob)?;
///
/// let stages = InputStages::new(4, Quantizer::new(Rule::Int4AbsMean, 1e-5)?)?
///     .with_norm(RmsNorm::new(None, 1e-5)?)?
///     .with_transform(Transform::sylvester(4)?)?;
/// let layer = BitLinear::new(stages, Weights::open(&blob)?)?;
/// let (x, mut y) = ([0.5, -1.0, 2.0, 0.25], [0.0; 3]);
/// let mut workspace = vec![0; layer.workspace_len(1)?];
/// layer.forward(Backend::best(), &x, OutputMut::rows(&mut y, 3)?, &mut workspace)?;
/// assert!(y[0] > 0.0);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BitLinear<'a> {
    stages: InputStages<'a>,
    weights: Weights<'a>,
}

impl<'a> BitLinear<'a> {
    /// From the stages before the product and opened weights.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the two have another K.
    pub fn new(stages: InputStages<'a>, weights: Weights<'a>) -> Result<BitLinear<'a>> {
        check_len("inputs of the stages", weights.inputs(), stages.inputs())?;
        Ok(BitLinear { stages, weights })
    }

    /// What happens before the product.
    #[must_use]
    pub const fn stages(&self) -> &InputStages<'a> {
        &self.stages
    }

    /// The weights.
    #[must_use]
    pub const fn weights(&self) -> &Weights<'a> {
        &self.weights
    }

    /// Bytes of workspace for [`forward`](Self::forward) of `tokens` rows.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`](crate::Error::SizeOverflow).
    pub fn workspace_len(&self, tokens: usize) -> Result<usize> {
        self.size(tokens).map(Size::bytes)
    }

    fn size(&self, tokens: usize) -> Result<Size> {
        let bytes = self.stages.quantizer().rule().bits().row_bytes(self.stages.inputs());
        Size::EMPTY
            .and::<u8>(checked_size(tokens, bytes, "tokens * row bytes")?)?
            .and::<f32>(tokens)?
            .and::<i32>(tokens)?
            .and::<u8>(self.stages.workspace_len()?.max(product_workspace_len()))
    }

    /// `x` (`[M, K]`) to `y` (`[M, N]`): both phases, one thread. M is the number of rows of `y`.
    ///
    /// # Errors
    /// As [`InputStages::quantize`] on `x`, [`Error::Length`](crate::Error::Length) unless `y` has N outputs, and
    /// [`Error::Workspace`](crate::Error::Workspace) below [`workspace_len`](Self::workspace_len) bytes. Then `y` is
    /// untouched.
    pub fn forward<'x, 'w, T: Element>(
        &self,
        backend: Backend,
        x: impl Into<Input<'x, T>>,
        y: OutputMut<'_, f32>,
        workspace: impl Into<Buffer<'w, u8>>,
    ) -> Result<()> {
        let (tokens, inputs, outputs) = (y.tokens(), self.stages.inputs(), self.weights.outputs());
        check_len("outputs of y", outputs, y.outputs())?;
        let mut workspace = Workspace::new(workspace.into(), self.size(tokens)?)?;
        let bits = self.stages.quantizer().rule().bits();
        let room = ActivationsMut::new(
            bits,
            inputs,
            Buffer::uninit(workspace.take(tokens * bits.row_bytes(inputs))),
            Buffer::uninit(workspace.take(tokens)),
            Buffer::uninit(workspace.take(tokens)),
        )?;
        let mut rest = workspace.into_rest();
        let activations = self.stages.quantize(backend, x, room, rest.reborrow())?;
        product(backend, &self.weights, &activations, 0..tokens, 0..outputs, y, rest)
    }
}
