//! One entry of an opened container.

use core::ffi::CStr;

use super::index::Index;
use super::record::{Kind, Numbers, data_place};
use crate::error::{Error, Result};
use crate::layout::Weights;

/// An entry of a [`Container`](super::Container): a view of the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    file: &'a [u8],
    index: Index<'a>,
    entry: usize,
}

impl<'a> Entry<'a> {
    /// An entry of a checked index.
    pub(super) const fn new(file: &'a [u8], index: Index<'a>, entry: usize) -> Entry<'a> {
        Entry { file, index, entry }
    }

    fn numbers(&self) -> Numbers {
        self.index.numbers(self.entry)
    }

    /// Its number, counted from 0 in the order of the data.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.entry
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        text(self.c_name())
    }

    /// The name as it lies in the file, with its NUL.
    #[must_use]
    pub fn c_name(&self) -> &'a CStr {
        c_text(self.index.name(self.entry))
    }

    /// What the source calls the data's type; of weights the name of the [`Format`](crate::interop::Format) that they came
    /// from, or nothing.
    #[must_use]
    pub fn type_name(&self) -> &'a str {
        text(self.c_type_name())
    }

    /// [`Entry::type_name`] as it lies in the file, with its NUL.
    #[must_use]
    pub fn c_type_name(&self) -> &'a CStr {
        c_text(self.index.type_name(self.entry))
    }

    /// What the data is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let number = u32::from(self.numbers().kind);
        Kind::try_from(number).expect("checked when the container was opened")
    }

    /// The dimensions, outermost first: N and K of weights, at most [`MAX_DIMENSIONS`](super::MAX_DIMENSIONS).
    pub fn shape(&self) -> impl ExactSizeIterator<Item = u64> + use<> {
        let numbers = self.numbers();
        numbers.shape.into_iter().take(numbers.dimensions.into())
    }

    /// The data, unread.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        let numbers = self.numbers();
        // Both fit: they lie within the file.
        &self.file[numbers.place as usize..][..numbers.len as usize]
    }

    /// Where the data begins in the file.
    #[must_use]
    pub fn place(&self) -> u64 {
        self.numbers().place
    }

    /// CRC-32 of the data, as the index says.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.numbers().crc
    }

    /// Reads the data, and the zeros behind it.
    ///
    /// # Errors
    /// [`Error::ContainerEntry`] unless they are as they were written.
    pub fn verify(&self) -> Result<()> {
        let (numbers, data) = (self.numbers(), self.data());
        let end = numbers.place + numbers.len;
        // The index follows there at the latest.
        let next = data_place(end).unwrap_or(end);
        let padding = &self.file[end as usize..next as usize];
        if crc32fast::hash(data) != numbers.crc {
            return Err(self.refuse("data with the checksum of the index"));
        }
        if padding.iter().any(|&byte| byte != 0) {
            return Err(self.refuse("zeros behind its data"));
        }
        Ok(())
    }

    /// The weights, of which everything is checked as by [`Weights::open`].
    ///
    /// # Errors
    /// [`Error::ContainerEntry`] unless the entry is weights of this shape; as [`Weights::open`].
    pub fn weights(&self) -> Result<Weights<'a>> {
        self.check_kind()?;
        self.check_shape(Weights::open(self.data())?)
    }

    /// The weights, of which only the header is read, as by [`Weights::open_verified`]: for a file that is known to be whole.
    ///
    /// # Errors
    /// [`Error::ContainerEntry`] unless the entry is weights of this shape; as [`Weights::open_verified`].
    pub fn weights_unread(&self) -> Result<Weights<'a>> {
        self.check_kind()?;
        self.check_shape(Weights::open_verified(self.data())?)
    }

    fn check_kind(&self) -> Result<()> {
        if self.kind() == Kind::Weights { Ok(()) } else { Err(self.refuse("weights")) }
    }

    fn check_shape(&self, weights: Weights<'a>) -> Result<Weights<'a>> {
        let shape = [weights.outputs() as u64, weights.inputs() as u64];
        if self.shape().eq(shape) { Ok(weights) } else { Err(self.refuse("weights of the index's shape")) }
    }

    /// The text.
    ///
    /// # Errors
    /// [`Error::ContainerEntry`] unless the entry is a text and as it was written.
    pub fn text(&self) -> Result<&'a str> {
        if self.kind() != Kind::Text {
            return Err(self.refuse("a text"));
        }
        self.verify()?;
        core::str::from_utf8(self.data()).map_err(|_| self.refuse("UTF-8"))
    }

    const fn refuse(&self, expected: &'static str) -> Error {
        Error::ContainerEntry { entry: self.entry, expected }
    }
}

fn c_text(bytes: &[u8]) -> &CStr {
    CStr::from_bytes_with_nul(bytes).expect("checked when the container was opened")
}

fn text(text: &CStr) -> &str {
    text.to_str().expect("checked when the container was opened")
}
