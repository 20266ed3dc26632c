//! SSE4.1 with SSSE3: 128-bit vectors, for x86 CPUs from about 2008 on (Penryn, Bulldozer, Jaguar, Silvermont) that have no
//! AVX2, and for programs of 32 bits.
//!
//! There is no fused multiply-add, which kernels need nowhere. The products are those of `avx2` in half the width, the f16
//! scales are widened by integer operations.
//!
//! Against the portable code, which the compiler makes SSE2 of, one core of an Intel Xeon (Sapphire Rapids, a virtual machine),
//! medians with all in cache, matrices of 2560 × 2560; older CPUs were not measured:
//!
//! | | portable | here |
//! |---|---|---|
//! | `TwoBit`, int4, 1 and 32 tokens, GMAC/s | 7.5, 7.6 | 43, 111 |
//! | `TwoBit`, int8, 1 and 32 tokens | 7.0, 7.5 | 41, 49 |
//! | `FiveTrit`, int4, 1 and 32 tokens | 5.9, 5.9 | 28, 94 |
//! | `FiveTrit`, int8, 1 and 32 tokens | 5.7, 5.9 | 18, 39 |
//! | transform of 4096, G elements/s | 1.3 | 2.0 |
//! | of `paley1:20*128` and `paley1:108*64` | 0.61, 0.18 | 1.5, 0.66 |
//! | int8 absmax and int4 absmean, GB/s of f32 | 10, 7.5 | 30, 21 |
//! | a layer, int4, 1 and 16 tokens, ms | 0.95, 14.7 | 0.17, 1.12 |

mod int_vector;
mod vector;

use super::arch::__m128i;
use crate::kernels::attention;
use crate::kernels::contract::Kernels;
use crate::kernels::float::float_kernels;
use crate::kernels::ternary::instantiate::maddubs_products;

pub(crate) const KERNELS: Kernels = Kernels {
    max_magnitude_bits,
    sum_magnitude,
    sum_square,
    scale_row,
    butterflies,
    sign_columns,
    stages_of_columns,
    quantize_i8,
    quantize_i4,
    widen_i4,
    dequantize,
    attention: attention::PORTABLE,
    product: &maddubs_products! {
        __m128i, "ssse3,sse4.1",
        two_bit: 1 => 2, 2 => 2, 3 => 2, 4 => 1, 5 => 1, 6 => 1;
        five_trit: 1 => 2, 2 => 2, 3 => 2, 4 => 2, 5 => 1, 6 => 1;
        five_trit_int4: 1 => 2;
        by table: two_bit from 4, in groups from 4, five_trit from 7;
    },
};

float_kernels! { vector::F32x4, "ssse3,sse4.1" }

/// SSSE3 and SSE4.1. Every system that these builds are for saves 128-bit registers.
pub(crate) fn detect() -> bool {
    raw_cpuid::CpuId::new()
        .get_feature_info()
        .is_some_and(|features| features.has_ssse3() && features.has_sse41())
}
