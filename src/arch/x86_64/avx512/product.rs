//! Ternary products in 512-bit vectors, for CPUs without VNNI: see [`bytes`](crate::arch::x86_64::bytes).
//!
//! Half the instructions of 256 bits. Zen 4 takes its pipes twice for each, and is yet never slower: 1.1 times as fast with
//! one token of `T2`, 1.06 with six, and up to 1.4 when the machine was busy.

use core::arch::x86_64::*;

use crate::arch::generic::intrinsics;
use crate::arch::kernels::{CALL_PANELS, Calls, Groups, Panels, Product, Room};
use crate::arch::scalar;
use crate::arch::x86_64::bytes::tables::Unpack;
use crate::arch::x86_64::bytes::{Bytes, fields, product, tables, trits};
use crate::arch::x86_64::dot::{self, Scaled, Sums, Whole, kernels};
use crate::layout::PANEL_ROWS;

product! {
    __m512i, "avx512f,avx512bw,avx512vl,avx512dq",
    t2: 1 => 1, 2 => 4, 3 => 4, 4 => 2, 5 => 2, 6 => 2, 7 => 1, 8 => 1, 9 => 1, last 10 => 1;
    t5: 1 => 1, 2 => 4, 3 => 4, 4 => 2, 5 => 2, 6 => 2, 7 => 1, 8 => 1, 9 => 1, last 10 => 1;
    t5_int4: 1 => 1;
}

// SAFETY: each method is what the trait says.
unsafe impl Bytes for __m512i {
    intrinsics! {
        fn add_i8(self: Self, other: Self) -> Self { _mm512_add_epi8(self, other) }
        fn add_i16(self: Self, other: Self) -> Self { _mm512_add_epi16(self, other) }
        fn up_a_field(self: Self) -> Self { _mm512_slli_epi16::<2>(self) }
        fn up_a_byte(self: Self) -> Self { _mm512_slli_epi16::<8>(self) }
        fn down_a_byte(self: Self) -> Self { _mm512_srli_epi16::<8>(self) }
        fn flipped_trit(self: Self) -> Self {{
            // From 86 and from 171 on; the compares are signed, as the bytes are with their top bits flipped.
            let ones = _mm512_set1_epi8(1);
            let digit = _mm512_maskz_mov_epi8(_mm512_cmpgt_epi8_mask(self, _mm512_set1_epi8(-43)), ones);
            _mm512_mask_add_epi8(digit, _mm512_cmpgt_epi8_mask(self, _mm512_set1_epi8(42)), digit, ones)
        }}
        fn times(self: Self, q: Self) -> Self { _mm512_maddubs_epi16(self, q) }
        fn times_i16(self: Self, other: Self) -> Self { _mm512_madd_epi16(self, other) }
        fn table(from: *const u8) -> Self { _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast())) }
        fn lookup(self: Self, indices: Self) -> Self { _mm512_shuffle_epi8(self, indices) }
        fn unskew(vectors: [Self; 4]) -> [Self; 4] {{
            let [a, b, c, d] = vectors;
            let (ac, bd) = (_mm512_mask_blend_epi32(0xaaaa, a, b), _mm512_mask_blend_epi32(0xaaaa, c, d));
            let (db, ca) = (_mm512_mask_blend_epi32(0x5555, a, b), _mm512_mask_blend_epi32(0x5555, c, d));
            [
                _mm512_mask_blend_epi32(0xcccc, ac, bd),
                _mm512_shuffle_epi32::<0b00_11_10_01>(_mm512_mask_blend_epi32(0x9999, db, ca)),
                _mm512_shuffle_epi32::<0b01_00_11_10>(_mm512_mask_blend_epi32(0xcccc, bd, ac)),
                _mm512_shuffle_epi32::<0b10_01_00_11>(_mm512_mask_blend_epi32(0x9999, ca, db)),
            ]
        }}
        fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]) {{
            let even = _mm512_add_epi16(_mm512_sub_epi16(pairs, _mm512_slli_epi16::<8>(upper)), start);
            let odd = _mm512_add_epi16(upper, start);
            let halves = [_mm512_unpacklo_epi16(even, odd), _mm512_unpackhi_epi16(even, odd)];
            for (half, to) in halves.into_iter().zip(to.as_chunks::<2>().0) {
                let rows = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), half);
                let rows = [_mm512_castsi512_si256(rows), _mm512_extracti64x4_epi64::<1>(rows)];
                for (rows, to) in rows.into_iter().zip(to) {
                    let sums = _mm512_add_epi32(_mm512_cvtepi16_epi32(rows), total);
                    _mm512_storeu_si512(to.cast(), _mm512_add_epi32(_mm512_loadu_si512(to.cast()), sums));
                }
            }
        }}
    }
}
