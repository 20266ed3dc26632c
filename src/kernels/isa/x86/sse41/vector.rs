//! [`Vector`] in SSE4.1: 4 lanes, 16 registers, or 8 in builds for 32 bits.

use crate::kernels::float::{Vector, intrinsics};
use crate::kernels::isa::x86::arch::*;

/// See the module.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct F32x4(__m128);

const REGISTERS: usize = if cfg!(target_arch = "x86") { 8 } else { 16 };

// SAFETY: 4 lanes; each method is the intrinsics of its comment in the trait.
unsafe impl Vector for F32x4 {
    const LANES: usize = 4;
    const PASS: u32 = REGISTERS.ilog2() - 1;
    // Two are left, where 8 registers do not make more blocks of rows than there may be.
    const ROWS: usize = if REGISTERS > 8 { REGISTERS - 2 } else { 8 };
    const PAIRS: usize = (REGISTERS - 4) / 2;
    type Wide = __m128d;
    type Bytes = __m128i;

    intrinsics! {
        fn splat(value: f32) -> Self { F32x4(_mm_set1_ps(value)) }
        fn load(src: *const f32) -> Self { F32x4(_mm_loadu_ps(src)) }
        fn load_f16(src: *const u8) -> Self { F32x4(widen_halves(src)) }
        fn store(self: Self, dst: *mut f32) { _mm_storeu_ps(dst, self.0) }
        fn add(self: Self, other: Self) -> Self { F32x4(_mm_add_ps(self.0, other.0)) }
        fn sub(self: Self, other: Self) -> Self { F32x4(_mm_sub_ps(self.0, other.0)) }
        fn mul(self: Self, other: Self) -> Self { F32x4(_mm_mul_ps(self.0, other.0)) }
        fn neg(self: Self) -> Self { F32x4(_mm_xor_ps(self.0, _mm_set1_ps(-0.0))) }
        // Not fused, but kernels multiply by ±1 alone, which is exact.
        fn mul_add(self: Self, factor: Self, term: Self) -> Self { F32x4(_mm_add_ps(_mm_mul_ps(self.0, factor.0), term.0)) }
        fn sub_from(self: Self, _minus: Self, term: Self) -> Self { F32x4(_mm_sub_ps(term.0, self.0)) }
        fn butterfly_within(self: Self, stage: u32) -> Self {
            // The partner, then partner ± self.
            let (partner, signs) = match stage {
                0 => (_mm_shuffle_ps::<0b10_11_00_01>(self.0, self.0), _mm_setr_ps(0.0, -0.0, 0.0, -0.0)),
                _ => (_mm_shuffle_ps::<0b01_00_11_10>(self.0, self.0), _mm_setr_ps(0.0, 0.0, -0.0, -0.0)),
            };
            F32x4(_mm_add_ps(partner, _mm_xor_ps(self.0, signs)))
        }

        fn flip(self: Self, signs: *const i8) -> Self {
            let signs = _mm_cvtepi8_epi32(_mm_cvtsi32_si128(signs.cast::<i32>().read_unaligned()));
            F32x4(_mm_xor_ps(self.0, _mm_and_ps(_mm_castsi128_ps(signs), _mm_set1_ps(-0.0))))
        }

        fn magnitude(self: Self) -> Self { F32x4(_mm_andnot_ps(_mm_set1_ps(-0.0), self.0)) }
        fn max_bits(self: Self, other: Self) -> Self {
            F32x4(_mm_castsi128_ps(_mm_max_epi32(_mm_castps_si128(self.0), _mm_castps_si128(other.0))))
        }

        fn widen(self: Self) -> [__m128d; 2] { [_mm_cvtps_pd(self.0), _mm_cvtps_pd(_mm_movehl_ps(self.0, self.0))] }
        fn wide_zero() -> __m128d { _mm_setzero_pd() }
        fn wide_store(wide: __m128d, dst: *mut f64) { _mm_storeu_pd(dst, wide) }
        fn wide_add(sum: __m128d, x: __m128d) -> __m128d { _mm_add_pd(sum, x) }

        fn to_i8(block: [Self; 4]) -> __m128i {
            let [a, b, c, d] = [
                _mm_cvtps_epi32(block[0].0),
                _mm_cvtps_epi32(block[1].0),
                _mm_cvtps_epi32(block[2].0),
                _mm_cvtps_epi32(block[3].0),
            ];
            _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d))
        }
        fn bytes_store(bytes: __m128i, dst: *mut u8) { _mm_storeu_si128(dst.cast(), bytes) }
        fn bytes_zero() -> __m128i { _mm_setzero_si128() }
        fn bytes_sum(sum: __m128i, bytes: __m128i) -> __m128i {
            let biased = _mm_xor_si128(bytes, _mm_set1_epi8(-128));
            _mm_add_epi64(sum, _mm_sad_epu8(biased, _mm_setzero_si128()))
        }
        fn bytes_clamp_i4(bytes: __m128i) -> __m128i {
            _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8(-8)), _mm_set1_epi8(7))
        }
        fn bytes_to_nibbles(first: __m128i, second: __m128i) -> __m128i {
            let (low, places) = (_mm_set1_epi8(15), _mm_set1_epi16(0x1001));
            let first = _mm_maddubs_epi16(_mm_and_si128(first, low), places);
            let second = _mm_maddubs_epi16(_mm_and_si128(second, low), places);
            _mm_packus_epi16(first, second)
        }
        fn nibbles_load(src: *const u8) -> __m128i {
            let spread = _mm_cvtepu8_epi16(_mm_loadl_epi64(src.cast()));
            let nibbles = _mm_or_si128(spread, _mm_slli_epi16::<4>(spread));
            let nibbles = _mm_and_si128(nibbles, _mm_set1_epi8(15));
            let sign = _mm_set1_epi8(8);
            _mm_sub_epi8(_mm_xor_si128(nibbles, sign), sign)
        }
    }
}

/// Four f16 as f32: their bits, moved to where a f32 has them, are 2⁻¹¹² of the value, and the product is exact. Of infinities
/// and NaNs the exponent is put back.
///
/// # Safety
/// Eight initialised bytes from `from` on; the CPU has SSE4.1.
#[inline(always)]
pub(super) unsafe fn widen_halves(from: *const u8) -> __m128 {
    const TWO_TO_112: f32 = f32::from_bits((127 + 112) << 23);
    // SAFETY: both as promised.
    unsafe {
        let halves = _mm_cvtepu16_epi32(_mm_loadl_epi64(from.cast()));
        let moved = _mm_slli_epi32::<13>(_mm_and_si128(halves, _mm_set1_epi32(0x7fff)));
        let sign = _mm_slli_epi32::<16>(_mm_and_si128(halves, _mm_set1_epi32(0x8000)));
        let scaled = _mm_castps_si128(_mm_mul_ps(_mm_castsi128_ps(moved), _mm_set1_ps(TWO_TO_112)));
        let not_finite = _mm_cmpgt_epi32(moved, _mm_set1_epi32((0x7c00 << 13) - 1));
        let exponent = _mm_and_si128(not_finite, _mm_set1_epi32(0xff << 23));
        _mm_castsi128_ps(_mm_or_si128(_mm_or_si128(scaled, exponent), sign))
    }
}
