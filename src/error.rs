//! One error type for everything, without allocation.
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
    /// A row holds a NaN or an infinity, or would overflow to one in the norm or the transform.
    NonFinite {
        /// The argument.
        argument: &'static str,
        /// Index of the first such row.
        row: usize,
    },
    /// A head's states hold a NaN, an infinity, or a value that the format they are stored in does not reach.
    NonFiniteHead {
        /// The argument.
        argument: &'static str,
        /// Its first row, a token, of that kind.
        token: usize,
        /// The first such head of the row.
        head: usize,
    },
    /// An ε is negative, infinite or NaN.
    Epsilon {
        /// The argument: there is one for the norm and one for the quantiser.
        argument: &'static str,
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
        /// The version this build knows.
        expected: u32,
        /// The version found.
        actual: u32,
    },
    /// The header's checksum does not match, or a field holds a value that no writer produces.
    BlobHeader,
    /// The payload's checksum does not match, or its padding is not what a writer leaves.
    BlobPayload,
    /// A container is shorter or longer than its header says, or too short for a header. Lengths in bytes.
    ContainerLength {
        /// Bytes the file should have.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// The bytes do not start with the magic of a container.
    ContainerMagic,
    /// The container was written with a version this build does not know.
    ContainerVersion {
        /// The version this build knows.
        expected: u32,
        /// The version found.
        actual: u32,
    },
    /// The container's header has a wrong checksum, or a field holds a value that no writer produces.
    ContainerHeader,
    /// The container's index has a wrong checksum, or its parts are none that a writer produces.
    ContainerIndex,
    /// An entry of a container is refused.
    ContainerEntry {
        /// Its number, counted from 0 in the order of the data.
        entry: usize,
        /// What was expected of it.
        expected: &'static str,
    },
    /// A weight is not one of −1, 0, 1, or a packed code is not one of 0, 1, 2.
    Code {
        /// Row of the weight matrix.
        output: usize,
        /// Column of the weight matrix.
        input: usize,
    },
    /// A weight scale is NaN or infinite, or not an f16 where scales are stored as such.
    Scale {
        /// Index into the scales.
        index: usize,
    },
    /// A transform's name is not spelt as one.
    TransformName {
        /// Byte of the name at which the part that was refused begins.
        at: usize,
    },
    /// A family has no matrix of that order.
    FamilyOrder {
        /// The family's name.
        family: &'static str,
        /// The order that was asked for.
        order: usize,
    },
    /// The innermost factor of a transform is not a power of two.
    PowerOfTwo {
        /// What came.
        value: usize,
    },
    /// A transform has more outer factors than are supported.
    FactorCount {
        /// Most that are.
        limit: usize,
        /// How many came.
        actual: usize,
    },
    /// A caller's own matrix has an unsupported order.
    MatrixOrder {
        /// The largest supported order; the smallest is 1.
        limit: usize,
        /// The order that came.
        actual: usize,
    },
    /// The matrix a caller brought is not ±1, or its rows are not orthogonal.
    NotHadamard {
        /// First offending row.
        row: usize,
    },
    /// A sign is neither 1 nor −1.
    Sign {
        /// Index of the first such sign.
        index: usize,
        /// Its value.
        value: i8,
    },
    /// The row is not a whole number of transform blocks long; nothing is padded.
    TransformLength {
        /// Length of one block of the transform.
        block: usize,
        /// Length that came.
        actual: usize,
    },
    /// No backend has that number.
    BackendNumber {
        /// The number that came.
        number: u32,
    },
    /// The backend exists but this CPU, or this build's architecture, cannot run it.
    BackendUnavailable {
        /// Its name.
        backend: &'static str,
    },
    /// A name that is parsed is none of its set.
    Name {
        /// What it was to name.
        argument: &'static str,
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
    /// A dimension is not a multiple of what a format's blocks, or a packed layout's panels, hold.
    Multiple {
        /// The argument.
        argument: &'static str,
        /// What it must be a multiple of.
        multiple: usize,
        /// The value that came.
        actual: usize,
    },
    /// Weights that are to share a scale have different ones.
    ScaleDiffers {
        /// Row of the weight matrix whose scale differs from one before it.
        output: usize,
        /// First column of the weights with that scale.
        input: usize,
    },
    /// A value that the format stores elsewhere was not given.
    Missing {
        /// What is missing.
        argument: &'static str,
    },
    /// A value was given that is not used here, because the format stores its own.
    Unused {
        /// What it is.
        argument: &'static str,
    },
    /// An argument holds a number outside its documented set.
    Value {
        /// The argument.
        argument: &'static str,
        /// The value.
        value: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Length { argument, expected, actual } => {
                write!(f, "{argument}: expected {expected} elements, got {actual}")
            }
            Error::SizeOverflow { argument } => write!(f, "{argument}: too large"),
            Error::Zero { argument } => write!(f, "{argument}: expected at least 1, got 0"),
            Error::NonFinite { argument, row } => {
                write!(f, "{argument}: row {row} holds a NaN, an infinity or a value that overflows")
            }
            Error::NonFiniteHead { argument, token, head } => write!(
                f,
                "{argument}: head {head} of row {token} holds a NaN, an infinity or a value beyond its format"
            ),
            Error::Epsilon { argument, value } => {
                // Not the number: writing one out would be 17 KiB of a program that does nothing else with floats.
                let what = if value.is_nan() {
                    "NaN"
                } else if value.is_infinite() {
                    "an infinite one"
                } else {
                    "a negative one"
                };
                write!(f, "{argument}: expected a finite value >= 0, got {what}")
            }
            Error::BlobLength { expected, actual } => {
                write!(f, "weight blob: expected {expected} bytes, got {actual}")
            }
            Error::BlobMagic => f.write_str("weight blob: these bytes are none"),
            Error::BlobVersion { expected, actual } => {
                write!(f, "weight blob: expected layout version {expected}, got {actual}")
            }
            Error::BlobHeader => f.write_str("weight blob: its header is damaged"),
            Error::BlobPayload => f.write_str("weight blob: its scales or codes are damaged"),
            Error::ContainerLength { expected, actual } => {
                write!(f, "container: expected {expected} bytes, got {actual}")
            }
            Error::ContainerMagic => f.write_str("container: these bytes are none"),
            Error::ContainerVersion { expected, actual } => {
                write!(f, "container: expected version {expected}, got {actual}")
            }
            Error::ContainerHeader => f.write_str("container: its header is damaged"),
            Error::ContainerIndex => f.write_str("container: its index is damaged"),
            Error::ContainerEntry { entry, expected } => {
                write!(f, "container: entry {entry}: expected {expected}")
            }
            Error::Code { output, input } => {
                write!(f, "weight of output {output}, input {input}: expected -1, 0 or 1")
            }
            Error::Scale { index } => {
                write!(f, "weight scale {index}: expected a finite value, exactly an f16 if stored as one")
            }
            Error::TransformName { at } => write!(
                f,
                "transform's name: expected family:order, joined by *, and a power of two last, such as \
                 paley1:12*128; refused from byte {at} on"
            ),
            Error::FamilyOrder { family, order } => {
                write!(f, "transform: family {family} has no matrix of order {order}")
            }
            Error::PowerOfTwo { value } => write!(
                f,
                "transform: expected a power of two as its innermost length, got {value}; other factors are \
                 named, such as paley1:12"
            ),
            Error::FactorCount { limit, actual } => {
                write!(f, "transform: expected at most {limit} outer factors, got {actual}")
            }
            Error::MatrixOrder { limit, actual } => {
                write!(f, "matrix: expected an order of 1 to {limit}, got {actual}")
            }
            Error::NotHadamard { row } => {
                write!(f, "matrix row {row} is not ±1 or not orthogonal to the others")
            }
            Error::Sign { index, value } => write!(f, "sign {index}: expected 1 or -1, got {value}"),
            Error::TransformLength { block, actual } => {
                write!(f, "transform: expected a multiple of {block} elements, got {actual}")
            }
            Error::BackendNumber { number } => write!(f, "backend: no backend has number {number}"),
            Error::BackendUnavailable { backend } => {
                write!(f, "backend {backend} cannot run on this machine")
            }
            Error::Name { argument } => write!(f, "{argument}: no such name"),
            Error::Range { argument, start, end, limit } => {
                write!(f, "{argument}: expected a range within 0..{limit}, got {start}..{end}")
            }
            Error::Stride { argument, expected, actual } => {
                write!(f, "{argument}: expected at least {expected}, got {actual}")
            }
            Error::Workspace { expected, actual } => {
                write!(f, "workspace: expected at least {expected} bytes, got {actual}")
            }
            Error::Multiple { argument, multiple, actual } => {
                write!(f, "{argument}: expected a multiple of {multiple}, got {actual}")
            }
            Error::ScaleDiffers { output, input } => write!(
                f,
                "weight scale of output {output} from input {input} on: differs from another that is to be the same"
            ),
            Error::Missing { argument } => write!(f, "{argument}: not given"),
            Error::Unused { argument } => write!(f, "{argument}: given, but the format stores its own"),
            Error::Value { argument, value } => write!(f, "{argument}: {value} is not a known value"),
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
pub(crate) fn check_epsilon(argument: &'static str, value: f32) -> Result<()> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(Error::Epsilon { argument, value }) }
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
