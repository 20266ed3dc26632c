//! Products of many tokens: codes are unpacked to bytes once for a block, and multiplied with all of its tokens.
//!
//! **Units.** What multiplies is a [`TileUnit`]: hardware tiles of 16 tokens × 16 outputs × 64 inputs, or vectors
//! ([`vector_unit`](super::vector_unit)). Activations are staged with 64 inputs of a token side by side, and a tile of codes
//! has four inputs of each output a row, so that both are read as they are. A panel's sums for neighbouring tokens are
//! neighbours, where the driver wants them.
//!
//! **Blocks.** Codes of some panels are unpacked for a run of columns, to as many bytes as stay in first-level cache, and
//! multiplied with the tokens of all staged tiles, which come from the second level: one operand of each product is near,
//! and unpacking is shared by all tokens of the call.
//!
//! [`TileUnit::multiply`] does the work on tiles in one piece: the compiler knows nothing of tile registers, so no values
//! may be left in them from one call to the next.

use core::marker::PhantomData;
use core::ops::Range;

use super::sinks::check_lengths;
use super::tile_codes::{TILE_BYTES, TILE_COLUMNS, TileCodes};
use super::vector::IntVector;
use crate::kernels::contract::{
    CALL_PANELS, GroupKernel, Groups, Operands, Panels, SCRATCH_BYTES, Scratch, SumKernel, TileKernels,
};
use crate::layout::{PANEL_ROWS, ScaleType};

/// Bytes that are fetched at once.
const LINE_BYTES: usize = 64;

/// What is multiplied in one piece.
pub(crate) struct TileBlock {
    /// Up to [`TileUnit::MAX_TOKENS`], a multiple of [`TileUnit::TOKEN_MULTIPLE`].
    pub(crate) tokens: usize,
    /// As many as [`TileUnit::side_by_side`] says, or 1.
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

/// Something that multiplies tiles.
///
/// # Safety
/// The functions do what they say. What `multiply` leaves in tiles is never used.
pub(crate) unsafe trait TileUnit {
    /// Unpacks codes and scales sums.
    type Vector: IntVector;

    /// Tokens are filled up to a multiple of it.
    const TOKEN_MULTIPLE: usize;

    /// Most tokens of a staged tile.
    const MAX_TOKENS: usize;

    /// Bytes of codes that are unpacked at a time, at least a tile of all panels side by side.
    const CODE_BYTES: usize;

    /// How many panels are multiplied side by side with staged tiles of so many tokens.
    fn side_by_side(tokens: usize) -> usize;

    /// Brings unpacked tiles of codes in the order that `multiply` takes, if that is another one.
    ///
    /// # Safety
    /// The thread has the features of the vector; there are as many tiles at `codes`, valid for reads and writes.
    #[inline(always)]
    unsafe fn arrange(_codes: *mut u8, _tiles: usize) {}

    /// Sets up tiles of full size.
    ///
    /// # Safety
    /// The thread may use the unit, and has the features of its vector.
    unsafe fn begin();

    /// Adds to the sums the products of activations (signed) and codes (unsigned), wrapping.
    ///
    /// # Safety
    /// The tiles are set up, and the thread has the features of the vector. The block's shape is one of those that it allows,
    /// and its pointers cover what it says: activations and codes for reads, sums for both.
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
    fn new<X: TileUnit>(operands: Operands<'a>, sums: usize) -> Walk<'a> {
        const { assert!(X::CODE_BYTES <= SCRATCH_BYTES) };
        let Operands { panels, tokens, tile, .. } = operands;
        check_lengths(operands, TILE_COLUMNS, sums);
        assert!(tile > 0 && tile <= X::MAX_TOKENS && tile.is_multiple_of(X::TOKEN_MULTIPLE));
        assert!(tokens.is_multiple_of(X::TOKEN_MULTIPLE));
        assert!(X::side_by_side(tile) * TILE_BYTES <= X::CODE_BYTES);
        Walk { operands, steps: panels.width().div_ceil(TILE_COLUMNS) }
    }

    /// The panels side by side, and singly what is left.
    #[inline(always)]
    fn side_by_side<X: TileUnit>(&self, first: usize) -> usize {
        let most = X::side_by_side(self.operands.tile);
        if self.operands.panels.count() - first < most { 1 } else { most }
    }

    /// Adds to the sums of all tokens the products of some steps of `count` panels.
    ///
    /// # Safety
    /// The thread may use `X`, whose tiles are set up, and has the features of its vector; the panels are of the layout `C`,
    /// and the sums are those that were checked. `count` is as [`Walk::side_by_side`] says, the steps are some of all.
    #[inline(always)]
    unsafe fn add<X: TileUnit, C: TileCodes>(
        &self,
        (first, count): (usize, usize),
        steps: Range<usize>,
        scratch: &mut Scratch,
        sums: *mut [i32; PANEL_ROWS],
    ) {
        let Operands { panels, q, tokens, tile, .. } = self.operands;
        let codes = scratch.0.as_mut_ptr().cast::<u8>();
        let run = X::CODE_BYTES / (count * TILE_BYTES);
        for start in steps.clone().step_by(run) {
            let run = run.min(steps.end - start);
            // SAFETY: the features and the unit, as promised. `count · run` tiles are within the codes' room and
            // unpacked before they are multiplied; steps, tokens and panels are those of `q` and `sums`; what is fetched
            // may be anywhere.
            unsafe {
                unpack::<X::Vector, C>(panels, first..first + count, start..start + run, codes);
                X::arrange(codes, count * run);
                for token in (0..tokens).step_by(tile) {
                    let of_tile = tile.min(tokens - token);
                    self.fetch_codes::<X::Vector, C>((first, count), start + run, run, token);
                    let q = q.as_ptr().add(token * self.steps * TILE_COLUMNS);
                    X::multiply(TileBlock {
                        tokens: of_tile,
                        panels: count,
                        steps: run,
                        q: q.add(start * of_tile * TILE_COLUMNS),
                        codes,
                        sums: sums.add(first * tokens + token).cast(),
                        panel_stride: tokens * size_of::<[i32; PANEL_ROWS]>(),
                    });
                }
            }
        }
    }
}

impl Walk<'_> {
    /// Fetches what is unpacked after some steps, its part for the tile from `token` on: as much at once as a core waits for
    /// without stopping. From third-level cache or memory codes would come too late otherwise.
    ///
    /// # Safety
    /// The CPU has the features of `V`.
    #[inline(always)]
    unsafe fn fetch_codes<V: IntVector, C: TileCodes>(
        &self,
        (first, count): (usize, usize),
        next: usize,
        steps: usize,
        token: usize,
    ) {
        let Operands { panels, tokens, tile, .. } = self.operands;
        let (first, next) = if next < self.steps { (first, next) } else { (first + count, 0) };
        let lines = (steps * C::PACKED_BYTES).div_ceil(LINE_BYTES);
        let part = |tiles| lines * tiles / tokens.div_ceil(tile);
        for panel in first..first + count {
            let packed = C::packed(panels, panel, next);
            for line in part(token / tile)..part(token / tile + 1) {
                // SAFETY: the features, as promised; any address may be given.
                unsafe { V::fetch_near(packed.wrapping_add(line * LINE_BYTES)) };
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

/// The products of a [`GroupKernel`], and without groups those of a [`SumKernel`]: all columns are one group then, whose sums
/// are added to what there is. (With [`Walk::add`] a function of its own, called for each group, there is less code, and groups
/// of 128 took 2 to 4 in 100 longer.)
///
/// # Safety
/// The thread may use `X` and has the features of its vector; the panels are of the layout `C`; `q` is interleaved by
/// [`TILE_COLUMNS`]; the contract's of the kernels.
#[inline(always)]
pub(crate) unsafe fn products<X: TileUnit, C: TileCodes>(
    operands: Operands<'_>,
    mut groups: Option<(Groups<'_>, &mut [[f32; PANEL_ROWS]])>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let Operands { panels, tokens, tile, .. } = operands;
    let walk = Walk::new::<X>(operands, sums.len());
    let mut group_steps = walk.steps;
    if let Some((groups, scaled)) = &groups {
        assert!(scaled.len() == sums.len() && groups.columns().is_multiple_of(TILE_COLUMNS));
        group_steps = groups.columns() / TILE_COLUMNS;
    }
    let mut first = 0;
    // SAFETY: the unit, the features, the layout, as promised; the panels exist. Sums and scaled sums have a panel's rows for
    // each token of each panel.
    unsafe {
        let _tiles = Tiles::<X>::set_up();
        while first < panels.count() {
            let count = walk.side_by_side::<X>(first);
            for (group, start) in (0..walk.steps).step_by(group_steps).enumerate() {
                let steps = start..walk.steps.min(start + group_steps);
                // Opaque: the compiler would write all of the loop twice, with groups and without.
                let groups = core::hint::black_box(&mut groups);
                if groups.is_some() {
                    sums[first * tokens..][..count * tokens].fill([0; PANEL_ROWS]);
                }
                walk.add::<X, C>((first, count), steps, scratch, sums.as_mut_ptr());
                let Some((groups, scaled)) = groups else { continue };
                for panel in first..first + count {
                    let sums = sums[panel * tokens..][..tokens].chunks(tile);
                    let scaled = scaled[panel * tokens..][..tokens].chunks_mut(tile);
                    for (tile, (sums, scaled)) in sums.zip(scaled).enumerate() {
                        let totals = groups.sums(tile, group, sums.len());
                        let scales = (groups.scale_bytes(panel, group), groups.scale_type());
                        add_scaled::<X::Vector>(sums, totals, scales, scaled);
                    }
                }
            }
            first += count;
        }
    }
}

/// Adds to the scaled sums of a panel's rows and some tokens their integer sums times the rows' scales.
///
/// # Safety
/// The CPU has the features of `V`; there is a scale for each row.
#[inline(always)]
unsafe fn add_scaled<V: IntVector>(
    sums: &[[i32; PANEL_ROWS]],
    totals: &[i32],
    (scales, scale_type): (&[u8], ScaleType),
    scaled: &mut [[f32; PANEL_ROWS]],
) {
    for row in (0..PANEL_ROWS).step_by(V::ROWS) {
        // SAFETY: the features and scales, as promised; a vector's rows are in the panel from its first one on.
        unsafe {
            let scales = V::load_scales(scales[row * scale_type.bytes()..].as_ptr(), scale_type);
            for ((sums, scaled), &total) in sums.iter().zip(&mut *scaled).zip(totals) {
                // Codes are w + 1, so Σ w·q is Σ q less.
                let sums = V::load(sums[row..].as_ptr().cast()).sub(V::splat(total));
                sums.add_scaled(scales, scaled[row..].as_mut_ptr());
            }
        }
    }
}

/// How the kernels of a unit want to be called.
pub(crate) const fn kernels<X: TileUnit>(
    min_tokens: usize,
    staged_bytes: usize,
    sums: SumKernel,
    groups: GroupKernel,
) -> TileKernels {
    TileKernels {
        min_tokens,
        token_multiple: X::TOKEN_MULTIPLE,
        interleave: TILE_COLUMNS,
        token_tile: X::MAX_TOKENS,
        tiles: 4,
        staged_bytes,
        panels: CALL_PANELS,
        sums,
        groups,
    }
}
