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
//! 28·512 0.39, 0.34, 0.29, 0.29; 36·512 0.44, 0.38, 0.32, 0.32. Of the whole transform, 0.69 and 0.62, 0.75 and 0.67 with 1
//! line and with 8 or 4 (and sums by halves). Each call of the kernel begins with a product for each row, and to read or write
//! 28 lines 2 KiB apart is mostly waiting. Prefetching 2 to 8 lines ahead on the way back, or 8 to 14 lines of the next tile,
//! gains nothing.
//!
//! **Orders above 36** go without: on Zen 3, AVX2, whole transforms then take 0.86 to 0.95 of the time for 44, 60 in pairs and
//! 140 at strides of 128 to 512, 0.70 to 0.85 for 40, 52, 60, 108, 156 and 172, with SSE4.1 0.90 to 1.02; 44·1024 was between
//! 0.88 and 1.17. For 28 and 36 the tile stays: without it they take 1.3 and 1.4 times as long at stride 512. **Rows that need
//! 9 to 12 ways** go without, too, though this CPU has 8: with tiles 20·512 takes 1.3 times as long, 36·256 1.4 times, 12·1024
//! 0.9 to 1.1 times.

use core::mem::MaybeUninit;

use super::vector::Vector;
use crate::kernels::scalar::transform;
use crate::matrices::{MAX_ORDER, SignRows};

/// Columns of a tile: a line, and a whole number of registers of every backend.
const COLUMNS: usize = 16;

/// A row of a tile.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f32; COLUMNS]);

/// Lines of a way of the nearest cache, and its ways on the CPUs with most of them: of rows that fill 9 to 12
/// ways the copies make 20·512 and 36·256 18 to 25 % slower where there are 12, and more where there are 8.
const SETS: usize = 64;
const WAYS: usize = 12;

/// Largest order whose kernel goes over the rows themselves several times; those of larger ones take what they read to the stack
/// first, and a tile would be one copy more.
const DIRECT: usize = 36;

/// Whether so many rows, whole lines apart, fall into too few sets.
fn is_crowded(order: usize, stride: usize) -> bool {
    let lines = stride / COLUMNS;
    // Rows are spread over the sets that multiples of the stride reach: all of them, but for its factors of two.
    stride.is_multiple_of(COLUMNS) && order > (SETS >> lines.trailing_zeros().min(SETS.ilog2())) * WAYS
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
    let crowded = V::LANES < COLUMNS && order <= DIRECT && is_crowded(order, stride);
    if stride.is_multiple_of(V::LANES) && !crowded {
        // SAFETY: the caller's: a kernel for the matrix and of so many lanes, on a CPU that has its features.
        unsafe { kernel(x.as_mut_ptr(), stride, stride, x.len() / (order * stride), matrix, scale) };
        return;
    }
    let mut tile = MaybeUninit::<[Line; MAX_ORDER]>::uninit();
    let tile = tile.as_mut_ptr().cast::<Line>();
    // SAFETY: as above, of a tile that holds `COLUMNS` columns of whole lines, all of which a run has if it is crowded.
    unsafe {
        if crowded {
            // As many lines of each row as the tile has room for, a power of two. It divides the stride: of rows that crowd,
            // MAX_ORDER / order is below what is_crowded takes for the power of two in their lines.
            let columns = if V::SETTLES { COLUMNS << (MAX_ORDER / order).ilog2() } else { COLUMNS };
            for run in x.chunks_exact_mut(order * stride) {
                for column in (0..stride).step_by(columns) {
                    let (x, tile) = (run.as_mut_ptr().add(column), tile.cast());
                    copy_rows::<V>(x, stride, tile, columns, columns, order);
                    kernel(tile, columns, columns, 1, matrix, scale);
                    // The last lines that came are still in the cache: from there back.
                    for i in (0..order).rev() {
                        copy_rows::<V>(tile.add(i * columns), columns, x.add(i * stride), stride, columns, 1);
                    }
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

/// `columns` of each of `count` rows, from the one stride to the other. Settled, or of several lines of a row the compiler
/// makes calls of `memcpy`, which for 512 bytes take longer than the matrix; so other vectors have tiles of one line.
#[inline(always)]
unsafe fn copy_rows<V: Vector>(
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
    columns: usize,
    count: usize,
) {
    for i in 0..count {
        for line in (0..columns).step_by(COLUMNS) {
            for column in (line..line + COLUMNS).step_by(V::LANES) {
                // SAFETY: the module's contract, and so many whole lines on both sides, as the caller promises.
                unsafe {
                    V::load(from.add(i * from_stride + column)).settle().store(to.add(i * to_stride + column))
                };
            }
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
