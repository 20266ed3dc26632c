//! The tables of [`int4_lookup`](crate::kernels::ternary::int4_lookup), two at a time in 256 bits, for vectors of 256 and 512.

use core::arch::x86_64::*;

use crate::kernels::isa::x86::lanes128;
use crate::kernels::ternary::int4_lookup::sizes::PICK_TERMS;

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
        let ([low, high], totals) = lanes128::nibble_columns(columns, totals);
        let values = _mm256_setr_m128i(low, high);
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
