//! `TwoBit` with `maddubs`.
//!
//! **Several tokens**: the fields of `R` vectors of rows are masked and shifted down one by one, and each is multiplied
//! with four columns of `T` tokens (`maddubs` and an add), whose broadcast serves `R` of them: 2 + 2 · T operations and
//! a load a field for T · 32 products. A Zen 4 core starts two `maddubs` a cycle, and three to four operations with
//! loads, so that 6 tokens make 142 GMAC/s of the 177 that `maddubs` and an add alone make there.
//! Of a block that is 7 + 8 · T operations, which any kernel has that multiplies fields with `maddubs`: 4 tokens take 39 for
//! 512 products, at most 150 GMAC/s where a Sapphire Rapids starts 11.5 G of them a second, and make 122 to 124 there, 2
//! make 115, 6 make 134. Fields masked in place, as below, are 5 + 8 · T and twice the accumulators: 2 tokens gained 0 to
//! 4 %, 4 and 5 tokens 1 to 5 %, 3 and 6 lost 6 to 18 % to spills. Codes are fetched ahead as [`Ahead`] says: 2560 × 6912
//! weights, more than second-level cache, make 114, 122, 117, 129 and 132 GMAC/s with 2 to 6 tokens of int8 where they made 89,
//! 84, 115, 124 and 127, and 400 MB of weights 70 and 91 with 2 and 4 tokens where they made 37 and 51; in cache it costs
//! up to 3 %. Columns in pieces, so that activations stay in first-level cache, lost up to 14 % with 6912 columns.
//!
//! **One token**: the fields of a nibble are masked in place, worth 1 and 4, and have an accumulator each; one shift
//! brings the high nibble down: 13 operations for 4 · 32 products. Those worth 4 reach four times as much, so these i16
//! take [`NARROW_BLOCKS_ALONE`] blocks, a **piece**. Panels are read side by side, a piece of each at a time, so that sums of one
//! are in registers ([`one_token`](crate::kernels::ternary::one_token)).
//!
//! From memory, a core that waits for nothing else has to have dozens of lines in flight, and fewer than ten of this loop fit
//! in its reorder buffer, so the fetches must be early and the instructions few. On a Zen 3 (32 KiB of first-level cache, its other
//! hardware thread busy with another guest, which leaves 3.3 instructions a cycle), loops of this kind in assembly read 420 MB of
//! weights of 6912 and of 2560 columns at these parts of the best plain read of the same run, eight panels side by side:
//!
//! | | 6912 | 2560 |
//! |---|---|---|
//! | a loop over blocks, 43 instructions each, fetched 512 bytes ahead to first-level cache and 2048 to second-level | 0.64, 0.65 | 0.56, 0.62 |
//! | 37 instructions, fetched once, 512 bytes ahead | 0.69, 0.74 | 0.64, 0.66 |
//! | the same, two blocks in the loop | 0.80, 0.77 | 0.67, 0.64 |
//! | four | 0.76, 0.74 | 0.66, 0.72 |
//! | **all eight: a piece without a branch**, 33 instructions a block | 0.84, 0.85 | 0.82, 0.83 |
//! | that with all fetches at its end | 0.78, 0.81 | 0.77, 0.76 |
//! | fetched for every second block only, the rest left to the CPU | 0.69, 0.65 | 0.68, 0.71 |
//! | no fetches | 0.65, 0.64 | 0.61, 0.65 |
//!
//! The order within a piece has to be kept for that ([`ByteVector::pin`]); left to itself, LLVM brings the loads of all eight blocks
//! to the front and spills them, 0.7 of the speed of the loop. In cache the piece makes 95 GMAC/s where the loop made 85, and 66 for 51
//! while the neighbour was busier.
//!
//! There is one distance and number of panels for all CPUs. On the same machine, two runs:
//!
//! | panels, bytes ahead, cache level | 2560 columns | 4096 | 6912 | 14336 |
//! |---|---|---|---|---|
//! | 8, 512, 1 | 0.75, 0.80 | 0.73, 0.81 | 0.77, 0.82 | 0.70, 0.70 |
//! | 8, 1024, 2 | 0.76, 0.78 | 0.74, 0.81 | 0.75, 0.81 | 0.72, 0.69 |
//! | 6, 1024, 1 | 0.77, 0.80 | 0.75, 0.81 | 0.76, 0.82 | 0.74, 0.75 |
//! | 4, 512, 1 | 0.72, 0.76 | 0.77, 0.81 | 0.80, 0.82 | 0.80, 0.79 |
//! | **4, 1024, 1** | 0.74, 0.77 | 0.78, 0.82 | 0.78, 0.84 | 0.78, 0.79 |
//! | 4, 1024, 2 | 0.75, 0.77 | 0.78, 0.86 | 0.76, 0.83 | 0.79, 0.78 |
//! | 4, 1024, 1, not to be kept (`prefetchnta`) | 0.74, 0.77 | 0.77, 0.81 | 0.76, 0.85 | 0.79, 0.82 |
//! | 4, 2048, 2 | 0.75, 0.79 | 0.78, 0.83 | 0.80, 0.81 | 0.78, 0.80 |
//! | 2, 2048, 2 | 0.66, 0.65 | 0.71, 0.72 | 0.68, 0.73 | 0.73, 0.74 |
//!
//! This kernel reads them at 0.71 to 0.84, 0.75, 0.79 to 0.83 and 0.80 to 0.91, where the loop over blocks made 0.52 to 0.55, 0.49 to 0.55,
//! 0.61 to 0.72 and 0.52 to 0.66; on two cores at 0.88 to 1.0 for 0.64 to 0.89.
//!
//! Panels of 4096 or 14336 columns lie a multiple of 4096 bytes apart, and eight of them in the same sets of the first-level cache.
//! Pages of 2 MiB raise the speed of one stream from 16 to 20 GB/s, of this walk by a tenth to a quarter, and of many streams by
//! little. On a Sapphire Rapids with AVX2, a loop over blocks in C, fetched 512 bytes ahead to first-level cache and so many to
//! second-level, read 6912 columns at these parts, on one core and on two (the first and the last column are of another run):
//!
//! | panels | to second-level cache 0 | 1024 | 2048 | 4096 | 8192 bytes ahead |
//! |---|---|---|---|---|---|
//! | 1 | 0.56, 0.54 | 0.54, 0.50 | 0.64, 0.60 | 0.72, 0.70 | 0.70, 0.76 |
//! | 2 | 0.65, 0.64 | 0.68, 0.67 | 0.78, 0.75 | 0.78, 0.75 | 0.76, 0.78 |
//! | 4 | 0.78, 0.72 | 0.80, 0.78 | 0.80, 0.83 | 0.79, 0.82 | 0.84, 0.76 |
//! | 8 | 0.84, 0.77 | 0.82, 0.81 | 0.81, 0.84 | 0.82, 0.83 | 0.79, 0.88 |
//!
//! There the distance and the cache made no difference beyond the noise of 5 %, four panels were within 5 % of eight, and a line of every
//! page of the panels to come, so that pages are looked up side by side, cost 5 to 12 %. This walk has not run there, nor on Zen 4.
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
use crate::kernels::ternary::maddubs::{add_products, splat_four, widen};
use crate::kernels::ternary::one_token::{Pieces, all_panels};
use crate::kernels::ternary::rows::{Ahead, Rows, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// Blocks that an i16 accumulator takes.
const NARROW_BLOCKS: usize = 16;

/// The same where two fields of a block count four times.
const NARROW_BLOCKS_ALONE: usize = 8;

/// All panels times one token, `R` vectors of rows at once in registers; `R` divides a panel's.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: ByteVector, S: Sink, const R: usize>(operands: Operands<'_>, sink: &mut S) {
    let Operands { panels, q, .. } = operands;
    let (q, _) = q.as_chunks();
    debug_assert!(q.len() == blocks(panels, 0).len() / BLOCK_BYTES);
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe { all_panels::<V, S, _, R>(&InPlace, panels, start(panels), (0, q), sink) };
}

/// Fields masked in place.
struct InPlace;

impl Pieces for InPlace {
    type Step = [i8; BLOCK_COLUMNS];
    const STEP_COLUMNS: usize = BLOCK_COLUMNS;
    const PIECE_STEPS: usize = NARROW_BLOCKS_ALONE;

    const PIECE_BYTES: usize = NARROW_BLOCKS_ALONE * BLOCK_BYTES;

    #[inline(always)]
    fn offset(&self, first: usize) -> usize {
        first * BLOCK_BYTES
    }

    /// Four times the sums.
    #[inline(always)]
    unsafe fn piece<V: ByteVector, const R: usize>(
        &self,
        rows: Rows,
        ahead: usize,
        first: usize,
        steps: &[[i8; BLOCK_COLUMNS]],
    ) -> [V; R] {
        // SAFETY: as promised; a fetch ahead may point anywhere.
        unsafe {
            let mut narrow = [[V::splat(0); 2]; R];
            let (at, next) = (self.offset(first), rows.vector::<V>(0).wrapping_add(ahead));
            match steps {
                [a, b, c, d, e, f, g, h] if V::PINS => {
                    add_block(rows, at, next, (0, a), &mut narrow);
                    add_block(rows, at, next, (1, b), &mut narrow);
                    add_block(rows, at, next, (2, c), &mut narrow);
                    add_block(rows, at, next, (3, d), &mut narrow);
                    add_block(rows, at, next, (4, e), &mut narrow);
                    add_block(rows, at, next, (5, f), &mut narrow);
                    add_block(rows, at, next, (6, g), &mut narrow);
                    add_block(rows, at, next, (7, h), &mut narrow);
                }
                _ => {
                    for step in steps.iter().enumerate() {
                        add_block(rows, at, next, step, &mut narrow);
                    }
                }
            }
            let (ones, fours) = (V::splat(0x0001_0001), V::splat(0x0004_0004));
            let mut sums = [fours; R];
            for (sum, [first, second]) in sums.iter_mut().zip(narrow) {
                *sum = first.times_i16(fours).add(second.times_i16(ones));
            }
            sums
        }
    }

    #[inline(always)]
    fn total(_: &[[i8; BLOCK_COLUMNS]]) -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn end<V: ByteVector>(sums: V, _: V) -> V {
        // SAFETY: the features, as promised.
        unsafe { sums.quarter() }
    }
}

/// Adds the products of a block of a piece, fields worth 1 and fields worth 4, and fetches the same one of the next.
///
/// # Safety
/// The CPU has the features of `V`; the block is in the panels of the vectors of rows.
#[inline(always)]
unsafe fn add_block<V: ByteVector, const R: usize>(
    rows: Rows,
    piece: usize,
    next: *const u8,
    (block, q): (usize, &[i8; BLOCK_COLUMNS]),
    narrow: &mut [[V; 2]; R],
) {
    // SAFETY: as promised; four activations a field, and a fetch may point anywhere.
    unsafe {
        V::fetch_near(next.wrapping_add(block * BLOCK_BYTES));
        let at = piece + block * BLOCK_BYTES;
        let masks = [V::splat(0x0303_0303), V::splat(0x0c0c_0c0c)];
        let q = q.as_ptr();
        let x = [splat_four::<V>(q), splat_four(q.add(4)), splat_four(q.add(8)), splat_four(q.add(12))];
        for (low, narrow) in rows.load::<V, R>(at).into_iter().zip(narrow) {
            let high = low.next_nibble();
            for (s, x) in x.into_iter().enumerate() {
                let field = if s < 2 { low } else { high }.and(masks[s % 2]);
                narrow[s % 2] = narrow[s % 2].add_i16(field.times(x));
            }
            *narrow = [narrow[0].pin(), narrow[1].pin()];
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
    let rows = Rows::new::<V>(panels, start(panels), first);
    let (codes, ahead) = (rows.pointers::<V, R>(), Ahead::new::<V, R>(panels, start(panels)));
    // SAFETY: the features, as promised; as many blocks are read as `q` has activations for; a fetch ahead may point
    // anywhere.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut at = 0;
        for (segment, q) in q.chunks(sink.segment().saturating_mul(T)).enumerate() {
            let mut wide = start_segment::<V, S, R, T>(segment, sink);
            for q in q.chunks(NARROW_BLOCKS * BLOCK_COLUMNS * T) {
                let mut narrow = [[V::splat(0); R]; T];
                for q in q.chunks_exact(BLOCK_COLUMNS * T) {
                    ahead.fetch::<V, R>(rows, at);
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
