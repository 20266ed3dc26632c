//! Status numbers and their texts.

/// What every function that can fail returns: 0 (HBL_STATUS_OK) or one of `hbl_status_code`.
pub type hbl_status = i32;

/// The statuses. Append-only: a number never changes its meaning.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum hbl_status_code {
    /// Success.
    HBL_STATUS_OK = 0,
    /// A required pointer is null.
    HBL_STATUS_NULL_POINTER = 1,
    /// A buffer has the wrong length, or two arguments disagree about a dimension.
    HBL_STATUS_LENGTH = 2,
    /// A product of sizes overflows, or a dimension is beyond what the format holds.
    HBL_STATUS_SIZE_OVERFLOW = 3,
    /// A dimension is zero that must not be.
    HBL_STATUS_ZERO_SIZE = 4,
    /// Two buffers overlap, and one of them is written.
    HBL_STATUS_OVERLAP = 5,
    /// A row holds a NaN or an infinity, or overflows to one.
    HBL_STATUS_NON_FINITE = 6,
    /// An epsilon is negative, infinite or NaN.
    HBL_STATUS_EPSILON = 7,
    /// A weight blob has the wrong length.
    HBL_STATUS_BLOB_LENGTH = 8,
    /// The bytes are not a weight blob.
    HBL_STATUS_BLOB_MAGIC = 9,
    /// The weight blob's version is unknown.
    HBL_STATUS_BLOB_VERSION = 10,
    /// The weight blob's header is damaged.
    HBL_STATUS_BLOB_HEADER = 11,
    /// The weight blob's scales or codes are damaged.
    HBL_STATUS_BLOB_PAYLOAD = 12,
    /// A weight is not ternary.
    HBL_STATUS_CODE = 13,
    /// A weight scale is not finite, or not an f16 where it is stored as one.
    HBL_STATUS_SCALE = 14,
    /// No such transform or matrix: its spelling, an order, a length or the number of factors.
    HBL_STATUS_TRANSFORM = 15,
    /// The caller's matrix is not a Hadamard matrix.
    HBL_STATUS_NOT_HADAMARD = 16,
    /// The row length does not fit the transform.
    HBL_STATUS_TRANSFORM_LENGTH = 17,
    /// No backend has that number.
    HBL_STATUS_UNKNOWN_BACKEND = 18,
    /// This machine cannot run the backend.
    HBL_STATUS_BACKEND_UNAVAILABLE = 19,
    /// A range is reversed or out of bounds.
    HBL_STATUS_RANGE = 20,
    /// A stride is shorter than a row.
    HBL_STATUS_STRIDE = 21,
    /// The workspace is too small.
    HBL_STATUS_WORKSPACE = 22,
    /// An argument or a field is outside its documented set.
    HBL_STATUS_VALUE = 23,
    /// A defect of the library itself; nothing else produces it.
    HBL_STATUS_INTERNAL = 24,
    /// A pointer is not aligned for its element.
    HBL_STATUS_MISALIGNED = 25,
    /// A description's struct_size is none: it was not set by its initialiser.
    HBL_STATUS_STRUCT_SIZE = 26,
    /// A description asks for something that this library does not know: it was made for a newer one.
    HBL_STATUS_NEWER = 27,
    /// A handle was not made by this library, or was written to.
    HBL_STATUS_HANDLE = 28,
    /// A name is none of its set.
    HBL_STATUS_NAME = 29,
    /// A sign is neither 1 nor -1.
    HBL_STATUS_SIGN = 30,
    /// A dimension is not a multiple of what a format's blocks, or a packed layout's panels, hold.
    HBL_STATUS_MULTIPLE = 31,
    /// Weights that are to share a scale have different ones.
    HBL_STATUS_SCALE_DIFFERS = 32,
    /// A scale that the format keeps in another tensor is not given, or one is that the format does not take.
    HBL_STATUS_WEIGHT_SCALE = 33,
    /// A contract is refused; the message names the line or word.
    HBL_STATUS_CONTRACT = 34,
    /// A container has the wrong length.
    HBL_STATUS_CONTAINER_LENGTH = 35,
    /// The bytes are not a container.
    HBL_STATUS_CONTAINER_MAGIC = 36,
    /// The container's version is unknown.
    HBL_STATUS_CONTAINER_VERSION = 37,
    /// The container's header is damaged.
    HBL_STATUS_CONTAINER_HEADER = 38,
    /// The container's index is damaged.
    HBL_STATUS_CONTAINER_INDEX = 39,
    /// An entry of the container is damaged, or not of the kind that is asked for.
    HBL_STATUS_CONTAINER_ENTRY = 40,
}

use hbl_status_code::*;

/// What a status means, in one line of ASCII; "unknown status" for a number this library does not know. A static
/// string, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_status_text(status: hbl_status) -> *const core::ffi::c_char {
    let text = usize::try_from(status).ok().and_then(|number| TEXTS.get(number));
    text.map_or(c"unknown status", |&(_, text)| text).as_ptr()
}

/// Each status at its number.
const TEXTS: [(hbl_status_code, &core::ffi::CStr); 41] = [
    (HBL_STATUS_OK, c"success"),
    (HBL_STATUS_NULL_POINTER, c"a required pointer is null"),
    (HBL_STATUS_LENGTH, c"a buffer has the wrong length, or two arguments disagree about a dimension"),
    (HBL_STATUS_SIZE_OVERFLOW, c"a size is too large"),
    (HBL_STATUS_ZERO_SIZE, c"a dimension is zero that must not be"),
    (HBL_STATUS_OVERLAP, c"two buffers overlap, and one of them is written"),
    (HBL_STATUS_NON_FINITE, c"a row holds a NaN or an infinity, or overflows to one"),
    (HBL_STATUS_EPSILON, c"an epsilon is negative, infinite or NaN"),
    (HBL_STATUS_BLOB_LENGTH, c"a weight blob has the wrong length"),
    (HBL_STATUS_BLOB_MAGIC, c"the bytes are not a weight blob"),
    (HBL_STATUS_BLOB_VERSION, c"the weight blob's version is unknown"),
    (HBL_STATUS_BLOB_HEADER, c"the weight blob's header is damaged"),
    (HBL_STATUS_BLOB_PAYLOAD, c"the weight blob's scales or codes are damaged"),
    (HBL_STATUS_CODE, c"a weight is not ternary"),
    (HBL_STATUS_SCALE, c"a weight scale is not finite, or not an f16 where it is stored as one"),
    (HBL_STATUS_TRANSFORM, c"no such transform or matrix"),
    (HBL_STATUS_NOT_HADAMARD, c"the matrix is not a Hadamard matrix"),
    (HBL_STATUS_TRANSFORM_LENGTH, c"the row length does not fit the transform"),
    (HBL_STATUS_UNKNOWN_BACKEND, c"no backend has that number"),
    (HBL_STATUS_BACKEND_UNAVAILABLE, c"this machine cannot run the backend"),
    (HBL_STATUS_RANGE, c"a range is reversed or out of bounds"),
    (HBL_STATUS_STRIDE, c"a stride is shorter than a row"),
    (HBL_STATUS_WORKSPACE, c"the workspace is too small"),
    (HBL_STATUS_VALUE, c"an argument or a field is outside its documented set"),
    (HBL_STATUS_INTERNAL, c"a defect of the library itself"),
    (HBL_STATUS_MISALIGNED, c"a pointer is not aligned for its element"),
    (HBL_STATUS_STRUCT_SIZE, c"a description's struct_size was not set by its initialiser"),
    (HBL_STATUS_NEWER, c"a description was made for a newer library"),
    (HBL_STATUS_HANDLE, c"a handle was not made by this library, or was written to"),
    (HBL_STATUS_NAME, c"a name is none of its set"),
    (HBL_STATUS_SIGN, c"a sign is neither 1 nor -1"),
    (HBL_STATUS_MULTIPLE, c"a dimension is not a multiple of what a block or a panel holds"),
    (HBL_STATUS_SCALE_DIFFERS, c"weights that are to share a scale have different ones"),
    (HBL_STATUS_WEIGHT_SCALE, c"the scale of another tensor is missing, or given without need"),
    (HBL_STATUS_CONTRACT, c"a contract is refused"),
    (HBL_STATUS_CONTAINER_LENGTH, c"a container has the wrong length"),
    (HBL_STATUS_CONTAINER_MAGIC, c"the bytes are not a container"),
    (HBL_STATUS_CONTAINER_VERSION, c"the container's version is unknown"),
    (HBL_STATUS_CONTAINER_HEADER, c"the container's header is damaged"),
    (HBL_STATUS_CONTAINER_INDEX, c"the container's index is damaged"),
    (HBL_STATUS_CONTAINER_ENTRY, c"an entry of the container is damaged, or of another kind"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_number_and_text() {
        for (number, (status, text)) in TEXTS.into_iter().enumerate() {
            assert_eq!(status as usize, number, "{status:?}");
            assert!(text.to_bytes().is_ascii() && !text.is_empty(), "{status:?}");
        }
    }
}
