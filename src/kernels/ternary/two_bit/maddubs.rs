//! `TwoBit` with `maddubs`.
//!
//! **Several tokens**: the fields of `R` vectors of rows are masked and shifted down one by one, and each is multiplied
//! with four columns of `T` tokens (`maddubs` and an add), whose broadcast serves `R` of them: 2 + 2 · T operations and
//! a load a field for T · 32 products. A Zen 4 core starts two `maddubs` a cycle, and three to four operations with
//! loads, so that 6 tokens make 142 GMAC/s of the 177 that `maddubs` and an add alone make there.
//!
//! **One token**: the fields of a nibble are masked in place, worth 1 and 4, and have an accumulator each; one shift
//! brings the high nibble down: 13 operations for 4 · 32 products. Those worth 4 reach four times as much, so these i16
//! take [`NARROW_BLOCKS_ALONE`] blocks. One panel at a time, fetched 512 bytes ahead: the shared Zen 4 it
//! was measured on reads two streams more slowly than one. From memory 55 GMAC/s in the median with 512 bytes, 50
//! without, 44 with two panels; in cache 119 all three. What is fetched farther ahead: [`fetch_stream`].
//!
//! **One token of int4** is no faster. Eight of the 13 operations are `maddubs` and adds, and whatever avoids these
//! needs rows of one column side by side, while a panel has four columns of a row there. Tried, against 118 GMAC/s in
//! cache and without counting work on the activations:
//!
//! - the fields as differences of byte & 3, & 15, & 63 and all of it, 11 operations and one accumulator less: 122,
//!   and slower once the activations are recoded for 32 panels (107);
//! - tables as in [`int4_lookup`](crate::kernels::ternary::int4_lookup), four vectors of rows brought in order for one
//!   token alone: 108, and with the indices stored as there 75;
//! - `psignb` with field − 1 and byte sums, which three blocks fit: 91.

use super::{blocks, start};
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::maddubs::{add_products, fetch_stream, splat_four, widen};
use crate::kernels::ternary::rows::{Rows, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// Blocks that an i16 accumulator takes.
const NARROW_BLOCKS: usize = 16;

/// The same where two fields of a block count four times.
const NARROW_BLOCKS_ALONE: usize = 8;

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: ByteVector, S: Sink, const R: usize>(operands: Operands<'_>, sink: &mut S) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => one_token_rows::<V, S, R>(panels, first, q, sink));
    }
}

/// `R` vectors of rows from number `first` on.
///
/// # Safety
/// As [`several_rows`], for one token.
#[inline(always)]
unsafe fn one_token_rows<V: ByteVector, S: Sink, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut S,
) {
    debug_assert!(q.len() / BLOCK_COLUMNS == blocks(panels, 0).len() / BLOCK_BYTES);
    let codes = Rows::new::<V>(panels, start(panels), first).pointers::<V, R>();
    // SAFETY: the features, as promised; as many blocks are read as `q` has activations for; a fetch ahead may point
    // anywhere.
    unsafe {
        let masks = [V::splat(0x0303_0303), V::splat(0x0c0c_0c0c)];
        let (ones, fours) = (V::splat(0x0001_0001), V::splat(0x0004_0004));
        let mut at = 0;
        for (segment, q) in q.chunks(sink.segment()).enumerate() {
            let mut wide = [V::splat(0); R];
            for q in q.chunks(NARROW_BLOCKS_ALONE * BLOCK_COLUMNS) {
                let mut narrow = [[V::splat(0); 2]; R];
                for q in q.chunks_exact(BLOCK_COLUMNS) {
                    let q = q.as_ptr();
                    let x = [
                        splat_four::<V>(q),
                        splat_four(q.add(4)),
                        splat_four(q.add(8)),
                        splat_four(q.add(12)),
                    ];
                    for r in 0..R {
                        let from = codes[r].add(at);
                        fetch_stream::<V>(from);
                        let low = V::load(from);
                        let high = low.next_nibble();
                        for (s, x) in x.into_iter().enumerate() {
                            let field = if s < 2 { low } else { high }.and(masks[s % 2]);
                            narrow[r][s % 2] = narrow[r][s % 2].add_i16(field.times(x));
                        }
                    }
                    at += BLOCK_BYTES;
                }
                for (wide, [first, second]) in wide.iter_mut().zip(narrow) {
                    *wide = wide.add(first.times_i16(fours)).add(second.times_i16(ones));
                }
            }
            for (r, wide) in wide.into_iter().enumerate() {
                sink.end(segment, first + r, [sink.start::<V>(segment, 0).add(wide.quarter())]);
            }
        }
    }
}

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `TwoBit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: ByteVector, S: Sink, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut S,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => several_rows::<V, S, R, T>(panels, first, q, sink));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds `T` values for each column of
/// their blocks.
#[inline(always)]
unsafe fn several_rows<V: ByteVector, S: Sink, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut S,
) {
    let codes = Rows::new::<V>(panels, start(panels), first).pointers::<V, R>();
    // SAFETY: the features, as promised; as many blocks are read as `q` has activations for.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut at = 0;
        for (segment, q) in q.chunks(sink.segment().saturating_mul(T)).enumerate() {
            let mut wide = start_segment::<V, S, R, T>(segment, sink);
            for q in q.chunks(NARROW_BLOCKS * BLOCK_COLUMNS * T) {
                let mut narrow = [[V::splat(0); R]; T];
                for q in q.chunks_exact(BLOCK_COLUMNS * T) {
                    let mut fields = [mask; R];
                    for (fields, codes) in fields.iter_mut().zip(codes) {
                        *fields = V::load(codes.add(at));
                    }
                    for s in 0..4 {
                        let mut field = fields;
                        for (field, fields) in field.iter_mut().zip(&mut fields) {
                            *field = fields.and(mask);
                            *fields = fields.next_field();
                        }
                        add_products(field, q.as_ptr().add(4 * s * T), &mut narrow);
                    }
                    at += BLOCK_BYTES;
                }
                widen(&mut wide, narrow);
            }
            end_segment(segment, first, wide, sink);
        }
    }
}
