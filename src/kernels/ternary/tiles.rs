//! Ternary products with matrix tiles: 16 tokens × 16 outputs × 64 inputs an instruction.
//!
//! Signed activations come from a tile of a token a row, unsigned codes from a tile of four inputs a row. A panel's
//! sums for neighbouring tokens are neighbouring rows of a third tile, so they are loaded, added to and stored where
//! the driver wants them.
//!
//! **Blocks.** More than 16 tokens: 2 tiles of tokens × 2 panels; up to 16: 1 × 4. Both keep four sums in tiles. Codes
//! of a block are unpacked for a run of columns, to [`CODE_BYTES`] that stay in cache; then [`TileUnit::multiply`] does
//! all the work on tiles in one piece, from setting them up to their release: the compiler knows nothing of tile
//! registers, so nothing may be left in them from one call to the next. A run's activations serve all panels of the
//! call.

use super::sinks::check_lengths;
use super::tile_codes::{TILE_BYTES, TILE_COLUMNS, TILE_ROWS, TileCodes};
use super::vector::IntVector;
use crate::kernels::contract::{Operands, SCRATCH_BYTES, Scratch};
use crate::layout::PANEL_ROWS;

/// Tokens of a tile.
pub(crate) const TILE_TOKENS: usize = 16;

/// Most tokens of a call.
pub(crate) const MAX_TILE_TOKENS: usize = 2 * TILE_TOKENS;

/// Most bytes of unpacked codes of a block, in first-level cache or just behind it. The longer the run, the fewer times
/// are sums loaded and stored.
const CODE_BYTES: usize = 32 << 10;
const _: () = assert!(CODE_BYTES <= SCRATCH_BYTES);

/// What is multiplied in one piece.
pub(crate) struct TileBlock {
    /// Rows of activations of a step; more than [`TILE_TOKENS`] are two tiles.
    pub(crate) tokens: usize,
    /// With one tile of tokens 1 or 4, with two 1 or 2.
    pub(crate) panels: usize,
    /// Tiles of columns, at least one.
    pub(crate) steps: usize,
    /// For each step, [`TILE_COLUMNS`] activations of each token.
    pub(crate) q: *const i8,
    /// For each step, a tile of codes of each panel.
    pub(crate) codes: *const u8,
    /// For each panel, [`PANEL_ROWS`] sums of each token.
    pub(crate) sums: *mut i32,
}

/// Something that multiplies tiles: the CPU, or a model of it.
///
/// # Safety
/// `multiply` computes what it says, and keeps no state.
pub(crate) unsafe trait TileUnit {
    /// Adds to the sums the products of activations (signed) and codes (unsigned), wrapping.
    ///
    /// # Safety
    /// The thread may use the unit. The block's shape is one of those that it allows, and its pointers cover what it
    /// says: activations and codes for reads, sums for both.
    unsafe fn multiply(block: TileBlock);
}

/// All panels times all tokens.
///
/// # Safety
/// The CPU has the features of `V` and the thread may use `X`; the panels are of the layout `C`; `q` is interleaved by
/// [`TILE_COLUMNS`].
#[inline(always)]
pub(crate) unsafe fn several_tokens<X: TileUnit, V: IntVector, C: TileCodes>(
    operands: Operands<'_>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let Operands { panels, q, tokens } = operands;
    check_lengths(operands, TILE_COLUMNS, sums.len());
    assert!(tokens <= MAX_TILE_TOKENS);
    const { assert!(TILE_ROWS == 16 && size_of::<[i32; PANEL_ROWS]>() == TILE_COLUMNS) };
    let side_by_side = if tokens > TILE_TOKENS { 2 } else { 4 };
    let codes = scratch.0.as_mut_ptr().cast::<u8>();
    let steps = q.len() / (TILE_COLUMNS * tokens);
    let run = CODE_BYTES / (side_by_side * TILE_BYTES);
    for start in (0..steps).step_by(run) {
        let steps = run.min(steps - start);
        let mut first = 0;
        while first < panels.count() {
            let count = if panels.count() - first < side_by_side { 1 } else { side_by_side };
            // SAFETY: the features and the unit, as promised. `count · steps` tiles are within the codes' room and
            // unpacked before they are multiplied; steps and panels are those of `q` and `sums`, see above.
            unsafe {
                for tile in 0..count * steps {
                    let (step, panel) = (tile / count, tile % count);
                    C::unpack::<V>(panels, first + panel, start + step, codes.add(tile * TILE_BYTES));
                }
                X::multiply(TileBlock {
                    tokens,
                    panels: count,
                    steps,
                    q: q.as_ptr().add(start * TILE_COLUMNS * tokens),
                    codes,
                    sums: sums.as_mut_ptr().add(first * tokens).cast(),
                });
            }
            first += count;
        }
    }
}
