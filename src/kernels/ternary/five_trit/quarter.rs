//! Where `maddubs` finds the quarters of `FiveTrit`'s panels.

use crate::kernels::ternary::rows::Rows;
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::{QUARTER_BYTES, quarter_offsets};

/// Quarters whose fields, sixteen each, an i16 accumulator takes, and of a piece.
pub(super) const NARROW_QUARTERS: usize = 4;

/// Where a quarter is. Stepped, not looked up by number: cores of three vector ports run other operations on them too, and
/// 30 of these for a quarter took a tenth of the time.
#[derive(Clone, Copy)]
pub(super) struct Quarter {
    /// Bytes from the panel's start to the rest block and to the blocks.
    pub(super) rest: usize,
    pub(super) blocks: usize,
    /// Of its field in a byte of the rest block.
    pub(super) bit: u32,
}

impl Quarter {
    #[inline(always)]
    pub(super) fn new(number: usize) -> Quarter {
        let (rest, blocks) = quarter_offsets(number);
        Quarter { rest, blocks, bit: (number % 4 * 2) as u32 }
    }

    #[inline(always)]
    pub(super) fn next(&mut self) {
        self.bit += 2;
        self.blocks += QUARTER_BYTES;
        if self.bit == 8 {
            *self = Quarter { rest: self.blocks, blocks: self.blocks + BLOCK_BYTES, bit: 0 };
        }
    }

    /// Its field of the rest block.
    ///
    /// # Safety
    /// The CPU has the features of `V`; the quarter is in the panels of the vectors of rows.
    #[inline(always)]
    pub(super) unsafe fn rest_field<V: ByteVector, const R: usize>(self, rows: Rows) -> [V; R] {
        // SAFETY: as promised.
        unsafe {
            let mut fields = rows.load::<V, R>(self.rest);
            for field in &mut fields {
                *field = field.field_at(self.bit).and(V::splat(0x0303_0303));
            }
            fields
        }
    }
}
