//! The scalar backend: complete, portable, and the yardstick that every other backend equals bit for bit. Its loops are such
//! that the compiler makes vectors of them where the build's target has some.

use core::mem::MaybeUninit;

use super::contract::{Kernels, Prologue};
use super::{attention, ternary};
use crate::layout::PANEL_ROWS;
use crate::layout::sums::{SUM_LANES, SUM_RUN, fold_lanes};
use crate::matrices::SignRows;

pub(crate) mod transform;

/// Plain Rust for every kernel. They are safe functions wherever the contract asks for nothing beyond the lengths of slices.
pub(crate) const KERNELS: Kernels = Kernels {
    max_magnitude_bits,
    sum_magnitude,
    sum_square,
    scale_row,
    butterflies,
    sign_columns,
    stages_of_columns: |_, _| 0,
    quantize_i8,
    quantize_i4,
    widen_i4,
    dequantize,
    product: &ternary::PORTABLE,
    attention: attention::PORTABLE,
};

pub(crate) fn max_magnitude_bits(x: &[f32]) -> u32 {
    // Signed, as most vectors compare.
    x.iter().fold(0, |max, x| max.max(x.abs().to_bits().cast_signed())).cast_unsigned()
}

pub(crate) fn sum_magnitude(x: &[f32]) -> f64 {
    lane_sum(x, f32::abs)
}

pub(crate) fn sum_square(x: &[f32]) -> f64 {
    lane_sum(x, |x| x * x)
}

/// # Safety
/// The contract's: the prologue's slices are as long as `x`, which is initialised if it has no values.
unsafe fn butterflies(prologue: Prologue<'_>, x: &mut [MaybeUninit<f32>], log2: u32, scale: f32) {
    // SAFETY: as promised; the kernel is portable.
    let x = unsafe { prologue.apply(x, scale_row) };
    transform::butterflies(x, log2, scale);
}

fn sign_columns(x: &mut [f32], stride: usize, _: u32, matrix: SignRows<'_>, scale: f32) {
    transform::sign_columns(x, stride, matrix, scale);
}

fn lane_sum(x: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0.0; SUM_LANES];
    let mut add = |run: &[f32; SUM_RUN]| {
        for (j, lane) in lanes.iter_mut().enumerate() {
            let four = |k| {
                let [a, b, c, d] = [k, k + 1, k + 2, k + 3].map(|k| term(run[k * SUM_LANES + j]));
                (a + b) + (c + d)
            };
            *lane += f64::from(four(0) + four(4));
        }
    };
    let (runs, rest) = x.as_chunks();
    runs.iter().for_each(&mut add);
    if !rest.is_empty() {
        add(&padded_run(rest));
    }
    fold_lanes(lanes)
}

/// The last run of a row sum, if it is not a whole one.
#[inline(always)]
pub(crate) fn padded_run(rest: &[f32]) -> [f32; SUM_RUN] {
    let mut run = [0.0; SUM_RUN];
    run[..rest.len()].copy_from_slice(rest);
    run
}

pub(crate) fn scale_row(src: &[f32], factor: f32, weight: Option<&[f32]>, dst: &mut [MaybeUninit<f32>]) {
    for (i, (y, &x)) in dst.iter_mut().zip(src).enumerate() {
        let scaled = x * factor;
        y.write(weight.map_or(scaled, |weight| scaled * weight[i]));
    }
}

/// `clamp(round_half_even(value), low, high)` for bounds within ±128.
///
/// Clamping first keeps the value small enough for the classic trick: adding and subtracting 1.5 · 2⁵² leaves a
/// f64 rounded to an integer, half to even. (`core` has no `round_ties_even`.)
pub(crate) fn clamp_round(value: f64, low: f64, high: f64) -> i8 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (value.clamp(low, high) + SHIFT - SHIFT) as i8
}

/// [`clamp_round`] of a f32 that is no NaN, by 1.5 · 2²³, without a conversion: the integer is what the bits are more than that
/// number's, whose lowest byte is 0.
#[inline(always)]
fn clamp_round_f32(value: f32, low: f32, high: f32) -> i8 {
    const SHIFT: f32 = 12_582_912.0;
    (value.clamp(low, high) + SHIFT).to_bits() as i8
}

/// Stores `quantize(x)` of a row and returns the sum.
pub(crate) fn store_bytes(x: &[f32], q: &mut [MaybeUninit<u8>], quantize: impl Fn(f32) -> i8) -> i32 {
    let mut sum = 0;
    for (q, &x) in q.iter_mut().zip(x) {
        let value = quantize(x);
        q.write(value as u8);
        sum += i32::from(value);
    }
    sum
}

/// Packs `quantize(x)` of a row to nibbles and returns the sum.
pub(crate) fn store_nibbles(x: &[f32], q: &mut [MaybeUninit<u8>], quantize: impl Fn(f32) -> i8) -> i32 {
    let mut sum = 0;
    let ((blocks, x), bytes) = (x.as_chunks::<32>(), q.as_chunks_mut::<16>().0);
    for (block, bytes) in blocks.iter().zip(bytes) {
        let mut values = [0; 32];
        for (value, &x) in values.iter_mut().zip(block) {
            *value = quantize(x);
            sum += i32::from(*value);
        }
        for (byte, pair) in bytes.iter_mut().zip(values.as_chunks::<2>().0) {
            byte.write(nibbles(pair[0], pair[1]));
        }
    }
    for (byte, pair) in q[16 * blocks.len()..].iter_mut().zip(x.chunks(2)) {
        let (low, high) = (quantize(pair[0]), pair.get(1).map_or(0, |&x| quantize(x)));
        byte.write(nibbles(low, high));
        sum += i32::from(low) + i32::from(high);
    }
    sum
}

#[inline(always)]
fn nibbles(low: i8, high: i8) -> u8 {
    low as u8 & 15 | (high as u8) << 4
}

pub(crate) fn quantize_i8(x: &[f32], factor: f32, q: &mut [MaybeUninit<u8>]) -> i32 {
    store_bytes(x, q, |x| clamp_round_f32(x * factor, -128.0, 127.0))
}

pub(crate) fn quantize_i4(x: &[f32], factor: f32, q: &mut [MaybeUninit<u8>]) -> i32 {
    store_nibbles(x, q, |x| clamp_round_f32(x * factor, -8.0, 7.0))
}

pub(crate) fn widen_i4(src: &[u8], dst: &mut [i8]) {
    for (pair, &byte) in dst.chunks_exact_mut(2).zip(src) {
        pair[0] = (byte << 4) as i8 >> 4;
        pair[1] = byte as i8 >> 4;
    }
}

/// Other backends have it with their features, and the compiler makes their vectors of it.
#[inline(always)]
pub(crate) fn dequantize(
    sums: &[[i32; PANEL_ROWS]],
    stride: usize,
    total: i32,
    alphas: &[f32],
    scale: f32,
    y: &mut [MaybeUninit<f32>],
) {
    let (y, alphas) = (y.as_chunks_mut::<PANEL_ROWS>().0, alphas.as_chunks::<PANEL_ROWS>().0);
    for ((y, alphas), sums) in y.iter_mut().zip(alphas).zip(sums.iter().step_by(stride)) {
        for ((y, alpha), sum) in y.iter_mut().zip(alphas).zip(sums) {
            y.write(sum.wrapping_sub(total) as f32 * alpha * scale);
        }
    }
}

/// Every CPU.
pub(crate) fn detect() -> bool {
    true
}
