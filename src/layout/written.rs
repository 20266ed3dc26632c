//! What is known of finished rows, until the blob's head is written.

use crate::error::{Error, Result};

/// A checksum, and of how many bytes, so that it can be joined with that of the bytes behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    pub(super) crc: u32,
    pub(super) len: u64,
}

impl Sum {
    pub(super) fn hasher(self) -> crc32fast::Hasher {
        crc32fast::Hasher::new_with_initial_len(self.crc, self.len)
    }

    fn join(self, next: Sum) -> Sum {
        let mut hasher = self.hasher();
        hasher.combine(&next.hasher());
        Sum { crc: hasher.finalize(), len: self.len + next.len }
    }
}

/// Rows of a blob that are finished: plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Written {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) scales: Sum,
    pub(super) codes: Sum,
    /// Bits of the scale of all rows, where they share one.
    pub(super) tensor_scale: Option<u32>,
}

impl Written {
    /// The outputs of both; `next` follows on `self`.
    ///
    /// # Errors
    /// [`Error::Range`] if it does not follow, [`Error::ScaleDiffers`] if all rows are to share a scale and these have
    /// different ones.
    pub fn join(self, next: Written) -> Result<Written> {
        if next.start != self.end {
            let (start, end) = (next.start, next.end);
            return Err(Error::Range { argument: "rows that follow", start, end, limit: self.end });
        }
        if let (Some(scale), Some(other)) = (self.tensor_scale, next.tensor_scale)
            && scale != other
        {
            return Err(Error::ScaleDiffers { output: next.start, input: 0 });
        }
        Ok(Written {
            start: self.start,
            end: next.end,
            scales: self.scales.join(next.scales),
            codes: self.codes.join(next.codes),
            tensor_scale: self.tensor_scale.or(next.tensor_scale),
        })
    }
}
