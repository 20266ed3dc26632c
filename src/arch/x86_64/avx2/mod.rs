//! AVX2 with FMA: 256-bit vectors, 16 registers.

mod product;

use crate::arch::kernels::Kernels;
use crate::arch::scalar;

pub(crate) const KERNELS: Kernels = Kernels { product: product::PRODUCT, ..scalar::KERNELS };

pub(crate) fn detect() -> bool {
    crate::arch::x86_64::detect::avx2_fma()
}
