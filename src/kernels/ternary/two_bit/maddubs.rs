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
//! take [`NARROW_BLOCKS_ALONE`] blocks, a **piece**. Eight panels are read side by side, a piece of each at a time, so that sums
//! of one are in registers, and fetched ahead as [`Ahead`] says. A loop of this kind in C read 420 MB of weights of 6912 columns,
//! with AVX2 on a Sapphire Rapids, at these parts of the best plain read of the same run, on one core and on two (512 bytes
//! ahead to first-level cache, which made no difference from memory; the first and the last column are of another run):
//!
//! | panels | to second-level cache 0 | 1024 | 2048 | 4096 | 8192 bytes ahead |
//! |---|---|---|---|---|---|
//! | 1 | 0.56, 0.54 | 0.54, 0.50 | 0.64, 0.60 | 0.72, 0.70 | 0.70, 0.76 |
//! | 2 | 0.65, 0.64 | 0.68, 0.67 | 0.78, 0.75 | 0.78, 0.75 | 0.76, 0.78 |
//! | 4 | 0.78, 0.72 | 0.80, 0.78 | 0.80, 0.83 | 0.79, 0.82 | 0.84, 0.76 |
//! | 8 | 0.84, 0.77 | 0.82, 0.81 | 0.81, 0.84 | 0.82, 0.83 | 0.79, 0.88 |
//!
//! This kernel reads 6912 columns at 0.82 to 0.86 of the best plain read on one core and 2560 at 0.74 to 0.77, where one panel
//! at a time, 512 and 8192 bytes ahead, read at 0.64 to 0.66; in cache it makes 98 GMAC/s for 102, on the way from panel to
//! panel, and no more than 93 without the fetch to first-level cache. Not measured on Zen 3 and 4.
//!
//! On two cores whose threads do not sleep between products it reads 6912 columns at 0.76 to 0.98 and 2560 at 0.65 to 0.87 of
//! the best plain read, each core its half; with pages of 2 MiB at 0.84 to 0.94, which points to the looking up of pages.
//! Tried there: four and two panels (within 5 % of eight), 512 to 8192 bytes ahead, to first-level cache (no
//! difference beyond the noise of 5 %), and a line of every page of the panels to come, so that pages are looked up side by side
//! (5 to 12 % slower).
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

    /// Four times the sums.
    #[inline(always)]
    unsafe fn piece<V: ByteVector, const R: usize>(
        &self,
        rows: Rows,
        ahead: Ahead,
        first: usize,
        steps: &[[i8; BLOCK_COLUMNS]],
    ) -> [V; R] {
        // SAFETY: as promised; a fetch ahead may point anywhere.
        unsafe {
            let masks = [V::splat(0x0303_0303), V::splat(0x0c0c_0c0c)];
            let mut narrow = [[V::splat(0); 2]; R];
            let mut at = first * BLOCK_BYTES;
            for q in steps {
                let q = q.as_ptr();
                let x =
                    [splat_four::<V>(q), splat_four(q.add(4)), splat_four(q.add(8)), splat_four(q.add(12))];
                ahead.fetch::<V, R>(rows, at);
                V::fetch_near(rows.vector::<V>(0).wrapping_add(at + PIECE_BYTES));
                for (low, narrow) in rows.load::<V, R>(at).into_iter().zip(&mut narrow) {
                    let high = low.next_nibble();
                    for (s, x) in x.into_iter().enumerate() {
                        let field = if s < 2 { low } else { high }.and(masks[s % 2]);
                        narrow[s % 2] = narrow[s % 2].add_i16(field.times(x));
                    }
                }
                at += BLOCK_BYTES;
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

/// Bytes of a piece: the next one of the panel is fetched to first-level cache, as the CPU sees no stream in them.
const PIECE_BYTES: usize = NARROW_BLOCKS_ALONE * BLOCK_BYTES;

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
