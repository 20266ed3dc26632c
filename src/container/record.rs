//! The 64 bytes that the index has for an entry, and the rules that writers and readers hold them to.

use super::header::{u16_at, u32_at, u64_at};
use crate::error::{Error, Result};

/// Most dimensions of a shape.
pub const MAX_DIMENSIONS: usize = 4;

/// What data begins at a multiple of.
pub(super) const ALIGNMENT: u64 = 64;

/// Where the data begins that follows on data which ends there; `None` beyond what a u64 holds.
#[must_use]
pub const fn data_place(end: u64) -> Option<u64> {
    end.checked_next_multiple_of(ALIGNMENT)
}

/// What an entry's data is. The numbers are those of the file and of the C ABI.
#[non_exhaustive]
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A weight blob.
    Weights = 1,
    /// A tensor's bytes as they were in the source.
    Tensor = 2,
    /// UTF-8.
    Text = 3,
    /// The header of the source file, so that it can be written back with the same bytes.
    Source = 4,
}

impl Kind {
    /// All of them.
    pub const ALL: &'static [Kind] = &[Kind::Weights, Kind::Tensor, Kind::Text, Kind::Source];

    /// The name used on command lines and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Weights => "weights",
            Kind::Tensor => "tensor",
            Kind::Text => "text",
            Kind::Source => "source",
        }
    }
}

impl TryFrom<u32> for Kind {
    type Error = Error;

    /// The kind with that number, or [`Error::Value`].
    fn try_from(number: u32) -> Result<Kind> {
        let found = Self::ALL.iter().copied().find(|&kind| kind as u32 == number);
        found.ok_or(Error::Value { argument: "kind", value: number as usize })
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A record's numbers.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    pub(super) place: u64,
    pub(super) len: u64,
    pub(super) shape: [u64; MAX_DIMENSIONS],
    pub(super) crc: u32,
    pub(super) name_start: u32,
    pub(super) name_len: u16,
    pub(super) type_len: u16,
    pub(super) dimensions: u8,
    pub(super) kind: u8,
}

/// Bytes of a record.
pub(super) const RECORD_BYTES: usize = 64;

impl Numbers {
    pub(super) fn write(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..8].copy_from_slice(&self.place.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.len.to_le_bytes());
        for (slot, dimension) in bytes[16..48].chunks_exact_mut(8).zip(self.shape) {
            slot.copy_from_slice(&dimension.to_le_bytes());
        }
        bytes[48..52].copy_from_slice(&self.crc.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.name_start.to_le_bytes());
        bytes[56..58].copy_from_slice(&self.name_len.to_le_bytes());
        bytes[58..60].copy_from_slice(&self.type_len.to_le_bytes());
        bytes[60] = self.dimensions;
        bytes[61] = self.kind;
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Numbers {
        Numbers {
            place: u64_at(bytes, 0),
            len: u64_at(bytes, 8),
            shape: core::array::from_fn(|dimension| u64_at(bytes, 16 + 8 * dimension)),
            crc: u32_at(bytes, 48),
            name_start: u32_at(bytes, 52),
            name_len: u16_at(bytes, 56),
            type_len: u16_at(bytes, 58),
            dimensions: bytes[60],
            kind: bytes[61],
        }
    }

    /// Where the names of the next record begin.
    pub(super) fn names_end(&self) -> u64 {
        u64::from(self.name_start) + u64::from(self.name_len) + u64::from(self.type_len) + 2
    }

    /// Checks what needs no other bytes, given where the data before ends, and returns where these end; the error is what was
    /// expected.
    pub(super) fn check(&self, end_before: u64) -> core::result::Result<u64, &'static str> {
        let kind = Kind::try_from(u32::from(self.kind)).map_err(|_| "a kind of 1 to 4")?;
        let dimensions = usize::from(self.dimensions);
        if dimensions > MAX_DIMENSIONS {
            return Err("at most 4 dimensions");
        }
        let (used, unused) = self.shape.split_at(dimensions);
        if unused.iter().any(|&dimension| dimension != 0) {
            return Err("zeros behind the shape's dimensions");
        }
        if used.iter().try_fold(1_u64, |size, &dimension| size.checked_mul(dimension)).is_none() {
            return Err("a shape whose size fits in 64 bits");
        }
        match kind {
            Kind::Weights if dimensions != 2 || used.contains(&0) => {
                return Err("two dimensions of at least 1, N and K");
            }
            Kind::Text | Kind::Source if dimensions != 0 => return Err("no shape for this kind"),
            _ => {}
        }
        if !self.place.is_multiple_of(ALIGNMENT) {
            return Err("data at a multiple of 64");
        }
        match data_place(end_before) {
            Some(next) if self.place < next => return Err("data that do not overlap what is before them"),
            Some(next) if self.place == next => {}
            _ => return Err("data at the next multiple of 64 behind what is before them"),
        }
        self.place.checked_add(self.len).ok_or("data whose end fits in 64 bits")
    }
}

/// Checks the text of a name; the error is what was expected.
pub(super) fn check_name(name: &[u8], type_name: &[u8]) -> core::result::Result<(), &'static str> {
    if name.is_empty() {
        return Err("a name");
    }
    if core::str::from_utf8(name).is_err() || name.contains(&0) {
        return Err("a name of UTF-8 without a NUL");
    }
    if core::str::from_utf8(type_name).is_err() || type_name.contains(&0) {
        return Err("a type's name of UTF-8 without a NUL");
    }
    Ok(())
}
