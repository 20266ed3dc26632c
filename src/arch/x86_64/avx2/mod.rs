//! AVX2 with FMA and F16C: 256-bit vectors, 16 registers.

mod product;
mod vector;

use crate::arch::generic::{instantiate, instantiate_signs};
use crate::arch::kernels::{Kernels, Source};
use crate::hadamard::SignRows;

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
    product: product::PRODUCT,
};

instantiate_signs! { vector::V, "avx2,fma" }

instantiate! { vector::V, "avx2,fma":
    fn max_magnitude_bits = rows(x: &[f32]) -> u32;
    fn sum_magnitude = rows(x: &[f32]) -> f64;
    fn sum_square = rows(x: &[f32]) -> f64;
    fn scale_row = rows(src: &[f32], factor: f32, weight: Option<&[f32]>, dst: &mut [f32]);
    fn butterflies = butterflies(source: Source<'_>, x: &mut [f32], log2: u32, scale: f32);
    fn quantize_i8 = quantize(x: &[f32], factor: f32, q: &mut [u8]) -> i32;
    fn quantize_i4 = quantize(x: &[f32], factor: f32, q: &mut [u8]) -> i32;
    fn widen_i4 = quantize(src: &[u8], dst: &mut [i8]);
}

/// AVX2, FMA and F16C.
pub(crate) fn detect() -> bool {
    crate::arch::x86_64::detect::avx2()
}
