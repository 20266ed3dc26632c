//! Row statistics and the norm's product.
//!
//! Sums are bound by the f32 → f64 conversions, one or two a register of f64; 32 canonical lanes are 8 (AVX2) or 4
//! (AVX-512) independent chains of adds, just enough to hide their latency.

use super::Vector;
use crate::arch::scalar;
use crate::layout::{SUM_LANES, fold_lanes};

/// See [`Kernels::max_magnitude_bits`](crate::arch::kernels::Kernels::max_magnitude_bits).
#[inline(always)]
pub(crate) unsafe fn max_magnitude_bits<V: Vector>(x: &[f32]) -> u32 {
    // SAFETY: the module's contract; every load lies within `x`.
    unsafe {
        let step = 4 * V::LANES;
        let mut max = [V::splat(0.0); 4];
        let mut i = 0;
        while i + step <= x.len() {
            for (j, max) in max.iter_mut().enumerate() {
                *max = max.max_bits(V::load(x.as_ptr().add(i + j * V::LANES)).magnitude());
            }
            i += step;
        }
        while i + V::LANES <= x.len() {
            max[0] = max[0].max_bits(V::load(x.as_ptr().add(i)).magnitude());
            i += V::LANES;
        }
        let max = max[0].max_bits(max[1]).max_bits(max[2].max_bits(max[3]));
        let mut lanes = [0.0; 16];
        max.store(lanes.as_mut_ptr());
        scalar::max_magnitude_bits(&lanes).max(scalar::max_magnitude_bits(&x[i..]))
    }
}

/// See [`Kernels::sum_magnitude`](crate::arch::kernels::Kernels::sum_magnitude).
#[inline(always)]
pub(crate) unsafe fn sum_magnitude<V: Vector>(x: &[f32]) -> f64 {
    // SAFETY: the module's contract.
    unsafe { lane_sum::<V, false>(x) }
}

/// See [`Kernels::sum_square`](crate::arch::kernels::Kernels::sum_square).
#[inline(always)]
pub(crate) unsafe fn sum_square<V: Vector>(x: &[f32]) -> f64 {
    // SAFETY: the module's contract.
    unsafe { lane_sum::<V, true>(x) }
}

#[inline(always)]
unsafe fn lane_sum<V: Vector, const SQUARE: bool>(x: &[f32]) -> f64 {
    let half = V::LANES / 2;
    let mut lanes = [0.0; SUM_LANES];
    // SAFETY: the module's contract; loads stay within whole runs of 32, stores within the 32 lanes.
    unsafe {
        // Registers for the narrowest vector; a wider one leaves the rest unused.
        let mut sums = [V::wide_zero(); SUM_LANES / 2];
        for run in x.chunks_exact(SUM_LANES) {
            for (j, sum) in sums[..SUM_LANES / half].iter_mut().enumerate() {
                let x = V::wide_load(run.as_ptr().add(j * half));
                *sum = if SQUARE { V::wide_add_square(*sum, x) } else { V::wide_add_magnitude(*sum, x) };
            }
        }
        for (j, &sum) in sums[..SUM_LANES / half].iter().enumerate() {
            V::wide_store(sum, lanes.as_mut_ptr().add(j * half));
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(x.chunks_exact(SUM_LANES).remainder()) {
        let x = f64::from(x);
        *lane += if SQUARE { x * x } else { x.abs() };
    }
    fold_lanes(lanes)
}

/// See [`Kernels::scale_row`](crate::arch::kernels::Kernels::scale_row).
#[inline(always)]
pub(crate) unsafe fn scale_row<V: Vector>(src: &[f32], factor: f32, weight: Option<&[f32]>, dst: &mut [f32]) {
    let whole = src.len() - src.len() % V::LANES;
    // SAFETY: the module's contract; the slices have one length and accesses end at `whole`.
    unsafe {
        let factors = V::splat(factor);
        for i in (0..whole).step_by(V::LANES) {
            let mut y = V::load(src.as_ptr().add(i)).mul(factors);
            if let Some(weight) = weight {
                y = y.mul(V::load(weight.as_ptr().add(i)));
            }
            y.store(dst.as_mut_ptr().add(i));
        }
    }
    scalar::scale_row(&src[whole..], factor, weight.map(|weight| &weight[whole..]), &mut dst[whole..]);
}
