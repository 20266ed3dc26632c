//! `TwoBit` with dots.
//!
//! **One token**: the fields of a nibble are masked where they are, worth 1 and 4, and have an accumulator each: a
//! shift, four masks and four dots a block.

use super::{blocks, start};
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::rows::{Ahead, Rows, Segments, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::DotVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `TwoBit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: DotVector, S: Sink, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut S,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => several_rows::<V, S, R, T>(panels, first, q, sink));
    }
}

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: DotVector, S: Sink, const R: usize>(operands: Operands<'_>, sink: &mut S) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => one_token_rows::<V, S, R>(panels, first, q, sink));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds `T` values for each column of
/// their blocks.
#[inline(always)]
unsafe fn several_rows<V: DotVector, S: Sink, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut S,
) {
    let rows = Rows::new::<V>(panels, start(panels), first);
    let segment_bytes = sink.segment() / BLOCK_COLUMNS * BLOCK_BYTES;
    // SAFETY: the features, as promised; codes are within the run's blocks, and four fields of each are as many
    // activations as `q` has.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut q = q.as_ptr();
        for (segment, bytes) in Segments::new(blocks(panels, 0).len(), segment_bytes) {
            let mut sums = start_segment::<V, S, R, T>(segment, sink);
            for at in bytes.step_by(BLOCK_BYTES) {
                let mut codes: [V; R] = rows.load(at);
                for _ in 0..4 {
                    let mut field = codes;
                    for (field, codes) in field.iter_mut().zip(&mut codes) {
                        *field = codes.and(mask);
                        *codes = codes.next_field();
                    }
                    V::add_dots(field, q, &mut sums);
                    q = q.add(4 * T);
                }
            }
            end_segment(segment, first, sums, sink);
        }
    }
}

/// Bytes that one token's walk fetches ahead to first-level cache, of what [`Ahead`] has fetched to the second one.
/// (`FiveTrit`, whose blocks take longer, has no use for it.)
const NEAR_AHEAD: usize = 256;

/// `R` vectors of rows from number `first` on, for one token.
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn one_token_rows<V: DotVector, S: Sink, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut S,
) {
    let rows = Rows::new::<V>(panels, start(panels), first);
    let ahead = Ahead::new::<V, R>(panels, start(panels));
    let segment_bytes = sink.segment() / BLOCK_COLUMNS * BLOCK_BYTES;
    // SAFETY: as in `several_rows`; a fetch ahead may point anywhere.
    unsafe {
        let masks = [V::splat(0x0303_0303), V::splat(0x0c0c_0c0c)];
        let mut q = q.as_ptr();
        for (segment, bytes) in Segments::new(blocks(panels, 0).len(), segment_bytes) {
            let mut sums = [[sink.start(segment, 0), V::splat(0)]; R];
            for at in bytes.step_by(BLOCK_BYTES) {
                let x = V::sixteen(q);
                q = q.add(BLOCK_COLUMNS);
                ahead.fetch::<V, R>(rows, at);
                for (r, sums) in sums.iter_mut().enumerate() {
                    let codes = rows.vector::<V>(r).wrapping_add(at);
                    V::fetch_near(codes.wrapping_add(NEAR_AHEAD));
                    let low = V::load(codes);
                    let high = low.next_nibble();
                    sums[0] = sums[0].dot_four::<0>(low.and(masks[0]), x);
                    sums[1] = sums[1].dot_four::<1>(low.and(masks[1]), x);
                    sums[0] = sums[0].dot_four::<2>(high.and(masks[0]), x);
                    sums[1] = sums[1].dot_four::<3>(high.and(masks[1]), x);
                }
            }
            for (r, [ones, fours]) in sums.into_iter().enumerate() {
                sink.end(segment, first + r, [ones.add(fours.quarter())]);
            }
        }
    }
}
