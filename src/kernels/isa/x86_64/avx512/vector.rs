//! [`Vector`] in AVX-512 F, BW and DQ: 16 lanes, 32 registers.
//!
//! | operation | Zen 4 pipes (two cycles each) | Golden Cove ports |
//! |---|---|---|
//! | `vaddps` | FP2, FP3 | 0, 5 |
//! | `vfmadd…ps`, `vmulps` | FP0, FP1 | 0, 5 |
//! | `vpermilps`, `vshuff32x4` | FP1, FP2 | 5 |
//!
//! Zen 4 has 256-bit data paths: a 512-bit operation is one to decode and schedule, but takes its pipe twice. What
//! AVX-512 buys there is half the instructions, one pass less (32 registers) and one stage more within a register.

use core::arch::x86_64::*;

use crate::kernels::float::{Vector, intrinsics};

/// See the module.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct F32x16(__m512);

/// ±1 in runs of 2^stage lanes: the sign of the lane itself in a butterfly with its partner.
const SIGNS: [[f32; 16]; 4] = {
    let mut signs = [[1.0; 16]; 4];
    let mut i = 0;
    while i < 64 {
        if (i % 16) >> (i / 16) & 1 == 1 {
            signs[i / 16][i % 16] = -1.0;
        }
        i += 1;
    }
    signs
};

// SAFETY: 16 lanes; each method is the intrinsics of its comment in the trait.
unsafe impl Vector for F32x16 {
    const LANES: usize = 16;
    const PASS: u32 = 4;
    const ROWS: usize = 28;
    const PAIRS: usize = 12;
    type Wide = __m512d;
    type Bytes = __m512i;

    intrinsics! {
        fn splat(value: f32) -> Self { F32x16(_mm512_set1_ps(value)) }
        fn load(src: *const f32) -> Self { F32x16(_mm512_loadu_ps(src)) }
        fn load_f16(src: *const u8) -> Self { F32x16(_mm512_cvtph_ps(_mm256_loadu_si256(src.cast()))) }
        fn store(self: Self, dst: *mut f32) { _mm512_storeu_ps(dst, self.0) }
        fn add(self: Self, other: Self) -> Self { F32x16(_mm512_add_ps(self.0, other.0)) }
        fn sub(self: Self, other: Self) -> Self { F32x16(_mm512_sub_ps(self.0, other.0)) }
        fn mul(self: Self, other: Self) -> Self { F32x16(_mm512_mul_ps(self.0, other.0)) }
        fn neg(self: Self) -> Self { F32x16(_mm512_xor_ps(self.0, _mm512_set1_ps(-0.0))) }
        fn mul_add(self: Self, factor: Self, term: Self) -> Self { F32x16(_mm512_fmadd_ps(self.0, factor.0, term.0)) }
        fn butterfly_within(self: Self, stage: u32) -> Self {
            // The partner, then partner ± self.
            let partner = match stage {
                0 => _mm512_permute_ps::<0b10_11_00_01>(self.0),
                1 => _mm512_permute_ps::<0b01_00_11_10>(self.0),
                2 => _mm512_shuffle_f32x4::<0b10_11_00_01>(self.0, self.0),
                _ => _mm512_shuffle_f32x4::<0b01_00_11_10>(self.0, self.0),
            };
            F32x16(_mm512_fmadd_ps(self.0, _mm512_loadu_ps(SIGNS[stage as usize].as_ptr()), partner))
        }

        fn flip(self: Self, signs: *const i8) -> Self {
            let signs = _mm512_cvtepi8_epi32(_mm_loadu_si128(signs.cast()));
            F32x16(_mm512_xor_ps(self.0, _mm512_and_ps(_mm512_castsi512_ps(signs), _mm512_set1_ps(-0.0))))
        }

        fn magnitude(self: Self) -> Self { F32x16(_mm512_abs_ps(self.0)) }
        fn max_bits(self: Self, other: Self) -> Self {
            F32x16(_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(self.0), _mm512_castps_si512(other.0))))
        }

        fn widen(self: Self) -> [__m512d; 2] {
            [_mm512_cvtps_pd(_mm512_castps512_ps256(self.0)), _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(self.0))]
        }
        fn wide_zero() -> __m512d { _mm512_setzero_pd() }
        fn wide_store(wide: __m512d, dst: *mut f64) { _mm512_storeu_pd(dst, wide) }
        fn wide_add(sum: __m512d, x: __m512d) -> __m512d { _mm512_add_pd(sum, x) }

        fn to_i8(block: [Self; 4]) -> __m512i {
            let [a, b, c, d] = [
                _mm512_cvtps_epi32(block[0].0),
                _mm512_cvtps_epi32(block[1].0),
                _mm512_cvtps_epi32(block[2].0),
                _mm512_cvtps_epi32(block[3].0),
            ];
            // Packs work in each 128-bit quarter; the permutation puts the runs of four back in order.
            let bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_permutexvar_epi32(order, bytes)
        }
        fn bytes_store(bytes: __m512i, dst: *mut u8) { _mm512_storeu_si512(dst.cast(), bytes) }
        fn bytes_zero() -> __m512i { _mm512_setzero_si512() }
        fn bytes_sum(sum: __m512i, bytes: __m512i) -> __m512i {
            let biased = _mm512_xor_si512(bytes, _mm512_set1_epi8(-128));
            _mm512_add_epi64(sum, _mm512_sad_epu8(biased, _mm512_setzero_si512()))
        }
        fn bytes_clamp_i4(bytes: __m512i) -> __m512i {
            _mm512_min_epi8(_mm512_max_epi8(bytes, _mm512_set1_epi8(-8)), _mm512_set1_epi8(7))
        }
        fn bytes_to_nibbles(first: __m512i, second: __m512i) -> __m512i {
            let (low, places) = (_mm512_set1_epi8(15), _mm512_set1_epi16(0x1001));
            let first = _mm512_maddubs_epi16(_mm512_and_si512(first, low), places);
            let second = _mm512_maddubs_epi16(_mm512_and_si512(second, low), places);
            let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            _mm512_permutexvar_epi64(order, _mm512_packus_epi16(first, second))
        }
        fn nibbles_load(src: *const u8) -> __m512i {
            let spread = _mm512_cvtepu8_epi16(_mm256_loadu_si256(src.cast()));
            let nibbles = _mm512_or_si512(spread, _mm512_slli_epi16::<4>(spread));
            let nibbles = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
            let sign = _mm512_set1_epi8(8);
            _mm512_sub_epi8(_mm512_xor_si512(nibbles, sign), sign)
        }
    }
}
