//! [`IntVector`] and [`ByteVector`] in 256 bits.

use core::arch::x86_64::*;
use core::ops::Range;

use super::at_once::look_up_at_once;
use super::tables::{byte_lookups, make_tables};
use crate::kernels::float::intrinsics;
use crate::kernels::isa::x86::lanes128;
use crate::kernels::ternary::five_trit::nine;
use crate::kernels::ternary::five_trit::recoded::RECODED_QUARTER;
use crate::kernels::ternary::vector::{ByteVector, IntVector, QuadCodes};
use crate::layout::ScaleType;
use crate::layout::five_trit::QUARTER_COLUMNS;

/// Every byte doubled. In assembly because the compiler sees through x + x + x and multiplies, with five instructions.
///
/// # Safety
/// The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn double(x: __m256i) -> __m256i {
    let double;
    // SAFETY: one AVX2 instruction on registers.
    unsafe {
        core::arch::asm!("vpaddb {}, {x}, {x}", out(ymm_reg) double, x = in(ymm_reg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    double
}

/// See [`ByteVector::pin`].
///
/// # Safety
/// The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pin(mut x: __m256i) -> __m256i {
    // SAFETY: no instruction.
    unsafe {
        core::arch::asm!("/* {0} */", inout(ymm_reg) x, options(nostack, preserves_flags));
    }
    x
}

/// See [`ByteVector::in_turn`].
///
/// # Safety
/// The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn in_turn(mut x: __m256i) -> __m256i {
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!("/* {} */", inout(ymm_reg) x, options(pure, nomem, nostack, preserves_flags));
    }
    x
}

/// See [`ByteVector::at_once`]: pairs.
///
/// # Safety
/// The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn at_once<const N: usize>(mut values: [__m256i; N]) -> [__m256i; N] {
    for pair in values.as_chunks_mut::<2>().0 {
        let [first, second] = pair;
        // SAFETY: no instruction at all.
        unsafe {
            core::arch::asm!(
                "/* {} {} */",
                inout(ymm_reg) * first,
                inout(ymm_reg) * second,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    }
    values
}

// SAFETY: 4 · 8 bytes; each method is what the trait says, with AVX2 and F16C.
unsafe impl IntVector for __m256i {
    const ROWS: usize = 8;

    type Scales = __m256;

    intrinsics! {
        fn splat(value: i32) -> Self { _mm256_set1_epi32(value) }
        fn load(from: *const u8) -> Self { _mm256_loadu_si256(from.cast()) }
        fn store(self: Self, to: *mut u8) { _mm256_storeu_si256(to.cast(), self) }
        fn and(self: Self, other: Self) -> Self { _mm256_and_si256(self, other) }
        fn add(self: Self, other: Self) -> Self { _mm256_add_epi32(self, other) }
        fn sub(self: Self, other: Self) -> Self { _mm256_sub_epi32(self, other) }
        fn sub_i8(self: Self, other: Self) -> Self { _mm256_sub_epi8(self, other) }
        fn quarter(self: Self) -> Self { _mm256_srai_epi32::<2>(self) }
        fn over_256(self: Self) -> Self { _mm256_srai_epi32::<8>(self) }
        fn times_256(self: Self) -> Self { _mm256_slli_epi32::<8>(self) }
        fn next_field(self: Self) -> Self { _mm256_srli_epi32::<2>(self) }
        fn next_nibble(self: Self) -> Self { _mm256_srli_epi32::<4>(self) }
        fn field_at(self: Self, bit: u32) -> Self { _mm256_srl_epi32(self, _mm_cvtsi32_si128(bit as i32)) }
        fn triple(self: Self) -> Self { _mm256_add_epi8(double(self), self) }
        fn trits(self: Self) -> [Self; 5] {{
            // What `nine` says.
            let (three, nine, four_times) = (_mm256_set1_epi16(3), _mm256_set1_epi16(9), _mm256_set1_epi16(81));
            let (low, high) = (_mm256_unpacklo_epi8(_mm256_setzero_si256(), self), _mm256_unpackhi_epi8(_mm256_setzero_si256(), self));
            let two = _mm256_packus_epi16(_mm256_mulhi_epu16(low, nine), _mm256_mulhi_epu16(high, nine));
            let four = _mm256_packus_epi16(_mm256_mulhi_epu16(low, four_times), _mm256_mulhi_epu16(high, four_times));
            let next = four.sub_i8(Self::table(nine::TIMES.as_ptr()).lookup(two));
            let (low, high) = (_mm256_mullo_epi16(low, four_times), _mm256_mullo_epi16(high, four_times));
            let last = _mm256_packus_epi16(_mm256_mulhi_epu16(low, three), _mm256_mulhi_epu16(high, three));
            let (first, second) = (Self::table(nine::FIRST.as_ptr()), Self::table(nine::SECOND.as_ptr()));
            [first.lookup(two), second.lookup(two), first.lookup(next), second.lookup(next), last]
        }}
        fn load_scales(from: *const u8, scale_type: ScaleType) -> __m256 {
            match scale_type {
                ScaleType::F32 => _mm256_loadu_ps(from.cast()),
                ScaleType::F16 => _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
            }
        }
        fn add_scaled(self: Self, scales: __m256, to: *mut f32) {{
            let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(self), scales);
            _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), scaled));
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

// SAFETY: each method is what the trait says, with AVX2 and F16C.
unsafe impl ByteVector for __m256i {
    const PINS: bool = true;
    const KEEPS_NARROW: bool = true;
    const AT_ONCE: Range<usize> = 2..9;

    type Totals = __m128i;

    #[inline(always)]
    unsafe fn at_once<const N: usize>(values: [Self; N]) -> [Self; N] {
        // SAFETY: the features, as promised.
        unsafe { at_once(values) }
    }

    intrinsics! {
        fn pin(self: Self) -> Self { pin(self) }
        fn in_turn(self: Self) -> Self { in_turn(self) }
        fn add_i8(self: Self, other: Self) -> Self { _mm256_add_epi8(self, other) }
        fn add_i16(self: Self, other: Self) -> Self { _mm256_add_epi16(self, other) }
        fn up_a_field(self: Self) -> Self { _mm256_slli_epi16::<2>(self) }
        fn down_a_byte(self: Self) -> Self { _mm256_srli_epi16::<8>(self) }
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
        fn recode(q: &[i8; QUARTER_COLUMNS], recoded: &mut [u8; RECODED_QUARTER]) -> i32 {
            lanes128::recode(q, recoded)
        }
        fn no_totals() -> __m128i { _mm_setzero_si128() }
        fn total(totals: __m128i) -> i32 { lanes128::sum_i16(totals) }
        fn byte_lookups(q: *const i8, tokens: usize, blocks: usize, count: usize) -> usize {
            byte_lookups(q, tokens, blocks, count)
        }
        fn make_group_tables(q: *const i8, tokens: usize, blocks: usize, byte_lookups: usize, to: *mut [u8; 16], totals: &mut [__m128i]) {
            make_tables(q, tokens, blocks, byte_lookups, to, totals)
        }
        fn look_up_at_once(codes: QuadCodes, tokens: usize, tables: [*const [u8; 16]; 2], byte_lookups: usize, narrow: *mut [Self; 2]) {
            look_up_at_once(codes, tokens, tables, byte_lookups, narrow)
        }
    }
}
