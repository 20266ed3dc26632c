//! NEON, which every AArch64 CPU has: 128-bit vectors, 32 registers.
//!
//! Instructions of a `TwoBit` block's loop, counted in a disassembly, the loop's own ones included:
//!
//! | activations | tokens × vectors of rows | instructions | for each 64 products |
//! |---|---|---|---|
//! | int4 | 1 × 4 | 55 | 13.8 |
//! | int4 | 4 × 2 | 75 | 9.4 |
//! | int8 | 1 × 4 | 71 | 17.8 |
//! | int8 | 4 × 2 | 99 | 12.4 |
//!
//! A Cortex-A57 has one pipe for vector multiplications: `llvm-mca` (14) gives it 8 cycles for each 64 products in all four, and
//! Cortex-A55 16.8, 11.6, 20.8 and 14.8.

mod lane_vector;
mod vector;

use super::int_vector::Rows4;
use crate::kernels::attention;
use crate::kernels::contract::Kernels;
use crate::kernels::float::float_kernels;
use crate::kernels::ternary::instantiate::multiply_add_products;

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
    attention: attention::PORTABLE,
    product: &multiply_add_products! {
        Rows4<Neon>, "neon",
        two_bit_int8: 1 => 4, 2 => 2, 3 => 2, 4 => 2;
        two_bit_int4: 1 => 4, 2 => 2, 3 => 2, 4 => 2, 5 => 2, 6 => 2, 7 => 2, 8 => 2;
        five_trit_int8: 1 => 4, 2 => 4, 3 => 2, 4 => 2;
        five_trit_int4: 1 => 4, 2 => 2, 3 => 2, 4 => 2, 5 => 2, 6 => 2, 7 => 2, 8 => 2;
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
