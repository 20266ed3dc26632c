//! AVX2 with FMA and F16C: 256-bit vectors, 16 registers.

mod at_once;
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
    stages_of_columns,
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
            by table: two_bit from 2, in groups from 4, five_trit from 7;
        }
    },
};

float_kernels! { vector::F32x8, "avx2,fma" }

/// AVX2, FMA and F16C.
pub(crate) fn detect() -> bool {
    super::detect::avx2()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::eprintln;
    use std::vec::Vec;

    use super::later_passes;
    use crate::buffer::uninit;
    use crate::kernels::float::passes::{ALL, LaterPassesFn, THIRD};
    use crate::kernels::scalar::transform::butterflies;

    /// Both, for a CPU chooses one.
    #[test]
    fn later_passes_with_all_multiply_adds_and_with_some() {
        if !super::detect() {
            return eprintln!("not tried: this CPU has no avx2");
        }
        eprintln!("backend avx2");
        for passes in [later_passes::<ALL> as LaterPassesFn, later_passes::<THIRD>] {
            for (log2, start) in (4..=13).flat_map(|log2| [(log2, 0), (log2, 4)]) {
                let len = start + (3 << log2);
                let mut x: Vec<f32> = (0..len).map(|i| (i * i % 1009) as f32 / 7.0 - 60.0).collect();
                let mut plain = x.clone();
                butterflies(&mut x[start..], 3, 1.0);
                // SAFETY: the CPU has the features; whole runs of whole registers.
                unsafe { passes(uninit(&mut x[start..]), 3, log2, Some(0.3)) };
                butterflies(&mut plain[start..], log2, 0.3);
                assert!(
                    x.iter().zip(&plain).all(|(x, y)| x.to_bits() == y.to_bits()),
                    "2^{log2} from {start}"
                );
            }
        }
    }
}
