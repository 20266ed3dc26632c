//! WebAssembly's 128-bit vectors. A module says in its bytes what it uses, and a machine takes it whole or not at all, so that
//! there is nothing to detect: a build with `-C target-feature=+simd128` has this backend, any other has not.
//!
//! WebAssembly has no product of bytes, no dot product of them, and no fused multiply-add. Products are those of a CPU with
//! `maddubs`, which is seven instructions here, two of which extend the activations and are shared; several tokens of int4
//! are looked up by `swizzle`. (Relaxed SIMD has a dot product, whose bits differ from machine to machine.)

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
    },
};

float_kernels! { vector::F32x4, "simd128" }

/// Every machine that takes the module.
pub(crate) fn detect() -> bool {
    true
}
