//! `FiveTrit` with products of matrices: eight columns are two digits, or the last one and the rest's field. One token goes
//! by dots.

pub(crate) use super::by_element::one_token;

use super::quarters;
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::matrix::{PIECE_COLUMNS, Pairs, accumulators, add_products, end, pair_tokens};
use crate::kernels::ternary::rows::{Rows, by_rows};
use crate::kernels::ternary::sinks::Sink;
use crate::kernels::ternary::vector::MatrixVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::{QUARTER_COLUMNS, quarter_offsets};

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `FiveTrit`, the tokens `T`, and the sink is made for these operands.
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
    let codes = Rows::new::<V>(panels, 0, first);
    let segment_columns = sink.segment().min(PIECE_COLUMNS);
    let mut quarter = quarters(panels).start + piece * (PIECE_COLUMNS / QUARTER_COLUMNS);
    let mut q = pairs.0.as_ptr();
    // SAFETY: the features, as promised; quarters and pairs are those of the piece's columns.
    unsafe {
        let mask = V::splat(0x0303_0303);
        for from in (0..columns).step_by(segment_columns) {
            let mut sums = accumulators::<V, R, T>();
            for _ in (from..columns.min(from + segment_columns)).step_by(QUARTER_COLUMNS) {
                let (rest, blocks) = quarter_offsets(quarter);
                let mut trits = codes.load::<V, R>(blocks);
                for _ in 0..2 {
                    let first = digits(&mut trits);
                    q = add_pair::<V, R, T>(first, digits(&mut trits), q, &mut sums);
                }
                // The fifth goes with the first of the next block.
                let fifth = digits(&mut trits);
                trits = codes.load::<V, R>(blocks + BLOCK_BYTES);
                q = add_pair::<V, R, T>(fifth, digits(&mut trits), q, &mut sums);
                for _ in 0..2 {
                    let first = digits(&mut trits);
                    q = add_pair::<V, R, T>(first, digits(&mut trits), q, &mut sums);
                }
                trits = codes.load::<V, R>(blocks + 2 * BLOCK_BYTES);
                for _ in 0..2 {
                    let first = digits(&mut trits);
                    q = add_pair::<V, R, T>(first, digits(&mut trits), q, &mut sums);
                }
                let fifth = digits(&mut trits);
                let mut fields = codes.load::<V, R>(rest);
                for field in &mut fields {
                    *field = field.field_at((quarter % 4 * 2) as u32).and(mask);
                }
                q = add_pair::<V, R, T>(fifth, fields, q, &mut sums);
                quarter += 1;
            }
            let segment = (piece * PIECE_COLUMNS + from) / segment_columns;
            end::<V, R, T>(segment, first, sums, sink);
        }
    }
}

/// The digits at the front, and the next ones brought there.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn digits<V: MatrixVector, const R: usize>(trits: &mut [V; R]) -> [V; R] {
    let mut digits = *trits;
    for (digit, trits) in digits.iter_mut().zip(trits) {
        // SAFETY: the features, as promised.
        unsafe {
            *digit = trits.front_trit();
            *trits = trits.triple();
        }
    }
    digits
}

/// Adds two fields times the pairs of tokens at `q`; returns where the next pairs are.
///
/// # Safety
/// As [`add_products`].
#[inline(always)]
unsafe fn add_pair<V: MatrixVector, const R: usize, const T: usize>(
    first: [V; R],
    second: [V; R],
    q: *const i8,
    sums: &mut [[[V; 2]; R]; T],
) -> *const i8 {
    // SAFETY: as promised to this function.
    unsafe {
        let mut codes = [[first[0]; 2]; R];
        for (codes, (first, second)) in codes.iter_mut().zip(first.into_iter().zip(second)) {
            *codes = V::pair_rows(first, second);
        }
        add_products::<V, R, T>(codes, q, sums)
    }
}
