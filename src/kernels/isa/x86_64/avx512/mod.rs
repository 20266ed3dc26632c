//! AVX-512 F, BW, VL and DQ: 512-bit vectors, 32 registers. The base of every AVX-512 backend.
//!
//! Products for CPUs without VNNI take half the instructions of 256 bits. Zen 4 takes its pipes twice for each, and is
//! yet never slower: 1.1 times as fast with one token of `TwoBit`, 1.06 with six, and up to 1.4 when the machine was
//! busy.

mod int_vector;
pub(super) mod vector;

use core::arch::x86_64::__m512i;

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
    stages_of_columns,
    quantize_i8,
    quantize_i4,
    widen_i4,
    dequantize,
    attention: attention_kernels!(
        vector::F32x16, Pairs<__m512i>, block: 4, "avx512f,avx512bw,avx512vl,avx512dq"
    ),
    product: &many_tokens! {
        maddubs, __m512i, "avx512f,avx512bw,avx512vl,avx512dq",
        two_bit from 7, five_trit from 7: 2 panels => 2, 1 => 1; 1 2 3 4 5 6 7 8 9 10 11 12;
        fewer: maddubs_products! {
            __m512i, "avx512f,avx512bw,avx512vl,avx512dq",
            two_bit: 1 => 1, 2 => 4, 3 => 4, 4 => 2, 5 => 2, 6 => 2;
            five_trit: 1 => 1, 2 => 4, 3 => 4, 4 => 2, 5 => 2, 6 => 2;
            five_trit_int4: 1 => 1;
            by table: two_bit from 4, in groups from 4, five_trit from 7;
        }
    },
};

float_kernels! { vector::F32x16, "avx512f,avx512bw,avx512vl,avx512dq" }

/// AVX-512 F, BW, VL and DQ, and all that AVX2 asks for.
pub(crate) fn detect() -> bool {
    super::detect::avx512()
}
