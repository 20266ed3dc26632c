//! Stage 3: ternary products.

use core::ops::Range;

use core_crate::gemm;

use crate::backend::backend;
use crate::error::{guard, hbl_error, hbl_status};
use crate::memory::{Caller, read};
use crate::quantize::{Read, hbl_activations};
use crate::weights::hbl_weights;

/// The indices `start` to `end` - 1.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_range {
    /// The first.
    pub start: usize,
    /// One beyond the last.
    pub end: usize,
}

impl hbl_range {
    /// How many there are; a reversed range, which the core refuses, has none.
    pub(crate) fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub(crate) fn indices(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Bytes of workspace that any product needs, on every backend. It may have any alignment and content.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_product_workspace_len() -> usize {
    gemm::workspace_len()
}

/// Y = X W^T, dequantised, for a range of tokens and a range of outputs: y[t, n] = scale_t * sum over groups of
/// (alpha_n,g * integer sum). The result does not depend on how the work is cut.
///
/// `y` is where the first token's first output of the ranges goes; the next token's is `y_stride` floats further.
/// `y_len` counts floats from `y` to the end of the buffer, at least (tokens - 1) * y_stride + outputs; those between
/// the rows are never touched, so threads may write different outputs of one matrix at the same time.
///
/// Fails with HBL_STATUS_LENGTH (K of the activations, values, y), HBL_STATUS_RANGE, HBL_STATUS_STRIDE,
/// HBL_STATUS_WORKSPACE, or as hbl_weights_open_verified does.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_product_f32(
    backend: u32,
    weights: *const hbl_weights,
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
            let weights = read("weights", weights)?.open(&mut caller)?;
            let x = Read::declare(&mut caller, activations)?;
            let shape = (tokens.len(), outputs.len());
            let y = caller.writes_matrix("y", y, y_len, shape, y_stride)?;
            let workspace = caller.writes("workspace", workspace, workspace_len)?;
            gemm::product(
                backend,
                &weights,
                &x.borrow()?,
                tokens.indices(),
                outputs.indices(),
                &mut y.view(),
                workspace.slice(),
            )
        }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The integer sums alone: y[t, n] = sum over k of w[n, k] * q[t, k], exact. Otherwise as hbl_product_f32.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_product_i32(
    backend: u32,
    weights: *const hbl_weights,
    activations: *const hbl_activations,
    tokens: hbl_range,
    outputs: hbl_range,
    y: *mut i32,
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
            let weights = read("weights", weights)?.open(&mut caller)?;
            let x = Read::declare(&mut caller, activations)?;
            let shape = (tokens.len(), outputs.len());
            let y = caller.writes_matrix("y", y, y_len, shape, y_stride)?;
            let workspace = caller.writes("workspace", workspace, workspace_len)?;
            gemm::product_i32(
                backend,
                &weights,
                &x.borrow()?,
                tokens.indices(),
                outputs.indices(),
                &mut y.view(),
                workspace.slice(),
            )
        }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
