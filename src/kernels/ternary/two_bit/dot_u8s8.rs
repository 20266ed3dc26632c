//! `TwoBit` with dots.
//!
//! **One token and few**: the fields of a nibble are masked where they are, worth 1 and 4, and have an accumulator each: a
//! shift, four masks and four dots a token and block, where fields that are brought down one by one take three shifts.
//! With as many tokens as registers hold both accumulators of. On a Sapphire Rapids, weights in cache, GMAC/s: with 256 bits
//! and two tokens 152 to 155 for 92 to 94; with 512 bits 3 to 6 tokens 260 for 247, 285 for 278, 304 for 299, 328 for 307.
//! Codes are fetched ahead as [`Ahead`] says. 400 MB of weights make 98 GMAC/s with 4 tokens and 256 bits, 131 with 512, where
//! they made 30 and 90; 2560 × 6912 weights, more than second-level cache, 169 and 267 where they made 126 and 242.

use super::{blocks, start};
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::rows::{Ahead, Rows, Segments, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::DotVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// What the lower two fields of a byte are masked with, worth 1 and 4.
const MASKS: [i32; 2] = [0x0303_0303, 0x0c0c_0c0c];

/// Whether registers hold twice as many sums, those of fields worth 4 on their own.
const fn in_place<V: DotVector>(sums: usize) -> bool {
    2 * sums <= V::SUMS
}

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `TwoBit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: DotVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => several_rows::<V, R, T>(panels, first, q, sink));
    }
}

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: DotVector, const R: usize>(operands: Operands<'_>, sink: &mut Sink<'_>) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => one_token_rows::<V, R>(panels, first, q, sink));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds `T` values for each column of
/// their blocks.
#[inline(always)]
unsafe fn several_rows<V: DotVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, start(panels), first);
    let ahead = Ahead::new::<V, R>(panels, start(panels));
    let segment_bytes = sink.segment() / BLOCK_COLUMNS * BLOCK_BYTES;
    // SAFETY: the features, as promised; codes are within the run's blocks, and four fields of each are as many
    // activations as `q` has; a fetch ahead may point anywhere.
    unsafe {
        let mut q = q.as_ptr();
        for (segment, bytes) in Segments::new(blocks(panels, 0).len(), segment_bytes) {
            let mut sums = start_segment::<V, R, T>(segment, sink);
            let mut fours = [[V::splat(0); R]; T];
            for at in bytes.step_by(BLOCK_BYTES) {
                ahead.fetch::<V, R>(rows, at);
                let mut codes: [V; R] = rows.load(at);
                for s in 0..4 {
                    let worth_four = in_place::<V>(R * T) && s % 2 == 1;
                    let mask = MASKS[usize::from(worth_four)];
                    let mut field = codes;
                    for (field, codes) in field.iter_mut().zip(&mut codes) {
                        *field = codes.and(V::splat(mask));
                        if worth_four {
                            *codes = codes.next_nibble();
                        } else if !in_place::<V>(R * T) {
                            *codes = codes.next_field();
                        }
                    }
                    V::add_dots(field, q, if worth_four { &mut fours } else { &mut sums });
                    q = q.add(4 * T);
                }
            }
            for (sums, fours) in sums.iter_mut().zip(fours) {
                for (sum, fours) in sums.iter_mut().zip(fours) {
                    *sum = sum.add(fours.quarter());
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
unsafe fn one_token_rows<V: DotVector, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, start(panels), first);
    let ahead = Ahead::new::<V, R>(panels, start(panels));
    let segment_bytes = sink.segment() / BLOCK_COLUMNS * BLOCK_BYTES;
    // SAFETY: as in `several_rows`; a fetch ahead may point anywhere.
    unsafe {
        let few_registers = 3 * R > V::SUMS;
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
                    add_two::<V, 0, 1>(low, x, sums);
                    if !few_registers {
                        add_two::<V, 2, 3>(low.next_nibble(), x, sums);
                    }
                }
                if few_registers {
                    // Loaded again: codes that wait in registers for their high nibbles push sums out of them.
                    let at = V::opaque(at);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let low = V::load(rows.vector::<V>(r).wrapping_add(at));
                        add_two::<V, 2, 3>(low.next_nibble(), x, sums);
                    }
                }
            }
            for (r, [ones, fours]) in sums.into_iter().enumerate() {
                sink.end(segment, first + r, [ones.add(fours.quarter())]);
            }
        }
    }
}

/// The dots of the low nibbles' fields with fours `A` and `B` of the activations.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn add_two<V: DotVector, const A: usize, const B: usize>(
    codes: V,
    x: V::Sixteen,
    [ones, fours]: &mut [V; 2],
) {
    // SAFETY: the features, as promised.
    unsafe {
        *ones = ones.dot_four::<A>(codes.and(V::splat(MASKS[0])), x);
        *fours = fours.dot_four::<B>(codes.and(V::splat(MASKS[1])), x);
    }
}
