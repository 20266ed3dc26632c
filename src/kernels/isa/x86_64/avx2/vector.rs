//! [`Vector`] in AVX2 with FMA and F16C: 8 lanes, 16 registers.
//!
//! | operation | Zen 4 pipes | Golden Cove ports |
//! |---|---|---|
//! | `vaddps` | FP2, FP3 | 1, 5 |
//! | `vfmadd…ps`, `vmulps` | FP0, FP1 | 0, 1 |
//! | `vpermilps`, `vshufps` | FP1, FP2 | 1, 5 |
//! | `vperm2f128`, `vpermpd` | FP1, FP2 | 5 |
//!
//! Some of the butterflies' differences are therefore written as multiply-adds by −1, which use the other two pipes: between
//! registers in the later passes, all of them or, on AMD's CPUs, those of one stage (see the note there). In the first pass
//! none: the stages within registers have as many multiply-adds as there are additions between registers, and shuffles
//! besides, so that by count all of Intel's three ports are in use as well.

use core::arch::x86_64::*;

use crate::kernels::float::{Vector, intrinsics};
use crate::kernels::isa::x86_64::detect;

/// See the module.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct F32x8(__m256);

/// See [`Vector::settle`].
///
/// # Safety
/// The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn settle(mut x: __m256) -> __m256 {
    // SAFETY: no instruction.
    unsafe { core::arch::asm!("/* {} */", inout(ymm_reg) x, options(nomem, nostack, preserves_flags)) };
    x
}

/// The low half high and the high half low. The compiler makes a `vpermpd` of the intrinsic, which is two operations on a Zen.
#[inline]
#[target_feature(enable = "avx")]
fn swap_halves(x: __m256) -> __m256 {
    let swapped;
    // SAFETY: an instruction of AVX, on registers.
    unsafe {
        core::arch::asm!("vperm2f128 {}, {1}, {1}, 1", lateout(ymm_reg) swapped, in(ymm_reg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    swapped
}

// SAFETY: 8 lanes; each method is the intrinsics of its comment in the trait.
unsafe impl Vector for F32x8 {
    const LANES: usize = 8;
    const PASS: u32 = 3;
    const FUSED_FIRST: bool = false;
    const SIDE_BY_SIDE: bool = true;
    const DOUBLE_GROUPS: bool = true;
    const BY_HALVES: bool = true;
    const ROWS: usize = 14;
    const PAIRS: usize = 6;
    const SETTLES: bool = true;
    type Wide = __m256d;
    type Bytes = __m256i;

    #[inline(always)]
    fn spares_multiply_adds() -> bool {
        detect::is_amd()
    }

    intrinsics! {
        fn splat(value: f32) -> Self { F32x8(_mm256_set1_ps(value)) }
        fn load(src: *const f32) -> Self { F32x8(_mm256_loadu_ps(src)) }
        fn load_f16(src: *const u8) -> Self { F32x8(_mm256_cvtph_ps(_mm_loadu_si128(src.cast()))) }
        fn load_halves(low: *const f32, high: *const f32) -> Self { F32x8(_mm256_loadu2_m128(high, low)) }
        fn store_halves(self: Self, low: *mut f32, high: *mut f32) { _mm256_storeu2_m128(high, low, self.0) }
        fn store(self: Self, dst: *mut f32) { _mm256_storeu_ps(dst, self.0) }
        fn add(self: Self, other: Self) -> Self { F32x8(_mm256_add_ps(self.0, other.0)) }
        fn sub(self: Self, other: Self) -> Self { F32x8(_mm256_sub_ps(self.0, other.0)) }
        fn mul(self: Self, other: Self) -> Self { F32x8(_mm256_mul_ps(self.0, other.0)) }
        fn neg(self: Self) -> Self { F32x8(_mm256_xor_ps(self.0, _mm256_set1_ps(-0.0))) }
        fn mul_add(self: Self, factor: Self, term: Self) -> Self { F32x8(_mm256_fmadd_ps(self.0, factor.0, term.0)) }
        fn settle(self: Self) -> Self { F32x8(settle(self.0)) }
        fn butterfly_within(self: Self, stage: u32) -> Self {
            // The partner, then partner ± self.
            let (partner, sign) = match stage {
                0 => (_mm256_permute_ps::<0b10_11_00_01>(self.0), _mm256_setr_ps(1., -1., 1., -1., 1., -1., 1., -1.)),
                1 => (_mm256_permute_ps::<0b01_00_11_10>(self.0), _mm256_setr_ps(1., 1., -1., -1., 1., 1., -1., -1.)),
                _ => (
                    swap_halves(self.0),
                    _mm256_setr_ps(1., 1., 1., 1., -1., -1., -1., -1.),
                ),
            };
            F32x8(_mm256_fmadd_ps(self.0, sign, partner))
        }

        fn flip(self: Self, signs: *const i8) -> Self {
            let signs = _mm256_cvtepi8_epi32(_mm_loadl_epi64(signs.cast()));
            F32x8(_mm256_xor_ps(self.0, _mm256_and_ps(_mm256_castsi256_ps(signs), _mm256_set1_ps(-0.0))))
        }

        fn magnitude(self: Self) -> Self { F32x8(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0)) }
        fn max_bits(self: Self, other: Self) -> Self {
            F32x8(_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(self.0), _mm256_castps_si256(other.0))))
        }

        fn widen(self: Self) -> [__m256d; 2] {
            [_mm256_cvtps_pd(_mm256_castps256_ps128(self.0)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(self.0))]
        }
        fn wide_zero() -> __m256d { _mm256_setzero_pd() }
        fn wide_store(wide: __m256d, dst: *mut f64) { _mm256_storeu_pd(dst, wide) }
        fn wide_add(sum: __m256d, x: __m256d) -> __m256d { _mm256_add_pd(sum, x) }

        fn to_i8(block: [Self; 4]) -> __m256i {
            let [a, b, c, d] = [
                _mm256_cvtps_epi32(block[0].0),
                _mm256_cvtps_epi32(block[1].0),
                _mm256_cvtps_epi32(block[2].0),
                _mm256_cvtps_epi32(block[3].0),
            ];
            // Packs work in each 128-bit half; the permutation puts the runs of four back in order.
            let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
        }
        fn bytes_store(bytes: __m256i, dst: *mut u8) { _mm256_storeu_si256(dst.cast(), bytes) }
        fn bytes_zero() -> __m256i { _mm256_setzero_si256() }
        fn bytes_sum(sum: __m256i, bytes: __m256i) -> __m256i {
            let biased = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
            _mm256_add_epi64(sum, _mm256_sad_epu8(biased, _mm256_setzero_si256()))
        }
        fn bytes_clamp_i4(bytes: __m256i) -> __m256i {
            _mm256_min_epi8(_mm256_max_epi8(bytes, _mm256_set1_epi8(-8)), _mm256_set1_epi8(7))
        }
        fn bytes_to_nibbles(first: __m256i, second: __m256i) -> __m256i {
            let (low, places) = (_mm256_set1_epi8(15), _mm256_set1_epi16(0x1001));
            let first = _mm256_maddubs_epi16(_mm256_and_si256(first, low), places);
            let second = _mm256_maddubs_epi16(_mm256_and_si256(second, low), places);
            _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(first, second))
        }
        fn nibbles_load(src: *const u8) -> __m256i {
            let spread = _mm256_cvtepu8_epi16(_mm_loadu_si128(src.cast()));
            let nibbles = _mm256_or_si256(spread, _mm256_slli_epi16::<4>(spread));
            let nibbles = _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
            let sign = _mm256_set1_epi8(8);
            _mm256_sub_epi8(_mm256_xor_si256(nibbles, sign), sign)
        }
    }
}
