//! AVX-512 with VNNI on top of [`avx512`]: `vpdpbusd` on 16 rows.

use core::arch::x86_64::*;

use super::{avx512, detect};
use crate::kernels::attention::instantiate::attention_kernels;
use crate::kernels::contract::Kernels;
use crate::kernels::float::intrinsics;
use crate::kernels::isa::x86::lanes128;
use crate::kernels::ternary::five_trit::recoded::QUARTER_FACTORS;
use crate::kernels::ternary::instantiate::dot_products;
use crate::kernels::ternary::many_tokens::many_tokens;
use crate::kernels::ternary::vector::{DotVector, FactorVector, IntVector};
use crate::layout::five_trit::QUARTER_COLUMNS;

/// A tile of 12 tokens × 2 panels has 24 accumulators of the 32 registers, and so has one of 6 × 2 with fields worth 4 on their
/// own ([`DotVector::SUMS`]). Four panels with 2 to 6 tokens spilled some on the way: 3 tokens made 170 or 250 GMAC/s on a
/// Sapphire Rapids, as the stack happened to lie.
pub(crate) const KERNELS: Kernels = Kernels {
    product: &many_tokens! {
        dots, __m512i, "avx512f,avx512bw,avx512vl,avx512vnni",
        two_bit from 13, five_trit from 7: 2 panels => 2, 1 => 1; 1 2 3 4 5 6 7 8 9 10 11 12;
        fewer: dot_products! {
            __m512i, "avx512f,avx512bw,avx512vl,avx512vnni", dot_u8s8,
            two_bit: 1 => 8, 2 => 2, 3 => 2, 4 => 2, 5 => 2, 6 => 2, 7 => 2, 8 => 2, 9 => 2, 10 => 2, 11 => 2, 12 => 2;
            five_trit: 1 => 8, 2 => 2, 3 => 2, 4 => 2, 5 => 2, 6 => 2;
            five_trit_int4[one_token_int4]: 1 => 8, 2 => 4, 3 => 4, 4 => 4;
        }
    },
    attention: attention_kernels!(
        avx512::vector::F32x16, Fours<__m512i>, block: 4, "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
    ),
    ..avx512::KERNELS
};

pub(crate) fn detect() -> bool {
    detect::avx512_vnni()
}

// SAFETY: each method is what the trait says, with AVX-512 F, BW, VL and, for `dot` alone, VNNI.
unsafe impl DotVector for __m512i {
    type Sixteen = [Self; 4];
    const SIGNED: bool = false;
    const SUMS: usize = 24;

    intrinsics! {
        fn dot(self: Self, codes: Self, q: Self) -> Self { _mm512_dpbusd_epi32(self, codes, q) }
        fn sixteen(q: *const i8) -> [Self; 4] {{
            let q = q.cast::<i32>();
            [
                Self::splat(q.read_unaligned()),
                Self::splat(q.add(1).read_unaligned()),
                Self::splat(q.add(2).read_unaligned()),
                Self::splat(q.add(3).read_unaligned()),
            ]
        }}
        fn load_trits(from: *const u8) -> Self { Self::load(from) }
    }

    #[inline(always)]
    unsafe fn dot_four<const S: usize>(self, codes: Self, q: [Self; 4]) -> Self {
        // SAFETY: the features, as promised.
        unsafe { self.dot(codes, q[S]) }
    }
}

// SAFETY: as above.
unsafe impl FactorVector for __m512i {
    intrinsics! {
        fn digit_factors(q: &[i8; QUARTER_COLUMNS], factors: &mut [i8; QUARTER_FACTORS]) {
            // In fours: sixteen of activations, nineteen of factors.
            let (fours, to) = (q.as_ptr().cast::<i32>(), factors.as_mut_ptr().cast::<i32>());
            let q = _mm512_loadu_si512(fours.cast());
            let own = _mm512_setr_epi32(0, 1, 2, 3, 4, 0, 5, 6, 7, 8, 9, 0, 10, 11, 12, 13);
            let own = _mm512_maskz_permutexvar_epi32(0b1111_0111_1101_1111, own, q);
            let last = _mm512_setr_epi32(0, 0, 1, 2, 3, 4, 0, 5, 6, 7, 8, 9, 0, 10, 11, 12);
            let last = _mm512_maskz_permutexvar_epi32(0b1110_1111_1011_1110, last, q);
            _mm512_storeu_si512(to.cast(), _mm512_sub_epi8(own.triple(), last));
            let own = _mm_cvtsi32_si128(fours.add(14).read_unaligned());
            let last = _mm_loadl_epi64(fours.add(13).cast());
            _mm_storel_epi64(to.add(16).cast(), lanes128::factors(own, last));
            to.add(18).write_unaligned(fours.add(15).read_unaligned());
        }
    }
}
