//! Ternary products with matrix tiles: 16 tokens × 16 outputs × 64 inputs an instruction.
//!
//! Signed activations come from a tile of a token a row, unsigned codes from a tile of four inputs a row. A panel's
//! sums for neighbouring tokens are neighbouring rows of a third tile, so they are loaded, added to and stored where
//! the driver wants them. Tokens are filled up to whole tiles, so that tiles are set up once a call.
//!
//! **Blocks.** Staged tiles of 32 tokens: 2 tiles of the unit × 2 panels; of 16: 1 × 4. Both keep four sums in tiles. Codes
//! of some panels are unpacked for a run of columns, to [`CODE_BYTES`] that stay in first-level cache, and multiplied with
//! the tokens of all staged tiles, which come from the second level: one operand of each product is near, which is what the
//! loads of tiles need, and unpacking is shared by all tokens of the call.
//!
//! [`TileUnit::multiply`] does the work on tiles in one piece: the compiler knows nothing of tile registers, so no values
//! may be left in them from one call to the next.

use core::marker::PhantomData;
use core::ops::Range;

use super::sinks::check_lengths;
use super::tile_codes::{TILE_BYTES, TILE_COLUMNS, TILE_ROWS, TileCodes};
use super::vector::IntVector;
use crate::kernels::contract::{GroupBuffers, Groups, Operands, Panels, SCRATCH_BYTES, Scratch};
use crate::layout::PANEL_ROWS;

/// Tokens of a tile of the unit.
pub(crate) const TILE_TOKENS: usize = 16;

/// Most tokens of a staged tile.
pub(crate) const MAX_TILE_TOKENS: usize = 2 * TILE_TOKENS;

/// Most bytes of unpacked codes: half of 48 KiB. With more they do not stay beside the sums, with fewer sums are loaded and
/// stored more often.
const CODE_BYTES: usize = 24 << 10;
const _: () = assert!(CODE_BYTES <= SCRATCH_BYTES);

/// What is multiplied in one piece.
pub(crate) struct TileBlock {
    /// [`TILE_TOKENS`] or twice as many.
    pub(crate) tokens: usize,
    /// 1 or 2, with one tile of tokens also 4.
    pub(crate) panels: usize,
    /// Tiles of columns, at least one.
    pub(crate) steps: usize,
    /// For each step, [`TILE_COLUMNS`] activations of each token.
    pub(crate) q: *const i8,
    /// For each step, a tile of codes of each panel.
    pub(crate) codes: *const u8,
    /// For each panel, [`PANEL_ROWS`] sums of each token.
    pub(crate) sums: *mut i32,
    /// Bytes from a panel's sums to the next one's.
    pub(crate) panel_stride: usize,
}

/// Something that multiplies tiles: the CPU, or a model of it.
///
/// # Safety
/// The functions do what they say. What `multiply` leaves in tiles is never used.
pub(crate) unsafe trait TileUnit {
    /// Sets up tiles of full size.
    ///
    /// # Safety
    /// The thread may use the unit.
    unsafe fn begin();

    /// Adds to the sums the products of activations (signed) and codes (unsigned), wrapping.
    ///
    /// # Safety
    /// The tiles are set up. The block's shape is one of those that it allows, and its pointers cover what it
    /// says: activations and codes for reads, sums for both.
    unsafe fn multiply(block: TileBlock);

    /// Releases the tiles: a switch of threads saves none then, and the core may lower its power state.
    ///
    /// # Safety
    /// The thread may use the unit.
    unsafe fn end();
}

/// Tiles that are set up, until it goes.
struct Tiles<X: TileUnit>(PhantomData<X>);

impl<X: TileUnit> Tiles<X> {
    /// # Safety
    /// As [`TileUnit::begin`].
    #[inline(always)]
    unsafe fn set_up() -> Tiles<X> {
        // SAFETY: as promised.
        unsafe { X::begin() };
        Tiles(PhantomData)
    }
}

impl<X: TileUnit> Drop for Tiles<X> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the thread uses the unit already.
        unsafe { X::end() };
    }
}

/// Checked operands.
#[derive(Clone, Copy)]
struct Walk<'a> {
    operands: Operands<'a>,
    /// Tiles of columns.
    steps: usize,
}

impl<'a> Walk<'a> {
    #[inline(always)]
    fn new(operands: Operands<'a>, sums: usize) -> Walk<'a> {
        let Operands { panels, tokens, tile, .. } = operands;
        check_lengths(operands, TILE_COLUMNS, sums);
        assert!(tile <= MAX_TILE_TOKENS && tile.is_multiple_of(TILE_TOKENS));
        assert!(tokens.is_multiple_of(TILE_TOKENS));
        Walk { operands, steps: panels.width().div_ceil(TILE_COLUMNS) }
    }

    /// The panels side by side, as tiles of sums suffice for, and singly what is left.
    #[inline(always)]
    fn side_by_side(&self, first: usize) -> usize {
        let most = if self.operands.tile > TILE_TOKENS { 2 } else { 4 };
        if self.operands.panels.count() - first < most { 1 } else { most }
    }

    /// Adds to the sums of all tokens the products of some steps of `count` panels.
    ///
    /// # Safety
    /// The CPU has the features of `V`, the tiles of `X` are set up, the panels are of the layout `C`, and the sums are
    /// those that were checked. `count` is as [`Walk::side_by_side`] says, the steps are some of all.
    #[inline(always)]
    unsafe fn add<X: TileUnit, V: IntVector, C: TileCodes>(
        &self,
        (first, count): (usize, usize),
        steps: Range<usize>,
        scratch: &mut Scratch,
        sums: *mut [i32; PANEL_ROWS],
    ) {
        let Operands { panels, q, tokens, tile } = self.operands;
        let codes = scratch.0.as_mut_ptr().cast::<u8>();
        let run = CODE_BYTES / (count * TILE_BYTES);
        for start in steps.clone().step_by(run) {
            let run = run.min(steps.end - start);
            // SAFETY: the features and the unit, as promised. `count · run` tiles are within the codes' room and
            // unpacked before they are multiplied; steps, tokens and panels are those of `q` and `sums`.
            unsafe {
                unpack::<V, C>(panels, first..first + count, start..start + run, codes);
                for token in (0..tokens).step_by(tile) {
                    let of_tile = tile.min(tokens - token);
                    let q = q.as_ptr().add(token * self.steps * TILE_COLUMNS);
                    X::multiply(TileBlock {
                        tokens: of_tile,
                        panels: count,
                        steps: run,
                        q: q.add(start * of_tile * TILE_COLUMNS),
                        codes,
                        sums: sums.add(first * tokens + token).cast(),
                        panel_stride: tokens * TILE_COLUMNS,
                    });
                }
            }
        }
    }
}

/// The codes of some panels and steps: for each step, a tile of each panel.
///
/// # Safety
/// The CPU has the features of `V`; panels and steps exist, and there is room for their tiles at `to`.
#[inline(always)]
unsafe fn unpack<V: IntVector, C: TileCodes>(
    panels: Panels<'_>,
    some: Range<usize>,
    steps: Range<usize>,
    to: *mut u8,
) {
    let count = some.len();
    for (index, panel) in some.enumerate() {
        for (place, step) in steps.clone().enumerate() {
            // SAFETY: as promised.
            unsafe { C::unpack::<V>(panels, panel, step, to.add((place * count + index) * TILE_BYTES)) };
        }
    }
}

/// All panels times all tokens.
///
/// # Safety
/// The CPU has the features of `V` and the thread may use `X`; the panels are of the layout `C`; `q` is interleaved by
/// [`TILE_COLUMNS`].
#[inline(always)]
pub(crate) unsafe fn sums<X: TileUnit, V: IntVector, C: TileCodes>(
    operands: Operands<'_>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    const { assert!(TILE_ROWS == 16 && size_of::<[i32; PANEL_ROWS]>() == TILE_COLUMNS) };
    let walk = Walk::new(operands, sums.len());
    let mut first = 0;
    // SAFETY: the unit, the features, the layout, as promised; the panels exist.
    unsafe {
        let _tiles = Tiles::<X>::set_up();
        while first < operands.panels.count() {
            let count = walk.side_by_side(first);
            walk.add::<X, V, C>((first, count), 0..walk.steps, scratch, sums.as_mut_ptr());
            first += count;
        }
    }
}

/// The same for each scale group, scaled and added up.
///
/// # Safety
/// As [`sums`], and `V` is a vector of a whole panel's rows; the contract's of a
/// [`GroupKernel`](crate::kernels::contract::GroupKernel).
#[inline(always)]
pub(crate) unsafe fn groups<X: TileUnit, V: IntVector, C: TileCodes>(
    operands: Operands<'_>,
    groups: Groups<'_>,
    buffers: GroupBuffers<'_>,
) {
    const { assert!(V::ROWS == PANEL_ROWS) };
    let GroupBuffers { scratch, sums, scaled } = buffers;
    let Operands { panels, tokens, tile, .. } = operands;
    let walk = Walk::new(operands, sums.len());
    assert!(scaled.len() == sums.len() && groups.columns().is_multiple_of(TILE_COLUMNS));
    let group_steps = groups.columns() / TILE_COLUMNS;
    let mut first = 0;
    // SAFETY: as above. Sums and scaled sums have a panel's rows for each token of each panel.
    unsafe {
        let _tiles = Tiles::<X>::set_up();
        while first < panels.count() {
            let count = walk.side_by_side(first);
            for (group, start) in (0..walk.steps).step_by(group_steps).enumerate() {
                let steps = start..walk.steps.min(start + group_steps);
                sums[first * tokens..][..count * tokens].fill([0; PANEL_ROWS]);
                walk.add::<X, V, C>((first, count), steps, scratch, sums.as_mut_ptr());
                for panel in first..first + count {
                    let scales = groups.scale_bytes(panel, group).as_ptr();
                    let scales = V::load_scales(scales, groups.scale_type());
                    let sums = sums[panel * tokens..][..tokens].chunks(tile);
                    let scaled = scaled[panel * tokens..][..tokens].chunks_mut(tile);
                    for (tile, (sums, scaled)) in sums.zip(scaled).enumerate() {
                        // Codes are w + 1, so Σ w·q is Σ q less.
                        let totals = groups.sums(tile, group, sums.len());
                        for ((sums, scaled), &total) in sums.iter().zip(scaled).zip(totals) {
                            let sums = V::load(sums.as_ptr().cast()).sub(V::splat(total));
                            sums.add_scaled(scales, scaled.as_mut_ptr());
                        }
                    }
                }
            }
            first += count;
        }
    }
}
