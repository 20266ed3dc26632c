//! Packed weights, written in other people's formats.

use core_crate::interop::Export;

use super::describe::{Description, describe, description, store};
use super::error::{Result, guard, hbl_error};
use super::format::format;
use super::memory::{And, Nothing, Writable, Writes};
use super::product::hbl_range;
use super::status::hbl_status;
use super::weights::{hbl_weights, reads_blob, weights};

/// How a tensor is written: lines, runs of bytes that threads can write independently (a row in the formats whose rows are
/// bytes of their own), and a tail. Start from HBL_EXPORT_SIZES_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_export_sizes {
    /// sizeof(hbl_export_sizes).
    pub struct_size: usize,
    /// 0.
    pub flags: u32,
    /// 1 if the format keeps the scale in another tensor, else 0.
    pub has_weight_scale: u32,
    /// Bytes of the tensor: lines * line_len + tail_len.
    pub len: usize,
    /// Number of lines.
    pub lines: usize,
    /// Bytes of a line.
    pub line_len: usize,
    /// Bytes behind the lines; 0 for most formats.
    pub tail_len: usize,
    /// What to store in that other tensor, else 0.
    pub weight_scale: f32,
    /// 0.
    pub reserved: u32,
}
description!(hbl_export_sizes, "HBL_EXPORT_SIZES_INIT", 0);

/// What it takes to write the weights in an hbl_format. `sizes` is a description that was initialised: its fields are
/// written as far as its struct_size reaches.
///
/// Fails as hbl_format_tensor_len does; with HBL_STATUS_SCALE_DIFFERS (the format has one scale for the tensor, the weights
/// have several), HBL_STATUS_SCALE (no value is stored for the scale, as no f32 has it as its reciprocal) or
/// HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_export_query(
    weights: *const hbl_weights,
    format: u32,
    sizes: *mut hbl_export_sizes,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let accepted = describe("sizes", sizes)?;
            let (writes, _) = Writes::new().and("sizes", sizes.cast::<u8>(), accepted.struct_size)?;
            let export = export(writes, weights, format)?;
            let found = hbl_export_sizes {
                struct_size: size_of::<hbl_export_sizes>(),
                flags: 0,
                has_weight_scale: export.weight_scale().is_some().into(),
                len: export.len(),
                lines: export.lines(),
                line_len: export.line_len(),
                tail_len: export.tail_len(),
                weight_scale: export.weight_scale().unwrap_or(0.0),
                reserved: 0,
            };
            store(sizes, &accepted, found);
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Writes the whole tensor: hbl_export_query's `len` bytes.
///
/// Fails as hbl_export_query does; with HBL_STATUS_LENGTH. Also with HBL_STATUS_SCALE_DIFFERS (weights that share a scale in
/// the format have different ones) or HBL_STATUS_SCALE (not an f16 where the format stores those): then `bytes` may be written
/// in part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_export_write(
    weights: *const hbl_weights,
    format: u32,
    bytes: *mut u8,
    bytes_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let (export, bytes) = writing(weights, format, bytes, bytes_len)?;
            export.write(bytes.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Writes some lines, of hbl_export_query's `line_len` bytes each.
///
/// Fails as hbl_export_write does; with HBL_STATUS_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_export_write_lines(
    weights: *const hbl_weights,
    format: u32,
    lines: hbl_range,
    bytes: *mut u8,
    bytes_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let (export, bytes) = writing(weights, format, bytes, bytes_len)?;
            export.write_lines(lines.within("lines", export.lines())?, bytes.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Writes the tail: hbl_export_query's `tail_len` bytes.
///
/// Fails as hbl_export_query does; with HBL_STATUS_LENGTH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_export_write_tail(
    weights: *const hbl_weights,
    format: u32,
    bytes: *mut u8,
    bytes_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let (export, bytes) = writing(weights, format, bytes, bytes_len)?;
            export.write_tail(bytes.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The export, and the checked bytes that it is to write.
///
/// # Safety
/// The pointers obey the header's rules.
unsafe fn writing(
    weights: *const hbl_weights,
    format: u32,
    bytes: *mut u8,
    bytes_len: usize,
) -> Result<(Export<'static>, Writable<u8>)> {
    let (writes, bytes) = Writes::new().and("bytes", bytes, bytes_len)?;
    // SAFETY: as promised.
    Ok((unsafe { export(writes, weights, format) }?, bytes))
}

/// The export, its weights declared as read.
///
/// # Safety
/// The pointer obeys the header's rules.
unsafe fn export(
    writes: Writes<And<Nothing>>,
    it: *const hbl_weights,
    format: u32,
) -> Result<Export<'static>> {
    // SAFETY: as promised.
    let weights = unsafe { weights(it) }?;
    reads_blob(&writes.reads(), weights)?;
    Ok(Export::new(self::format(format)?, weights)?)
}
