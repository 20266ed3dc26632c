//! What 256 and 512-bit vectors do in the same way: fetches, and work on the activations of one token in 128-bit
//! vectors.

use core::arch::x86_64::*;

use crate::kernels::ternary::five_trit::recoded::{RECODED_BLOCK, RECODED_QUARTER};
use crate::kernels::ternary::int4_lookup::PICK_TERMS;
use crate::layout::five_trit::{BLOCK_COLUMNS, QUARTER_COLUMNS};

/// Asks for a cache line, to first-level cache.
#[inline(always)]
pub(super) fn fetch_near(at: *const u8) {
    // SAFETY: SSE, which every x86-64 has; a fetch may point anywhere.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

/// The same to second-level cache.
#[inline(always)]
pub(super) fn fetch_far(at: *const u8) {
    // SAFETY: as above.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
}

/// The same value, of which the compiler knows nothing any more.
#[inline(always)]
pub(super) fn opaque(mut value: usize) -> usize {
    // SAFETY: no instruction.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags));
    }
    value
}

/// `3 · own − last` in bytes.
///
/// # Safety
/// None beyond SSE2, which every x86-64 has.
#[inline(always)]
pub(super) unsafe fn factors(own: __m128i, last: __m128i) -> __m128i {
    // SAFETY: SSE2, which every x86-64 has.
    unsafe { _mm_sub_epi8(_mm_add_epi8(_mm_add_epi8(own, own), own), last) }
}

/// See [`ByteVector::recode`](crate::kernels::ternary::vector::ByteVector::recode).
///
/// # Safety
/// The CPU has SSSE3.
#[inline(always)]
pub(super) unsafe fn recode(q: &[i8; QUARTER_COLUMNS], recoded: &mut [u8; RECODED_QUARTER]) -> i32 {
    // SAFETY: the features, as promised; a block has 20 values, so that both loads are within them, and what is stored
    // is within its 28 bytes.
    unsafe {
        let (ones, zero) = (_mm_set1_epi8(1), _mm_setzero_si128());
        let mut total = zero;
        let rest = q.as_ptr().add(3 * BLOCK_COLUMNS).cast::<i32>().read_unaligned();
        for block in 0..3 {
            let q = q.as_ptr().add(block * BLOCK_COLUMNS);
            let q16 = _mm_loadu_si128(q.cast());
            // The last eight, and of those the last four.
            let tail = _mm_loadl_epi64(q.add(12).cast());
            let last = _mm_srli_si128::<4>(tail);
            let first = factors(q16, _mm_slli_si128::<4>(q16));
            let second = factors(last, tail);
            // Pairs of columns, then the two lanes' sums in the first two i16.
            let mut lanes = _mm_add_epi16(_mm_maddubs_epi16(ones, q16), _mm_maddubs_epi16(ones, last));
            if block == 2 {
                lanes = _mm_add_epi16(lanes, _mm_maddubs_epi16(ones, _mm_cvtsi32_si128(rest)));
            }
            let lanes = _mm_add_epi16(lanes, _mm_unpackhi_epi64(lanes, lanes));
            let lanes = _mm_add_epi16(lanes, _mm_srli_si128::<4>(lanes));
            total = _mm_add_epi16(total, lanes);
            let start = _mm_slli_epi16::<8>(_mm_sub_epi16(zero, lanes));
            let to = recoded.as_mut_ptr().add(block * RECODED_BLOCK);
            _mm_storeu_si128(to.cast(), first);
            _mm_storel_epi64(to.add(16).cast(), second);
            to.add(24).cast::<i32>().write_unaligned(_mm_cvtsi128_si32(start));
        }
        recoded.as_mut_ptr().add(3 * RECODED_BLOCK).cast::<i32>().write_unaligned(rest);
        let total = _mm_cvtsi128_si32(total);
        i32::from(total as i16) + (total >> 16)
    }
}

/// See [`ByteVector::make_tables`](crate::kernels::ternary::vector::ByteVector::make_tables); the totals are pairs of
/// columns.
///
/// # Safety
/// The CPU has AVX2, and all eight tables are valid for writes.
#[inline(always)]
pub(super) unsafe fn make_tables(
    columns: [i32; 4],
    to: *mut [u8; 16],
    step: usize,
    totals: __m128i,
) -> __m128i {
    // SAFETY: both as promised.
    unsafe {
        let values = _mm_setr_epi32(columns[0], columns[1], columns[2], columns[3]);
        let totals = _mm_add_epi16(totals, _mm_maddubs_epi16(_mm_set1_epi8(1), values));
        // The columns of a nibble and their negatives, first the low nibble's.
        let minus = _mm_sub_epi8(_mm_setzero_si128(), values);
        let values = _mm256_setr_m128i(_mm_unpacklo_epi64(values, minus), _mm_unpackhi_epi64(values, minus));
        for (j, [first, second]) in PICK_TERMS.iter().enumerate() {
            let first = _mm256_broadcastsi128_si256(_mm_loadu_si128(first.as_ptr().cast()));
            let second = _mm256_broadcastsi128_si256(_mm_loadu_si128(second.as_ptr().cast()));
            let entries =
                _mm256_add_epi8(_mm256_shuffle_epi8(values, first), _mm256_shuffle_epi8(values, second));
            _mm_storeu_si128(to.add(2 * j * step).cast(), _mm256_castsi256_si128(entries));
            _mm_storeu_si128(to.add((2 * j + 1) * step).cast(), _mm256_extracti128_si256::<1>(entries));
        }
        totals
    }
}

/// The sum of eight i16.
///
/// # Safety
/// None beyond SSE2, which every x86-64 has.
#[inline(always)]
pub(super) unsafe fn sum_i16(x: __m128i) -> i32 {
    // SAFETY: SSE2, which every x86-64 has.
    unsafe {
        let x = _mm_madd_epi16(x, _mm_set1_epi16(1));
        let x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
        _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_srli_si128::<4>(x)))
    }
}
