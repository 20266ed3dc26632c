//! Status numbers, and what they were about.

use core::fmt::{self, Write};
use core::panic::AssertUnwindSafe;

use core_crate::{Error, Result, Status};

/// What every function that can fail returns: 0 (HBL_STATUS_OK) or one of `hbl_status_code`.
pub type hbl_status = i32;

/// The statuses. Append-only: a number never changes its meaning.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_status_code {
    /// Success.
    HBL_STATUS_OK = 0,
    /// A required pointer is null.
    HBL_STATUS_NULL_POINTER = 1,
    /// A buffer has the wrong length.
    HBL_STATUS_LENGTH = 2,
    /// A product of sizes overflows, or a dimension is beyond what the format holds.
    HBL_STATUS_SIZE_OVERFLOW = 3,
    /// A dimension is zero that must not be.
    HBL_STATUS_ZERO_SIZE = 4,
    /// Two buffers overlap, and one of them is written.
    HBL_STATUS_OVERLAP = 5,
    /// A row holds a NaN or an infinity, or overflows to one.
    HBL_STATUS_NON_FINITE = 6,
    /// Epsilon is negative, infinite or NaN.
    HBL_STATUS_EPSILON = 7,
    /// A weight blob has the wrong length.
    HBL_STATUS_BLOB_LENGTH = 8,
    /// The bytes are not a weight blob.
    HBL_STATUS_BLOB_MAGIC = 9,
    /// The weight blob's version is unknown.
    HBL_STATUS_BLOB_VERSION = 10,
    /// The weight blob's header is damaged.
    HBL_STATUS_BLOB_HEADER = 11,
    /// The weight blob's payload is damaged.
    HBL_STATUS_BLOB_PAYLOAD = 12,
    /// A weight is not ternary.
    HBL_STATUS_CODE = 13,
    /// A weight scale is not finite.
    HBL_STATUS_SCALE = 14,
    /// No such transform.
    HBL_STATUS_TRANSFORM = 15,
    /// The caller's matrix is not a Hadamard matrix.
    HBL_STATUS_NOT_HADAMARD = 16,
    /// The row length does not fit the transform.
    HBL_STATUS_TRANSFORM_LENGTH = 17,
    /// No such backend.
    HBL_STATUS_UNKNOWN_BACKEND = 18,
    /// This machine cannot run the backend.
    HBL_STATUS_BACKEND_UNAVAILABLE = 19,
    /// A range is reversed or out of bounds.
    HBL_STATUS_RANGE = 20,
    /// A stride is shorter than a row.
    HBL_STATUS_STRIDE = 21,
    /// The workspace is too small.
    HBL_STATUS_WORKSPACE = 22,
    /// An argument is outside its documented set.
    HBL_STATUS_VALUE = 23,
    /// A defect of the library itself; nothing else produces it.
    HBL_STATUS_INTERNAL = 24,
    /// A pointer is not aligned for its element.
    HBL_STATUS_MISALIGNED = 25,
}

/// Bytes of `hbl_error.message`, the NUL included.
pub const HBL_MESSAGE_SIZE: usize = 184;

/// `hbl_error.row` where the status is not about a row.
pub const HBL_NO_ROW: u64 = u64::MAX;

/// The details of a status. Functions that can fail take a pointer to one as their last argument, which may be NULL;
/// they overwrite it on success as well.
#[repr(C)]
pub struct hbl_error {
    /// The status that the function returned.
    pub status: hbl_status,
    /// Explicit padding; 0.
    pub reserved: u32,
    /// The row that was refused (HBL_STATUS_NON_FINITE, HBL_STATUS_CODE, HBL_STATUS_NOT_HADAMARD), else HBL_NO_ROW.
    pub row: u64,
    /// Which argument was refused, what was expected and what came: UTF-8, always NUL-terminated; empty on success.
    pub message: [core::ffi::c_char; HBL_MESSAGE_SIZE],
}

/// What a status means, in one line of ASCII; "unknown status" for a number this build does not know. Never NULL; valid
/// for ever.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_status_text(status: hbl_status) -> *const core::ffi::c_char {
    Status::from_number(status).map_or(c"unknown status", Status::text).as_ptr()
}

/// Runs the body of a function: no error is lost, and nothing unwinds into C.
///
/// # Safety
/// `error` is null or valid for writes.
pub(crate) unsafe fn guard(error: *mut hbl_error, body: impl FnOnce() -> Result<()>) -> hbl_status {
    // After a panic no state of ours is left behind: the outputs are the caller's, the library has none.
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(body));
    let mut message = Message { bytes: [0; HBL_MESSAGE_SIZE], len: 0 };
    let (status, row) = match &outcome {
        Ok(Ok(())) => (Status::Ok, None),
        Ok(Err(refused)) => {
            // A message that is too long is cut; nothing else can fail.
            let _ = write!(message, "{refused}");
            (refused.status(), row(refused))
        }
        Err(_) => {
            let _ = message.write_str("a panic was caught; please report it");
            (Status::Internal, None)
        }
    };
    if !error.is_null() {
        let detail = hbl_error {
            status: status as hbl_status,
            reserved: 0,
            row: row.map_or(HBL_NO_ROW, |row| row as u64),
            message: message.bytes,
        };
        // SAFETY: not null, and valid as promised; a misaligned one is written all the same.
        unsafe { error.write_unaligned(detail) };
    }
    status as hbl_status
}

fn row(error: &Error) -> Option<usize> {
    match *error {
        Error::NonFinite { row, .. } | Error::Code { row, .. } | Error::NotHadamard { row } => Some(row),
        _ => None,
    }
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
    fn the_numbers_are_the_cores() {
        use hbl_status_code::*;
        let pairs = [
            (HBL_STATUS_OK, Status::Ok),
            (HBL_STATUS_NULL_POINTER, Status::NullPointer),
            (HBL_STATUS_LENGTH, Status::Length),
            (HBL_STATUS_SIZE_OVERFLOW, Status::SizeOverflow),
            (HBL_STATUS_ZERO_SIZE, Status::ZeroSize),
            (HBL_STATUS_OVERLAP, Status::Overlap),
            (HBL_STATUS_NON_FINITE, Status::NonFinite),
            (HBL_STATUS_EPSILON, Status::Epsilon),
            (HBL_STATUS_BLOB_LENGTH, Status::BlobLength),
            (HBL_STATUS_BLOB_MAGIC, Status::BlobMagic),
            (HBL_STATUS_BLOB_VERSION, Status::BlobVersion),
            (HBL_STATUS_BLOB_HEADER, Status::BlobHeader),
            (HBL_STATUS_BLOB_PAYLOAD, Status::BlobPayload),
            (HBL_STATUS_CODE, Status::Code),
            (HBL_STATUS_SCALE, Status::Scale),
            (HBL_STATUS_TRANSFORM, Status::Transform),
            (HBL_STATUS_NOT_HADAMARD, Status::NotHadamard),
            (HBL_STATUS_TRANSFORM_LENGTH, Status::TransformLength),
            (HBL_STATUS_UNKNOWN_BACKEND, Status::UnknownBackend),
            (HBL_STATUS_BACKEND_UNAVAILABLE, Status::BackendUnavailable),
            (HBL_STATUS_RANGE, Status::Range),
            (HBL_STATUS_STRIDE, Status::Stride),
            (HBL_STATUS_WORKSPACE, Status::Workspace),
            (HBL_STATUS_VALUE, Status::Value),
            (HBL_STATUS_INTERNAL, Status::Internal),
            (HBL_STATUS_MISALIGNED, Status::Misaligned),
        ];
        for (number, (ours, cores)) in pairs.into_iter().enumerate() {
            assert_eq!((ours as usize, cores as usize), (number, number), "{ours:?}");
            assert_eq!(Status::from_number(number as i32), Some(cores));
        }
        assert_eq!(Status::from_number(pairs.len() as i32), None, "a status the header does not have");
    }

    #[test]
    fn a_panic_ends_as_a_status() {
        let mut error =
            hbl_error { status: 0, reserved: 1, row: 0, message: [1 as core::ffi::c_char; HBL_MESSAGE_SIZE] };
        // SAFETY: `error` is ours.
        let status = unsafe { guard(&mut error, || panic!("deliberate")) };
        assert_eq!((status, error.status, error.row), (24, 24, HBL_NO_ROW));
        assert_eq!(error.message[HBL_MESSAGE_SIZE - 1], 0);
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
