//! `FiveTrit` with `maddubs`.
//!
//! **Any activations**: a digit is brought to the front by two additions and out by two compares, a sum and an absolute
//! value, then multiplied as a field of `TwoBit` is: 6 + 2 · T operations for T · 32 products.
//!
//! **One and two tokens of int4**, without bringing out a single digit. If y_0 is a byte and y_(s+1) = 3·y_s mod 256, its digits
//! are d_s = (3·y_s − y_(s+1)) / 256. So 256 · Σ d_s·q_s is a sum of bytes times activations, Σ y_s·p_s with
//!
//! ```text
//! p_0 = 3·q_0,   p_s = 3·q_s − q_(s−1),   p_5 = −q_4
//! ```
//!
//! For int4 |p| ≤ 32, so that `maddubs` does not saturate: 2 · 255 · 32 < 2¹⁵. Its sums may wrap: from −256 · Σ q on
//! they come to 256 · Σ w·q of a block's and of a rest's columns, two to a lane: at most 256 · 12 · 8 in magnitude,
//! which an i16 holds. That is six `maddubs`, eight adds to sums (one of them widens) and ten to triple: 24 operations
//! for 5 · 32 products, where digits take 40. The recoded activations serve all panels of the call. Two tokens go the
//! same way and share the ten to triple: 38 operations where digits take 50, 77 GMAC/s for 68 in cache on a Sapphire Rapids. Three
//! would take 52 for 60, but made 78 for 84, a vector of rows at a time, as their accumulators need the registers.
//!
//! **Against two bits**, whose 13 operations make 4 · 32 products, 24 are 0.68 as fast and 40 are 0.41. Both are at the
//! limit of three operations a cycle in cache on a Sapphire Rapids (66 and 44 GMAC/s for 100). Fewer operations were not found,
//! on paper: no addition chain for 3, 9, 27, 81 and 243 modulo 256 of fewer than ten additions; 16-bit lanes multiply by 3 and bring
//! the digit to their upper byte with one operation, but hold half as many bytes, and a byte below another one carries into its
//! digits; a block's recoded sums reach 256 · 12 · 8, so that an i16 takes no second block.
//!
//! **One panel at a time**, fetched ahead as [`fetch_stream`] says. On a shared Zen 4, 256 bits, GMAC/s: from memory 45 in the
//! median, with two panels side by side 36; in cache 65, with two 75. Int8 51 in cache, with two panels 54. Int8 as two
//! times four bits in the same way, twice the `maddubs` to save the digits, made 45.

use super::quarters;
use super::recoded::{RECODED_BLOCK, RECODED_QUARTER};
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::maddubs::{add_products, fetch_stream, load_flipped, splat_four, widen};
use crate::kernels::ternary::rows::{Rows, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::{QUARTER_COLUMNS, quarter_offsets};

/// Quarters whose fields, sixteen each, an i16 accumulator takes.
const NARROW_QUARTERS: usize = 4;

/// All panels times one token of any activations, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: ByteVector, S: Sink, const R: usize>(operands: Operands<'_>, sink: &mut S) {
    // SAFETY: as promised to this function.
    unsafe { several_tokens::<V, S, R, 1>(operands, sink) };
}

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `FiveTrit`, the tokens `T`, and the sink is made for these operands.
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
/// their quarters.
#[inline(always)]
unsafe fn several_rows<V: ByteVector, S: Sink, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut S,
) {
    let codes = Rows::new::<V>(panels, 0, first).pointers::<V, R>();
    // SAFETY: the features, as promised; as many quarters are read as `q` has activations for; a fetch ahead may point
    // anywhere.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut quarter = quarters(panels).start;
        for (segment, q) in q.chunks(sink.segment().saturating_mul(T)).enumerate() {
            let mut wide = start_segment::<V, S, R, T>(segment, sink);
            for q in q.chunks(NARROW_QUARTERS * QUARTER_COLUMNS * T) {
                let mut narrow = [[V::splat(0); R]; T];
                for q in q.chunks_exact(QUARTER_COLUMNS * T) {
                    let (rest, blocks) = quarter_offsets(quarter);
                    let mut q = q.as_ptr();
                    let mut trits = [mask; R];
                    let mut field = [mask; R];
                    for block in 0..3 {
                        for (trits, codes) in trits.iter_mut().zip(codes) {
                            let from = codes.add(blocks + block * BLOCK_BYTES);
                            if T == 1 {
                                fetch_stream::<V>(from);
                            }
                            *trits = load_flipped(from);
                        }
                        for _ in 0..5 {
                            for (field, trits) in field.iter_mut().zip(&mut trits) {
                                *field = trits.flipped_trit();
                                *trits = trits.triple();
                            }
                            add_products(field, q, &mut narrow);
                            q = q.add(4 * T);
                        }
                    }
                    for (field, codes) in field.iter_mut().zip(codes) {
                        *field = V::load(codes.add(rest)).field_at((quarter % 4 * 2) as u32).and(mask);
                    }
                    add_products(field, q, &mut narrow);
                    quarter += 1;
                }
                widen(&mut wide, narrow);
            }
            end_segment(segment, first, wide, sink);
        }
    }
}

/// Quarters whose activations are recoded at a time, on the stack: of one token, and of each of several.
const RECODED_QUARTERS: usize = 64;
const SHARED_QUARTERS: usize = 16;

/// All panels times one token of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens_int4`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token_int4<V: ByteVector, S: Sink, const R: usize>(
    operands: Operands<'_>,
    sink: &mut S,
) {
    let mut recoded = [[[0; RECODED_QUARTER]]; RECODED_QUARTERS];
    // SAFETY: as promised to this function.
    unsafe { int4_by_pieces::<V, S, R, 1>(operands, &mut recoded, sink) };
}

/// All panels times `T` tokens of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], and all values are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn several_tokens_int4<V: ByteVector, S: Sink, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut S,
) {
    let mut recoded = [[[0; RECODED_QUARTER]; T]; SHARED_QUARTERS];
    // SAFETY: as promised to this function.
    unsafe { int4_by_pieces::<V, S, R, T>(operands, &mut recoded, sink) };
}

/// The same, with activations recoded for as many quarters at a time as there is room for.
///
/// # Safety
/// As [`several_tokens_int4`].
#[inline(always)]
unsafe fn int4_by_pieces<V: ByteVector, S: Sink, const R: usize, const T: usize>(
    operands: Operands<'_>,
    recoded: &mut [[[u8; RECODED_QUARTER]; T]],
    sink: &mut S,
) {
    let Operands { panels, q, .. } = operands;
    let piece_quarters = recoded.len();
    let mut totals = [[0; T]; RECODED_QUARTERS];
    for (piece, q) in q.chunks(piece_quarters * QUARTER_COLUMNS * T).enumerate() {
        let quarters = q.chunks_exact(QUARTER_COLUMNS * T);
        let count = quarters.len();
        for ((recoded, totals), q) in recoded.iter_mut().zip(&mut totals).zip(quarters) {
            for (t, (recoded, total)) in recoded.iter_mut().zip(totals).enumerate() {
                let mut own = [0; QUARTER_COLUMNS];
                let fours = q.as_chunks::<4>().0.iter().skip(t).step_by(T);
                for (own, four) in own.as_chunks_mut::<4>().0.iter_mut().zip(fours) {
                    *own = *four;
                }
                // SAFETY: the features, as promised.
                *total = unsafe { V::recode(&own, recoded) };
            }
        }
        let recoded = (&recoded[..count], &totals[..count]);
        // SAFETY: as promised; the sink's constructor checked the lengths.
        unsafe {
            by_rows!(panels, first => int4_rows::<V, S, R, T>(panels, first, piece * piece_quarters, recoded, sink));
        }
    }
}

/// `R` vectors of rows from number `first` on, and a piece of the run from a quarter on: their recoded activations and sums
/// of `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and the quarters are theirs.
#[inline(always)]
unsafe fn int4_rows<V: ByteVector, S: Sink, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    start: usize,
    (recoded, totals): (&[[[u8; RECODED_QUARTER]; T]], &[[i32; T]]),
    sink: &mut S,
) {
    let codes = Rows::new::<V>(panels, 0, first).pointers::<V, R>();
    let mut quarter = quarters(panels).start + start;
    let segment_quarters = sink.segment() / QUARTER_COLUMNS;
    // SAFETY: as in `several_rows`; what is read of a recoded quarter is within it.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let segments = recoded.chunks(segment_quarters).zip(totals.chunks(segment_quarters));
        for (segment, (recoded, totals)) in segments.enumerate() {
            let segment = start / segment_quarters + segment;
            let mut wide = [[V::splat(0); R]; T];
            for recoded in recoded {
                let (rest, blocks) = quarter_offsets(quarter);
                for block in 0..3 {
                    let mut trits = [mask; R];
                    for (trits, codes) in trits.iter_mut().zip(codes) {
                        let from = codes.add(blocks + block * BLOCK_BYTES);
                        if T == 1 {
                            fetch_stream::<V>(from);
                        }
                        *trits = V::load(from);
                    }
                    let mut narrow = [[mask; R]; T];
                    for (narrow, recoded) in narrow.iter_mut().zip(recoded) {
                        let p = recoded.as_ptr().cast::<i8>().add(block * RECODED_BLOCK);
                        *narrow = [splat_four(p.add(RECODED_BLOCK - 4)); R];
                    }
                    for s in 0..6 {
                        for (narrow, recoded) in narrow.iter_mut().zip(recoded) {
                            let p = recoded.as_ptr().cast::<i8>().add(block * RECODED_BLOCK);
                            add_products::<V, R, 1>(trits, p.add(4 * s), core::array::from_mut(narrow));
                        }
                        for trits in &mut trits {
                            *trits = trits.triple();
                        }
                    }
                    if block == 2 {
                        let mut fields = [mask; R];
                        for (field, codes) in fields.iter_mut().zip(codes) {
                            *field = V::load(codes.add(rest)).field_at((quarter % 4 * 2) as u32).and(mask);
                        }
                        for (narrow, recoded) in narrow.iter_mut().zip(recoded) {
                            let x = splat_four::<V>(recoded.as_ptr().cast::<i8>().add(3 * RECODED_BLOCK));
                            for (narrow, field) in narrow.iter_mut().zip(fields) {
                                *narrow = narrow.add_i16(field.times(x).up_a_byte());
                            }
                        }
                    }
                    widen(&mut wide, narrow);
                }
                quarter += 1;
            }
            // What is asked for are sums of codes, w + 1.
            let mut sums = start_segment::<V, S, R, T>(segment, sink);
            for (t, (sums, wide)) in sums.iter_mut().zip(wide).enumerate() {
                let mut total = 0;
                for totals in totals {
                    total += totals[t];
                }
                for (sum, wide) in sums.iter_mut().zip(wide) {
                    *sum = sum.add(V::splat(total)).add(wide.over_256());
                }
            }
            end_segment(segment, first, sums, sink);
        }
    }
}
