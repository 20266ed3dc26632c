//! From checked arguments to calls of the backend's kernels, and from their sums to the caller's numbers.
//!
//! Tokens are cut into **tiles**, as the backend's kernel wants them. The activations of some
//! tiles are **staged**: widened to int8 and interleaved in the order the kernel reads them, once for all outputs.
//! Then the weights are walked in groups of panels, as many as the kernel takes; each group is multiplied with all
//! staged tiles, one or several a call, while its codes are in cache. So the codes cross the memory bus once for up to [`MAX_TILES`] tiles. How many panels
//! of a group are read side by side is the kernel's choice.
//!
//! The kernels see whole blocks and whole panels; shapes, tails, ranges and scales end here.

use core::ops::Range;

use crate::buffer::Buffer;
use crate::error::{Result, check_len, check_range};
use crate::kernels::contract::{
    GroupBuffers, Groups, MAX_CALL_SUMS, MAX_RUN_COLUMNS, MAX_STAGED_BYTES, Operands, Panels, ProductKernels,
    STAGED_BYTES, Scratch, TileKernels,
};
use crate::layout::{Activations, Bits, GroupLen, PANEL_ROWS, Weights};
use crate::stages::output::OutputMut;
use crate::stages::workspace::{Size, Workspace};

const _: () = assert!(MAX_RUN_COLUMNS <= STAGED_BYTES);

/// Most tiles that are staged together.
const MAX_TILES: usize = 4;

/// Most tokens of a tile, whatever the backend's kernel takes.
const MAX_TOKENS: usize = 32;

/// Values that are widened at a time, in first-level cache; a multiple of every scale group.
const PIECE_COLUMNS: usize = 1024;

/// Sums of scale groups of everything that is staged: each row may end with a short group.
const GROUP_SUMS: usize = MAX_STAGED_BYTES / GroupLen::MIN + MAX_TILES * MAX_TOKENS;

pub(super) fn size() -> Result<Size> {
    Size::EMPTY
        .and::<i8>(MAX_STAGED_BYTES)?
        .and::<i8>(PIECE_COLUMNS)?
        .and::<i32>(GROUP_SUMS)?
        .and::<[i32; PANEL_ROWS]>(MAX_CALL_SUMS)?
        .and::<[f32; PANEL_ROWS]>(MAX_CALL_SUMS)?
        .and::<Scratch>(1)
}

/// The sums of some panels and tokens: those of panel `p` and token `t`, counted from the first ones, are number
/// `p · stride + t`.
pub(super) struct Sums<'a> {
    pub(super) tokens: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) stride: usize,
    pub(super) values: SumValues<'a>,
}

pub(super) enum SumValues<'a> {
    /// Integer sums over all columns of codes, which are w + 1: too much by `Σ q`.
    Codes(&'a [[i32; PANEL_ROWS]]),
    /// `Σ_g α · sum_g`.
    Scaled(&'a [[f32; PANEL_ROWS]]),
}

/// Checked arguments of one product.
pub(super) struct Driver<'a> {
    /// Whose features the CPU has.
    pub(super) kernels: ProductKernels,
    tiles: TileKernels,
    pub(super) weights: &'a Weights<'a>,
    pub(super) x: &'a Activations<'a>,
    pub(super) tokens: Range<usize>,
    pub(super) outputs: Range<usize>,
    by_group: bool,
}

/// How a product is cut: into blocks of tokens that are staged together, and those into groups of panels.
pub(super) struct Cut {
    /// Columns, with padding.
    width: usize,
    /// Tokens of a tile, and most tiles of a block.
    tile: usize,
    staged_tiles: usize,
    tokens: Range<usize>,
    /// Of the weights, those with an output.
    pub(super) panels: Range<usize>,
    /// Most panels of a kernel's call.
    pub(super) group: usize,
}

impl Cut {
    /// Tokens that are staged together.
    pub(super) fn block(&self) -> usize {
        self.tile * self.staged_tiles
    }

    /// The blocks, with all panels each.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        pieces(&self.tokens, self.block()).map(|tokens| Piece { tokens, panels: self.panels.clone() })
    }

    /// The same with at most so many panels in a group.
    #[cfg(feature = "rayon")]
    pub(super) fn with_groups_of(self, most: usize) -> Cut {
        Cut { group: self.group.min(most), ..self }
    }

    /// How many blocks there are.
    #[cfg(feature = "rayon")]
    pub(super) fn blocks(&self) -> usize {
        self.tokens.len().div_ceil(self.block())
    }

    /// Some panels of a block.
    #[cfg(feature = "rayon")]
    pub(super) fn piece(&self, block: usize, panels: Range<usize>) -> Piece {
        let start = self.tokens.start + block * self.block();
        Piece { tokens: start..self.tokens.end.min(start + self.block()), panels }
    }
}

/// Some panels of a block of tokens.
pub(super) struct Piece {
    tokens: Range<usize>,
    panels: Range<usize>,
}

/// Where a tile is staged.
#[derive(Clone, Copy)]
struct Slot {
    values: usize,
    group_sums: usize,
}

/// What a kernel multiplies at once.
struct Call {
    /// Of the first tile.
    slot: Slot,
    /// Tokens of a tile, and of all of them, those that fill up with them.
    tile: usize,
    tokens: usize,
    /// Sums of scale groups from tile to tile.
    tile_sums: usize,
    panels: Range<usize>,
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
        kernels: ProductKernels,
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
        let tiles = kernels.get(weights.spec().layout(), x.bits(), tokens.len());
        Ok(Driver { kernels, tiles, weights, x, tokens, outputs, by_group })
    }

    /// How the product is cut.
    pub(super) fn cut(&self) -> Cut {
        let width = self.weights.inputs().next_multiple_of(self.column_multiple());
        let tokens = self.tokens.len().max(1);
        let tile = tile_tokens(&self.tiles, tokens, width);
        let staged_tiles = (self.tiles.staged_bytes / (tile * width)).clamp(1, MAX_TILES);
        let call_tokens = tile * self.tiles.tiles.min(staged_tiles);
        Cut {
            width,
            tile,
            staged_tiles: staged_tiles.min(tokens.div_ceil(tile)),
            tokens: self.tokens.clone(),
            panels: self.outputs.start / PANEL_ROWS..self.outputs.end.div_ceil(PANEL_ROWS),
            group: self.tiles.panels.min(MAX_CALL_SUMS / call_tokens / 4 * 4),
        }
    }

    /// Calls `emit` with every token and panel of all pieces once. The first and the last panel may have outputs beyond
    /// those of the range. A piece has all tokens that are staged together; those of the piece before are not staged again.
    pub(super) fn run(
        &self,
        cut: &Cut,
        some: impl Iterator<Item = Piece>,
        workspace: Buffer<'_, u8>,
        mut emit: impl FnMut(Sums<'_>),
    ) -> Result<()> {
        let mut workspace = Workspace::new(workspace, size()?)?;
        let mut some = some.peekable();
        if self.outputs.is_empty() || some.peek().is_none() {
            return Ok(());
        }
        let columns = self.weights.inputs();
        let &Cut { width, tile, staged_tiles, .. } = cut;
        let call_tiles = self.tiles.tiles.min(staged_tiles);
        let tile_sums = tile * width.div_ceil(GroupLen::MIN);
        let slot = |index| Slot { values: index * tile * width, group_sums: index * tile_sums };
        let whole = width <= MAX_RUN_COLUMNS;
        let staged_width = width.min(MAX_RUN_COLUMNS);
        let sums = cut.group.min(cut.panels.len()) * tile * call_tiles;
        let (group_sums, scaled) = if self.by_group { (tile_sums * staged_tiles, sums) } else { (0, 0) };
        // Only what this product uses of each piece is written.
        let mut buffers = Buffers {
            staged: workspace.take_start_filled(MAX_STAGED_BYTES, staged_width * tile * staged_tiles, 0),
            piece: workspace.take_start_filled(PIECE_COLUMNS, PIECE_COLUMNS.min(width), 0),
            group_sums: workspace.take_start_filled(GROUP_SUMS, group_sums, 0),
            sums: workspace.take_start_filled(MAX_CALL_SUMS, sums, [0; PANEL_ROWS]),
            scaled: workspace.take_start_filled(MAX_CALL_SUMS, scaled, [0.0; PANEL_ROWS]),
            scratch: workspace.take_scratch(),
        };

        let mut staged = None;
        for Piece { tokens: block, panels } in some {
            if whole && staged != Some(block.start) {
                for (index, tokens) in pieces(&block, tile).enumerate() {
                    self.stage(&mut buffers, slot(index), tokens, 0..columns);
                }
                staged = Some(block.start);
            }
            for panels in pieces(&panels, cut.group) {
                for (call, tokens) in pieces(&block, tile * call_tiles).enumerate() {
                    // What a call of the kernel has: whole tiles, as its activations are staged.
                    let call = Call {
                        slot: slot(if whole { call * call_tiles } else { 0 }),
                        tile: tile.min(self.filled_up(tokens.len())),
                        tile_sums,
                        tokens: self.filled_up(tokens.len()),
                        panels: panels.clone(),
                    };
                    for run in pieces(&(0..columns), MAX_RUN_COLUMNS) {
                        if !whole {
                            self.stage(&mut buffers, slot(0), tokens.clone(), run.clone());
                        }
                        if self.by_group {
                            self.add_groups(&mut buffers, &call, run);
                        } else {
                            self.add_all(&mut buffers, &call, run);
                        }
                    }
                    let values = if self.by_group {
                        SumValues::Scaled(buffers.scaled)
                    } else {
                        SumValues::Codes(buffers.sums)
                    };
                    emit(Sums { tokens, panels: panels.clone(), stride: call.tokens, values });
                }
            }
        }
        Ok(())
    }

    /// Columns that staged activations are padded to a multiple of.
    fn column_multiple(&self) -> usize {
        self.weights.spec().layout().codes().column_multiple.max(self.tiles.interleave)
    }

    /// As many tokens as the kernel sees, those that are padding with them.
    fn filled_up(&self, tokens: usize) -> usize {
        tokens.next_multiple_of(self.tiles.token_multiple)
    }

    /// Integer sums of the run into `buffers.sums`.
    fn add_all(&self, buffers: &mut Buffers<'_>, call: &Call, run: Range<usize>) {
        let sums = &mut buffers.sums[..call.panels.len() * call.tokens];
        if run.start == 0 {
            sums.fill([0; PANEL_ROWS]);
        }
        let operands = self.operands(call, &run, buffers.staged);
        // SAFETY: the CPU has the kernels' features; `operands` is as the contract says, and there is a sum for each panel
        // and token.
        unsafe { (self.tiles.sums)(operands, buffers.scratch, sums) };
    }

    /// `α · sum` of every group of the run added to `buffers.scaled`, ascending.
    fn add_groups(&self, buffers: &mut Buffers<'_>, call: &Call, run: Range<usize>) {
        let spec = self.weights.spec();
        let sums = &mut buffers.sums[..call.panels.len() * call.tokens];
        let scaled = &mut buffers.scaled[..call.panels.len() * call.tokens];
        if run.start == 0 {
            // −0 is what adding changes nothing of, the sign of a zero included.
            scaled.fill([-0.0; PANEL_ROWS]);
        }
        let scales = self.weights.group_scales(call.panels.start, run.start / spec.group_inputs());
        let group_sums = (&buffers.group_sums[call.slot.group_sums..], call.tile_sums);
        let groups = Groups::new(spec.group_inputs(), spec.scale_type(), scales, group_sums);
        let operands = self.operands(call, &run, buffers.staged);
        // SAFETY: as in `add_all`, for scaled sums too.
        unsafe {
            (self.tiles.groups)(operands, groups, GroupBuffers { scratch: buffers.scratch, sums, scaled });
        }
    }

    /// A run's codes and staged activations. Tile and panels are within the kernel's, activations are padded as staged, and
    /// int4 values come from nibbles.
    fn operands<'s>(&'s self, call: &Call, run: &Range<usize>, staged: &'s [i8]) -> Operands<'s> {
        let (codes, stride) = self.weights.panels(call.panels.start);
        let width = run.len().next_multiple_of(self.column_multiple());
        let panels = Panels::new(self.weights.spec().layout(), codes, stride, call.panels.len(), run.clone());
        let q = &staged[call.slot.values..][..width * call.tokens];
        Operands { panels, q, tokens: call.tokens, tile: call.tile }
    }

    /// Writes the activations of a tile and run at its slot, in the kernels' order, zero-padded to whole blocks and filled
    /// up with tokens of zeros, and the sums of their scale groups.
    fn stage(&self, buffers: &mut Buffers<'_>, slot: Slot, tokens: Range<usize>, run: Range<usize>) {
        let multiple = self.column_multiple();
        let width = run.len().next_multiple_of(multiple);
        let count = self.filled_up(tokens.len());
        let staged = &mut buffers.staged[slot.values..][..width * count];
        let group = self.weights.spec().group_inputs();
        for piece in pieces(&(0..run.len()), PIECE_COLUMNS) {
            let width = piece.len().next_multiple_of(multiple);
            let staged = &mut staged[piece.start * count..][..width * count];
            let columns = run.start + piece.start..run.start + piece.end;
            for t in 0..count {
                let row = if t < tokens.len() { self.x.row(tokens.start + t) } else { &[] };
                let values = match self.x.bits() {
                    Bits::Eight if !row.is_empty() && piece.len() == width => {
                        as_signed(&row[columns.clone()])
                    }
                    _ => {
                        let values = &mut buffers.piece[..width];
                        self.widen(row, columns.clone(), values);
                        &*values
                    }
                };
                match self.tiles.interleave {
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

    /// Some columns of a row as int8, then zeros; of no row, zeros.
    fn widen(&self, row: &[u8], columns: Range<usize>, values: &mut [i8]) {
        let len = if row.is_empty() { 0 } else { columns.len() };
        match self.x.bits() {
            _ if len == 0 => {}
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

/// Tokens of a tile: as even as the kernel's tile and the staging room allow, and whole hardware tiles.
pub(super) fn tile_tokens(kernels: &TileKernels, tokens: usize, width: usize) -> usize {
    let multiple = kernels.token_multiple;
    let most = kernels.token_tile.min(MAX_TOKENS).min(kernels.staged_bytes / width.min(MAX_RUN_COLUMNS));
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

/// The same bytes.
fn as_signed(bytes: &[u8]) -> &[i8] {
    // SAFETY: one size, and any bits are a value.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// A range in pieces of `length`, the last one shorter.
fn pieces(range: &Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.clone().step_by(length).map(move |start| start..end.min(start + length))
}
