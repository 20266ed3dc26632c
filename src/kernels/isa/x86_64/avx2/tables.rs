//! The tables of [`int4_lookup`](crate::kernels::ternary::int4_lookup) of two tokens at a time, one in each 128-bit half: what is
//! stored at once are neighbours there.

use core::arch::x86_64::*;

use crate::kernels::ternary::int4_lookup::sizes::{BLOCK_LOOKUPS, KEPT_START};
use crate::layout::two_bit::BLOCK_COLUMNS;

/// Where an entry takes its two terms from, for each of a nibble's four bytes: of fours that hold a field, anything, its
/// negative and anything; 128 and more is 0. The second field is one four further on.
const PICK: [[[u8; 32]; 2]; 4] = {
    let mut pick = [[[0; 32]; 2]; 4];
    let mut i = 0;
    while i < 128 {
        let (j, entry) = (i / 32, i % 32);
        let place = [8 + j as u8, 4, j as u8, 4];
        let other = [12 + j as u8, 128, 4 + j as u8, 128];
        pick[j][0][entry] = place[entry & 3];
        pick[j][1][entry] = other[entry >> 2 & 3];
        i += 1;
    }
    pick
};

/// Two fields of one or two tokens, from the first one's four columns on; a token's next to each other.
///
/// # Safety
/// The CPU has AVX2, and there are these columns of `tokens`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn two_fields(q: *const i8, tokens: usize, one: bool) -> __m128i {
    // SAFETY: eight bytes of two tokens, four of one, as promised.
    unsafe {
        let next = q.add(4 * tokens);
        if one {
            _mm_unpacklo_epi32(_mm_loadu_si32(q.cast()), _mm_loadu_si32(next.cast()))
        } else {
            _mm_unpacklo_epi32(_mm_loadl_epi64(q.cast()), _mm_loadl_epi64(next.cast()))
        }
    }
}

/// How many lookups of tables fit in a byte: as many as are in two blocks, in one or in half of one, so that magnitudes add up to
/// 127 at most. Only a block of nothing but −8 has more, and half a block has 64.
///
/// # Safety
/// As [`make_tables`].
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn byte_lookups(q: *const i8, tokens: usize, blocks: usize, count: usize) -> usize {
    let one = count == 1;
    let (mut most, mut most_of_two, mut last) =
        (_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128());
    for block in 0..blocks {
        // SAFETY: the values, as promised.
        let [low, high] = unsafe {
            let q = q.add(block * BLOCK_COLUMNS * tokens);
            [two_fields(q, tokens, one), two_fields(q.add(8 * tokens), tokens, one)]
        };
        let magnitudes = _mm_add_epi8(_mm_abs_epi8(low), _mm_abs_epi8(high));
        let magnitudes = _mm_sad_epu8(magnitudes, _mm_setzero_si128());
        most = _mm_max_epi16(most, magnitudes);
        if block % 2 == 1 {
            most_of_two = _mm_max_epi16(most_of_two, _mm_add_epi16(last, magnitudes));
        }
        last = magnitudes;
    }
    let limit = _mm_set1_epi16(127);
    if blocks.is_multiple_of(2) && _mm_movemask_epi8(_mm_cmpgt_epi16(most_of_two, limit)) == 0 {
        2 * BLOCK_LOOKUPS
    } else if _mm_movemask_epi8(_mm_cmpgt_epi16(most, limit)) == 0 {
        BLOCK_LOOKUPS
    } else {
        BLOCK_LOOKUPS / 2
    }
}

/// The tables of some blocks of a group of one or two tokens; adds the activations to `totals`. A byte's lookups are
/// [`KEPT_START`] and the sum.
///
/// # Safety
/// The CPU has AVX2; from `q` on are `blocks` blocks of as many `tokens`, the group's tokens first; there is room for their
/// tables.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn make_tables(
    q: *const i8,
    tokens: usize,
    blocks: usize,
    byte_lookups: usize,
    to: *mut [u8; 16],
    totals: &mut [__m128i],
) {
    let one = totals.len() == 1;
    let ones = 0x0101_0101;
    let first_signs = _mm256_setr_epi32(ones, 0, -1, 0, ones, 0, -1, 0);
    let second_signs = _mm256_setr_epi32(0, ones, 0, -1, 0, ones, 0, -1);
    let once = _mm256_setr_epi32(ones, ones, 0, 0, ones, ones, 0, 0);
    let start = _mm256_set1_epi8((KEPT_START / byte_lookups) as i8);
    let mut sums = _mm256_setzero_si256();
    // SAFETY: the values and the room, as promised: eight bytes of two tokens, four of one.
    unsafe {
        for block in 0..blocks {
            let q = q.add(block * BLOCK_COLUMNS * tokens);
            let to = to.add(block * BLOCK_LOOKUPS * totals.len());
            for h in 0..2 {
                let fields = _mm256_castsi128_si256(two_fields(q.add(8 * h * tokens), tokens, one));
                let fields = _mm256_permute4x64_epi64::<0b01_01_00_00>(fields);
                sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(once, fields));
                let first = _mm256_add_epi8(_mm256_sign_epi8(fields, first_signs), start);
                let second = _mm256_sign_epi8(fields, second_signs);
                for (j, [picks, others]) in PICK.iter().enumerate() {
                    let first = _mm256_shuffle_epi8(first, _mm256_loadu_si256(picks.as_ptr().cast()));
                    let second = _mm256_shuffle_epi8(second, _mm256_loadu_si256(others.as_ptr().cast()));
                    let entries = _mm256_add_epi8(first, second);
                    if one {
                        _mm_storeu_si128(to.add(2 * j + h).cast(), _mm256_castsi256_si128(entries));
                    } else {
                        _mm256_storeu_si256(to.add(2 * (2 * j + h)).cast(), entries);
                    }
                }
            }
        }
    }
    let sums = [_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums)];
    for (total, sums) in totals.iter_mut().zip(sums) {
        *total = _mm_add_epi16(*total, sums);
    }
}
