//! WebAssembly's 128-bit vectors. A module says in its bytes what it uses, and a machine takes it whole or not at all, so that
//! there is nothing to detect: a build with `-C target-feature=+simd128` has this backend, any other has not.
//!
//! WebAssembly has no product of bytes, no dot product of them, and no fused multiply-add. Products are those of a CPU with
//! `maddubs`, which is eight instructions here, three of which extend the activations and are shared; those of int4 are looked
//! up by `swizzle`. (Relaxed SIMD has a dot product, whose bits differ from machine to machine.)
//!
//! Products of 2560 × 2560 in Node 20, a virtual Xeon (Sapphire Rapids), GMAC/s with 1, 2, 3, 4, 6 and 32 tokens:
//!
//! | | by table | by `maddubs` |
//! |---|---|---|
//! | `TwoBit`, int4 | 27, 41, 48, 51, 54, 65 | 12, 23, 25 |
//! | `FiveTrit`, int4 | 10, 18, 24, 29, 36, 57 | 13, 16, 19, 19, 18 |
//! | `TwoBit`, int8 | | 20, 23, 24, 20, 21, 21 |
//! | `FiveTrit`, int8 | | 11, 16, 19, 20, 18, 18 |
//!
//! With `maddubs` as products of i16 pairs, narrowed, one token of `TwoBit` and int8 made 12, and the rest what it makes now.

#![allow(
    unused_unsafe,
    reason = "most instructions are safe functions in this architecture, but for loads and stores"
)]

mod int_vector;
mod vector;

use core::arch::wasm32::v128;

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
        v128, "simd128",
        two_bit: 1 => 2, 2 => 2, 3 => 2, 4 => 1, 5 => 1, 6 => 1;
        five_trit: 1 => 2, 2 => 2, 3 => 2, 4 => 2, 5 => 1, 6 => 1;
        five_trit_int4: 1 => 2;
        by table: two_bit from 1, in groups from 1, five_trit from 2;
    },
};

float_kernels! { vector::F32x4, "simd128" }

/// Every machine that takes the module.
pub(crate) fn detect() -> bool {
    true
}
