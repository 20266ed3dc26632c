//! The scalar backend: complete, portable, and the yardstick that every other backend equals bit for bit.

use crate::arch::kernels::{CALL_PANELS, Calls, Groups, Kernels, Panels, Product, Room, TileKernel};
use crate::hadamard::portable;
use crate::layout::{
    BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS, SUM_LANES, SUM_RUN, T5_GROUP_BYTES, T5_QUARTER_BYTES,
    T5_QUARTER_COLUMNS, fold_lanes,
};
use crate::weights::{ScaleType, f32_of_f16};

/// Plain Rust for every kernel. They are safe functions; the contract's `unsafe` is for the other backends.
pub(crate) const KERNELS: Kernels = Kernels {
    max_magnitude_bits,
    sum_magnitude: |x| lane_sum(x, f32::abs),
    sum_square: |x| lane_sum(x, |x| x * x),
    scale_row,
    butterflies: |source, x, log2, scale| {
        source.write(x, scale_row);
        portable::butterflies(x, log2, scale);
    },
    sign_columns: |x, stride, matrix, scale| portable::sign_columns(x, stride, matrix, scale),
    quantize_i8,
    quantize_i4,
    widen_i4,
    product: Product {
        token_multiple: 1,
        interleave: 4,
        begin: |_| (),
        end: |_| (),
        t2: T2,
        t5: T5,
        t2_int4: T2,
        t5_int4: T5,
    },
};

const T2: Calls = Calls { token_tile: 4, panels: CALL_PANELS, tile: t2, groups: t2_groups };
const T5: Calls = Calls { tile: t5, groups: t5_groups, ..T2 };

pub(crate) fn max_magnitude_bits(x: &[f32]) -> u32 {
    x.iter().map(|x| x.abs().to_bits()).max().unwrap_or(0)
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

pub(crate) fn scale_row(src: &[f32], factor: f32, weight: Option<&[f32]>, dst: &mut [f32]) {
    match weight {
        None => dst.iter_mut().zip(src).for_each(|(y, x)| *y = x * factor),
        Some(weight) => {
            dst.iter_mut().zip(src).zip(weight).for_each(|((y, x), gain)| *y = x * factor * gain);
        }
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

/// Packs `quantize(x)` of a row to nibbles and returns the sum.
pub(crate) fn store_nibbles(x: &[f32], q: &mut [u8], quantize: impl Fn(f32) -> i8) -> i32 {
    let mut sum = 0;
    for (byte, pair) in q.iter_mut().zip(x.chunks(2)) {
        let low = quantize(pair[0]);
        let high = pair.get(1).map_or(0, |&x| quantize(x));
        *byte = low as u8 & 15 | (high as u8) << 4;
        sum += i32::from(low) + i32::from(high);
    }
    sum
}

pub(crate) fn quantize_i8(x: &[f32], factor: f32, q: &mut [u8]) -> i32 {
    let mut sum = 0;
    for (q, &x) in q.iter_mut().zip(x) {
        let value = clamp_round(f64::from(x * factor), -128.0, 127.0);
        *q = value as u8;
        sum += i32::from(value);
    }
    sum
}

pub(crate) fn quantize_i4(x: &[f32], factor: f32, q: &mut [u8]) -> i32 {
    store_nibbles(x, q, |x| clamp_round(f64::from(x * factor), -8.0, 7.0))
}

pub(crate) fn widen_i4(src: &[u8], dst: &mut [i8]) {
    for (pair, &byte) in dst.chunks_exact_mut(2).zip(src) {
        pair[0] = (byte << 4) as i8 >> 4;
        pair[1] = byte as i8 >> 4;
    }
}

fn t2(panels: Panels<'_>, q: &[i8], tokens: usize, _: &mut Room, sums: &mut [[i32; PANEL_ROWS]]) {
    for (panel, sums) in sums.chunks_exact_mut(tokens).enumerate() {
        let blocks = panels.t2(panel).chunks_exact(BLOCK_BYTES);
        for (block, q) in blocks.zip(q.chunks_exact(BLOCK_COLUMNS * tokens)) {
            for (field, q) in q.chunks_exact(4 * tokens).enumerate() {
                add_field(block, |byte| byte >> (2 * field) & 3, q, sums);
            }
        }
    }
}

fn t5(panels: Panels<'_>, q: &[i8], tokens: usize, _: &mut Room, sums: &mut [[i32; PANEL_ROWS]]) {
    for (panel, sums) in sums.chunks_exact_mut(tokens).enumerate() {
        let codes = panels.whole(panel);
        for (quarter, q) in panels.quarters().zip(q.chunks_exact(T5_QUARTER_COLUMNS * tokens)) {
            let (rest, blocks, field) = t5_quarter(codes, quarter);
            let fields =
                blocks.chunks_exact(BLOCK_BYTES).flat_map(|block| (0..5).map(move |digit| (block, digit)));
            let mut q = q.chunks_exact(4 * tokens);
            for ((block, digit), q) in fields.zip(&mut q) {
                add_field(block, |byte| trit(byte, digit), q, sums);
            }
            for q in q {
                add_field(rest, |byte| byte >> (2 * field) & 3, q, sums);
            }
        }
    }
}

/// The rest block, the five-trit blocks and the rest's field of a `T5` quarter.
#[inline(always)]
fn t5_quarter(panel: &[u8], quarter: usize) -> (&[u8], &[u8], usize) {
    let group = &panel[quarter / 4 * T5_GROUP_BYTES..];
    let blocks = &group[BLOCK_BYTES + quarter % 4 * T5_QUARTER_BYTES..][..T5_QUARTER_BYTES];
    (&group[..BLOCK_BYTES], blocks, quarter % 4)
}

/// `digit` tripled away, and the next one carried out.
fn trit(byte: u8, digit: u32) -> u8 {
    (u32::from(byte.wrapping_mul(3_u8.pow(digit))) * 3 / 256) as u8
}

/// Sixteen rows of four columns.
fn add_field(block: &[u8], code: impl Fn(u8) -> u8, q: &[i8], sums: &mut [[i32; PANEL_ROWS]]) {
    for (q, sums) in q.chunks_exact(4).zip(sums) {
        for (codes, sum) in block.chunks_exact(4).zip(sums) {
            for (&byte, &q) in codes.iter().zip(q) {
                *sum = sum.wrapping_add(i32::from(code(byte)) * i32::from(q));
            }
        }
    }
}

/// A group kernel made of one of the tile kernels above: a call of it for each group.
fn by_group(
    kernel: TileKernel,
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    groups: Groups<'_>,
    room: &mut Room,
    sums: &mut [[i32; PANEL_ROWS]],
    scaled: &mut [[f32; PANEL_ROWS]],
) {
    let width = panels.width();
    let starts = (0..width).step_by(groups.columns());
    for (group, (start, q)) in starts.zip(q.chunks(groups.columns() * tokens)).enumerate() {
        for sums in sums.chunks_exact_mut(tokens) {
            for (sums, sum) in sums.iter_mut().zip(groups.sums(group, tokens)) {
                *sums = [-sum; PANEL_ROWS];
            }
        }
        let columns = start..width.min(start + groups.columns());
        // SAFETY: a safe kernel.
        unsafe { kernel(panels.columns(columns), q, tokens, room, sums) };
        let panels = sums.chunks_exact(tokens).zip(scaled.chunks_exact_mut(tokens));
        for (panel, (sums, scaled)) in panels.enumerate() {
            let scales = scales(&groups, panel, group);
            for (sums, scaled) in sums.iter().zip(scaled) {
                for ((scaled, sum), scale) in scaled.iter_mut().zip(sums).zip(scales) {
                    *scaled += *sum as f32 * scale;
                }
            }
        }
    }
}

/// The scales of a panel's rows.
#[inline(always)]
fn scales(groups: &Groups<'_>, panel: usize, group: usize) -> [f32; PANEL_ROWS] {
    let bytes = groups.scale_bytes(panel, group);
    let mut scales = [0.0; PANEL_ROWS];
    match groups.scale_type() {
        ScaleType::F32 => {
            for (scale, bytes) in scales.iter_mut().zip(bytes.as_chunks().0) {
                *scale = f32::from_le_bytes(*bytes);
            }
        }
        ScaleType::F16 => {
            for (scale, bytes) in scales.iter_mut().zip(bytes.as_chunks().0) {
                *scale = f32_of_f16(u16::from_le_bytes(*bytes));
            }
        }
    }
    scales
}

/// [`by_group`] of `T2`.
fn t2_groups(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    groups: Groups<'_>,
    room: &mut Room,
    scratch: &mut [[i32; PANEL_ROWS]],
    scaled: &mut [[f32; PANEL_ROWS]],
) {
    by_group(t2, panels, q, tokens, groups, room, scratch, scaled);
}

/// [`by_group`] of `T5`.
fn t5_groups(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    groups: Groups<'_>,
    room: &mut Room,
    scratch: &mut [[i32; PANEL_ROWS]],
    scaled: &mut [[f32; PANEL_ROWS]],
) {
    by_group(t5, panels, q, tokens, groups, room, scratch, scaled);
}

/// Every CPU.
pub(crate) fn detect() -> bool {
    true
}
