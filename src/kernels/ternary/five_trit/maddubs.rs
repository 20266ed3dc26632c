//! `FiveTrit` with `maddubs`.
//!
//! **Any activations**: a digit is brought to the front by two additions and out by two compares, a sum and an absolute
//! value, then multiplied as a field of `TwoBit` is: 6 + 2 · T operations for T · 32 products.
//!
//! **One token of int4**, without bringing out a single digit. If y_0 is a byte and y_(s+1) = 3·y_s mod 256, its digits
//! are d_s = (3·y_s − y_(s+1)) / 256. So 256 · Σ d_s·q_s is a sum of bytes times activations, Σ y_s·p_s with
//!
//! ```text
//! p_0 = 3·q_0,   p_s = 3·q_s − q_(s−1),   p_5 = −q_4
//! ```
//!
//! For int4 |p| ≤ 32, so that `maddubs` does not saturate: 2 · 255 · 32 < 2¹⁵. Its sums may wrap: from −256 · Σ q on
//! they come to 256 · Σ w·q of a block's and of a rest's columns, two to a lane: at most 256 · 12 · 8 in magnitude,
//! which an i16 holds. That is six `maddubs`, eight adds to sums (one of them widens) and ten to triple: 24 operations
//! for 5 · 32 products, where digits take 40. The recoded activations serve all panels of the call.
//!
//! **One panel at a time**, as in [`two_bit::maddubs`](crate::kernels::ternary::two_bit::maddubs), because of memory.
//! On a shared Zen 4, 256 bits, GMAC/s: from memory 45 in the median, with two panels side by side 36; in cache 65,
//! with two 75. Int8 51 in cache, with two panels 54. Int8 as two times four bits in the same way, twice the `maddubs`
//! to save the digits, made 45.

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

/// Quarters whose activations are recoded at a time, on the stack.
const RECODED_QUARTERS: usize = 64;

/// All panels times one token of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one, and all values are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn one_token_int4<V: ByteVector, S: Sink, const R: usize>(
    operands: Operands<'_>,
    sink: &mut S,
) {
    let Operands { panels, q, .. } = operands;
    let mut recoded = [[0; RECODED_QUARTER]; RECODED_QUARTERS];
    let mut totals = [0; RECODED_QUARTERS];
    for (chunk, q) in q.chunks(RECODED_QUARTERS * QUARTER_COLUMNS).enumerate() {
        let quarters = q.as_chunks::<QUARTER_COLUMNS>().0;
        for ((recoded, total), q) in recoded.iter_mut().zip(&mut totals).zip(quarters) {
            // SAFETY: the features, as promised.
            *total = unsafe { V::recode(q, recoded) };
        }
        let recoded = (&recoded[..quarters.len()], &totals[..quarters.len()]);
        // SAFETY: as promised; the sink's constructor checked the lengths.
        unsafe {
            by_rows!(panels, first => int4_rows::<V, S, R>(panels, first, chunk, recoded, sink));
        }
    }
}

/// `R` vectors of rows from number `first` on, and a chunk of [`RECODED_QUARTERS`] quarters: their recoded activations
/// and sums.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and the quarters are theirs.
#[inline(always)]
unsafe fn int4_rows<V: ByteVector, S: Sink, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    chunk: usize,
    (recoded, totals): (&[[u8; RECODED_QUARTER]], &[i32]),
    sink: &mut S,
) {
    let codes = Rows::new::<V>(panels, 0, first).pointers::<V, R>();
    let mut quarter = quarters(panels).start + chunk * RECODED_QUARTERS;
    let segment_quarters = sink.segment() / QUARTER_COLUMNS;
    // SAFETY: as in `several_rows`; what is read of a recoded quarter is within it.
    unsafe {
        let (mask, ones) = (V::splat(0x0303_0303), V::splat(0x0001_0001));
        let segments = recoded.chunks(segment_quarters).zip(totals.chunks(segment_quarters));
        for (segment, (recoded, totals)) in segments.enumerate() {
            let segment = chunk * RECODED_QUARTERS / segment_quarters + segment;
            let mut wide = [V::splat(0); R];
            for recoded in recoded {
                let (rest, blocks) = quarter_offsets(quarter);
                for block in 0..3 {
                    let p = recoded.as_ptr().cast::<i8>().add(block * RECODED_BLOCK);
                    let mut trits = [mask; R];
                    for (trits, codes) in trits.iter_mut().zip(codes) {
                        let from = codes.add(blocks + block * BLOCK_BYTES);
                        fetch_stream::<V>(from);
                        *trits = V::load(from);
                    }
                    let mut narrow = [[splat_four(p.add(RECODED_BLOCK - 4)); R]; 1];
                    for s in 0..6 {
                        add_products(trits, p.add(4 * s), &mut narrow);
                        for trits in &mut trits {
                            *trits = trits.triple();
                        }
                    }
                    let mut narrow = narrow[0];
                    if block == 2 {
                        let x = splat_four::<V>(p.add(RECODED_BLOCK));
                        for (narrow, codes) in narrow.iter_mut().zip(codes) {
                            let field = V::load(codes.add(rest)).field_at((quarter % 4 * 2) as u32).and(mask);
                            *narrow = narrow.add_i16(field.times(x).up_a_byte());
                        }
                    }
                    for (wide, narrow) in wide.iter_mut().zip(narrow) {
                        *wide = wide.add(narrow.times_i16(ones));
                    }
                }
                quarter += 1;
            }
            // What is asked for are sums of codes, w + 1.
            let begin = sink.start::<V>(segment, 0).add(V::splat(totals.iter().sum()));
            for (r, wide) in wide.into_iter().enumerate() {
                sink.end(segment, first + r, [begin.add(wide.over_256())]);
            }
        }
    }
}
