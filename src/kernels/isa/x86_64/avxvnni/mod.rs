//! AVX-VNNI on top of [`avx2`]: `vpdpbusd` on 8 rows, for client CPUs that have no AVX-512.
//!
//! Such a core starts two 256-bit dots a cycle (Golden Cove, Gracemont), each of 32 products: twice what `maddubs`
//! and its add reach on the same ports. A dot takes 5 cycles, so ten accumulators keep both ports busy, and 5 tokens ×
//! 2 vectors of rows with their codes, mask and activations are the 16 registers. What is spilled costs more than a
//! load: a stack that is not aligned to 32 bytes lets a product of one token run at 33 or at 97 GMAC/s (Sapphire Rapids),
//! where 131 to 147 are reached without. With fewer than ten chains the dots wait for each other: 7 and 8 tokens, which make two
//! rounds of four, run at 140 and 155 GMAC/s where 6 and 12 make 180 and 200.

use core::arch::x86_64::*;

use super::{avx2, detect};
use crate::kernels::attention::instantiate::attention_kernels;
use crate::kernels::contract::Kernels;
use crate::kernels::float::intrinsics;
use crate::kernels::isa::x86::lanes128;
use crate::kernels::ternary::five_trit::recoded::QUARTER_FACTORS;
use crate::kernels::ternary::instantiate::dot_products;
use crate::kernels::ternary::many_tokens::many_tokens;
use crate::kernels::ternary::vector::{DotVector, FactorVector, IntVector};
use crate::layout::five_trit::QUARTER_COLUMNS;

pub(crate) const KERNELS: Kernels = Kernels {
    product: &many_tokens! {
        dots, __m256i, "avx2,f16c,avxvnni",
        two_bit from 6, five_trit from 6: 1 panels => 2, 1 => 2; 1 2 3 4 5 6;
        fewer: dot_products! {
            __m256i, "avx2,f16c,avxvnni", dot_u8s8,
            two_bit: 1 => 4, 2 => 2, 3 => 2, 4 => 2, 5 => 2;
            five_trit: 1 => 4, 2 => 2, 3 => 2, 4 => 2, 5 => 2;
            five_trit_int4[one_token_int4]: 1 => 4;
        }
    },
    attention: attention_kernels!(
        avx2::vector::F32x8, Fours<__m256i>, block: 2, "avx2,fma,f16c,avxvnni"
    ),
    ..avx2::KERNELS
};

pub(crate) fn detect() -> bool {
    detect::avx_vnni()
}

// SAFETY: each method is what the trait says, with AVX2 and, for `dot` alone, AVX-VNNI.
unsafe impl DotVector for __m256i {
    type Sixteen = [Self; 4];
    const SIGNED: bool = false;
    const SUMS: usize = 8;

    intrinsics! {
        fn dot(self: Self, codes: Self, q: Self) -> Self { _mm256_dpbusd_avx_epi32(self, codes, q) }
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
unsafe impl FactorVector for __m256i {
    intrinsics! {
        fn digit_factors(q: &[i8; QUARTER_COLUMNS], factors: &mut [i8; QUARTER_FACTORS]) {
            // Of a block, five fours of activations and six of factors: four and four of them, then the last and two.
            for block in 0..3 {
                let (q, to) = (q.as_ptr().add(20 * block), factors.as_mut_ptr().add(24 * block));
                let first = _mm_loadu_si128(q.cast());
                let last = _mm_loadl_epi64(q.add(12).cast());
                _mm_storeu_si128(to.cast(), lanes128::factors(first, _mm_slli_si128::<4>(first)));
                _mm_storel_epi64(to.add(16).cast(), lanes128::factors(_mm_srli_si128::<4>(last), last));
            }
            factors[72..].copy_from_slice(&q[60..]);
        }
    }
}
