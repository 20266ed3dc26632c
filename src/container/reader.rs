//! An opened container.

use super::entry::Entry;
use super::header::{HEADER_BYTES, Header};
use super::index::Index;
use super::record::ALIGNMENT;
use crate::error::{Error, Result};

/// A container, opened: a view of the caller's bytes, a mapped file as a rule. They need no alignment.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    file: &'a [u8],
    index: Index<'a>,
}

impl<'a> Container<'a> {
    /// Opens the bytes of a whole file and checks its header and index, which alone it reads.
    ///
    /// # Errors
    /// [`Error::ContainerLength`] if the file is shorter or longer than it says; [`Error::ContainerMagic`],
    /// [`Error::ContainerVersion`], [`Error::ContainerHeader`], [`Error::ContainerIndex`]; [`Error::ContainerEntry`] with the
    /// first entry that no writer produces, and what was expected of it.
    pub fn open(file: &'a [u8]) -> Result<Container<'a>> {
        let header = Header::read(file)?;
        let place = usize::try_from(header.index_place).map_err(|_| Error::ContainerHeader)?;
        if place < HEADER_BYTES || !header.index_place.is_multiple_of(ALIGNMENT) {
            return Err(Error::ContainerHeader);
        }
        let bytes = file.get(place..).ok_or(Error::ContainerHeader)?;
        if crc32fast::hash(bytes) != header.index_crc {
            return Err(Error::ContainerIndex);
        }
        let index = usize::try_from(header.entries).ok().and_then(|entries| Index::split(bytes, entries));
        let index = index.ok_or(Error::ContainerIndex)?;
        index.check(header.index_place)?;
        Ok(Container { file, index })
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.index.entries()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that were opened.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.file
    }

    /// The parts of the index within those bytes: records, their order by name, names.
    #[must_use]
    pub const fn index_parts(&self) -> [&'a [u8]; 3] {
        [self.index.records, self.index.order, self.index.names]
    }

    /// An entry, in the order of the data; `None` beyond the last.
    #[must_use]
    pub fn entry(&self, index: usize) -> Option<Entry<'a>> {
        (index < self.len()).then(|| Entry::new(self.file, self.index, index))
    }

    /// All entries, in the order of the data.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'a>> + use<'a> {
        let (file, index) = (self.file, self.index);
        (0..self.len()).map(move |entry| Entry::new(file, index, entry))
    }

    /// The entry with that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Entry<'a>> {
        let (mut start, mut end) = (0, self.len());
        while start < end {
            let middle = start + (end - start) / 2;
            let entry = Entry::new(self.file, self.index, self.index.ordered(middle));
            match entry.name().cmp(name) {
                core::cmp::Ordering::Equal => return Some(entry),
                core::cmp::Ordering::Less => start = middle + 1,
                core::cmp::Ordering::Greater => end = middle,
            }
        }
        None
    }
}
