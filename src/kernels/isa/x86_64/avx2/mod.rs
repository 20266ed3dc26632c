//! AVX2 with FMA and F16C: 256-bit vectors, 16 registers.

mod int_vector;
mod tables;
pub(super) mod vector;

use core::arch::x86_64::__m256i;

use crate::kernels::attention::instantiate::attention_kernels;
use crate::kernels::contract::Kernels;
use crate::kernels::float::float_kernels;
use crate::kernels::ternary::instantiate::maddubs_products;
use crate::kernels::ternary::many_tokens::many_tokens;

pub(crate) const KERNELS: Kernels = Kernels {
    max_magnitude_bits,
    sum_magnitude,
    sum_square,
    scale_row,
    butterflies,
    sign_columns,
    quantize_i8,
    quantize_i4,
    widen_i4,
    dequantize,
    attention: attention_kernels!(vector::F32x8, Pairs<__m256i>, block: 2, "avx2,fma,f16c"),
    product: &many_tokens! {
        maddubs, __m256i, "avx2,f16c",
        two_bit from 7, five_trit from 7: 1 panels => 2, 1 => 2; 1 2 3 4 5 6;
        fewer: maddubs_products! {
            __m256i, "avx2,f16c",
            two_bit: 1 => 2, 2 => 2, 3 => 2, 4 => 1, 5 => 1, 6 => 1;
            five_trit: 1 => 2, 2 => 2, 3 => 2, 4 => 2, 5 => 1, 6 => 1;
            five_trit_int4: 1 => 2;
            by table: two_bit from 4, five_trit from 7;
        }
    },
};

float_kernels! { vector::F32x8, "avx2,fma" }

/// AVX2, FMA and F16C.
pub(crate) fn detect() -> bool {
    super::detect::avx2()
}
