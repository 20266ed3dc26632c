//! `TwoBit` with products of matrices: eight columns are two fields. One token goes by dots.

pub(crate) use super::by_element::one_token;

use super::{blocks, start};
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::matrix::{PIECE_COLUMNS, Pairs, accumulators, add_products, end, pair_tokens};
use crate::kernels::ternary::rows::{Rows, by_rows};
use crate::kernels::ternary::sinks::Sink;
use crate::kernels::ternary::vector::MatrixVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `TwoBit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: MatrixVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    let mut pairs = Pairs::ZEROS;
    for (piece, q) in q.chunks(PIECE_COLUMNS * T).enumerate() {
        pair_tokens::<T>(q, &mut pairs);
        let columns = q.len() / T;
        // SAFETY: as promised; the sink's constructor checked the lengths.
        unsafe {
            by_rows!(panels, first => rows::<V, R, T>(panels, first, piece, columns, &pairs, sink));
        }
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens and some columns of a piece.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and their run the piece's columns.
#[inline(always)]
unsafe fn rows<V: MatrixVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    piece: usize,
    columns: usize,
    pairs: &Pairs,
    sink: &mut Sink<'_>,
) {
    let codes = Rows::new::<V>(panels, start(panels), first);
    let segment_columns = sink.segment().min(PIECE_COLUMNS);
    let mut at = piece * (PIECE_COLUMNS / BLOCK_COLUMNS * BLOCK_BYTES);
    let mut q = pairs.0.as_ptr();
    debug_assert!(at < blocks(panels, 0).len());
    // SAFETY: the features, as promised; blocks and pairs are those of the piece's columns.
    unsafe {
        let mask = V::splat(0x0303_0303);
        for from in (0..columns).step_by(segment_columns) {
            let mut sums = accumulators::<V, R, T>();
            for _ in (from..columns.min(from + segment_columns)).step_by(BLOCK_COLUMNS) {
                let mut low = [[mask; 2]; R];
                let mut high = low;
                let vectors = codes.load::<V, R>(at);
                for ((low, high), codes) in low.iter_mut().zip(&mut high).zip(vectors) {
                    let [a, b] = V::pair_rows(codes, codes.next_field());
                    *low = [a.and(mask), b.and(mask)];
                    *high = [a.next_nibble().and(mask), b.next_nibble().and(mask)];
                }
                q = add_products::<V, R, T>(low, q, &mut sums);
                q = add_products::<V, R, T>(high, q, &mut sums);
                at += BLOCK_BYTES;
            }
            let segment = (piece * PIECE_COLUMNS + from) / segment_columns;
            end::<V, R, T>(segment, first, sums, sink);
        }
    }
}
