//! Ternary weights from trained ones.

use super::backend::backend;
use super::error::{guard, hbl_error};
use super::memory::Writes;
use super::status::hbl_status;

/// Ternary weights from trained ones: w = clamp(round_half_even(W / (a + epsilon)), -1, 1) with a = mean |W| over all
/// `weights_len` weights, which is stored in `scale`.
///
/// Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_LENGTH, HBL_STATUS_EPSILON or HBL_STATUS_NON_FINITE (row 0).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_absmean(
    backend: u32,
    weights: *const f32,
    weights_len: usize,
    epsilon: f32,
    ternary: *mut i8,
    ternary_len: usize,
    scale: *mut f32,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let (writes, ternary) = Writes::new().and("ternary", ternary, ternary_len)?;
        let (writes, scale) = writes.and("scale", scale, 1)?;
        let weights = writes.reads().buffer("weights", weights, weights_len)?;
        // SAFETY: valid by the header's rules.
        unsafe { scale.set(core_crate::absmean(backend, weights.slice(), epsilon, ternary.buffer())?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// hbl_absmean for each row of `inputs` weights on its own; `scales` receives one a for each of its `scales_len` rows.
///
/// Fails as hbl_absmean does; HBL_STATUS_NON_FINITE names the row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_absmean_rows(
    backend: u32,
    inputs: usize,
    weights: *const f32,
    weights_len: usize,
    epsilon: f32,
    ternary: *mut i8,
    ternary_len: usize,
    scales: *mut f32,
    scales_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let (writes, ternary) = Writes::new().and("ternary", ternary, ternary_len)?;
        let (writes, scales) = writes.and("scales", scales, scales_len)?;
        let weights = writes.reads().buffer("weights", weights, weights_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let weights = weights.slice();
            core_crate::absmean_rows(backend, inputs, weights, epsilon, ternary.buffer(), scales.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
