//! Quantise and pack: multiply, convert (the CPU rounds half to even), saturate by packing.
//!
//! No clamp of the floats is needed: a row's factor bounds `|x · factor|` far below 2^31 (see the contract), and the
//! packs saturate i32 → i16 → i8. Row sums come from `sad` against zero, one for each 32 or 64 values.

use core::mem::MaybeUninit;

use super::vector::Vector;
use crate::kernels::scalar;

/// See [`Kernels::quantize_i8`](crate::kernels::contract::Kernels::quantize_i8).
#[inline(always)]
pub(crate) unsafe fn quantize_i8<V: Vector>(x: &[f32], factor: f32, q: &mut [MaybeUninit<u8>]) -> i32 {
    let block = 4 * V::LANES;
    let whole = x.len() - x.len() % block;
    // SAFETY: the module's contract; loads and stores end at `whole`.
    let sum = unsafe {
        let factors = V::splat(factor);
        let mut sum = V::bytes_zero();
        for i in (0..whole).step_by(block) {
            let bytes = load_i8::<V>(x.as_ptr().add(i), factors);
            sum = V::bytes_sum(sum, bytes);
            V::bytes_store(bytes, q.as_mut_ptr().add(i).cast());
        }
        fold::<V>(sum, whole)
    };
    sum + scalar::quantize_i8(&x[whole..], factor, &mut q[whole..])
}

/// See [`Kernels::quantize_i4`](crate::kernels::contract::Kernels::quantize_i4).
#[inline(always)]
pub(crate) unsafe fn quantize_i4<V: Vector>(x: &[f32], factor: f32, q: &mut [MaybeUninit<u8>]) -> i32 {
    let block = 8 * V::LANES;
    let whole = x.len() - x.len() % block;
    // SAFETY: the module's contract; loads end at `whole`, stores at `whole / 2`.
    let sum = unsafe {
        let factors = V::splat(factor);
        let mut sum = V::bytes_zero();
        for i in (0..whole).step_by(block) {
            let first = V::bytes_clamp_i4(load_i8::<V>(x.as_ptr().add(i), factors));
            let second = V::bytes_clamp_i4(load_i8::<V>(x.as_ptr().add(i + block / 2), factors));
            sum = V::bytes_sum(V::bytes_sum(sum, first), second);
            V::bytes_store(V::bytes_to_nibbles(first, second), q.as_mut_ptr().add(i / 2).cast());
        }
        fold::<V>(sum, whole)
    };
    sum + scalar::quantize_i4(&x[whole..], factor, &mut q[whole / 2..])
}

/// `4 · LANES` floats, quantised to i8.
#[inline(always)]
unsafe fn load_i8<V: Vector>(x: *const f32, factors: V) -> V::Bytes {
    // SAFETY: the module's contract; the caller's `x` points to `4 · LANES` floats.
    unsafe {
        V::to_i8([
            V::load(x).mul(factors),
            V::load(x.add(V::LANES)).mul(factors),
            V::load(x.add(2 * V::LANES)).mul(factors),
            V::load(x.add(3 * V::LANES)).mul(factors),
        ])
    }
}

/// The sum of `count` bytes from [`Vector::bytes_sum`].
#[inline(always)]
unsafe fn fold<V: Vector>(sum: V::Bytes, count: usize) -> i32 {
    let mut lanes = [0u64; 8];
    // SAFETY: the module's contract; at most 64 bytes.
    unsafe { V::bytes_store(sum, lanes.as_mut_ptr().cast()) };
    lanes.iter().sum::<u64>() as i32 - 128 * count as i32
}

/// See [`Kernels::widen_i4`](crate::kernels::contract::Kernels::widen_i4).
#[inline(always)]
pub(crate) unsafe fn widen_i4<V: Vector>(src: &[u8], dst: &mut [i8]) {
    let block = 2 * V::LANES;
    let whole = src.len() - src.len() % block;
    // SAFETY: the module's contract; loads end at `whole`, stores at `2 · whole`.
    unsafe {
        for i in (0..whole).step_by(block) {
            V::bytes_store(V::nibbles_load(src.as_ptr().add(i)), dst.as_mut_ptr().add(2 * i).cast());
        }
    }
    scalar::widen_i4(&src[whole..], &mut dst[2 * whole..]);
}
