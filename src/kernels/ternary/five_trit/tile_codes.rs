//! A quarter makes a tile: a digit of a block is a row, and a field of the rest block the last one.

use super::{FiveTritCodes, quarters};
use crate::kernels::contract::Panels;
use crate::kernels::ternary::tile_codes::{TILE_COLUMNS, TileCodes};
use crate::kernels::ternary::vector::IntVector;
use crate::layout::five_trit::{BLOCK_COLUMNS, CHUNK_BYTES, QUARTER_BYTES, QUARTER_COLUMNS, quarter_offsets};
use crate::layout::{BLOCK_BYTES, Layout};

const _: () = assert!(QUARTER_COLUMNS == TILE_COLUMNS);

/// Digits of a byte.
const DIGITS: usize = BLOCK_COLUMNS / 4;

// SAFETY: five rows for each of the quarter's three blocks and one of the rest block.
unsafe impl TileCodes for FiveTritCodes {
    const LAYOUT: Layout = Layout::FiveTrit;
    const PACKED_BYTES: usize = CHUNK_BYTES / 4;

    #[inline(always)]
    fn packed(panels: Panels<'_>, panel: usize, tile: usize) -> *const u8 {
        let (_, blocks) = quarter_offsets(quarters(panels).start + tile);
        panels.at(panel, blocks)
    }

    #[inline(always)]
    unsafe fn unpack<V: IntVector>(panels: Panels<'_>, panel: usize, tile: usize, to: *mut u8) {
        let quarter = quarters(panels).start + tile;
        let (rest, blocks) = quarter_offsets(quarter);
        let codes = &panels.panel(panel)[..blocks + QUARTER_BYTES];
        // SAFETY: the features and `to`, as promised; the slice ends with the quarter.
        unsafe {
            let mask = V::splat(0x0303_0303);
            for part in (0..BLOCK_BYTES).step_by(4 * V::ROWS) {
                for block in 0..3 {
                    let at = codes.as_ptr().add(blocks + block * BLOCK_BYTES + part);
                    for (digit, codes) in V::load(at).trits().into_iter().enumerate() {
                        codes.store(to.add((DIGITS * block + digit) * BLOCK_BYTES + part));
                    }
                }
                let field = V::load(codes.as_ptr().add(rest + part)).field_at((quarter % 4 * 2) as u32);
                field.and(mask).store(to.add(15 * BLOCK_BYTES + part));
            }
        }
    }
}
