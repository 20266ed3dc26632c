//! Stage 3: ternary products.

use core::ops::Range;

use core_crate::{Activations, Backend, Buffer, Error, OutputMut, Weights};

use super::backend::backend;
use super::error::{Result, guard, hbl_error};
use super::memory::Writes;
use super::quantize::hbl_activations;
use super::status::hbl_status;
use super::weights::{hbl_weights, reads_blob, weights};

/// The indices `start` to `end` - 1. Passed by value; this struct never grows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_range {
    /// The first.
    pub start: usize,
    /// One beyond the last.
    pub end: usize,
}

impl hbl_range {
    /// The range, if it lies within `0..limit`.
    #[inline(always)]
    pub(crate) fn within(self, argument: &'static str, limit: usize) -> Result<Range<usize>> {
        let hbl_range { start, end } = self;
        if start <= end && end <= limit {
            Ok(start..end)
        } else {
            Err(Error::Range { argument, start, end, limit }.into())
        }
    }
}

/// Bytes of workspace that any product needs, on every backend. It may have any alignment and content.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_product_workspace_len() -> usize {
    core_crate::product_workspace_len()
}

/// Where to cut outputs among threads: ranges that start at a multiple of so many cost nothing extra. Any cut gives the
/// same result.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_product_preferred_outputs() -> usize {
    core_crate::layout::PANEL_ROWS
}

/// The arguments of a product but its output's type.
struct Product {
    backend: u32,
    weights: *const hbl_weights,
    activations: *const hbl_activations,
    tokens: hbl_range,
    outputs: hbl_range,
    workspace: *mut u8,
    workspace_len: usize,
}

impl Product {
    /// The body of both products.
    ///
    /// # Safety
    /// The pointers obey the header's rules.
    #[inline(always)]
    unsafe fn run<T: Copy>(
        &self,
        y: *mut T,
        y_len: usize,
        y_stride: usize,
        run: impl FnOnce(
            Backend,
            &Weights<'_>,
            &Activations<'_>,
            [Range<usize>; 2],
            OutputMut<'_, T>,
            Buffer<'_, u8>,
        ) -> core_crate::Result<()>,
    ) -> Result<()> {
        let backend = backend(self.backend)?;
        // SAFETY: as promised.
        unsafe {
            let weights = weights(self.weights)?;
            let x = hbl_activations::read(self.activations)?;
            // Before the shape of y, which follows from them.
            let tokens = self.tokens.within("tokens", x.tokens)?;
            let outputs = self.outputs.within("outputs", weights.outputs())?;
            let shape = (tokens.len(), outputs.len());
            let (writes, y) = Writes::new().and_matrix("y", y, y_len, shape, y_stride)?;
            let (writes, workspace) = writes.and("workspace", self.workspace, self.workspace_len)?;
            let reads = writes.reads();
            reads_blob(&reads, weights)?;
            let x = x.declare(&reads)?;
            Ok(run(backend, weights, &x.borrow()?, [tokens, outputs], y.view(), workspace.buffer())?)
        }
    }
}

/// Y = X W^T, dequantised, for a range of tokens and a range of outputs: y[t, n] = scale_t * sum over groups of
/// (alpha_n,g * integer sum). The result does not depend on how the work is cut.
///
/// `y` is where the first token's first output of the ranges goes; the next token's is `y_stride` floats further.
/// `y_len` counts floats from `y` to the end of the buffer, at least (tokens - 1) * y_stride + outputs; those between
/// the rows are never touched, so threads may write different outputs of one matrix at the same time.
///
/// Fails with HBL_STATUS_LENGTH (K of the activations, values, y), HBL_STATUS_VALUE (bits), HBL_STATUS_RANGE,
/// HBL_STATUS_STRIDE, HBL_STATUS_WORKSPACE, HBL_STATUS_HANDLE, HBL_STATUS_UNKNOWN_BACKEND or
/// HBL_STATUS_BACKEND_UNAVAILABLE. Token scales that are not finite (HBL_SPOIL_NON_FINITE writes such) give outputs that
/// are not, and are no error.
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
    let it = Product { backend, weights, activations, tokens, outputs, workspace, workspace_len };
    let product = |backend,
                   w: &Weights<'_>,
                   x: &Activations<'_>,
                   [tokens, outputs]: [_; 2],
                   y: OutputMut<'_, _>,
                   workspace: Buffer<'_, u8>| {
        core_crate::product(backend, w, x, tokens, outputs, y, workspace)
    };
    // SAFETY: all are valid by the header's rules.
    unsafe { guard(error, || it.run(y, y_len, y_stride, product)) }
}

/// The integer sums alone: y[t, n] = sum over k of w[n, k] * q[t, k], exact. Otherwise as hbl_product_f32.
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
    let it = Product { backend, weights, activations, tokens, outputs, workspace, workspace_len };
    let product = |backend,
                   w: &Weights<'_>,
                   x: &Activations<'_>,
                   [tokens, outputs]: [_; 2],
                   y: OutputMut<'_, _>,
                   workspace: Buffer<'_, u8>| {
        core_crate::product_i32(backend, w, x, tokens, outputs, y, workspace)
    };
    // SAFETY: all are valid by the header's rules.
    unsafe { guard(error, || it.run(y, y_len, y_stride, product)) }
}
