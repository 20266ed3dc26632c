//! Matrices: the outer factors of transforms.

use core::ffi::c_char;

use core_crate::{Error, Family, SignMatrix};

use super::error::{guard, hbl_error};
use super::handle::{Prepared, Seal, prepare};
use super::memory::{Writes, text};
use super::status::hbl_status;

/// A +-1 matrix H of order m with H H^T = m I: an outer factor of a transform. A handle, made by hbl_matrix_named or
/// hbl_matrix_pack; it may be copied, and there is nothing to free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_matrix {
    /// The library's own.
    pub opaque: [u64; 16],
}

impl Prepared for SignMatrix<'static> {
    type Opaque = hbl_matrix;
    const MAKER: &'static str = "hbl_matrix_named or hbl_matrix_pack";
    const MAGIC: u64 = u64::from_le_bytes(*b"hblmat.1");

    #[inline(always)]
    fn fingerprint(&self, seal: &mut Seal) {
        seal.add(self.order());
        seal.slice(self.row_words());
        seal.slice(self.column_words());
    }
}

/// A family's matrix: "paley1", "paley2", "quarot" (also SpinQuant's) or "fht" (fast-hadamard-transform and MLX), and
/// an order it has. Two matrices of one order are in general not interchangeable.
///
/// Fails with HBL_STATUS_NAME (no such family) or HBL_STATUS_TRANSFORM (an order it does not have).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_matrix_named(
    family: *const c_char,
    order: usize,
    result: *mut hbl_matrix,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        Writes::new().and("result", result, 1)?;
        // SAFETY: terminated by the header's rules.
        let family = unsafe { text("family", family) }?.ok_or(Error::Name { argument: "family" })?;
        let matrix = family.parse::<Family>()?.matrix(order)?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { prepare(result, matrix) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Number of uint32_t words that hbl_matrix_pack needs for an order of 1 to 256.
///
/// Fails with HBL_STATUS_TRANSFORM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_matrix_storage_len(
    order: usize,
    words: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("words", words, 1)?;
        let words = SignMatrix::storage_len(order)?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(words) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Checks and packs the caller's own matrix: `signs` is order * order entries 1 or -1, row-major. `result` points into
/// `storage`, which must live, unchanged, as long as it and transforms made of it are used.
///
/// Fails with HBL_STATUS_TRANSFORM (order), HBL_STATUS_LENGTH, or HBL_STATUS_NOT_HADAMARD naming the first row that holds
/// another value or is not orthogonal to an earlier one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_matrix_pack(
    order: usize,
    signs: *const i8,
    signs_len: usize,
    storage: *mut u32,
    storage_len: usize,
    result: *mut hbl_matrix,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, storage) = Writes::new().and("storage", storage, storage_len)?;
        let (writes, _) = writes.and("result", result, 1)?;
        let signs = writes.reads().buffer("signs", signs, signs_len)?;
        // SAFETY: valid by the header's rules, the storage as long as the handle.
        unsafe { prepare(result, SignMatrix::pack(order, signs.slice(), storage.buffer())?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
