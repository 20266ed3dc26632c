//! [`IntVector`] and [`ByteVector`] in 128 bits.

use super::vector::widen_halves;
use crate::kernels::float::intrinsics;
use crate::kernels::isa::x86::arch::*;
use crate::kernels::isa::x86::lanes128;
use crate::kernels::ternary::five_trit::nine;
use crate::kernels::ternary::five_trit::recoded::RECODED_QUARTER;
use crate::kernels::ternary::int4_lookup::sizes::PICK_TERMS;
use crate::kernels::ternary::vector::{ByteVector, IntVector};
use crate::layout::ScaleType;
use crate::layout::five_trit::QUARTER_COLUMNS;

/// Every byte doubled. In assembly because the compiler sees through x + x + x and multiplies, with five instructions.
///
/// # Safety
/// None beyond SSE2, which every build with this module has.
#[inline(always)]
unsafe fn double(mut x: __m128i) -> __m128i {
    // SAFETY: one SSE2 instruction on a register.
    unsafe {
        core::arch::asm!("paddb {x}, {x}", x = inout(xmm_reg) x, options(pure, nomem, nostack, preserves_flags));
    }
    x
}

// SAFETY: 4 · 4 bytes; each method is what the trait says, with SSE4.1.
unsafe impl IntVector for __m128i {
    const ROWS: usize = 4;

    type Scales = __m128;

    intrinsics! {
        fn splat(value: i32) -> Self { _mm_set1_epi32(value) }
        fn load(from: *const u8) -> Self { _mm_loadu_si128(from.cast()) }
        fn store(self: Self, to: *mut u8) { _mm_storeu_si128(to.cast(), self) }
        fn and(self: Self, other: Self) -> Self { _mm_and_si128(self, other) }
        fn add(self: Self, other: Self) -> Self { _mm_add_epi32(self, other) }
        fn sub(self: Self, other: Self) -> Self { _mm_sub_epi32(self, other) }
        fn sub_i8(self: Self, other: Self) -> Self { _mm_sub_epi8(self, other) }
        fn quarter(self: Self) -> Self { _mm_srai_epi32::<2>(self) }
        fn over_256(self: Self) -> Self { _mm_srai_epi32::<8>(self) }
        fn times_256(self: Self) -> Self { _mm_slli_epi32::<8>(self) }
        fn next_field(self: Self) -> Self { _mm_srli_epi32::<2>(self) }
        fn next_nibble(self: Self) -> Self { _mm_srli_epi32::<4>(self) }
        fn field_at(self: Self, bit: u32) -> Self { _mm_srl_epi32(self, _mm_cvtsi32_si128(bit as i32)) }
        fn triple(self: Self) -> Self { _mm_add_epi8(double(self), self) }
        fn trits(self: Self) -> [Self; 5] {{
            // What `nine` says.
            let (three, nine, four_times) = (_mm_set1_epi16(3), _mm_set1_epi16(9), _mm_set1_epi16(81));
            let (low, high) = (_mm_unpacklo_epi8(_mm_setzero_si128(), self), _mm_unpackhi_epi8(_mm_setzero_si128(), self));
            let two = _mm_packus_epi16(_mm_mulhi_epu16(low, nine), _mm_mulhi_epu16(high, nine));
            let four = _mm_packus_epi16(_mm_mulhi_epu16(low, four_times), _mm_mulhi_epu16(high, four_times));
            let next = four.sub_i8(Self::table(nine::TIMES.as_ptr()).lookup(two));
            let (low, high) = (_mm_mullo_epi16(low, four_times), _mm_mullo_epi16(high, four_times));
            let last = _mm_packus_epi16(_mm_mulhi_epu16(low, three), _mm_mulhi_epu16(high, three));
            let (first, second) = (Self::table(nine::FIRST.as_ptr()), Self::table(nine::SECOND.as_ptr()));
            [first.lookup(two), second.lookup(two), first.lookup(next), second.lookup(next), last]
        }}
        fn load_scales(from: *const u8, scale_type: ScaleType) -> __m128 {
            match scale_type {
                ScaleType::F32 => _mm_loadu_ps(from.cast()),
                ScaleType::F16 => widen_halves(from),
            }
        }
        fn add_scaled(self: Self, scales: __m128, to: *mut f32) {{
            let scaled = _mm_mul_ps(_mm_cvtepi32_ps(self), scales);
            _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to), scaled));
        }}
    }

    #[inline(always)]
    unsafe fn fetch_near(at: *const u8) {
        lanes128::fetch_near(at);
    }

    #[inline(always)]
    unsafe fn fetch_far(at: *const u8) {
        lanes128::fetch_far(at);
    }

    #[inline(always)]
    unsafe fn opaque(value: usize) -> usize {
        lanes128::opaque(value)
    }
}

// SAFETY: each method is what the trait says, with SSE4.1.
unsafe impl ByteVector for __m128i {
    type Totals = __m128i;

    intrinsics! {
        fn add_i8(self: Self, other: Self) -> Self { _mm_add_epi8(self, other) }
        fn add_i16(self: Self, other: Self) -> Self { _mm_add_epi16(self, other) }
        fn up_a_field(self: Self) -> Self { _mm_slli_epi16::<2>(self) }
        fn down_a_byte(self: Self) -> Self { _mm_srli_epi16::<8>(self) }
        fn times(self: Self, q: Self) -> Self { _mm_maddubs_epi16(self, q) }
        fn times_i16(self: Self, other: Self) -> Self { _mm_madd_epi16(self, other) }
        fn table(from: *const u8) -> Self { _mm_loadu_si128(from.cast()) }
        fn lookup(self: Self, indices: Self) -> Self { _mm_shuffle_epi8(self, indices) }
        fn unskew(vectors: [Self; 4]) -> [Self; 4] {{
            // A blend counts lanes of 16 bits.
            let [a, b, c, d] = vectors;
            let (ac, bd) = (_mm_blend_epi16::<0b11_00_11_00>(a, b), _mm_blend_epi16::<0b11_00_11_00>(c, d));
            let (db, ca) = (_mm_blend_epi16::<0b00_11_00_11>(a, b), _mm_blend_epi16::<0b00_11_00_11>(c, d));
            [
                _mm_blend_epi16::<0b11_11_00_00>(ac, bd),
                _mm_shuffle_epi32::<0b00_11_10_01>(_mm_blend_epi16::<0b11_00_00_11>(db, ca)),
                _mm_shuffle_epi32::<0b01_00_11_10>(_mm_blend_epi16::<0b11_11_00_00>(bd, ac)),
                _mm_shuffle_epi32::<0b10_01_00_11>(_mm_blend_epi16::<0b11_00_00_11>(ca, db)),
            ]
        }}
        fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]) {{
            let even = _mm_add_epi16(_mm_sub_epi16(pairs, _mm_slli_epi16::<8>(upper)), start);
            let odd = _mm_add_epi16(upper, start);
            let halves = [_mm_unpacklo_epi16(even, odd), _mm_unpackhi_epi16(even, odd)];
            for (half, to) in halves.into_iter().zip(to.as_chunks::<2>().0) {
                for (rows, to) in [half, _mm_srli_si128::<8>(half)].into_iter().zip(to) {
                    let (to, sums) = (to.cast(), _mm_add_epi32(_mm_cvtepi16_epi32(rows), total));
                    _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), sums));
                }
            }
        }}
        fn recode(q: &[i8; QUARTER_COLUMNS], recoded: &mut [u8; RECODED_QUARTER]) -> i32 {
            lanes128::recode(q, recoded)
        }
        fn no_totals() -> __m128i { _mm_setzero_si128() }
        fn total(totals: __m128i) -> i32 { lanes128::sum_i16(totals) }
        fn make_tables(columns: [i32; 4], to: *mut [u8; 16], step: usize, totals: __m128i) -> __m128i {{
            let (nibbles, totals) = lanes128::nibble_columns(columns, totals);
            for (j, [first, second]) in PICK_TERMS.iter().enumerate() {
                let (first, second) = (_mm_loadu_si128(first.as_ptr().cast()), _mm_loadu_si128(second.as_ptr().cast()));
                for (h, values) in nibbles.into_iter().enumerate() {
                    let entries = _mm_add_epi8(_mm_shuffle_epi8(values, first), _mm_shuffle_epi8(values, second));
                    _mm_storeu_si128(to.add((2 * j + h) * step).cast(), entries);
                }
            }
            totals
        }}
    }
}
