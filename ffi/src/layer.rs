//! The whole layer: norm, Hadamard, quantise, product.

use core_crate::norm::RmsNorm;
use core_crate::weights::Weights;
use core_crate::{BitLinear, Error, HBitLinear, Result};

use crate::backend::backend;
use crate::error::{guard, hbl_error, hbl_status};
use crate::gemm::hbl_range;
use crate::memory::{Caller, read};
use crate::quantize::{Read, Written, hbl_activations, norm, quantizer};
use crate::transform::{hbl_transform, transform};
use crate::weights::hbl_weights;

/// Which norm a layer starts with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_norm {
    /// None.
    HBL_NORM_NONE = 0,
    /// RMSNorm.
    HBL_NORM_RMS = 1,
}

/// A layer: Y = Q_w(W) Q_a(Hadamard(Norm(X))), with `[M, K]` row-major X and `[M, N]` Y. With `transform` it is the paper's
/// H-BitLinear (W_o, W_down), without it BitLinear (W_qkv, W_up, W_gate). A plain description; all it points to must live
/// as long as it is used.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_layer {
    /// An opened weight blob.
    pub weights: hbl_weights,
    /// NULL, or a transform whose rows are K long.
    pub transform: *const hbl_transform,
    /// NULL, or the norm's gain for each of the K features.
    pub norm_weight: *const f32,
    /// 0 or K.
    pub norm_weight_len: usize,
    /// An hbl_norm. The other two norm fields are not looked at without one.
    pub norm: u32,
    /// The norm's epsilon, such as 1e-5.
    pub norm_epsilon: f32,
    /// An hbl_rule for the activations.
    pub rule: u32,
    /// The quantiser's epsilon, such as 1e-5.
    pub epsilon: f32,
}

/// The core's layer of a description.
enum Layer<'a> {
    Plain(BitLinear<'a>),
    Rotated(HBitLinear<'a>),
}

/// One expression for both kinds of layer.
macro_rules! with {
    ($layer:expr, $name:ident => $body:expr) => {
        match $layer {
            Layer::Plain($name) => $body,
            Layer::Rotated($name) => $body,
        }
    };
}

impl Layer<'_> {
    /// Reads a description, its buffers declared as read.
    ///
    /// # Safety
    /// The description and all it points to are valid for reads during `'a`.
    unsafe fn open<'a>(caller: &mut Caller, it: *const hbl_layer) -> Result<Layer<'a>> {
        // SAFETY: as promised.
        unsafe {
            let it = read("layer", it)?;
            let weights: Weights<'a> = it.weights.open(caller)?;
            let norm: Option<RmsNorm<'a>> = match it.norm {
                0 => None,
                1 => Some(norm(caller, it.norm_weight, it.norm_weight_len, it.norm_epsilon)?),
                other => return Err(Error::Value { argument: "norm", value: other as usize }),
            };
            let quantizer = quantizer(it.rule, it.epsilon)?;
            if it.transform.is_null() {
                return BitLinear::new(norm, quantizer, weights).map(Layer::Plain);
            }
            let transform = transform(caller, &read("transform", it.transform)?)?;
            HBitLinear::new(norm, transform, quantizer, weights).map(Layer::Rotated)
        }
    }
}

/// Checks a layer and gives the bytes of workspace for hbl_layer_forward of `tokens` rows. It may have any alignment and
/// content.
///
/// Fails with HBL_STATUS_VALUE (norm, rule), HBL_STATUS_EPSILON, HBL_STATUS_LENGTH (of the norm's weight),
/// HBL_STATUS_NON_FINITE (in it), HBL_STATUS_TRANSFORM_LENGTH (a transform of another length than K),
/// HBL_STATUS_SIZE_OVERFLOW, or as hbl_transform_row_len and hbl_weights_open_verified do.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_layer_workspace_len(
    layer: *const hbl_layer,
    tokens: usize,
    bytes: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let mut caller = Caller::new();
        let out = caller.writes("bytes", bytes, 1)?;
        // SAFETY: valid by the header's rules.
        let layer = unsafe { Layer::open(&mut caller, layer) }?;
        let bytes = with!(&layer, layer => layer.workspace_len(tokens))?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(bytes) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The bytes of workspace for hbl_layer_quantize of any number of rows.
///
/// Fails as hbl_layer_workspace_len does.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_layer_quantize_workspace_len(
    layer: *const hbl_layer,
    bytes: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let mut caller = Caller::new();
        let out = caller.writes("bytes", bytes, 1)?;
        // SAFETY: valid by the header's rules.
        let layer = unsafe { Layer::open(&mut caller, layer) }?;
        let bytes = with!(&layer, layer => layer.quantize_workspace_len())?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(bytes) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The whole layer on M = `tokens` rows, one thread. `x` is `[M, K]`, contiguous; `y` is `[M, N]` with rows `y_stride`
/// floats apart, `y_len` floats from `y` to the end of the buffer.
///
/// Fails as hbl_layer_workspace_len does; with HBL_STATUS_LENGTH (x, y), HBL_STATUS_STRIDE, HBL_STATUS_WORKSPACE,
/// HBL_STATUS_UNKNOWN_BACKEND, HBL_STATUS_BACKEND_UNAVAILABLE, or HBL_STATUS_NON_FINITE naming the first row with a NaN,
/// an infinity or an overflow.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_layer_forward(
    backend: u32,
    layer: *const hbl_layer,
    tokens: usize,
    x: *const f32,
    x_len: usize,
    y: *mut f32,
    y_len: usize,
    y_stride: usize,
    workspace: *mut u8,
    workspace_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let mut caller = Caller::new();
        // SAFETY: valid by the header's rules.
        unsafe {
            let layer = Layer::open(&mut caller, layer)?;
            let x = caller.reads("x", x, x_len)?;
            let shape = (tokens, with!(&layer, layer => layer.weights().rows()));
            let y = caller.writes_matrix("y", y, y_len, shape, y_stride)?;
            let workspace = caller.writes("workspace", workspace, workspace_len)?.slice();
            with!(&layer, layer => layer.forward(backend, x.slice(), &mut y.view(), workspace))
        }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Phase 1 of the layer: any rows of the input to quantised activations. A thread passes its own rows of `x` and an
/// hbl_activations over its own part of the buffers.
///
/// Fails as hbl_layer_forward does, and with HBL_STATUS_VALUE if `bits` is not the rule's. Rows are counted within `x`.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_layer_quantize(
    backend: u32,
    layer: *const hbl_layer,
    x: *const f32,
    x_len: usize,
    activations: *const hbl_activations,
    workspace: *mut u8,
    workspace_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let mut caller = Caller::new();
        // SAFETY: valid by the header's rules.
        unsafe {
            let layer = Layer::open(&mut caller, layer)?;
            let x = caller.reads("x", x, x_len)?;
            let room = Written::declare(&mut caller, activations)?;
            let workspace = caller.writes("workspace", workspace, workspace_len)?.slice();
            with!(&layer, layer => layer.quantize(backend, x.slice(), &mut room.borrow()?, workspace))
        }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Phase 2 of the layer: hbl_product_f32 with the layer's weights.
///
/// Fails as hbl_product_f32 and hbl_layer_workspace_len do.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_layer_multiply(
    backend: u32,
    layer: *const hbl_layer,
    activations: *const hbl_activations,
    tokens: hbl_range,
    outputs: hbl_range,
    y: *mut f32,
    y_len: usize,
    y_stride: usize,
    workspace: *mut u8,
    workspace_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let mut caller = Caller::new();
        // SAFETY: valid by the header's rules.
        unsafe {
            let layer = Layer::open(&mut caller, layer)?;
            let q = Read::declare(&mut caller, activations)?.borrow()?;
            let shape = (tokens.len(), outputs.len());
            let y = caller.writes_matrix("y", y, y_len, shape, y_stride)?;
            let workspace = caller.writes("workspace", workspace, workspace_len)?.slice();
            let (tokens, outputs) = (tokens.indices(), outputs.indices());
            with!(&layer, layer => {
                layer.multiply(backend, &q, tokens, outputs, &mut y.view(), workspace)
            })
        }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
