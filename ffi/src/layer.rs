//! The whole layer: norm, Hadamard, quantise, product.

use core_crate::BitLinear;

use super::backend::backend;
use super::describe::{Description, describe, description};
use super::error::{Failure, Result, guard, hbl_error};
use super::input::{Rows, hbl_input};
use super::memory::Writes;
use super::stages::hbl_stages;
use super::status::hbl_status;
use super::weights::{hbl_weights, reads_blob, weights};

/// A layer: Y = Q_w(W) Q_a(Hadamard(Norm(X))), with `[M, K]` row-major X and `[M, N]` Y. Hosts with threads call its two
/// phases instead: hbl_stages_quantize of `stages`, then hbl_product_f32 of `weights`. All it points to must live as long
/// as it is used. Start from HBL_LAYER_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_layer {
    /// sizeof(hbl_layer).
    pub struct_size: usize,
    /// 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// What happens before the product.
    pub stages: *const hbl_stages,
    /// Opened weights, whose K is that of the stages.
    pub weights: *const hbl_weights,
}
description!(hbl_layer, "HBL_LAYER_INIT", 0);

/// Reads a description.
///
/// # Safety
/// It is null or a readable one.
unsafe fn read(it: *const hbl_layer) -> Result<hbl_layer> {
    // SAFETY: as promised.
    let it = unsafe { describe("layer", it) }?;
    if it.reserved != 0 {
        return Err(Failure::Reserved { argument: "layer" });
    }
    Ok(it)
}

/// Checks a layer and gives the bytes of workspace for hbl_layer_forward of `tokens` rows. It may have any alignment and
/// content.
///
/// Fails as hbl_stages_workspace_len does, with HBL_STATUS_LENGTH (stages and weights of another K),
/// HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_HANDLE (the weights).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_layer_workspace_len(
    layer: *const hbl_layer,
    tokens: usize,
    bytes: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, out) = Writes::new().and("bytes", bytes, 1)?;
        let reads = writes.reads();
        // SAFETY: valid by the header's rules.
        unsafe {
            let it = read(layer)?;
            let weights = weights(it.weights)?;
            reads_blob(&reads, weights)?;
            let stages = hbl_stages::read(it.stages)?.open(&reads)?;
            out.set(BitLinear::new(stages, *weights)?.workspace_len(tokens)?);
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The whole layer on the M rows of `x`, one thread. `y` is `[M, N]` with rows `y_stride` floats apart, `y_len` floats
/// from `y` to the end of the buffer.
///
/// Fails as hbl_layer_workspace_len and hbl_stages_quantize do, or with HBL_STATUS_LENGTH or HBL_STATUS_STRIDE (y).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_layer_forward(
    backend: u32,
    layer: *const hbl_layer,
    x: *const hbl_input,
    y: *mut f32,
    y_len: usize,
    y_stride: usize,
    workspace: *mut u8,
    workspace_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let it = read(layer)?;
            let weights = weights(it.weights)?;
            let (stages, x) = (hbl_stages::read(it.stages)?, hbl_input::read(x)?);
            let shape = (x.tokens, weights.outputs());
            let (writes, y) = Writes::new().and_matrix("y", y, y_len, shape, y_stride)?;
            let (writes, workspace) = writes.and("workspace", workspace, workspace_len)?;
            let reads = writes.reads();
            reads_blob(&reads, weights)?;
            let x = x.declare(&reads, stages.inputs)?;
            let layer = BitLinear::new(stages.open(&reads)?, *weights)?;
            let (y, workspace) = (y.view(), workspace.buffer());
            match x {
                Rows::F32(x) => layer.forward(backend, x, y, workspace)?,
                Rows::F16(x) => layer.forward(backend, x, y, workspace)?,
                Rows::BF16(x) => layer.forward(backend, x, y, workspace)?,
            }
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
