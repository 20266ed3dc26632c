//! Which columns an outer factor's kernel gets. A stride that is no whole number of registers leaves none of them
//! unfilled: columns are copied side by side then, from as many runs as it takes. So they are where the rows of a column
//! crowd each other out of the nearest cache, if a register is less than a line: register by register would fetch and write
//! each line as often as it has registers. On a Xeon (Sapphire Rapids) held to AVX2 the factor of 28·512 takes 0.28 ns an
//! element so, instead of 0.32 to 0.36; half of that is the copies and the cache, for in 28·256 it takes 0.16.
//!
//! **Tried for rows that crowd**, on the same CPU, the whole transform, medians of five runs. AVX2, 28·512, 0.45 ns an element, of
//! which the butterflies are 0.15, the copies 0.15 and the matrix 0.15: lines of the next tile prefetched before the matrix of
//! this one, 0.45; copied back from the last line to the first, 0.43 (so it is done, and 36·512 takes 0.47 instead of 0.48); no
//! tile, 0.51, and with blocks of rows and their stores from the last row to the first, 0.48. AVX-512: with tiles of a line 28·512 takes
//! 0.34 instead of 0.26, and 36·512 0.39 instead of 0.33; without, from the last row to the first, 0.25 and 0.32.
//!
//! **Columns of a tile** of rows that crowd, on Zen 3, the factor alone, ns an element, for 1, 2, 4 and 8 lines of each row:
//! 28·512 0.39, 0.34, 0.29, 0.29; 36·512 0.44, 0.38, 0.32, 0.32. Each call of the kernel begins with a product for each row, and
//! to read or write 28 lines 2 KiB apart is mostly waiting. Prefetching 2 to 8 lines ahead on the way back, or 8 to 14 lines of the
//! next tile, gains nothing. Copies whose length the compiler knows, unlike those of before, take 0.11 ns instead of 0.17.
//!
//! **The last stages of the butterflies** are done on the way into such a tile, which saves a pass over all rows, on Zen 3
//! 0.03 to 0.05 ns an element: the eight lines are then pieces of a row that those stages combine. Eight lines half a KiB apart fall
//! into few sets themselves, so from 1024 on they are four pairs of lines: 28·1024 takes 0.48 instead of 0.51, 28·512 with pairs 0.46
//! instead of 0.45; tiles of twice as many columns gain 7 % for 20·1024 and lose as much for 36. Rows that do not crowd lose by it: a
//! tile is 0.10 ns in and out, 28·256 takes 1.2 times as long, 60·128 and 20·128 1.15 times. Nor would a second factor gain by
//! a tile of the first: those of 12·36·16 take from memory what they take from the nearest cache.
//!
//! **Orders above 36** go without: on Zen 3, AVX2, whole transforms then take 0.86 to 0.95 of the time for 44, 60 in pairs and
//! 140 at strides of 128 to 512, 0.70 to 0.85 for 40, 52, 60, 108, 156 and 172, with SSE4.1 0.90 to 1.02; 44·1024 was between
//! 0.88 and 1.17. For 28 and 36 the tile stays: without it they take 1.3 and 1.4 times as long at stride 512. **Rows that need
//! 9 to 12 ways** go without, too, though this CPU has 8: with tiles 20·512 takes 1.3 times as long, 36·256 1.4 times, 12·1024
//! 0.9 to 1.1 times.

use core::mem::MaybeUninit;

use super::passes::{Constants, THIRD};
use super::vector::Vector;
use crate::kernels::scalar::transform;
use crate::matrices::{MAX_ORDER, SignRows};

/// Columns of a tile of any rows: a line, and a whole number of registers of every backend.
const COLUMNS: usize = 16;

/// Columns of a tile of rows that crowd.
const MANY: usize = 8 * COLUMNS;

/// Floats from one row of such a tile to the next: a line more, so that they are spread over the sets.
const PITCH: usize = MANY + COLUMNS;

/// A row of a tile, or a part of it.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f32; COLUMNS]);

/// As many lines as a tile may have.
type Tile = [Line; if MAX_ORDER < DIRECT * PITCH / COLUMNS { DIRECT * PITCH / COLUMNS } else { MAX_ORDER }];

/// Lines of a way of the nearest cache, and its ways on the CPUs with most of them: of rows that fill 9 to 12
/// ways the copies make 20·512 and 36·256 18 to 25 % slower where there are 12, and more where there are 8.
const SETS: usize = 64;
const WAYS: usize = 12;

/// Largest order whose kernel goes over the rows themselves several times; those of larger ones take what they read to the stack
/// first, and a tile would be one copy more.
const DIRECT: usize = 36;

/// Whether so many rows fall into too few sets, and are taken from tiles of [`MANY`] columns.
fn is_crowded<V: Vector>(order: usize, stride: usize) -> bool {
    let lines = stride / COLUMNS;
    V::LANES < COLUMNS
        && stride.is_multiple_of(COLUMNS)
        && order.is_multiple_of(4)
        && order <= DIRECT
        // Rows are spread over the sets that multiples of the stride reach: all of them, but for its factors of two.
        && order > (SETS >> lines.trailing_zeros().min(SETS.ilog2())) * WAYS
}

/// See [`Kernels::stages_of_columns`](crate::kernels::contract::Kernels::stages_of_columns).
#[inline(always)]
pub(crate) fn stages<V: Vector>(order: usize, stride: usize) -> u32 {
    match stride {
        _ if !stride.is_power_of_two() || !is_crowded::<V>(order, stride) => 0,
        // Eight pieces of a line each; from 1024 on those would crowd each other.
        512 => 3,
        _ => 2,
    }
}

/// Replaces `count` neighbouring columns from `x` on, whole registers of them and with rows `stride` floats apart, by
/// the matrix times them, then `· scale`; the same for `runs` runs of `order · stride` floats. A kernel prepares a product for
/// each row, which for rows of 16 is a tenth of the time of one run.
pub(crate) type Kernel =
    unsafe fn(x: *mut f32, stride: usize, count: usize, runs: usize, matrix: SignRows<'_>, scale: f32);

/// [`Kernels::sign_columns`](crate::kernels::contract::Kernels::sign_columns) with a kernel for the matrix.
#[inline(always)]
pub(crate) unsafe fn columns<V: Vector>(
    x: &mut [f32],
    stride: usize,
    stages: u32,
    kernel: Kernel,
    matrix: SignRows<'_>,
    scale: f32,
) {
    let order = matrix.order();
    if !order.is_multiple_of(4) {
        // Beyond 1 and 2 the order of a Hadamard matrix is a multiple of 4.
        transform::sign_columns(x, stride, matrix, scale);
        return;
    }
    let crowded = is_crowded::<V>(order, stride);
    if stride.is_multiple_of(V::LANES) && !crowded {
        // SAFETY: the caller's: a kernel for the matrix and of so many lanes, on a CPU that has its features.
        unsafe { kernel(x.as_mut_ptr(), stride, stride, x.len() / (order * stride), matrix, scale) };
        return;
    }
    let mut tile = MaybeUninit::<Tile>::uninit();
    let tile = tile.as_mut_ptr().cast::<Line>();
    // SAFETY: as above, of a tile with room for the columns.
    unsafe {
        if crowded {
            for run in x.chunks_exact_mut(order * stride) {
                let (run, tile) = (run.as_mut_ptr(), tile.cast());
                match stages {
                    0 => crowded_rows::<V, 8, false>(run, stride, tile, kernel, matrix, scale),
                    2 => crowded_rows::<V, 4, true>(run, stride, tile, kernel, matrix, scale),
                    _ => crowded_rows::<V, 8, true>(run, stride, tile, kernel, matrix, scale),
                }
            }
        } else {
            // Zeros, for the last tile may be part empty.
            tile.write_bytes(0, order);
            for first in (0..x.len() / order).step_by(COLUMNS) {
                let tile = core::slice::from_raw_parts_mut(tile, order);
                copy::<true>(x, stride, first, tile);
                kernel(tile.as_mut_ptr().cast(), COLUMNS, COLUMNS, 1, matrix, scale);
                copy::<false>(x, stride, first, tile);
            }
        }
    }
}

/// A run, [`MANY`] columns at a time: neighbours, or, for the last stages of the butterflies on the way into the tile, `N` pieces
/// of a row as far apart as these stages' elements.
#[inline(always)]
unsafe fn crowded_rows<V: Vector, const N: usize, const STAGES: bool>(
    run: *mut f32,
    stride: usize,
    tile: *mut f32,
    kernel: Kernel,
    matrix: SignRows<'_>,
    scale: f32,
) {
    let width = MANY / N;
    let (gap, end, step) = if STAGES { (stride / N, stride / N, width) } else { (width, stride, MANY) };
    // SAFETY: the module's contract, of `order` rows of `stride` floats, a multiple of `MANY` if they crowd.
    unsafe {
        let constants = Constants::new(1.0);
        for column in (0..end).step_by(step) {
            let x = run.add(column);
            for i in 0..matrix.order() {
                copy_row::<V, N, STAGES>(constants, x.add(i * stride), gap, tile.add(i * PITCH), width);
            }
            kernel(tile, PITCH, MANY, 1, matrix, scale);
            // The last lines that came are still in the cache: from there back.
            for i in (0..matrix.order()).rev() {
                copy_row::<V, N, false>(constants, tile.add(i * PITCH), width, x.add(i * stride), gap);
            }
        }
    }
}

/// The `N` pieces of one row of a tile, from one distance to the other, through the last stages if they are to be.
#[inline(always)]
unsafe fn copy_row<V: Vector, const N: usize, const STAGES: bool>(
    constants: Constants<V>,
    from: *const f32,
    from_gap: usize,
    to: *mut f32,
    to_gap: usize,
) {
    // SAFETY: the module's contract, and so many whole lines on both sides, as the caller promises.
    unsafe {
        for column in (0..MANY / N).step_by(V::LANES) {
            let mut v = [constants.scale; N];
            for (i, v) in v.iter_mut().enumerate() {
                *v = V::load(from.add(i * from_gap + column));
            }
            if STAGES {
                v = constants.stages::<N, THIRD>(v);
            }
            constants.store::<N, false>(v, to.add(column), to_gap);
        }
    }
}

/// The columns from `first` on, counted through all runs, into the tile or back.
fn copy<const IN: bool>(x: &mut [f32], stride: usize, first: usize, tile: &mut [Line]) {
    if stride.is_multiple_of(4) {
        copy_pieces::<4, IN>(x, stride, first, tile);
    } else {
        copy_pieces::<1, IN>(x, stride, first, tile);
    }
}

/// The same, `PIECE` neighbours at a time, which divides the stride.
fn copy_pieces<const PIECE: usize, const IN: bool>(
    x: &mut [f32],
    stride: usize,
    first: usize,
    tile: &mut [Line],
) {
    let order = tile.len();
    for at in (0..COLUMNS.min(x.len() / order - first)).step_by(PIECE) {
        let (run, column) = ((first + at) / stride, (first + at) % stride);
        let rows = x[run * order * stride..][..order * stride].chunks_exact_mut(stride);
        for (row, tile) in rows.zip(&mut *tile) {
            let (row, tile) = (&mut row[column..][..PIECE], &mut tile.0[at..][..PIECE]);
            if IN {
                tile.copy_from_slice(row);
            } else {
                row.copy_from_slice(tile);
            }
        }
    }
}
