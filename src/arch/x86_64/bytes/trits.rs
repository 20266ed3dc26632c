//! `T5` with `maddubs`.
//!
//! **Any activations**: a digit is brought to the front by two additions and out by two compares, a sum and an absolute
//! value, then multiplied as a field of `T2` is: 6 + 2 · T operations for T · 32 products.
//!
//! **One token of int4**, without bringing out a single digit. If y_0 is a byte and y_(s+1) = 3·y_s mod 256, its digits
//! are d_s = (3·y_s − y_(s+1)) / 256. So 256 · Σ d_s·q_s is a sum of bytes times activations, Σ y_s·p_s with
//!
//! ```text
//! p_0 = 3·q_0,   p_s = 3·q_s − q_(s−1),   p_5 = −q_4
//! ```
//!
//! For int4 |p| ≤ 32, so that `maddubs` does not saturate: 2 · 255 · 32 < 2¹⁵. Its sums may wrap: from −256 · Σ q on
//! they come to 256 · Σ w·q of a block's and of a rest's columns, two to a lane: at most 256 · 12 · 8 in magnitude, which an
//! i16 holds. That is six `maddubs`, eight adds to sums (one of them widens) and ten to triple: 24 operations for
//! 5 · 32 products, where digits take 40. What the activations are turned into is used for all panels of the call.
//!
//! **One panel at a time**, as in [`fields`](super::fields), because of memory. On a shared Zen 4, 256 bits, GMAC/s: from
//! memory 45 in the median, with two panels side by side 36; in cache 65, with two 75. Int8 51 in cache, with two panels 54.
//! Int8 as two times four bits in the same way, twice the `maddubs` to save the digits, made 45.

use core::arch::x86_64::*;

use super::fields::AHEAD;
use super::{Bytes, add_field, flipped, splat, start, widen};
use crate::arch::kernels::Panels;
use crate::arch::x86_64::dot::{Sums, by_rows, codes, end, quarter_offsets};
use crate::layout::{BLOCK_BYTES, T5_BLOCK_COLUMNS, T5_QUARTER_COLUMNS};

/// Quarters whose fields, sixteen each, an i16 accumulator takes.
const QUARTERS: usize = 4;

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; `q` holds `T` values for each column of the panels.
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn several_tokens<V: Bytes, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    // SAFETY: the caller's.
    unsafe {
        by_rows!(panels, first => several_rows::<V, S, R, T>(panels, first, q, sums));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// As [`several_tokens`].
#[inline(always)]
unsafe fn several_rows<V: Bytes, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let codes = codes::<V, R>(|panel| panels.whole(panel), first);
    // SAFETY: the pointers stay within the panels and within `q`, as the caller's lengths agree; a fetch ahead may
    // point anywhere.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut quarter = panels.quarters().start;
        for (leg, q) in q.chunks(sums.leg().saturating_mul(T)).enumerate() {
            let mut wide = start::<V, S, R, T>(leg, sums);
            for q in q.chunks(QUARTERS * T5_QUARTER_COLUMNS * T) {
                let mut narrow = [[V::splat(0); R]; T];
                for q in q.chunks_exact(T5_QUARTER_COLUMNS * T) {
                    let (rest, blocks) = quarter_offsets(quarter);
                    let mut q = q.as_ptr();
                    let mut trits = [mask; R];
                    let mut field = [mask; R];
                    for block in 0..3 {
                        for (trits, codes) in trits.iter_mut().zip(codes) {
                            let from = codes.add(blocks + block * BLOCK_BYTES);
                            if T == 1 {
                                _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
                            }
                            *trits = flipped(from);
                        }
                        for _ in 0..5 {
                            for (field, trits) in field.iter_mut().zip(&mut trits) {
                                *field = trits.flipped_trit();
                                *trits = trits.triple();
                            }
                            add_field(field, q, &mut narrow);
                            q = q.add(4 * T);
                        }
                    }
                    for (field, codes) in field.iter_mut().zip(codes) {
                        *field = V::load(codes.add(rest)).field_at((quarter % 4 * 2) as u32).and(mask);
                    }
                    add_field(field, q, &mut narrow);
                    quarter += 1;
                }
                widen(&mut wide, narrow);
            }
            end(leg, first, wide, sums);
        }
    }
}

/// Bytes of a block's activations, turned for [`one_token_int4`]: six of four columns, and the start of two lanes.
const TURNED_BLOCK: usize = 28;

/// The same of a quarter: three blocks and four columns of the rest.
const TURNED_QUARTER: usize = 3 * TURNED_BLOCK + 4;

/// Quarters whose activations are turned at a time, on the stack.
const TURNED: usize = 64;

/// All panels times one token of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], and all values are within −8..=7.
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn one_token_int4<V: Bytes, S: Sums, const R: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    let mut turned = [[0; TURNED_QUARTER]; TURNED];
    let mut totals = [0; TURNED];
    for (chunk, q) in q.chunks(TURNED * T5_QUARTER_COLUMNS).enumerate() {
        let quarters = q.as_chunks::<T5_QUARTER_COLUMNS>().0;
        for ((turned, total), q) in turned.iter_mut().zip(&mut totals).zip(quarters) {
            // SAFETY: the caller has SSSE3.
            *total = unsafe { turn(q, turned) };
        }
        let turned = (&turned[..quarters.len()], &totals[..quarters.len()]);
        // SAFETY: the caller's.
        unsafe {
            by_rows!(panels, first => int4_rows::<V, S, R>(panels, first, chunk, turned, sums));
        }
    }
}

/// A quarter's activations as [`int4_rows`] reads them; returns their sum.
///
/// # Safety
/// The CPU has SSSE3.
#[inline(always)]
unsafe fn turn(q: &[i8; T5_QUARTER_COLUMNS], turned: &mut [u8; TURNED_QUARTER]) -> i32 {
    // SAFETY: the caller's; a block has 20 values, so that both loads are within them, and what is stored is within
    // its 28 bytes.
    unsafe {
        let (ones, zero) = (_mm_set1_epi8(1), _mm_setzero_si128());
        let mut total = zero;
        let rest = q.as_ptr().add(3 * T5_BLOCK_COLUMNS).cast::<i32>().read_unaligned();
        for block in 0..3 {
            let q = q.as_ptr().add(block * T5_BLOCK_COLUMNS);
            let q16 = _mm_loadu_si128(q.cast());
            // The last eight, and of those the last four.
            let tail = _mm_loadl_epi64(q.add(12).cast());
            let last = _mm_srli_si128::<4>(tail);
            let first = _mm_sub_epi8(_mm_add_epi8(_mm_add_epi8(q16, q16), q16), _mm_slli_si128::<4>(q16));
            let second = _mm_sub_epi8(_mm_add_epi8(_mm_add_epi8(last, last), last), tail);
            // Pairs of columns, then the two lanes' sums in the first two i16.
            let mut lanes = _mm_add_epi16(_mm_maddubs_epi16(ones, q16), _mm_maddubs_epi16(ones, last));
            if block == 2 {
                lanes = _mm_add_epi16(lanes, _mm_maddubs_epi16(ones, _mm_cvtsi32_si128(rest)));
            }
            let lanes = _mm_add_epi16(lanes, _mm_unpackhi_epi64(lanes, lanes));
            let lanes = _mm_add_epi16(lanes, _mm_srli_si128::<4>(lanes));
            total = _mm_add_epi16(total, lanes);
            let start = _mm_slli_epi16::<8>(_mm_sub_epi16(zero, lanes));
            let to = turned.as_mut_ptr().add(block * TURNED_BLOCK);
            _mm_storeu_si128(to.cast(), first);
            _mm_storel_epi64(to.add(16).cast(), second);
            to.add(24).cast::<i32>().write_unaligned(_mm_cvtsi128_si32(start));
        }
        turned.as_mut_ptr().add(3 * TURNED_BLOCK).cast::<i32>().write_unaligned(rest);
        let total = _mm_cvtsi128_si32(total);
        i32::from(total as i16) + (total >> 16)
    }
}

/// `R` vectors of rows from number `first` on, and a chunk of [`TURNED`] quarters: their turned activations and sums.
///
/// # Safety
/// As [`one_token_int4`].
#[inline(always)]
unsafe fn int4_rows<V: Bytes, S: Sums, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    chunk: usize,
    (turned, totals): (&[[u8; TURNED_QUARTER]], &[i32]),
    sums: &mut S,
) {
    let codes = codes::<V, R>(|panel| panels.whole(panel), first);
    let mut quarter = panels.quarters().start + chunk * TURNED;
    let leg_quarters = sums.leg() / T5_QUARTER_COLUMNS;
    // SAFETY: as in `several_rows`; `turned` has what is read of it.
    unsafe {
        let (mask, ones) = (V::splat(0x0303_0303), V::splat(0x0001_0001));
        let legs = turned.chunks(leg_quarters).zip(totals.chunks(leg_quarters));
        for (leg, (turned, totals)) in legs.enumerate() {
            let leg = chunk * TURNED / leg_quarters + leg;
            let mut wide = [V::splat(0); R];
            for turned in turned {
                let (rest, blocks) = quarter_offsets(quarter);
                for block in 0..3 {
                    let p = turned.as_ptr().cast::<i8>().add(block * TURNED_BLOCK);
                    let mut trits = [mask; R];
                    for (trits, codes) in trits.iter_mut().zip(codes) {
                        let from = codes.add(blocks + block * BLOCK_BYTES);
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
                        *trits = V::load(from);
                    }
                    let mut narrow = [[splat(p.add(TURNED_BLOCK - 4)); R]; 1];
                    for s in 0..6 {
                        add_field(trits, p.add(4 * s), &mut narrow);
                        for trits in &mut trits {
                            *trits = trits.triple();
                        }
                    }
                    let mut narrow = narrow[0];
                    if block == 2 {
                        let x = splat::<V>(p.add(TURNED_BLOCK));
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
            let begin = sums.start::<V>(leg, 0).add(V::splat(totals.iter().sum()));
            for (r, wide) in wide.into_iter().enumerate() {
                sums.end(leg, first + r, [begin.add(wide.over_256())]);
            }
        }
    }
}
