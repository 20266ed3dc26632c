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

use crate::arch::kernels::{Calls, Groups, Kernels, MAX_CALL_PANELS, MAX_RUN_COLUMNS, Panels, Product, Room};
use crate::error::{Result, check_len, check_range};
use crate::layout::PANEL_ROWS;
use crate::output::OutputMut;
use crate::quantize::{Activations, Bits};
use crate::weights::Weights;
use crate::workspace::{Size, Workspace};

/// Bytes of staged activations: a part of every second-level cache.
const STAGED_BYTES: usize = 1 << 18;
const _: () = assert!(MAX_RUN_COLUMNS <= STAGED_BYTES);

/// Most tiles that are staged together.
const MAX_TILES: usize = 4;

/// Most tokens of a tile, whatever the backend's kernel takes.
const MAX_TOKENS: usize = 32;

/// Values that are widened at a time, in first-level cache; a multiple of every scale group.
const PIECE_COLUMNS: usize = 1024;

/// The shortest scale group.
const MIN_GROUP: usize = 64;

/// Sums of scale groups of everything that is staged: each row may end with a short group.
const GROUP_SUMS: usize = STAGED_BYTES / MIN_GROUP + MAX_TILES * MAX_TOKENS;

pub(super) fn size() -> Result<Size> {
    Size::EMPTY
        .and::<i8>(STAGED_BYTES)?
        .and::<i8>(PIECE_COLUMNS)?
        .and::<i32>(GROUP_SUMS)?
        .and::<[i32; PANEL_ROWS]>(MAX_CALL_PANELS * MAX_TOKENS)?
        .and::<[f32; PANEL_ROWS]>(MAX_CALL_PANELS * MAX_TOKENS)?
        .and::<Room>(1)
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
    calls: Calls,
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
struct Desk<'a> {
    staged: &'a mut [i8],
    piece: &'a mut [i8],
    group_sums: &'a mut [i32],
    sums: &'a mut [[i32; PANEL_ROWS]],
    scaled: &'a mut [[f32; PANEL_ROWS]],
    room: &'a mut [Room],
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
        check_len("features of the activations", weights.columns(), x.features())?;
        check_range("tokens", &tokens, x.tokens())?;
        check_range("outputs", &outputs, weights.rows())?;
        check_len("tokens of y", tokens.len(), y.tokens())?;
        check_len("outputs of y", outputs.len(), y.outputs())?;
        let calls = kernels.product.calls(weights.spec().layout(), x.bits());
        Ok(Driver { kernels, calls, weights, x, tokens, outputs, by_group })
    }

    /// Calls `emit` once for each token and panel of the ranges.
    pub(super) fn run(
        &self,
        workspace: &mut [u8],
        mut emit: impl FnMut(usize, PanelRows, Sums<'_>),
    ) -> Result<()> {
        let mut workspace = Workspace::new(workspace, size()?)?;
        if self.outputs.is_empty() || self.tokens.is_empty() {
            return Ok(());
        }
        let mut desk = Desk {
            staged: workspace.take(STAGED_BYTES),
            piece: workspace.take(PIECE_COLUMNS),
            group_sums: workspace.take(GROUP_SUMS),
            sums: workspace.take(MAX_CALL_PANELS * MAX_TOKENS),
            scaled: workspace.take(MAX_CALL_PANELS * MAX_TOKENS),
            room: workspace.take(1),
        };
        let columns = self.weights.columns();
        let width = columns.next_multiple_of(self.column_multiple());
        let tile =
            tile_tokens(self.calls.token_tile, self.kernels.product.token_multiple, self.tokens.len(), width);
        let tiles = (STAGED_BYTES / (tile * width)).clamp(1, MAX_TILES);
        let groups = width.div_ceil(MIN_GROUP);
        let slot = |index| Slot { values: index * tile * width, group_sums: index * tile * groups };
        let panels = self.outputs.start / PANEL_ROWS..self.outputs.end.div_ceil(PANEL_ROWS);
        let mut unit = Unit { product: &self.kernels.product, tokens: None };

        for first in self.tokens.clone().step_by(tile * tiles) {
            let block = first..self.tokens.end.min(first + tile * tiles);
            let tiles = || block.clone().step_by(tile).map(|first| first..block.end.min(first + tile));
            let whole = width <= MAX_RUN_COLUMNS;
            if whole {
                for (index, tokens) in tiles().enumerate() {
                    self.stage(&mut desk, slot(index), tokens, 0..columns);
                }
            }
            for start in panels.clone().step_by(self.calls.panels) {
                let panels = start..panels.end.min(start + self.calls.panels);
                for (index, tokens) in tiles().enumerate() {
                    unit.set_up(tokens.len());
                    for run in runs(columns, MAX_RUN_COLUMNS) {
                        if !whole {
                            self.stage(&mut desk, slot(0), tokens.clone(), run.clone());
                        }
                        let slot = if whole { slot(index) } else { slot(0) };
                        if self.by_group {
                            self.add_groups(&mut desk, slot, tokens.len(), run, &panels);
                        } else {
                            self.add_all(&mut desk, slot, &tokens, run, &panels);
                        }
                    }
                    for (slot, panel) in panels.clone().enumerate() {
                        for (t, token) in tokens.clone().enumerate() {
                            let at = slot * tokens.len() + t;
                            let sums = if self.by_group {
                                Sums::Scaled(&desk.scaled[at])
                            } else {
                                Sums::Integer { panel, sums: &desk.sums[at] }
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
        self.weights.spec().layout().column_multiple().max(self.kernels.product.interleave)
    }

    fn rows_of(&self, panel: usize) -> PanelRows {
        let start = self.outputs.start.max(panel * PANEL_ROWS);
        let end = self.outputs.end.min((panel + 1) * PANEL_ROWS);
        PanelRows { output: start, within: start - panel * PANEL_ROWS..end - panel * PANEL_ROWS }
    }

    /// Integer sums of the run into `desk.sums`.
    fn add_all(
        &self,
        desk: &mut Desk<'_>,
        slot: Slot,
        tokens: &Range<usize>,
        run: Range<usize>,
        panels: &Range<usize>,
    ) {
        let sums = &mut desk.sums[..panels.len() * tokens.len()];
        if run.start == 0 {
            // Codes are w + 1, so Σ w·q starts from −Σ q.
            for sums in sums.chunks_exact_mut(tokens.len()) {
                for (sums, token) in sums.iter_mut().zip(tokens.clone()) {
                    *sums = [self.x.sums()[token].wrapping_neg(); PANEL_ROWS];
                }
            }
        }
        let tokens = tokens.len();
        let (panels, staged) = self.operands(&run, panels, &desk.staged[slot.values..], tokens);
        // SAFETY: the CPU has the kernels' features; `Panels::new` and the slicing check the
        // lengths, tile and panels are within the kernel's, and int4 values come from nibbles; `run` set the
        // unit up.
        unsafe { (self.calls.tile)(panels, staged, tokens, &mut desk.room[0], sums) };
    }

    /// `α · sum` of every group of the run added to `desk.scaled`, ascending.
    fn add_groups(
        &self,
        desk: &mut Desk<'_>,
        slot: Slot,
        tokens: usize,
        run: Range<usize>,
        panels: &Range<usize>,
    ) {
        let spec = self.weights.spec();
        let sums = &mut desk.sums[..panels.len() * tokens];
        let scaled = &mut desk.scaled[..panels.len() * tokens];
        if run.start == 0 {
            // −0 is what adding changes nothing of, the sign of a zero included.
            scaled.fill([-0.0; PANEL_ROWS]);
        }
        let scales = self.weights.group_scales(panels.start, run.start / spec.group_columns());
        let group_sums = &desk.group_sums[slot.group_sums..];
        let groups = Groups::new(spec.group_columns(), spec.scale_type(), scales, group_sums);
        let (panels, staged) = self.operands(&run, panels, &desk.staged[slot.values..], tokens);
        // SAFETY: as in `add_all`.
        unsafe { (self.calls.groups)(panels, staged, tokens, groups, &mut desk.room[0], sums, scaled) };
    }

    /// A run's codes and staged activations.
    fn operands<'s>(
        &self,
        run: &Range<usize>,
        panels: &Range<usize>,
        staged: &'s [i8],
        tokens: usize,
    ) -> (Panels<'a>, &'s [i8]) {
        let (codes, stride) = self.weights.panels(panels.start);
        let width = run.len().next_multiple_of(self.column_multiple());
        (Panels::new(codes, stride, panels.len(), run.clone()), &staged[..width * tokens])
    }

    /// Writes the activations of a tile and run at its slot, in the kernels' order, zero-padded to whole blocks,
    /// and the sums of their scale groups.
    fn stage(&self, desk: &mut Desk<'_>, slot: Slot, tokens: Range<usize>, run: Range<usize>) {
        let multiple = self.column_multiple();
        let interleave = self.kernels.product.interleave;
        let width = run.len().next_multiple_of(multiple);
        let count = tokens.len();
        let staged = &mut desk.staged[slot.values..][..width * count];
        let group = self.weights.spec().group_columns();
        for (t, token) in tokens.enumerate() {
            let row = self.x.row(token);
            for piece in runs(run.len(), PIECE_COLUMNS) {
                let width = piece.len().next_multiple_of(multiple);
                let values = &mut desk.piece[..width];
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
                        desk.group_sums[slot.group_sums + index] = values.iter().map(|&q| i32::from(q)).sum();
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

/// What the kernels multiply with, set up for a number of tokens from one call to the next.
struct Unit<'a> {
    product: &'a Product,
    tokens: Option<usize>,
}

impl Unit<'_> {
    fn set_up(&mut self, tokens: usize) {
        if self.tokens != Some(tokens) {
            self.release();
            // SAFETY: the CPU has the kernels' features.
            unsafe { (self.product.begin)(tokens) };
            self.tokens = Some(tokens);
        }
    }

    fn release(&mut self) {
        if let Some(tokens) = self.tokens.take() {
            // SAFETY: as above, and the unit is set up.
            unsafe { (self.product.end)(tokens) };
        }
    }
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        self.release();
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
