//! Ternary products in 256-bit vectors: see [`bytes`](crate::arch::x86_64::bytes).

use core::arch::x86_64::*;

use crate::arch::generic::intrinsics;
use crate::arch::kernels::{CALL_PANELS, Calls, Groups, Panels, Product, Room};
use crate::arch::scalar;
use crate::arch::x86_64::bytes::tables::Unpack;
use crate::arch::x86_64::bytes::{Bytes, fields, product, tables, trits};
use crate::arch::x86_64::dot::{self, Scaled, Sums, Whole, kernels};
use crate::layout::PANEL_ROWS;

product! {
    __m256i, "avx2,f16c",
    t2: 1 => 2, 2 => 2, 3 => 2, 4 => 1, 5 => 1, last 6 => 1;
    t5: 1 => 2, 2 => 2, 3 => 2, 4 => 2, 5 => 1, last 6 => 1;
    t5_int4: 1 => 2;
}

// SAFETY: each method is what the trait says.
unsafe impl Bytes for __m256i {
    intrinsics! {
        fn add_i8(self: Self, other: Self) -> Self { _mm256_add_epi8(self, other) }
        fn add_i16(self: Self, other: Self) -> Self { _mm256_add_epi16(self, other) }
        fn up_a_field(self: Self) -> Self { _mm256_slli_epi16::<2>(self) }
        fn up_a_byte(self: Self) -> Self { _mm256_slli_epi16::<8>(self) }
        fn down_a_byte(self: Self) -> Self { _mm256_srli_epi16::<8>(self) }
        fn flipped_trit(self: Self) -> Self {{
            // From 86 and from 171 on; the compares are signed, as the bytes are with their top bits flipped.
            let (one, two) = (_mm256_set1_epi8(-43), _mm256_set1_epi8(42));
            _mm256_abs_epi8(_mm256_add_epi8(_mm256_cmpgt_epi8(self, one), _mm256_cmpgt_epi8(self, two)))
        }}
        fn times(self: Self, q: Self) -> Self { _mm256_maddubs_epi16(self, q) }
        fn times_i16(self: Self, other: Self) -> Self { _mm256_madd_epi16(self, other) }
        fn table(from: *const u8) -> Self { _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast())) }
        fn lookup(self: Self, indices: Self) -> Self { _mm256_shuffle_epi8(self, indices) }
        fn unskew(vectors: [Self; 4]) -> [Self; 4] {{
            let [a, b, c, d] = vectors;
            let (ac, bd) = (_mm256_blend_epi32::<0b1010_1010>(a, b), _mm256_blend_epi32::<0b1010_1010>(c, d));
            let (db, ca) = (_mm256_blend_epi32::<0b0101_0101>(a, b), _mm256_blend_epi32::<0b0101_0101>(c, d));
            [
                _mm256_blend_epi32::<0b1100_1100>(ac, bd),
                _mm256_shuffle_epi32::<0b00_11_10_01>(_mm256_blend_epi32::<0b1001_1001>(db, ca)),
                _mm256_shuffle_epi32::<0b01_00_11_10>(_mm256_blend_epi32::<0b1100_1100>(bd, ac)),
                _mm256_shuffle_epi32::<0b10_01_00_11>(_mm256_blend_epi32::<0b1001_1001>(ca, db)),
            ]
        }}
        fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]) {{
            let even = _mm256_add_epi16(_mm256_sub_epi16(pairs, _mm256_slli_epi16::<8>(upper)), start);
            let odd = _mm256_add_epi16(upper, start);
            let halves = [_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd)];
            for (half, to) in halves.into_iter().zip(to.as_chunks::<2>().0) {
                let rows = _mm256_permute4x64_epi64::<0b11_01_10_00>(half);
                for (rows, to) in [_mm256_castsi256_si128(rows), _mm256_extracti128_si256::<1>(rows)].into_iter().zip(to) {
                    let sums = _mm256_add_epi32(_mm256_cvtepi16_epi32(rows), total);
                    _mm256_storeu_si256(to.cast(), _mm256_add_epi32(_mm256_loadu_si256(to.cast()), sums));
                }
            }
        }}
    }
}
