//! Which columns an outer factor's kernel gets. A stride that is no whole number of registers leaves none of them
//! unfilled: columns are copied side by side then, from as many runs as it takes.

use crate::kernels::scalar::transform;
use crate::matrices::{MAX_ORDER, SignRows};

/// Columns of a tile: a whole number of registers of every backend.
const COLUMNS: usize = 16;

/// Replaces `count` neighbouring columns from `x` on, whole registers of them and with rows `stride` floats apart, by
/// the matrix times them, then `· scale`.
pub(crate) type Kernel =
    unsafe fn(x: *mut f32, stride: usize, count: usize, matrix: SignRows<'_>, scale: f32);

/// [`Kernels::sign_columns`](crate::kernels::contract::Kernels::sign_columns) with a kernel for the matrix.
pub(crate) unsafe fn columns(
    x: &mut [f32],
    stride: usize,
    lanes: usize,
    kernel: Kernel,
    matrix: SignRows<'_>,
    scale: f32,
) {
    let order = matrix.order();
    if !order.is_multiple_of(4) {
        // Beyond 1 and 2 the order of a Hadamard matrix is a multiple of 4.
        transform::sign_columns(x, stride, matrix, scale);
    } else if stride.is_multiple_of(lanes) {
        for run in x.chunks_exact_mut(order * stride) {
            // SAFETY: the caller's: a kernel for the matrix and of so many lanes, on a CPU that has its features.
            unsafe { kernel(run.as_mut_ptr(), stride, stride, matrix, scale) };
        }
    } else {
        tiles(x, order, stride, |tile| {
            // SAFETY: as above, of a tile that holds `COLUMNS` columns.
            unsafe { kernel(tile.as_mut_ptr().cast(), COLUMNS, COLUMNS, matrix, scale) }
        });
    }
}

fn tiles(x: &mut [f32], order: usize, stride: usize, kernel: impl Fn(&mut [[f32; COLUMNS]])) {
    // Zeros, for the last tile may be part empty.
    let mut tile = [[0.0; COLUMNS]; MAX_ORDER];
    let tile = &mut tile[..order];
    for first in (0..x.len() / order).step_by(COLUMNS) {
        copy::<true>(x, stride, first, tile);
        kernel(tile);
        copy::<false>(x, stride, first, tile);
    }
}

/// The columns from `first` on, counted through all runs, into the tile or back.
fn copy<const IN: bool>(x: &mut [f32], stride: usize, first: usize, tile: &mut [[f32; COLUMNS]]) {
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
    tile: &mut [[f32; COLUMNS]],
) {
    let order = tile.len();
    for at in (0..COLUMNS.min(x.len() / order - first)).step_by(PIECE) {
        let (run, column) = ((first + at) / stride, (first + at) % stride);
        let rows = x[run * order * stride..][..order * stride].chunks_exact_mut(stride);
        for (row, tile) in rows.zip(&mut *tile) {
            let (row, tile) = (&mut row[column..][..PIECE], &mut tile[at..][..PIECE]);
            if IN {
                tile.copy_from_slice(row);
            } else {
                row.copy_from_slice(tile);
            }
        }
    }
}
