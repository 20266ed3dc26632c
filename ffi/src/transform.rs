//! Stage 1: Hadamard transforms.

use core::ffi::c_char;

use core_crate::hadamard::{Direction, Family, MAX_FACTORS, SignMatrix, Transform};
use core_crate::{Error, Result};

use crate::backend::backend;
use crate::error::{guard, hbl_error, hbl_status};
use crate::memory::{Caller, read, text};

/// Most outer factors of one transform.
pub const HBL_MAX_FACTORS: usize = 3;

const _: () = assert!(HBL_MAX_FACTORS == MAX_FACTORS);

/// A +-1 matrix H of order m with H H^T = m I, as sign bits: an outer factor of a transform. Made by hbl_matrix_named
/// (the bits are the library's, valid for ever) or hbl_matrix_pack (the bits are in the caller's storage). Both
/// pointers point to m * ceil(m / 32) words: bit j % 32 of word j / 32 of row i is set where H[i][j] = -1.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_matrix {
    /// The order m.
    pub order: usize,
    /// Sign bits of H.
    pub rows: *const u32,
    /// Sign bits of the transpose.
    pub columns: *const u32,
}

/// An orthonormal transform of rows, (H_factors[0] x ... x H_power_of_two) / sqrt(n) with Kronecker products x, on each
/// block of a row: the Sylvester power of two runs along the contiguous inner axis. Make one with hbl_transform_named,
/// then add `blocks` and `signs` if wanted; or fill it in by hand. A row is n * blocks elements; nothing is ever padded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_transform {
    /// Outer factors, outermost first; those beyond `factor_count` are not looked at.
    pub factors: [hbl_matrix; HBL_MAX_FACTORS],
    /// How many there are, 0 to HBL_MAX_FACTORS.
    pub factor_count: usize,
    /// The innermost factor: 1, 2, 4, ...
    pub power_of_two: usize,
    /// Contiguous blocks of a row, each transformed on its own; at least 1.
    pub blocks: usize,
    /// NULL, or a sign (1 or -1) for each element of a row: forward is H (s * x), transpose is s * (H^T x).
    pub signs: *const i8,
    /// Number of signs: 0, or the length of a row.
    pub signs_len: usize,
}

/// The core's transform of a description, its buffers declared as read.
///
/// # Safety
/// The description's pointers are valid for reads during `'a`.
pub(crate) unsafe fn transform<'a>(caller: &mut Caller, it: &hbl_transform) -> Result<Transform<'a>> {
    let given = it
        .factors
        .get(..it.factor_count)
        .ok_or(Error::Value { argument: "factor_count of the transform", value: it.factor_count })?;
    let mut factors = [SignMatrix::from_words(1, &[0], &[0])?; MAX_FACTORS];
    for (factor, given) in factors.iter_mut().zip(given) {
        let words = SignMatrix::storage_len(given.order)? / 2;
        let rows = caller.reads("rows of the matrix", given.rows, words)?;
        let columns = caller.reads("columns of the matrix", given.columns, words)?;
        // SAFETY: valid as promised.
        *factor = unsafe { SignMatrix::from_words(given.order, rows.slice(), columns.slice()) }?;
    }
    let transform = Transform::new(&factors[..given.len()], it.power_of_two)?.blocks(it.blocks)?;
    if it.signs.is_null() && it.signs_len == 0 {
        return Ok(transform);
    }
    let signs = caller.reads("signs", it.signs, it.signs_len)?;
    // SAFETY: valid as promised.
    transform.with_signs(unsafe { signs.slice() })
}

fn matrix(it: SignMatrix<'_>) -> hbl_matrix {
    hbl_matrix { order: it.order(), rows: it.row_words().as_ptr(), columns: it.column_words().as_ptr() }
}

/// A family's matrix: "paley1", "paley2", "quarot" (also SpinQuant's) or "fht" (fast-hadamard-transform and MLX), and
/// an order it has. Two matrices of one order are in general not interchangeable.
///
/// Fails with HBL_STATUS_TRANSFORM.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_matrix_named(
    family: *const c_char,
    order: usize,
    result: *mut hbl_matrix,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let out = Caller::new().writes("result", result, 1)?;
        // SAFETY: terminated by the header's rules.
        let family = unsafe { text("family", family) }?.and_then(Family::from_name);
        let family = family.ok_or(Error::Transform { what: "an unknown family", order })?;
        let found = family.matrix(order).ok_or(Error::Transform { what: family.name(), order })?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(matrix(found)) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Number of uint32_t words that hbl_matrix_pack needs for an order of 1 to 256.
///
/// Fails with HBL_STATUS_TRANSFORM.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_matrix_storage_len(
    order: usize,
    words: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let out = Caller::new().writes("words", words, 1)?;
        let words = SignMatrix::storage_len(order)?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(words) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Checks and packs the caller's own matrix: `signs` is order * order entries 1 or -1, row-major. `result` points into
/// `storage`, which must live as long as it is used.
///
/// Fails with HBL_STATUS_TRANSFORM, HBL_STATUS_LENGTH, or HBL_STATUS_NOT_HADAMARD naming the first row that holds
/// another value or is not orthogonal to an earlier one.
///
/// # Safety
/// See the rules at the top of the header.
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
        let mut caller = Caller::new();
        let signs = caller.reads("signs", signs, signs_len)?;
        let storage = caller.writes("storage", storage, storage_len)?;
        let out = caller.writes("result", result, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(matrix(SignMatrix::pack(order, signs.slice(), storage.slice())?)) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// A transform from its name: outer factors as family:order, then a power of two, joined by `*`, such as "1024",
/// "paley1:12*128" or "quarot:20*quarot:20*8". One block, no signs. The result points at the library's own tables only.
///
/// Fails with HBL_STATUS_TRANSFORM or HBL_STATUS_SIZE_OVERFLOW.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_transform_named(
    name: *const c_char,
    result: *mut hbl_transform,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let out = Caller::new().writes("result", result, 1)?;
        // SAFETY: terminated by the header's rules.
        let name = unsafe { text("name", name) }?;
        let name = name.ok_or(Error::Transform { what: "the transform's name", order: 0 })?;
        let named = Transform::named(name)?;
        let none = hbl_matrix { order: 0, rows: core::ptr::null(), columns: core::ptr::null() };
        let mut factors = [none; HBL_MAX_FACTORS];
        let mut factor_count = 0;
        for (slot, factor) in factors.iter_mut().zip(named.factors()) {
            *slot = matrix(factor);
            factor_count += 1;
        }
        let power_of_two = named.power_of_two();
        let signs = core::ptr::null();
        // SAFETY: one element, valid by the header's rules.
        unsafe {
            out.set(hbl_transform { factors, factor_count, power_of_two, blocks: 1, signs, signs_len: 0 })
        };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Checks a transform and gives the elements of a row, the product of its orders and its blocks.
///
/// Fails with HBL_STATUS_TRANSFORM, HBL_STATUS_SIZE_OVERFLOW, HBL_STATUS_ZERO_SIZE (no blocks), HBL_STATUS_LENGTH (of
/// the signs) or HBL_STATUS_VALUE (a sign that is neither 1 nor -1, or too many factors).
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_transform_row_len(
    transform: *const hbl_transform,
    row_len: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let mut caller = Caller::new();
        let out = caller.writes("row_len", row_len, 1)?;
        // SAFETY: valid by the header's rules.
        let it = unsafe { self::transform(&mut caller, &read("transform", transform)?) }?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(it.row_len()) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The body of the four transforms.
///
/// # Safety
/// The pointers obey the header's rules.
unsafe fn apply<T>(
    it: *const hbl_transform,
    x: *mut T,
    x_len: usize,
    run: impl FnOnce(&Transform<'_>, &mut [T]) -> Result<()>,
) -> Result<()> {
    let mut caller = Caller::new();
    // SAFETY: valid as promised.
    let it = unsafe { transform(&mut caller, &read("transform", it)?) }?;
    let x = caller.writes("x", x, x_len)?;
    // SAFETY: valid as promised.
    run(&it, unsafe { x.slice() })
}

/// Transforms every row of `x`, in place: any number of contiguous rows. Elements that are not finite spread over their
/// block; the quantisers find them.
///
/// Fails as hbl_transform_row_len does; with HBL_STATUS_TRANSFORM_LENGTH if `x` is not a whole number of rows; with
/// HBL_STATUS_UNKNOWN_BACKEND or HBL_STATUS_BACKEND_UNAVAILABLE.
///
/// # Safety
/// See the rules at the top of the header.
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
///
/// # Safety
/// See the rules at the top of the header.
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
///
/// # Safety
/// See the rules at the top of the header.
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
///
/// # Safety
/// See the rules at the top of the header.
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
