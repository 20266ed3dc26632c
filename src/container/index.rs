//! The index as bytes: records, their order by name, names.

use super::header::{HEADER_BYTES, u32_at};
use super::record::{Numbers, RECORD_BYTES, check_name, data_place};
use crate::error::{Error, Result};

/// Bytes of a number in the order by name.
pub(super) const ORDER_BYTES: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(super) struct Index<'a> {
    pub(super) records: &'a [u8],
    pub(super) order: &'a [u8],
    pub(super) names: &'a [u8],
}

impl<'a> Index<'a> {
    /// The parts of an index of so many entries; `None` if it is too short for them.
    pub(super) fn split(bytes: &'a [u8], entries: usize) -> Option<Index<'a>> {
        let (records, rest) = bytes.split_at_checked(entries.checked_mul(RECORD_BYTES)?)?;
        let (order, names) = rest.split_at_checked(entries * ORDER_BYTES)?;
        Some(Index { records, order, names })
    }

    pub(super) const fn entries(&self) -> usize {
        self.records.len() / RECORD_BYTES
    }

    pub(super) fn numbers(&self, entry: usize) -> Numbers {
        Numbers::read(&self.records[entry * RECORD_BYTES..][..RECORD_BYTES])
    }

    /// A name and a type's name; `None` if they reach beyond the names, or are not ended by zeros.
    fn names_of(&self, numbers: &Numbers) -> Option<(&'a [u8], &'a [u8])> {
        let rest = self.names.get(usize::try_from(numbers.name_start).ok()?..)?;
        let (name, rest) = rest.split_at_checked(numbers.name_len.into())?;
        let (end, rest) = rest.split_first()?;
        let (type_name, rest) = rest.split_at_checked(numbers.type_len.into())?;
        let other_end = rest.first()?;
        (*end == 0 && *other_end == 0).then_some((name, type_name))
    }

    /// The name of an entry of a checked index, with the byte 0 behind it.
    pub(super) fn name(&self, entry: usize) -> &'a [u8] {
        let numbers = self.numbers(entry);
        &self.names[numbers.name_start as usize..][..usize::from(numbers.name_len) + 1]
    }

    /// The type's name of an entry of a checked index, with the byte 0 behind it.
    pub(super) fn type_name(&self, entry: usize) -> &'a [u8] {
        let numbers = self.numbers(entry);
        let start = numbers.name_start as usize + usize::from(numbers.name_len) + 1;
        &self.names[start..][..usize::from(numbers.type_len) + 1]
    }

    /// The entry that has a place in the order by name.
    pub(super) fn ordered(&self, position: usize) -> usize {
        u32_at(self.order, position * ORDER_BYTES) as usize
    }

    /// Checks everything, given where the index begins.
    pub(super) fn check(&self, index_place: u64) -> Result<()> {
        let (mut end, mut names_end) = (HEADER_BYTES as u64, 0);
        for entry in 0..self.entries() {
            let refuse = |expected| Error::ContainerEntry { entry, expected };
            let numbers = self.numbers(entry);
            if numbers.write() != self.records[entry * RECORD_BYTES..][..RECORD_BYTES] {
                return Err(refuse("zeros at the end of its record"));
            }
            end = numbers.check(end).map_err(refuse)?;
            if end > index_place {
                return Err(refuse("data that end before the index"));
            }
            if u64::from(numbers.name_start) != names_end {
                return Err(refuse("names that follow on those before"));
            }
            let names =
                self.names_of(&numbers).ok_or(refuse("names within the index, each ended by a NUL"))?;
            check_name(names.0, names.1).map_err(refuse)?;
            names_end = numbers.names_end();
        }
        if data_place(end) != Some(index_place) || names_end != self.names.len() as u64 {
            return Err(Error::ContainerIndex);
        }
        self.check_order()
    }

    /// The names strictly increase in their order, so none is there twice, and no entry is.
    fn check_order(&self) -> Result<()> {
        let mut before: Option<&[u8]> = None;
        for position in 0..self.entries() {
            let entry = self.ordered(position);
            if entry >= self.entries() {
                return Err(Error::ContainerIndex);
            }
            let name = self.name(entry);
            match before {
                Some(before) if before == name => {
                    return Err(Error::ContainerEntry { entry, expected: "a name that no other entry has" });
                }
                Some(before) if before > name => return Err(Error::ContainerIndex),
                _ => before = Some(name),
            }
        }
        Ok(())
    }
}
