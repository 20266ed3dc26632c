//! RMSNorm.

use core_crate::RmsNorm;

use super::backend::backend;
use super::error::{Result, guard, hbl_error};
use super::memory::{Reads, Regions, Writes};
use super::status::hbl_status;

/// RMSNorm of rows of K = `inputs` floats: y = x / sqrt(mean(x^2) + epsilon) * weight. `x` and `y` are `[M, K]`,
/// row-major, M = `x_len` / K; `weight` is K long, or NULL with `weight_len` 0 for none. `x` and `y` must not overlap.
///
/// Fails with HBL_STATUS_ZERO_SIZE (K), HBL_STATUS_LENGTH, HBL_STATUS_EPSILON, or HBL_STATUS_NON_FINITE naming the first
/// row of `x` with a NaN or an infinity (row 0 if it is in the weight).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_rms_norm(
    backend: u32,
    inputs: usize,
    weight: *const f32,
    weight_len: usize,
    epsilon: f32,
    x: *const f32,
    x_len: usize,
    y: *mut f32,
    y_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let (writes, y) = Writes::new().and("y", y, y_len)?;
        let reads = writes.reads();
        let x = reads.buffer("x", x, x_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let norm = norm(&reads, weight, weight_len, epsilon)?;
            norm.forward(backend, inputs, x.slice(), y.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The norm of its arguments, its weight declared as read.
///
/// # Safety
/// The weight is valid for reads during `'a`.
pub(crate) unsafe fn norm<'a>(
    reads: &Reads<impl Regions>,
    weight: *const f32,
    weight_len: usize,
    epsilon: f32,
) -> Result<RmsNorm<'a>> {
    if weight.is_null() && weight_len == 0 {
        return Ok(RmsNorm::new(None, epsilon)?);
    }
    let weight = reads.buffer("norm weight", weight, weight_len)?;
    // SAFETY: as promised.
    Ok(RmsNorm::new(Some(unsafe { weight.slice() }), epsilon)?)
}
