//! One error type for everything, without allocation, and the status numbers it shares with the C ABI.
//!
//! An error says which argument was refused, what was expected and what came. Outputs are untouched whenever
//! a function returns one.

use core::fmt;

/// Result of every fallible function of the crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a call was refused. Sizes count elements unless a variant says bytes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Error {
    /// A pointer that must not be null was null (C callers only).
    Null {
        /// The argument.
        argument: &'static str,
    },
    /// A slice has the wrong length.
    Length {
        /// The argument.
        argument: &'static str,
        /// The length the other arguments ask for.
        expected: usize,
        /// The length that came.
        actual: usize,
    },
    /// A product of sizes does not fit in `usize`, or a dimension is beyond what the format holds.
    SizeOverflow {
        /// The size, as a formula over the arguments.
        argument: &'static str,
    },
    /// A dimension that must be at least one is zero.
    Zero {
        /// The argument.
        argument: &'static str,
    },
    /// Two buffers share memory where they must not (C callers only; Rust's borrows rule it out).
    Overlap {
        /// One buffer.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A row holds a NaN or an infinity, or would overflow to one in the transform.
    NonFinite {
        /// The argument.
        argument: &'static str,
        /// Index of the first such row.
        row: usize,
    },
    /// ε is negative, infinite or NaN.
    Epsilon {
        /// The value that came.
        value: f32,
    },
    /// A weight blob is shorter or longer than its header says, or too short for a header. Lengths in bytes.
    BlobLength {
        /// Bytes the blob should have.
        expected: usize,
        /// Bytes it has.
        actual: usize,
    },
    /// The bytes do not start with the magic of a weight blob.
    BlobMagic,
    /// The blob was written with a layout version this build does not know.
    BlobVersion {
        /// The version found.
        actual: u32,
    },
    /// The header's checksum does not match, or a field holds a value that no writer produces.
    BlobHeader,
    /// The payload's checksum does not match, or its padding is not what a writer leaves.
    BlobPayload,
    /// A weight is not one of −1, 0, 1, or a packed code is not one of 0, 1, 2.
    Code {
        /// Row of the weight matrix.
        row: usize,
        /// Column of the weight matrix.
        column: usize,
    },
    /// A weight scale is NaN or infinite, or not an f16 where scales are stored as such.
    Scale {
        /// Index into the scales.
        index: usize,
    },
    /// The family has no matrix of that order, or the factors are not a supported product.
    Transform {
        /// The family or the part of the description that was refused.
        what: &'static str,
        /// The order that was asked for.
        order: usize,
    },
    /// The matrix a caller brought is not ±1, or its rows are not orthogonal.
    NotHadamard {
        /// First offending row.
        row: usize,
    },
    /// The row is not a whole number of transform blocks long; nothing is padded.
    TransformLength {
        /// Length of one block of the transform.
        block: usize,
        /// Length that came.
        actual: usize,
    },
    /// No backend has that number or name.
    UnknownBackend,
    /// The backend exists but this CPU, or this build's architecture, cannot run it.
    BackendUnavailable {
        /// Its name.
        backend: &'static str,
    },
    /// A range is reversed or ends beyond the dimension it cuts.
    Range {
        /// The argument.
        argument: &'static str,
        /// First index asked for.
        start: usize,
        /// End of the range, exclusive.
        end: usize,
        /// The dimension.
        limit: usize,
    },
    /// A row stride is shorter than a row.
    Stride {
        /// The argument.
        argument: &'static str,
        /// The least stride that would do.
        expected: usize,
        /// The stride that came.
        actual: usize,
    },
    /// The workspace is smaller than the size query said. Sizes in bytes.
    Workspace {
        /// Bytes needed.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// An argument holds a value outside its documented set.
    Value {
        /// The argument.
        argument: &'static str,
        /// The value.
        value: usize,
    },
    /// A pointer is not aligned for its element (C callers only).
    Misaligned {
        /// The argument.
        argument: &'static str,
        /// The alignment it needs, in bytes.
        alignment: usize,
    },
}

/// Status numbers of the C ABI. Append-only: a number never changes its meaning.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// A required pointer was null.
    NullPointer = 1,
    /// A buffer has the wrong length.
    Length = 2,
    /// A product of sizes overflows.
    SizeOverflow = 3,
    /// A dimension is zero that must not be.
    ZeroSize = 4,
    /// Two buffers overlap that must not.
    Overlap = 5,
    /// A row holds a NaN or an infinity.
    NonFinite = 6,
    /// Epsilon is negative, infinite or NaN.
    Epsilon = 7,
    /// A weight blob has the wrong length.
    BlobLength = 8,
    /// The bytes are not a weight blob.
    BlobMagic = 9,
    /// The weight blob's version is unknown.
    BlobVersion = 10,
    /// The weight blob's header is damaged.
    BlobHeader = 11,
    /// The weight blob's payload is damaged.
    BlobPayload = 12,
    /// A weight is not ternary.
    Code = 13,
    /// A weight scale is not finite, or not what its format holds.
    Scale = 14,
    /// The named transform does not exist.
    Transform = 15,
    /// The caller's matrix is not a Hadamard matrix.
    NotHadamard = 16,
    /// The row length does not fit the transform.
    TransformLength = 17,
    /// No such backend.
    UnknownBackend = 18,
    /// This machine cannot run the backend.
    BackendUnavailable = 19,
    /// A range is out of bounds.
    Range = 20,
    /// A stride is too short.
    Stride = 21,
    /// The workspace is too small.
    Workspace = 22,
    /// An argument is outside its documented set.
    Value = 23,
    /// A defect of the library itself; nothing else produces it.
    Internal = 24,
    /// A pointer is not aligned for its element.
    Misaligned = 25,
}

impl Status {
    /// What the status means, in one line of ASCII.
    #[must_use]
    pub const fn text(self) -> &'static core::ffi::CStr {
        match self {
            Status::Ok => c"ok",
            Status::NullPointer => c"a required pointer is null",
            Status::Length => c"a buffer has the wrong length",
            Status::SizeOverflow => c"a product of sizes overflows",
            Status::ZeroSize => c"a dimension is zero",
            Status::Overlap => c"two buffers overlap",
            Status::NonFinite => c"a row holds a NaN or an infinity",
            Status::Epsilon => c"epsilon is negative, infinite or NaN",
            Status::BlobLength => c"the weight blob has the wrong length",
            Status::BlobMagic => c"the bytes are not a weight blob",
            Status::BlobVersion => c"the weight blob's version is unknown",
            Status::BlobHeader => c"the weight blob's header is damaged",
            Status::BlobPayload => c"the weight blob's payload is damaged",
            Status::Code => c"a weight is not ternary",
            Status::Scale => c"a weight scale is not finite, or not what its format holds",
            Status::Transform => c"no such transform",
            Status::NotHadamard => c"the matrix is not a Hadamard matrix",
            Status::TransformLength => c"the row length does not fit the transform",
            Status::UnknownBackend => c"no such backend",
            Status::BackendUnavailable => c"this machine cannot run the backend",
            Status::Range => c"a range is out of bounds",
            Status::Stride => c"a stride is too short",
            Status::Workspace => c"the workspace is too small",
            Status::Value => c"an argument is outside its documented set",
            Status::Internal => c"internal defect",
            Status::Misaligned => c"a pointer is misaligned",
        }
    }

    /// The status with that number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Status> {
        use Status::{
            BackendUnavailable, BlobHeader, BlobLength, BlobMagic, BlobPayload, BlobVersion, Code, Epsilon,
            Internal, Length, Misaligned, NonFinite, NotHadamard, NullPointer, Ok, Overlap, Range, Scale,
            SizeOverflow, Stride, Transform, TransformLength, UnknownBackend, Value, Workspace, ZeroSize,
        };
        const ALL: [Status; 26] = [
            Ok,
            NullPointer,
            Length,
            SizeOverflow,
            ZeroSize,
            Overlap,
            NonFinite,
            Epsilon,
            BlobLength,
            BlobMagic,
            BlobVersion,
            BlobHeader,
            BlobPayload,
            Code,
            Scale,
            Transform,
            NotHadamard,
            TransformLength,
            UnknownBackend,
            BackendUnavailable,
            Range,
            Stride,
            Workspace,
            Value,
            Internal,
            Misaligned,
        ];
        ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl Error {
    /// The status number that C callers see.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Error::Null { .. } => Status::NullPointer,
            Error::Length { .. } => Status::Length,
            Error::SizeOverflow { .. } => Status::SizeOverflow,
            Error::Zero { .. } => Status::ZeroSize,
            Error::Overlap { .. } => Status::Overlap,
            Error::NonFinite { .. } => Status::NonFinite,
            Error::Epsilon { .. } => Status::Epsilon,
            Error::BlobLength { .. } => Status::BlobLength,
            Error::BlobMagic => Status::BlobMagic,
            Error::BlobVersion { .. } => Status::BlobVersion,
            Error::BlobHeader => Status::BlobHeader,
            Error::BlobPayload => Status::BlobPayload,
            Error::Code { .. } => Status::Code,
            Error::Scale { .. } => Status::Scale,
            Error::Transform { .. } => Status::Transform,
            Error::NotHadamard { .. } => Status::NotHadamard,
            Error::TransformLength { .. } => Status::TransformLength,
            Error::UnknownBackend => Status::UnknownBackend,
            Error::BackendUnavailable { .. } => Status::BackendUnavailable,
            Error::Range { .. } => Status::Range,
            Error::Stride { .. } => Status::Stride,
            Error::Workspace { .. } => Status::Workspace,
            Error::Value { .. } => Status::Value,
            Error::Misaligned { .. } => Status::Misaligned,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Null { argument } => write!(f, "{argument} is null"),
            Error::Length { argument, expected, actual } => {
                write!(f, "{argument}: expected {expected} elements, got {actual}")
            }
            Error::SizeOverflow { argument } => write!(f, "{argument} overflows"),
            Error::Zero { argument } => write!(f, "{argument} is zero"),
            Error::Overlap { first, second } => write!(f, "{first} and {second} overlap"),
            Error::NonFinite { argument, row } => {
                write!(f, "{argument}: row {row} holds a NaN, an infinity or a value that overflows")
            }
            Error::Epsilon { value } => write!(f, "epsilon: expected a finite value >= 0, got {value}"),
            Error::BlobLength { expected, actual } => {
                write!(f, "weight blob: expected {expected} bytes, got {actual}")
            }
            Error::BlobVersion { actual } => write!(
                f,
                "weight blob: expected layout version {}, got {actual}",
                crate::layout::LAYOUT_VERSION
            ),
            Error::Code { row, column } => {
                write!(f, "weight at row {row}, column {column} is not -1, 0 or 1")
            }
            Error::Scale { index } => {
                write!(f, "weight scale {index}: expected a finite value, exactly an f16 if stored as one")
            }
            Error::Transform { what, order } => write!(f, "transform: {what} has no order {order}"),
            Error::NotHadamard { row } => {
                write!(f, "matrix row {row} is not ±1 or not orthogonal to the others")
            }
            Error::TransformLength { block, actual } => {
                write!(f, "transform: expected a multiple of {block} elements, got {actual}")
            }
            Error::BackendUnavailable { backend } => {
                write!(f, "backend {backend} cannot run on this machine")
            }
            Error::Range { argument, start, end, limit } => {
                write!(f, "{argument}: expected a range within 0..{limit}, got {start}..{end}")
            }
            Error::Stride { argument, expected, actual } => {
                write!(f, "{argument}: expected at least {expected}, got {actual}")
            }
            Error::Workspace { expected, actual } => {
                write!(f, "workspace: expected at least {expected} bytes, got {actual}")
            }
            Error::Value { argument, value } => write!(f, "{argument}: {value} is not a known value"),
            Error::Misaligned { argument, alignment } => {
                write!(f, "{argument} is not aligned to {alignment} bytes")
            }
            Error::BlobMagic | Error::BlobHeader | Error::BlobPayload | Error::UnknownBackend => {
                f.write_str(self.status().text().to_str().unwrap_or_default())
            }
        }
    }
}

impl core::error::Error for Error {}

/// `a · b`, or [`Error::SizeOverflow`] naming the formula.
pub(crate) fn checked_size(a: usize, b: usize, argument: &'static str) -> Result<usize> {
    a.checked_mul(b).ok_or(Error::SizeOverflow { argument })
}

/// [`Error::Length`] unless `actual == expected`.
pub(crate) fn check_len(argument: &'static str, expected: usize, actual: usize) -> Result<()> {
    if actual == expected { Ok(()) } else { Err(Error::Length { argument, expected, actual }) }
}

/// [`Error::Zero`] if `size` is zero.
pub(crate) fn check_nonzero(argument: &'static str, size: usize) -> Result<()> {
    if size == 0 { Err(Error::Zero { argument }) } else { Ok(()) }
}

/// [`Error::Epsilon`] unless ε is finite and not negative.
pub(crate) fn check_epsilon(value: f32) -> Result<()> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(Error::Epsilon { value }) }
}

/// [`Error::Range`] unless `range` lies within `0..limit`.
pub(crate) fn check_range(
    argument: &'static str,
    range: &core::ops::Range<usize>,
    limit: usize,
) -> Result<()> {
    if range.start <= range.end && range.end <= limit {
        Ok(())
    } else {
        Err(Error::Range { argument, start: range.start, end: range.end, limit })
    }
}
