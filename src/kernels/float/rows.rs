//! Row statistics and the norm's product.
//!
//! Sums in f64 alone would be bound by the f32 → f64 conversions; grouping by eights in f32 leaves an eighth of them. The
//! 32 canonical lanes are 8 (AVX2) or 4 (AVX-512) independent chains of adds.

use core::mem::MaybeUninit;

use super::vector::Vector;
use crate::kernels::scalar;
use crate::layout::sums::{SUM_LANES, SUM_RUN, fold_lanes};

/// See [`Kernels::max_magnitude_bits`](crate::kernels::contract::Kernels::max_magnitude_bits).
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

/// See [`Kernels::sum_magnitude`](crate::kernels::contract::Kernels::sum_magnitude).
#[inline(always)]
pub(crate) unsafe fn sum_magnitude<V: Vector>(x: &[f32]) -> f64 {
    // SAFETY: the module's contract.
    unsafe { lane_sum::<V, false>(x) }
}

/// See [`Kernels::sum_square`](crate::kernels::contract::Kernels::sum_square).
#[inline(always)]
pub(crate) unsafe fn sum_square<V: Vector>(x: &[f32]) -> f64 {
    // SAFETY: the module's contract.
    unsafe { lane_sum::<V, true>(x) }
}

#[inline(always)]
unsafe fn lane_sum<V: Vector, const SQUARE: bool>(x: &[f32]) -> f64 {
    let half = V::LANES / 2;
    let mut lanes = [0.0; SUM_LANES];
    let (runs, rest) = x.as_chunks();
    // SAFETY: the module's contract; stores stay within the 32 lanes.
    unsafe {
        // Registers for the narrowest vector; a wider one leaves the rest unused.
        let mut sums = [V::wide_zero(); SUM_LANES / 2];
        for run in runs {
            add_run::<V, SQUARE>(run, &mut sums);
        }
        if !rest.is_empty() {
            add_run::<V, SQUARE>(&scalar::padded_run(rest), &mut sums);
        }
        for (j, &sum) in sums[..SUM_LANES / half].iter().enumerate() {
            V::wide_store(sum, lanes.as_mut_ptr().add(j * half));
        }
    }
    fold_lanes(lanes)
}

#[inline(always)]
unsafe fn add_run<V: Vector, const SQUARE: bool>(run: &[f32; SUM_RUN], sums: &mut [V::Wide; SUM_LANES / 2]) {
    // SAFETY: the module's contract; loads stay within the run.
    unsafe {
        for (j, sums) in sums.chunks_exact_mut(2).take(SUM_LANES / V::LANES).enumerate() {
            let mut t = [V::splat(0.0); SUM_RUN / SUM_LANES];
            for (k, term) in t.iter_mut().enumerate() {
                let x = V::load(run.as_ptr().add(k * SUM_LANES + j * V::LANES));
                *term = if SQUARE { x.mul(x) } else { x.magnitude() };
            }
            let fours = [t[0].add(t[1]).add(t[2].add(t[3])), t[4].add(t[5]).add(t[6].add(t[7]))];
            let [low, high] = fours[0].add(fours[1]).widen();
            sums[0] = V::wide_add(sums[0], low);
            sums[1] = V::wide_add(sums[1], high);
        }
    }
}

/// See [`Kernels::scale_row`](crate::kernels::contract::Kernels::scale_row).
#[inline(always)]
pub(crate) unsafe fn scale_row<V: Vector>(
    src: &[f32],
    factor: f32,
    weight: Option<&[f32]>,
    dst: &mut [MaybeUninit<f32>],
) {
    let whole = src.len() - src.len() % V::LANES;
    // SAFETY: the module's contract; the slices have one length and accesses end at `whole`.
    unsafe {
        let factors = V::splat(factor);
        for i in (0..whole).step_by(V::LANES) {
            let mut y = V::load(src.as_ptr().add(i)).mul(factors);
            if let Some(weight) = weight {
                y = y.mul(V::load(weight.as_ptr().add(i)));
            }
            y.store(dst.as_mut_ptr().add(i).cast());
        }
    }
    scalar::scale_row(&src[whole..], factor, weight.map(|weight| &weight[whole..]), &mut dst[whole..]);
}
