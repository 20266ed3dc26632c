//! NEON, which every AArch64 CPU has: 128-bit vectors, 32 registers.
//! Its loops' counts are in [`super`].

mod lane_vector;
pub(super) mod vector;

use super::int_vector::Rows4;
use crate::kernels::attention::instantiate::attention_kernels;
use crate::kernels::contract::Kernels;
use crate::kernels::float::float_kernels;
use crate::kernels::ternary::instantiate::multiply_add_products;
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
    attention: attention_kernels!(vector::F32x4, Pairs<Rows4<Neon>>, block: 4, "neon"),
    product: &many_tokens! {
        lanes, Rows4<Neon>, "neon",
        two_bit from 9, five_trit from 5: 1 panels => 4, 1 => 4; 1 2;
        fewer: multiply_add_products! {
            Rows4<Neon>, "neon",
            two_bit_int8: 1 => 4, 2 => 2, 3 => 2, 4 => 2;
            two_bit_int4: 1 => 4, 2 => 2, 3 => 2;
            five_trit_int8: 1 => 4, 2 => 4, 3 => 2, 4 => 2;
            five_trit_int4: 1 => 4, 2 => 2, 3 => 2, 4 => 2, 5 => 2, 6 => 2;
        }
    },
};

float_kernels! { vector::F32x4, "neon" }

/// Every CPU that the build is for.
pub(crate) fn detect() -> bool {
    true
}

/// The instruction set.
#[derive(Clone, Copy)]
pub(super) struct Neon;
