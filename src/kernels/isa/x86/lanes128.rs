//! What vectors of all widths do in the same way: fetches, and work on the activations of one token in 128-bit vectors.

use super::arch::*;

use crate::kernels::ternary::five_trit::recoded::{RECODED_BLOCK, RECODED_QUARTER};
use crate::layout::five_trit::{BLOCK_COLUMNS, QUARTER_COLUMNS};

/// Asks for a cache line, to first-level cache.
#[inline(always)]
pub(in crate::kernels::isa) fn fetch_near(at: *const u8) {
    // SAFETY: SSE, which every build with this module has; a fetch may point anywhere.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

/// The same to second-level cache.
#[inline(always)]
pub(in crate::kernels::isa) fn fetch_far(at: *const u8) {
    // SAFETY: as above.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
}

/// The same value, of which the compiler knows nothing any more.
#[inline(always)]
pub(in crate::kernels::isa) fn opaque(mut value: usize) -> usize {
    // SAFETY: no instruction.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags));
    }
    value
}

/// `3 · own − last` in bytes.
///
/// # Safety
/// None beyond SSE2, which every build with this module has.
#[inline(always)]
pub(in crate::kernels::isa) unsafe fn factors(own: __m128i, last: __m128i) -> __m128i {
    // SAFETY: SSE2, which every build with this module has.
    unsafe { _mm_sub_epi8(_mm_add_epi8(_mm_add_epi8(own, own), own), last) }
}

/// See [`ByteVector::recode`](crate::kernels::ternary::vector::ByteVector::recode).
///
/// # Safety
/// The CPU has SSSE3.
#[inline(always)]
pub(in crate::kernels::isa) unsafe fn recode(
    q: &[i8; QUARTER_COLUMNS],
    recoded: &mut [u8; RECODED_QUARTER],
) -> i32 {
    // SAFETY: the features, as promised; a block has 20 values, so that both loads are within them, and what is stored
    // is within its 28 bytes.
    unsafe {
        let ones = _mm_set1_epi8(1);
        let mut total = _mm_setzero_si128();
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
            let lanes = _mm_add_epi16(_mm_maddubs_epi16(ones, q16), _mm_maddubs_epi16(ones, last));
            let lanes = _mm_add_epi16(lanes, _mm_unpackhi_epi64(lanes, lanes));
            let lanes = _mm_add_epi16(lanes, _mm_srli_si128::<4>(lanes));
            total = _mm_add_epi16(total, lanes);
            let start = _mm_slli_epi16::<8>(_mm_sub_epi16(_mm_set1_epi16(128), lanes));
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

/// The columns of four fields, four each, as their low and their high nibbles in the order that
/// [`PICK_TERMS`](crate::kernels::ternary::int4_lookup::sizes::PICK_TERMS) picks from: two fields and their negatives. And the totals,
/// which are pairs of columns, with these columns added.
///
/// # Safety
/// The CPU has SSSE3.
#[inline(always)]
pub(in crate::kernels::isa) unsafe fn nibble_columns(
    columns: [i32; 4],
    totals: __m128i,
) -> ([__m128i; 2], __m128i) {
    // SAFETY: as promised.
    unsafe {
        let values = _mm_setr_epi32(columns[0], columns[1], columns[2], columns[3]);
        let minus = _mm_sub_epi8(_mm_setzero_si128(), values);
        let totals = _mm_add_epi16(totals, _mm_maddubs_epi16(_mm_set1_epi8(1), values));
        ([_mm_unpacklo_epi64(values, minus), _mm_unpackhi_epi64(values, minus)], totals)
    }
}

/// The sum of eight i16.
///
/// # Safety
/// None beyond SSE2, which every build with this module has.
#[inline(always)]
pub(in crate::kernels::isa) unsafe fn sum_i16(x: __m128i) -> i32 {
    // SAFETY: SSE2, which every build with this module has.
    unsafe {
        let x = _mm_madd_epi16(x, _mm_set1_epi16(1));
        let x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
        _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_srli_si128::<4>(x)))
    }
}
