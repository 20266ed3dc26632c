//! Details of a refusal, and how a function ends.

use core::fmt::{self, Write};

use core_crate::Error;
use core_crate::interop::contract::ContractError;

use super::status::hbl_status_code::*;
use super::status::{hbl_status, hbl_status_code};

/// Bytes of `hbl_error.message`, the NUL included.
pub const HBL_MESSAGE_SIZE: usize = 184;

/// `hbl_error.row` where the status is not about a row.
pub const HBL_NO_ROW: u64 = u64::MAX;

/// The details of a status. Functions that can fail take a pointer to one as their last argument, which may be NULL;
/// they overwrite it on success as well. Nothing need be set before. This struct never grows.
#[repr(C)]
pub struct hbl_error {
    /// The status that the function returned.
    pub status: hbl_status,
    /// Explicit padding; 0.
    pub reserved: u32,
    /// The row that was refused (HBL_STATUS_NON_FINITE, HBL_STATUS_CODE, HBL_STATUS_NOT_HADAMARD,
    /// HBL_STATUS_SCALE_DIFFERS), else HBL_NO_ROW.
    pub row: u64,
    /// Which argument was refused, what was expected and what came: UTF-8, NUL-terminated; empty on success.
    pub message: [core::ffi::c_char; HBL_MESSAGE_SIZE],
}

/// Why a call was refused: by the core, or before it by what only C can get wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failure {
    Core(Error),
    Null {
        argument: &'static str,
    },
    Misaligned {
        argument: &'static str,
        alignment: usize,
    },
    Overlap {
        first: &'static str,
        second: &'static str,
    },
    StructSize {
        argument: &'static str,
        initialiser: &'static str,
        actual: usize,
    },
    NewerFields {
        argument: &'static str,
        known: usize,
        actual: usize,
    },
    NewerFlags {
        argument: &'static str,
        flags: u32,
    },
    Reserved {
        argument: &'static str,
    },
    Handle {
        argument: &'static str,
        maker: &'static str,
    },
    /// What it names is the caller's text, which outlives the call.
    Contract(ContractError<'static>),
    Utf8 {
        argument: &'static str,
    },
}

pub(crate) type Result<T> = core::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Core(error)
    }
}

impl From<ContractError<'static>> for Failure {
    fn from(error: ContractError<'static>) -> Failure {
        Failure::Contract(error)
    }
}

impl Failure {
    fn status(&self) -> hbl_status_code {
        match self {
            Failure::Null { .. } => HBL_STATUS_NULL_POINTER,
            Failure::Misaligned { .. } => HBL_STATUS_MISALIGNED,
            Failure::Overlap { .. } => HBL_STATUS_OVERLAP,
            Failure::StructSize { .. } => HBL_STATUS_STRUCT_SIZE,
            Failure::NewerFields { .. } | Failure::NewerFlags { .. } => HBL_STATUS_NEWER,
            Failure::Reserved { .. } => HBL_STATUS_VALUE,
            Failure::Handle { .. } => HBL_STATUS_HANDLE,
            Failure::Contract(_) | Failure::Utf8 { .. } => HBL_STATUS_CONTRACT,
            Failure::Core(error) => match error {
                Error::Length { .. } => HBL_STATUS_LENGTH,
                Error::SizeOverflow { .. } => HBL_STATUS_SIZE_OVERFLOW,
                Error::Zero { .. } => HBL_STATUS_ZERO_SIZE,
                Error::NonFinite { .. } | Error::NonFiniteHead { .. } => HBL_STATUS_NON_FINITE,
                Error::Epsilon { .. } => HBL_STATUS_EPSILON,
                Error::BlobLength { .. } => HBL_STATUS_BLOB_LENGTH,
                Error::BlobMagic => HBL_STATUS_BLOB_MAGIC,
                Error::BlobVersion { .. } => HBL_STATUS_BLOB_VERSION,
                Error::BlobHeader => HBL_STATUS_BLOB_HEADER,
                Error::BlobPayload => HBL_STATUS_BLOB_PAYLOAD,
                Error::Code { .. } => HBL_STATUS_CODE,
                Error::Scale { .. } => HBL_STATUS_SCALE,
                Error::TransformName { .. }
                | Error::FamilyOrder { .. }
                | Error::PowerOfTwo { .. }
                | Error::FactorCount { .. }
                | Error::MatrixOrder { .. } => HBL_STATUS_TRANSFORM,
                Error::NotHadamard { .. } => HBL_STATUS_NOT_HADAMARD,
                Error::Sign { .. } => HBL_STATUS_SIGN,
                Error::TransformLength { .. } => HBL_STATUS_TRANSFORM_LENGTH,
                Error::BackendNumber { .. } => HBL_STATUS_UNKNOWN_BACKEND,
                Error::BackendUnavailable { .. } => HBL_STATUS_BACKEND_UNAVAILABLE,
                Error::Name { .. } => HBL_STATUS_NAME,
                Error::Range { .. } => HBL_STATUS_RANGE,
                Error::Stride { .. } => HBL_STATUS_STRIDE,
                Error::Workspace { .. } => HBL_STATUS_WORKSPACE,
                Error::Value { .. } => HBL_STATUS_VALUE,
                Error::Multiple { .. } => HBL_STATUS_MULTIPLE,
                Error::ScaleDiffers { .. } => HBL_STATUS_SCALE_DIFFERS,
                Error::Missing { .. } | Error::Unused { .. } => HBL_STATUS_WEIGHT_SCALE,
                Error::ContainerLength { .. } => HBL_STATUS_CONTAINER_LENGTH,
                Error::ContainerMagic => HBL_STATUS_CONTAINER_MAGIC,
                Error::ContainerVersion { .. } => HBL_STATUS_CONTAINER_VERSION,
                Error::ContainerHeader => HBL_STATUS_CONTAINER_HEADER,
                Error::ContainerIndex => HBL_STATUS_CONTAINER_INDEX,
                Error::ContainerEntry { .. } => HBL_STATUS_CONTAINER_ENTRY,
                // The core may refuse more than this file has heard of; the message tells.
                _ => HBL_STATUS_VALUE,
            },
        }
    }

    fn row(&self) -> Option<usize> {
        match *self {
            Failure::Core(Error::NonFinite { row, .. } | Error::NotHadamard { row }) => Some(row),
            Failure::Core(Error::NonFiniteHead { token, .. }) => Some(token),
            Failure::Core(Error::Code { output, .. } | Error::ScaleDiffers { output, .. }) => Some(output),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Failure::Core(error) => error.fmt(f),
            Failure::Null { argument } => write!(f, "{argument}: a null pointer"),
            Failure::Misaligned { argument, alignment } => {
                write!(f, "{argument}: expected an address that is a multiple of {alignment}")
            }
            Failure::Overlap { first, second } => write!(f, "{first} and {second} overlap"),
            Failure::StructSize { argument, initialiser, actual } => {
                write!(
                    f,
                    "{argument}: struct_size is {actual}, which no header has; start from {initialiser}"
                )
            }
            Failure::NewerFields { argument, known, actual } => write!(
                f,
                "{argument}: this library knows the first {known} bytes of the {actual} of struct_size, and the \
                 others are not all 0"
            ),
            Failure::NewerFlags { argument, flags } => {
                write!(f, "{argument}: this library does not know the bits {flags:#x} of flags")
            }
            Failure::Reserved { argument } => write!(f, "{argument}: expected 0 in reserved"),
            Failure::Contract(error) => write!(f, "contract: {error}"),
            Failure::Utf8 { argument } => write!(f, "{argument}: expected UTF-8"),
            Failure::Handle { argument, maker } => {
                write!(f, "{argument}: not a handle that this library's {maker} made, or written to since")
            }
        }
    }
}

/// Runs the body of a function: no error is lost, and nothing unwinds into C.
///
/// # Safety
/// `error` is null or valid for writes.
#[inline]
pub(crate) unsafe fn guard(error: *mut hbl_error, body: impl FnOnce() -> Result<()>) -> hbl_status {
    match catch(body) {
        Ok(Ok(())) => {
            if !error.is_null() {
                // The first byte of the message ends it: a success must not cost a write of them all.
                // SAFETY: not null, and valid as promised; a misaligned one is written all the same.
                unsafe {
                    (&raw mut (*error).status).write_unaligned(HBL_STATUS_OK as hbl_status);
                    (&raw mut (*error).reserved).write_unaligned(0);
                    (&raw mut (*error).row).write_unaligned(HBL_NO_ROW);
                    (&raw mut (*error).message).cast::<core::ffi::c_char>().write(0);
                }
            }
            HBL_STATUS_OK as hbl_status
        }
        // SAFETY: as promised.
        Ok(Err(failure)) => unsafe { report(error, failure.status(), failure.row(), &failure) },
        Err(Panicked) => {
            let message = format_args!("a panic was caught; please report it");
            // SAFETY: as promised.
            unsafe { report(error, HBL_STATUS_INTERNAL, None, &message) }
        }
    }
}

/// What is left of a panic.
struct Panicked;

/// Where panics unwind, they end here.
#[cfg(panic = "unwind")]
#[inline]
fn catch<T>(body: impl FnOnce() -> T) -> core::result::Result<T, Panicked> {
    // After a panic no state of ours is left behind: the outputs are the caller's, the library has none.
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(body)).map_err(|payload| {
        // Its drop could panic again.
        core::mem::forget(payload);
        Panicked
    })
}

/// Where they do not, they have stopped the program (see `trap.rs`).
#[cfg(not(panic = "unwind"))]
#[inline]
fn catch<T>(body: impl FnOnce() -> T) -> core::result::Result<T, Panicked> {
    Ok(body())
}

/// Writes the details of anything but a success.
///
/// # Safety
/// `error` is null or valid for writes.
#[cold]
#[inline(never)]
unsafe fn report(
    error: *mut hbl_error,
    status: hbl_status_code,
    row: Option<usize>,
    text: &dyn fmt::Display,
) -> hbl_status {
    let mut message = Message { bytes: [0; HBL_MESSAGE_SIZE], len: 0 };
    // A message that is too long is cut; nothing else can fail.
    let _ = write!(message, "{text}");
    if !error.is_null() {
        let row = row.map_or(HBL_NO_ROW, |row| row as u64);
        let detail = hbl_error { status: status as hbl_status, reserved: 0, row, message: message.bytes };
        // SAFETY: not null, and valid as promised; a misaligned one is written all the same.
        unsafe { error.write_unaligned(detail) };
    }
    status as hbl_status
}

struct Message {
    bytes: [core::ffi::c_char; HBL_MESSAGE_SIZE],
    len: usize,
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = HBL_MESSAGE_SIZE - 1 - self.len;
        let boundary = (0..=room.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let cut = &text[..boundary];
        for (slot, byte) in self.bytes[self.len..].iter_mut().zip(cut.bytes()) {
            *slot = byte as core::ffi::c_char;
        }
        self.len += cut.len();
        if cut.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_as_a_status() {
        let mut error =
            hbl_error { status: 0, reserved: 1, row: 0, message: [1 as core::ffi::c_char; HBL_MESSAGE_SIZE] };
        // SAFETY: `error` is ours.
        let status = unsafe { guard(&mut error, || panic!("deliberate")) };
        assert_eq!((status, error.status, error.row), (24, 24, HBL_NO_ROW));
        assert_eq!(error.message[HBL_MESSAGE_SIZE - 1], 0);
        // SAFETY: `error` is ours.
        let status = unsafe { guard(&mut error, || Ok(())) };
        assert_eq!((status, error.status, error.row, error.message[0]), (0, 0, HBL_NO_ROW, 0));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        for len in HBL_MESSAGE_SIZE - 4..HBL_MESSAGE_SIZE + 4 {
            let mut message = Message { bytes: [0; HBL_MESSAGE_SIZE], len: 0 };
            let _ = message.write_str(&"x".repeat(len));
            let _ = message.write_str("±");
            assert_eq!(message.bytes[HBL_MESSAGE_SIZE - 1], 0);
            let bytes = message.bytes.map(|byte| byte as u8);
            assert!(str::from_utf8(&bytes).is_ok());
        }
    }
}
