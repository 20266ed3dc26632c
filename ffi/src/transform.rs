//! Stage 1: Hadamard transforms.

use core::ffi::c_char;

use core_crate::stages::MAX_FACTORS;
use core_crate::{Direction, Error, SignMatrix, Transform};

use super::backend::backend;
use super::error::{Result, guard, hbl_error};
use super::handle::{Prepared, Seal, open, prepare};
use super::matrix::hbl_matrix;
use super::memory::{Reads, Regions, Writes, text};
use super::status::hbl_status;

/// An orthonormal transform of rows, (H_factors[0] x ... x H_power_of_two) / sqrt(n) with Kronecker products x, on each
/// block of a row: the Sylvester power of two runs along the contiguous inner axis. A row is n * blocks elements;
/// nothing is ever padded. A handle, made by hbl_transform_named or hbl_transform_new: all is checked then, nothing at
/// each use. It may be copied, and there is nothing to free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_transform {
    /// The library's own.
    pub opaque: [u64; 64],
}

impl Prepared for Transform<'static> {
    type Opaque = hbl_transform;
    const MAKER: &'static str = "hbl_transform_named or hbl_transform_new";
    const MAGIC: u64 = u64::from_le_bytes(*b"hbltra.1");

    #[inline(always)]
    fn fingerprint(&self, seal: &mut Seal) {
        seal.add(self.row_len());
        seal.add(self.block_len());
        seal.add(self.power_of_two());
        seal.bits(self.scale());
        for factor in self.factors() {
            seal.add(factor.order());
            seal.slice(factor.row_words());
            seal.slice(factor.column_words());
        }
        if let Some(signs) = self.signs() {
            seal.slice(signs);
        }
    }
}

/// Opens a transform, what it points to declared as read.
///
/// # Safety
/// The pointer obeys the header's rules during `'a`.
#[inline(always)]
pub(crate) unsafe fn transform<'a>(
    reads: &Reads<impl Regions>,
    it: *const hbl_transform,
) -> Result<&'a Transform<'static>> {
    // SAFETY: as promised.
    let it = unsafe { open::<Transform<'static>>("transform", it) }?;
    for factor in it.factors() {
        reads.slice("matrix of the transform", factor.row_words())?;
        reads.slice("matrix of the transform", factor.column_words())?;
    }
    if let Some(signs) = it.signs() {
        reads.slice("signs of the transform", signs)?;
    }
    Ok(it)
}

/// A transform from its name: outer factors as family:order, then a power of two, joined by `*`, such as "1024",
/// "paley1:12*128" or "quarot:20*quarot:20*8". One block, no signs. The result points at static tables only.
///
/// Fails with HBL_STATUS_TRANSFORM or HBL_STATUS_SIZE_OVERFLOW.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_transform_named(
    name: *const c_char,
    result: *mut hbl_transform,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        Writes::new().and("result", result, 1)?;
        // SAFETY: terminated by the header's rules.
        let name = unsafe { text("name", name) }?.ok_or(Error::TransformName { at: 0 })?;
        let transform = Transform::named(name)?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { prepare(result, transform) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// A transform of `factor_count` outer factors, outermost first, and the innermost power of two: 1, 2, 4, ... One block,
/// no signs. `factors` is not needed afterwards, but the storage of matrices that hbl_matrix_pack made is.
///
/// Fails with HBL_STATUS_TRANSFORM (more factors than this library takes, at present 3; or not a power of two),
/// HBL_STATUS_SIZE_OVERFLOW, or HBL_STATUS_HANDLE (a factor).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_transform_new(
    factors: *const hbl_matrix,
    factor_count: usize,
    power_of_two: usize,
    result: *mut hbl_transform,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, _) = Writes::new().and("result", result, 1)?;
        let factors = writes.reads().buffer("factors", factors, factor_count)?;
        // SAFETY: valid by the header's rules.
        let factors = unsafe { factors.slice() };
        let mut opened = [SignMatrix::from_words(1, &[0], &[0])?; MAX_FACTORS];
        if factors.len() > opened.len() {
            return Err(Error::FactorCount { limit: opened.len(), actual: factors.len() }.into());
        }
        for (slot, factor) in opened.iter_mut().zip(factors) {
            // SAFETY: an element of the array.
            *slot = *unsafe { open::<SignMatrix<'static>>("factors", factor) }?;
        }
        // SAFETY: one element, valid by the header's rules.
        unsafe { prepare(result, Transform::new(&opened[..factors.len()], power_of_two)?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Changes a transform to work on each of `blocks` contiguous blocks of a row, at least 1.
///
/// Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW, HBL_STATUS_LENGTH (signs were set for another length) or
/// HBL_STATUS_HANDLE; then the transform is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_transform_set_blocks(
    transform: *mut hbl_transform,
    blocks: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules, for writes as well.
        unsafe {
            let changed = open::<Transform<'static>>("transform", transform)?.with_blocks(blocks)?;
            prepare(transform, changed);
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Gives a transform a sign (1 or -1) for each element of a row: forward is H (s * x), transpose is s * (H^T x). They are
/// not copied: `signs` must live, unchanged, as long as the transform is used.
///
/// Fails with HBL_STATUS_LENGTH unless `signs_len` is the length of a row, HBL_STATUS_SIGN (neither 1 nor -1) or
/// HBL_STATUS_HANDLE; then the transform is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_transform_set_signs(
    transform: *mut hbl_transform,
    signs: *const i8,
    signs_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, _) = Writes::new().and("transform", transform, 1)?;
        let signs = writes.reads().buffer("signs", signs, signs_len)?;
        // SAFETY: valid by the header's rules, for writes as well, and the signs as long as the handle.
        unsafe {
            let changed = open::<Transform<'static>>("transform", transform)?.with_signs(signs.slice())?;
            prepare(transform, changed);
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The elements of a row: the product of the orders and the blocks.
///
/// Fails with HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_transform_row_len(
    transform: *const hbl_transform,
    row_len: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("row_len", row_len, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(open::<Transform<'static>>("transform", transform)?.row_len()) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The body of the four transforms.
///
/// # Safety
/// The pointers obey the header's rules.
#[inline(always)]
unsafe fn apply<T: Copy>(
    it: *const hbl_transform,
    x: *mut T,
    x_len: usize,
    run: impl FnOnce(&Transform<'_>, &mut [T]) -> core_crate::Result<()>,
) -> Result<()> {
    let (writes, x) = Writes::new().and("x", x, x_len)?;
    // SAFETY: as promised.
    unsafe {
        let it = transform(&writes.reads(), it)?;
        Ok(run(it, x.slice())?)
    }
}

/// Transforms every row of `x`, in place: any number of contiguous rows. Elements that are not finite spread over their
/// block; the quantisers find them.
///
/// Fails with HBL_STATUS_TRANSFORM_LENGTH if `x` is not a whole number of rows, HBL_STATUS_HANDLE,
/// HBL_STATUS_UNKNOWN_BACKEND or HBL_STATUS_BACKEND_UNAVAILABLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_hadamard_forward_f32(
    backend: u32,
    transform: *const hbl_transform,
    x: *mut f32,
    x_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        // SAFETY: valid by the header's rules.
        unsafe { apply(transform, x, x_len, |it, x| it.forward(backend, x)) }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Applies the transpose, the inverse of hbl_hadamard_forward_f32, to every row of `x`, in place.
///
/// Fails as hbl_hadamard_forward_f32 does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_hadamard_transpose_f32(
    backend: u32,
    transform: *const hbl_transform,
    x: *mut f32,
    x_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        // SAFETY: valid by the header's rules.
        unsafe { apply(transform, x, x_len, |it, x| it.transpose(backend, x)) }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// hbl_hadamard_forward_f32 in double precision, by portable code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_hadamard_forward_f64(
    transform: *const hbl_transform,
    x: *mut f64,
    x_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    let body = || unsafe { apply(transform, x, x_len, |it, x| it.apply_f64(Direction::Forward, x)) };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// hbl_hadamard_transpose_f32 in double precision, by portable code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_hadamard_transpose_f64(
    transform: *const hbl_transform,
    x: *mut f64,
    x_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    let body = || unsafe { apply(transform, x, x_len, |it, x| it.apply_f64(Direction::Transpose, x)) };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
