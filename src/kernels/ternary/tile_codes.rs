//! Codes unpacked to bytes, in tiles of 64 columns of a panel: row `i` of a tile holds the codes of 16 outputs and columns
//! 4·i to 4·i + 3. A field of a `TwoBit` block, and a digit of a `FiveTrit` block, is such a row as it is.

use super::vector::IntVector;
use crate::kernels::contract::Panels;
use crate::layout::{BLOCK_BYTES, Layout};

/// Columns of a tile.
pub(crate) const TILE_COLUMNS: usize = 64;

/// Rows of a tile of codes: four columns each.
pub(crate) const TILE_ROWS: usize = TILE_COLUMNS / 4;

/// Bytes of a tile of codes.
pub(crate) const TILE_BYTES: usize = TILE_ROWS * BLOCK_BYTES;

/// How codes of a layout are brought to tiles.
///
/// # Safety
/// `unpack` writes all [`TILE_BYTES`] at `to`.
pub(crate) unsafe trait TileCodes {
    /// Of the panels.
    const LAYOUT: Layout;

    /// Bytes of a panel that a tile is unpacked from, on average.
    const PACKED_BYTES: usize;

    /// Where these begin for a tile counted from the start of the run, also where the panels have no such tile.
    fn packed(panels: Panels<'_>, panel: usize, tile: usize) -> *const u8;

    /// The codes of a panel's tile `tile`, counted from the start of the run. Columns beyond the run get any bytes,
    /// because their activations are zero.
    ///
    /// # Safety
    /// The CPU has the features of `V`; the panels are of this layout and the tile begins within the run; `to` is valid for
    /// writes of a tile.
    unsafe fn unpack<V: IntVector>(panels: Panels<'_>, panel: usize, tile: usize, to: *mut u8);
}
