//! The index and the header of a new container.

use super::header::{HEADER_BYTES, Header};
use super::index::{Index, ORDER_BYTES};
use super::record::{Kind, MAX_DIMENSIONS, Numbers, RECORD_BYTES, check_name, data_place};
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len};

/// What the index is to say of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its name: not empty, of 65535 bytes at most, without a NUL, and that of no other entry.
    pub name: &'a str,
    /// What the data is.
    pub kind: Kind,
    /// What the source calls the data's type: 65535 bytes at most, without a NUL; of weights the name of the
    /// [`Format`](crate::interop::Format) that they came from. May be empty.
    pub type_name: &'a str,
    /// The dimensions, outermost first: N and K of weights, at most [`MAX_DIMENSIONS`] of a tensor, none of others.
    pub shape: &'a [u64],
    /// Where the data begins: [`data_place`] of the end of what is before, which is the header for the first entry.
    pub place: u64,
    /// Bytes of the data.
    pub len: u64,
    /// CRC-32 of the data.
    pub crc: u32,
}

/// Where the index begins.
///
/// # Errors
/// [`Error::SizeOverflow`].
pub fn index_place(records: &[Record<'_>]) -> Result<u64> {
    let end = records.last().map_or(Some(HEADER_BYTES as u64), |last| last.place.checked_add(last.len));
    end.and_then(data_place).ok_or(Error::SizeOverflow { argument: "data of the container" })
}

/// Bytes of the index.
///
/// # Errors
/// [`Error::SizeOverflow`].
pub fn index_len(records: &[Record<'_>]) -> Result<usize> {
    let names = records.iter().try_fold(0_usize, |sum, record| {
        sum.checked_add(record.name.len())?.checked_add(record.type_name.len())?.checked_add(2)
    });
    // Names are where a u32 says.
    let names = names.filter(|&names| u32::try_from(names).is_ok() && u32::try_from(records.len()).is_ok());
    let rest = records.len().checked_mul(RECORD_BYTES + ORDER_BYTES);
    let len = names.zip(rest).and_then(|(names, rest)| names.checked_add(rest));
    len.ok_or(Error::SizeOverflow { argument: "index of the container" })
}

/// Writes the index, and returns the header. The records are in the order of their data.
///
/// # Errors
/// [`Error::Length`] unless `index` is [`index_len`] long; [`Error::SizeOverflow`]; [`Error::ContainerEntry`] for a record
/// that [`Record`]'s rules do not allow. Then `index` is untouched, unless it is a name that is there twice.
pub fn write_index<'b>(
    records: &[Record<'_>],
    index: impl Into<Buffer<'b, u8>>,
) -> Result<[u8; HEADER_BYTES]> {
    let index = index.into();
    check_len("index", index_len(records)?, index.len())?;
    let mut end = HEADER_BYTES as u64;
    for (entry, record) in records.iter().enumerate() {
        let refuse = |expected| Error::ContainerEntry { entry, expected };
        check_name(record.name.as_bytes(), record.type_name.as_bytes()).map_err(refuse)?;
        end = record.numbers(0).and_then(|numbers| numbers.check(end)).map_err(refuse)?;
    }
    let place = index_place(records)?;
    let overflow = Error::SizeOverflow { argument: "file of the container" };
    let file_len = place.checked_add(index.len() as u64).ok_or(overflow)?;

    let bytes = index.fill_with(|_| 0);
    fill(records, bytes);
    let view = Index::split(bytes, records.len()).ok_or(Error::ContainerIndex)?;
    view.check(place)?;
    let (entries, index_crc) = (records.len() as u32, crc32fast::hash(bytes));
    Ok(Header { file_len, index_place: place, entries, index_crc }.write())
}

/// Writes records that were checked, into as many bytes as they need.
fn fill(records: &[Record<'_>], bytes: &mut [u8]) {
    let (numbers, rest) = bytes.split_at_mut(records.len() * RECORD_BYTES);
    let (order, names) = rest.split_at_mut(records.len() * ORDER_BYTES);
    let mut names_end = 0;
    for (record, slot) in records.iter().zip(numbers.chunks_exact_mut(RECORD_BYTES)) {
        let start = names_end;
        for text in [record.name, record.type_name] {
            names[names_end..][..text.len()].copy_from_slice(text.as_bytes());
            names_end += text.len() + 1;
        }
        if let Ok(numbers) = record.numbers(start as u32) {
            slot.copy_from_slice(&numbers.write());
        }
    }
    let (order, _) = order.as_chunks_mut::<ORDER_BYTES>();
    for (entry, slot) in order.iter_mut().enumerate() {
        *slot = (entry as u32).to_le_bytes();
    }
    order.sort_unstable_by_key(|&entry| records[u32::from_le_bytes(entry) as usize].name);
}

impl Record<'_> {
    /// The error is what was expected.
    fn numbers(&self, name_start: u32) -> core::result::Result<Numbers, &'static str> {
        if self.shape.len() > MAX_DIMENSIONS {
            return Err("at most 4 dimensions");
        }
        let mut shape = [0; MAX_DIMENSIONS];
        shape[..self.shape.len()].copy_from_slice(self.shape);
        let short = |text: &str| u16::try_from(text.len()).map_err(|_| "names of 65535 bytes at most");
        Ok(Numbers {
            place: self.place,
            len: self.len,
            shape,
            crc: self.crc,
            name_start,
            name_len: short(self.name)?,
            type_len: short(self.type_name)?,
            dimensions: self.shape.len() as u8,
            kind: self.kind as u8,
        })
    }
}
