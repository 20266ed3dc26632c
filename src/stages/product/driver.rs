//! From checked arguments to calls of the backend's kernels, and from their sums to the caller's numbers.
//!
//! Tokens are cut into **tiles**, as many as the backend's kernel multiplies at once. The activations of some
//! tiles are **staged**: widened to int8 and interleaved in the order the kernel reads them, once for all outputs.
//! Then the weights are walked in groups of panels, as many as the kernel takes; each group is multiplied with each
//! staged tile while its codes are in cache. So the codes cross the memory bus once for up to [`MAX_TILES`] tiles. How many panels
//! of a group are read side by side is the kernel's choice.
//!
//! The kernels see whole blocks and whole panels; shapes, tails, ranges and scales end here.

use core::ops::Range;

use crate::buffer::Buffer;
use crate::error::{Result, check_len, check_range};
use crate::kernels::contract::{
    GroupBuffers, Groups, Kernels, MAX_CALL_PANELS, MAX_RUN_COLUMNS, Operands, Panels, Scratch, TileKernels,
};
use crate::layout::{Activations, Bits, GroupLen, PANEL_ROWS, Weights};
use crate::stages::output::OutputMut;
use crate::stages::workspace::{Size, Workspace};

/// Bytes of staged activations: a part of every second-level cache.
const STAGED_BYTES: usize = 1 << 18;
const _: () = assert!(MAX_RUN_COLUMNS <= STAGED_BYTES);

/// Most tiles that are staged together.
const MAX_TILES: usize = 4;

/// Most tokens of a tile, whatever the backend's kernel takes.
const MAX_TOKENS: usize = 32;

/// Values that are widened at a time, in first-level cache; a multiple of every scale group.
const PIECE_COLUMNS: usize = 1024;

/// Sums of scale groups of everything that is staged: each row may end with a short group.
const GROUP_SUMS: usize = STAGED_BYTES / GroupLen::MIN + MAX_TILES * MAX_TOKENS;

pub(super) fn size() -> Result<Size> {
    Size::EMPTY
        .and::<i8>(STAGED_BYTES)?
        .and::<i8>(PIECE_COLUMNS)?
        .and::<i32>(GROUP_SUMS)?
        .and::<[i32; PANEL_ROWS]>(MAX_CALL_PANELS * MAX_TOKENS)?
        .and::<[f32; PANEL_ROWS]>(MAX_CALL_PANELS * MAX_TOKENS)?
        .and::<Scratch>(1)
}

/// The finished sums of one panel for one token.
pub(super) enum Sums<'a> {
    /// Integer sums over all columns.
    Integer { panel: usize, sums: &'a [i32; PANEL_ROWS] },
    /// `Σ_g α · sum_g`.
    Scaled(&'a [f32; PANEL_ROWS]),
}

/// The part of a panel's 16 rows that the caller asked for.
pub(super) struct PanelRows {
    /// First of them, as an output index.
    pub(super) output: usize,
    /// Where they are within the panel.
    pub(super) within: Range<usize>,
}

/// Checked arguments of one product.
pub(super) struct Driver<'a> {
    /// Whose features the CPU has.
    kernels: &'a Kernels,
    tiles: TileKernels,
    weights: &'a Weights<'a>,
    x: &'a Activations<'a>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    by_group: bool,
}

/// Where a tile is staged.
#[derive(Clone, Copy)]
struct Slot {
    values: usize,
    group_sums: usize,
}

/// The workspace, cut up.
struct Buffers<'a> {
    staged: &'a mut [i8],
    piece: &'a mut [i8],
    group_sums: &'a mut [i32],
    sums: &'a mut [[i32; PANEL_ROWS]],
    scaled: &'a mut [[f32; PANEL_ROWS]],
    scratch: &'a mut Scratch,
}

impl<'a> Driver<'a> {
    pub(super) fn new<T: Copy>(
        kernels: &'a Kernels,
        weights: &'a Weights<'a>,
        x: &'a Activations<'a>,
        tokens: Range<usize>,
        outputs: Range<usize>,
        y: &OutputMut<'_, T>,
        by_group: bool,
    ) -> Result<Driver<'a>> {
        check_len("inputs of the activations", weights.inputs(), x.inputs())?;
        check_range("tokens", &tokens, x.tokens())?;
        check_range("outputs", &outputs, weights.outputs())?;
        check_len("tokens of y", tokens.len(), y.tokens())?;
        check_len("outputs of y", outputs.len(), y.outputs())?;
        let tiles = kernels.product.tiles.get(weights.spec().layout(), x.bits());
        Ok(Driver { kernels, tiles, weights, x, tokens, outputs, by_group })
    }

    /// Calls `emit` once for each token and panel of the ranges.
    pub(super) fn run(
        &self,
        workspace: Buffer<'_, u8>,
        mut emit: impl FnMut(usize, PanelRows, Sums<'_>),
    ) -> Result<()> {
        let mut workspace = Workspace::new(workspace, size()?)?;
        if self.outputs.is_empty() || self.tokens.is_empty() {
            return Ok(());
        }
        let columns = self.weights.inputs();
        let width = columns.next_multiple_of(self.column_multiple());
        let tile =
            tile_tokens(self.tiles.token_tile, self.kernels.product.token_multiple, self.tokens.len(), width);
        let tiles = (STAGED_BYTES / (tile * width)).clamp(1, MAX_TILES).min(self.tokens.len().div_ceil(tile));
        let groups = width.div_ceil(GroupLen::MIN);
        let slot = |index| Slot { values: index * tile * width, group_sums: index * tile * groups };
        let panels = self.outputs.start / PANEL_ROWS..self.outputs.end.div_ceil(PANEL_ROWS);
        let whole = width <= MAX_RUN_COLUMNS;
        let staged_width = width.min(MAX_RUN_COLUMNS);
        let sums = self.tiles.panels.min(panels.len()) * tile;
        let (group_sums, scaled) =
            if self.by_group { (staged_width.div_ceil(GroupLen::MIN) * tile * tiles, sums) } else { (0, 0) };
        // Only what this product uses of each piece is written.
        let mut buffers = Buffers {
            staged: workspace.take_start_filled(STAGED_BYTES, staged_width * tile * tiles, 0),
            piece: workspace.take_start_filled(PIECE_COLUMNS, PIECE_COLUMNS.min(width), 0),
            group_sums: workspace.take_start_filled(GROUP_SUMS, group_sums, 0),
            sums: workspace.take_start_filled(MAX_CALL_PANELS * MAX_TOKENS, sums, [0; PANEL_ROWS]),
            scaled: workspace.take_start_filled(MAX_CALL_PANELS * MAX_TOKENS, scaled, [0.0; PANEL_ROWS]),
            scratch: workspace.take_scratch(),
        };

        for first in self.tokens.clone().step_by(tile * tiles) {
            let block = first..self.tokens.end.min(first + tile * tiles);
            let tiles = || block.clone().step_by(tile).map(|first| first..block.end.min(first + tile));
            if whole {
                for (index, tokens) in tiles().enumerate() {
                    self.stage(&mut buffers, slot(index), tokens, 0..columns);
                }
            }
            for start in panels.clone().step_by(self.tiles.panels) {
                let panels = start..panels.end.min(start + self.tiles.panels);
                for (index, tokens) in tiles().enumerate() {
                    for run in runs(columns, MAX_RUN_COLUMNS) {
                        if !whole {
                            self.stage(&mut buffers, slot(0), tokens.clone(), run.clone());
                        }
                        let slot = if whole { slot(index) } else { slot(0) };
                        if self.by_group {
                            self.add_groups(&mut buffers, slot, tokens.len(), run, &panels);
                        } else {
                            self.add_all(&mut buffers, slot, &tokens, run, &panels);
                        }
                    }
                    for (slot, panel) in panels.clone().enumerate() {
                        for (t, token) in tokens.clone().enumerate() {
                            let at = slot * tokens.len() + t;
                            let sums = if self.by_group {
                                Sums::Scaled(&buffers.scaled[at])
                            } else {
                                Sums::Integer { panel, sums: &buffers.sums[at] }
                            };
                            emit(token, self.rows_of(panel), sums);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Columns that staged activations are padded to a multiple of.
    fn column_multiple(&self) -> usize {
        self.weights.spec().layout().codes().column_multiple.max(self.kernels.product.interleave)
    }

    fn rows_of(&self, panel: usize) -> PanelRows {
        let start = self.outputs.start.max(panel * PANEL_ROWS);
        let end = self.outputs.end.min((panel + 1) * PANEL_ROWS);
        PanelRows { output: start, within: start - panel * PANEL_ROWS..end - panel * PANEL_ROWS }
    }

    /// Integer sums of the run into `buffers.sums`.
    fn add_all(
        &self,
        buffers: &mut Buffers<'_>,
        slot: Slot,
        tokens: &Range<usize>,
        run: Range<usize>,
        panels: &Range<usize>,
    ) {
        let sums = &mut buffers.sums[..panels.len() * tokens.len()];
        if run.start == 0 {
            // Codes are w + 1, so Σ w·q starts from −Σ q.
            for sums in sums.chunks_exact_mut(tokens.len()) {
                for (sums, token) in sums.iter_mut().zip(tokens.clone()) {
                    *sums = [self.x.sums()[token].wrapping_neg(); PANEL_ROWS];
                }
            }
        }
        let operands = self.operands(&run, panels, &buffers.staged[slot.values..], tokens.len());
        // SAFETY: the CPU has the kernels' features; `operands` is as the contract says, and there is a sum for each panel
        // and token.
        unsafe { (self.tiles.sums)(operands, buffers.scratch, sums) };
    }

    /// `α · sum` of every group of the run added to `buffers.scaled`, ascending.
    fn add_groups(
        &self,
        buffers: &mut Buffers<'_>,
        slot: Slot,
        tokens: usize,
        run: Range<usize>,
        panels: &Range<usize>,
    ) {
        let spec = self.weights.spec();
        let sums = &mut buffers.sums[..panels.len() * tokens];
        let scaled = &mut buffers.scaled[..panels.len() * tokens];
        if run.start == 0 {
            // −0 is what adding changes nothing of, the sign of a zero included.
            scaled.fill([-0.0; PANEL_ROWS]);
        }
        let scales = self.weights.group_scales(panels.start, run.start / spec.group_inputs());
        let group_sums = &buffers.group_sums[slot.group_sums..];
        let groups = Groups::new(spec.group_inputs(), spec.scale_type(), scales, group_sums);
        let operands = self.operands(&run, panels, &buffers.staged[slot.values..], tokens);
        // SAFETY: as in `add_all`, for scaled sums too.
        unsafe {
            (self.tiles.groups)(operands, groups, GroupBuffers { scratch: buffers.scratch, sums, scaled });
        }
    }

    /// A run's codes and staged activations. Tile and panels are within the kernel's, activations are padded as staged, and
    /// int4 values come from nibbles.
    fn operands<'s>(
        &'s self,
        run: &Range<usize>,
        panels: &Range<usize>,
        staged: &'s [i8],
        tokens: usize,
    ) -> Operands<'s> {
        let (codes, stride) = self.weights.panels(panels.start);
        let width = run.len().next_multiple_of(self.column_multiple());
        let panels = Panels::new(self.weights.spec().layout(), codes, stride, panels.len(), run.clone());
        Operands { panels, q: &staged[..width * tokens], tokens }
    }

    /// Writes the activations of a tile and run at its slot, in the kernels' order, zero-padded to whole blocks,
    /// and the sums of their scale groups.
    fn stage(&self, buffers: &mut Buffers<'_>, slot: Slot, tokens: Range<usize>, run: Range<usize>) {
        let multiple = self.column_multiple();
        let interleave = self.kernels.product.interleave;
        let width = run.len().next_multiple_of(multiple);
        let count = tokens.len();
        let staged = &mut buffers.staged[slot.values..][..width * count];
        let group = self.weights.spec().group_inputs();
        for (t, token) in tokens.enumerate() {
            let row = self.x.row(token);
            for piece in runs(run.len(), PIECE_COLUMNS) {
                let width = piece.len().next_multiple_of(multiple);
                let values = &mut buffers.piece[..width];
                self.widen(row, run.start + piece.start..run.start + piece.end, values);
                let staged = &mut staged[piece.start * count..][..width * count];
                match interleave {
                    _ if count == 1 => staged.copy_from_slice(values),
                    4 => spread::<4>(values, staged, t, count),
                    _ => spread::<64>(values, staged, t, count),
                }
                if self.by_group {
                    for (index, values) in values.chunks(group).enumerate() {
                        let index = (piece.start / group + index) * count + t;
                        buffers.group_sums[slot.group_sums + index] =
                            values.iter().map(|&q| i32::from(q)).sum();
                    }
                }
            }
        }
    }

    /// Some columns of a row as int8, then zeros.
    fn widen(&self, row: &[u8], columns: Range<usize>, values: &mut [i8]) {
        let len = columns.len();
        match self.x.bits() {
            Bits::Eight => {
                for (q, &byte) in values.iter_mut().zip(&row[columns]) {
                    *q = byte as i8;
                }
            }
            Bits::Four => {
                let bytes = &row[columns.start / 2..columns.end.div_ceil(2)];
                // SAFETY: the CPU has the kernels' features; two values a byte, and there is
                // room for them, as the columns start at an even one and the room is even.
                unsafe { (self.kernels.widen_i4)(bytes, &mut values[..2 * bytes.len()]) };
            }
        }
        values[len..].fill(0);
    }
}

/// Tokens of a tile: as even as the kernel's tile and the staging room allow, and whole hardware tiles if there is room
/// for one.
pub(super) fn tile_tokens(token_tile: usize, multiple: usize, tokens: usize, width: usize) -> usize {
    let most = token_tile.min(MAX_TOKENS).min(STAGED_BYTES / width.min(MAX_RUN_COLUMNS));
    let multiple = if most < multiple { 1 } else { multiple };
    tokens.div_ceil(tokens.div_ceil(most / multiple * multiple)).next_multiple_of(multiple)
}

/// Copies a token's values to its places between those of `count` tokens, `I` neighbours at a time. `I` is constant,
/// because a copy of four bytes is an instruction then, and a call of `memcpy` otherwise.
fn spread<const I: usize>(values: &[i8], staged: &mut [i8], token: usize, count: usize) {
    let (values, _) = values.as_chunks::<I>();
    let (staged, _) = staged.as_chunks_mut::<I>();
    for (staged, values) in staged.iter_mut().skip(token).step_by(count).zip(values) {
        *staged = *values;
    }
}

/// `0..total` in pieces of `length`, the last one shorter.
fn runs(total: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..total).step_by(length).map(move |start| start..total.min(start + length))
}
