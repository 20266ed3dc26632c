//! Four blocks make a tile, a field each of its rows.

use super::{TwoBitCodes, blocks, start};
use crate::kernels::contract::Panels;
use crate::kernels::ternary::tile_codes::{TILE_COLUMNS, TileCodes};
use crate::kernels::ternary::vector::IntVector;
use crate::layout::two_bit::BLOCK_COLUMNS;
use crate::layout::{BLOCK_BYTES, Layout};

/// Blocks of a tile.
const TILE_BLOCKS: usize = TILE_COLUMNS / BLOCK_COLUMNS;

/// A block's fields, a row each.
///
/// # Safety
/// The CPU has the features of `V`; there is a block at `from` and room for four at `to`.
#[inline(always)]
unsafe fn unpack_block<V: IntVector>(from: *const u8, to: *mut u8) {
    // SAFETY: as promised.
    unsafe {
        let mask = V::splat(0x0303_0303);
        for part in (0..BLOCK_BYTES).step_by(4 * V::ROWS) {
            let mut fields = V::load(from.add(part));
            for field in 0..4 {
                fields.and(mask).store(to.add(field * BLOCK_BYTES + part));
                fields = fields.next_field();
            }
        }
    }
}

// SAFETY: four rows for each of the tile's four blocks.
unsafe impl TileCodes for TwoBitCodes {
    const LAYOUT: Layout = Layout::TwoBit;
    const PACKED_BYTES: usize = TILE_BLOCKS * BLOCK_BYTES;

    #[inline(always)]
    fn packed(panels: Panels<'_>, panel: usize, tile: usize) -> *const u8 {
        panels.at(panel, start(panels) + tile * Self::PACKED_BYTES)
    }

    #[inline(always)]
    unsafe fn unpack<V: IntVector>(panels: Panels<'_>, panel: usize, tile: usize, to: *mut u8) {
        let codes = &blocks(panels, panel)[tile * TILE_BLOCKS * BLOCK_BYTES..];
        let whole = codes.len() >= TILE_BLOCKS * BLOCK_BYTES;
        // SAFETY: the features and `to`, as promised; blocks are read where the slice has them.
        unsafe {
            for block in 0..TILE_BLOCKS {
                let at = codes.as_ptr().wrapping_add(block * BLOCK_BYTES);
                let to = to.add(4 * block * BLOCK_BYTES);
                if whole || (block + 1) * BLOCK_BYTES <= codes.len() {
                    unpack_block::<V>(at, to);
                } else {
                    // Beyond the run.
                    to.write_bytes(0, 4 * BLOCK_BYTES);
                }
            }
        }
    }
}
