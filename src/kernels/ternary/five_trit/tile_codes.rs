//! A quarter makes a tile: a digit of a block is a row, and a field of the rest block the last one.

use super::{FiveTritCodes, quarters};
use crate::kernels::contract::Panels;
use crate::kernels::ternary::tile_codes::{TILE_AHEAD, TILE_COLUMNS, TileCodes};
use crate::kernels::ternary::vector::IntVector;
use crate::layout::five_trit::{BLOCK_COLUMNS, QUARTER_BYTES, QUARTER_COLUMNS, quarter_offsets};
use crate::layout::{BLOCK_BYTES, Layout, PANEL_ROWS};

const _: () = assert!(QUARTER_COLUMNS == TILE_COLUMNS);

/// Digits of a byte.
const DIGITS: usize = BLOCK_COLUMNS / 4;

// SAFETY: five rows for each of the quarter's three blocks and one of the rest block.
unsafe impl TileCodes for FiveTritCodes {
    const LAYOUT: Layout = Layout::FiveTrit;

    #[inline(always)]
    unsafe fn unpack<V: IntVector>(panels: Panels<'_>, panel: usize, tile: usize, to: *mut u8) {
        const { assert!(V::ROWS == PANEL_ROWS) };
        let quarter = quarters(panels).start + tile;
        let (rest, blocks) = quarter_offsets(quarter);
        let codes = &panels.panel(panel)[..blocks + QUARTER_BYTES];
        // SAFETY: the features and `to`, as promised; the slice ends with the quarter, and a fetch ahead may point
        // anywhere.
        unsafe {
            let mask = V::splat(0x0303_0303);
            for block in 0..3 {
                let at = codes.as_ptr().add(blocks + block * BLOCK_BYTES);
                V::fetch_near(at.wrapping_add(TILE_AHEAD));
                let mut trits = V::load(at);
                for digit in 0..DIGITS {
                    trits.front_trit().store(to.add((DIGITS * block + digit) * BLOCK_BYTES));
                    trits = trits.triple();
                }
            }
            let field = V::load(codes.as_ptr().add(rest)).field_at((quarter % 4 * 2) as u32);
            field.and(mask).store(to.add(15 * BLOCK_BYTES));
        }
    }
}
