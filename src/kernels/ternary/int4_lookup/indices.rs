//! Codes as indices of tables: brought in order, for all tokens.

use core::ops::Range;

use super::sizes::{BLOCK_LOOKUPS, QUAD};
use crate::kernels::contract::Panels;
use crate::kernels::ternary::rows::{Rows, vectors};
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

/// A block's table indices: the vectors of columns, low and high nibbles.
pub(super) type Indices<V> = [V; BLOCK_LOOKUPS];

/// How a layout's codes become `TwoBit` blocks.
pub(crate) trait LookupCodes {
    /// Blocks that are unpacked at a time, up to four; divides [`TABLE_BLOCKS`](super::TABLE_BLOCKS).
    const UNPACKED_BLOCKS: usize;
    /// Whether they are such blocks, one after the other.
    const IN_PLACE: bool;
    /// The byte of a panel that [`LookupCodes::unpack`] counts from.
    fn start(panels: Panels<'_>) -> usize;
    /// The run's first block, counted from there.
    fn first_block(panels: Panels<'_>) -> usize;
    /// [`LookupCodes::UNPACKED_BLOCKS`] blocks of a vector of rows from number `block` on, which is a multiple of as
    /// many; `from` is the vector's first byte.
    ///
    /// # Safety
    /// The CPU has the features of `V`, and the panel has the blocks.
    unsafe fn unpack<V: ByteVector>(from: *const u8, block: usize) -> [V; 4];
    /// Where most of what it reads is: the first byte, and how many times [`BLOCK_BYTES`].
    fn lines(block: usize) -> (usize, usize);
}

/// Fetches the codes that are brought in order after those of `R` quads: their panels' lines are too few at a time for the CPU
/// to see a stream in them.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn fetch_next<V: ByteVector, C: LookupCodes, const R: usize>(
    panels: Panels<'_>,
    quad: usize,
    blocks: &Range<usize>,
) {
    let rows = Rows::new::<V>(panels, C::start(panels), 0);
    let (first, blocks) = match (quad + R) * QUAD {
        first if first < vectors::<V>(panels) => (first, blocks.clone()),
        _ => (0, blocks.end..blocks.end + blocks.len()),
    };
    for vector in (first..first + R * QUAD).step_by(PANEL_ROWS / V::ROWS) {
        let from = rows.vector::<V>(vector);
        for block in blocks.clone().step_by(C::UNPACKED_BLOCKS) {
            let (at, lines) = C::lines(C::first_block(panels) + block);
            for line in 0..lines {
                // SAFETY: the features, as promised; any address may be given.
                unsafe { V::fetch_near(from.wrapping_add(at + line * BLOCK_BYTES)) };
            }
        }
    }
}

/// A block of a quad as indices: vectors of one column each, whose 128-bit lanes are four rows of each vector.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn order<V: ByteVector>(mut vectors: [V; QUAD]) -> Indices<V> {
    // SAFETY: the features, as promised; a pick is 16 bytes.
    unsafe {
        for (vector, pick) in vectors.iter_mut().zip(&PICK_COLUMNS) {
            *vector = vector.lookup(V::table(pick.as_ptr()));
        }
        let low = V::splat(0x0f0f_0f0f);
        let mut indices = [low; BLOCK_LOOKUPS];
        for (j, vector) in V::unskew(vectors).into_iter().enumerate() {
            indices[2 * j] = vector.and(low);
            indices[2 * j + 1] = vector.next_nibble().and(low);
        }
        indices
    }
}

/// Byte j of each of four rows next to each other, as 32-bit lane i + j modulo 4 of the quad's vector i.
const PICK_COLUMNS: [[u8; 16]; QUAD] = {
    let mut pick = [[0; 16]; QUAD];
    let mut i = 0;
    while i < 64 {
        let (vector, lane, row) = (i / 16, i / 4 % 4, i % 4);
        pick[vector][i % 16] = (4 * row + (4 + lane - vector) % 4) as u8;
        i += 1;
    }
    pick
};
