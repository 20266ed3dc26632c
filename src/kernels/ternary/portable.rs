//! Products in plain Rust: for any layout by its functions, and the pieces of those that are written out for one.

use crate::kernels::contract::{
    CALL_PANELS, GroupBuffers, Groups, Operands, Scratch, SumKernel, TileKernels, by_fours,
};
use crate::layout::{PANEL_ROWS, ScaleType, f32_of_f16};

/// Any layout, a code at a time.
pub(crate) const ANY_LAYOUT: TileKernels = by_fours(4, CALL_PANELS, any_sums, any_groups);

/// A [`SumKernel`] of any layout.
fn any_sums(operands: Operands<'_>, _: &mut Scratch, sums: &mut [[i32; PANEL_ROWS]]) {
    let Operands { panels, q, tokens, .. } = operands;
    let layout = panels.layout();
    let columns = panels.range();
    for (panel, sums) in sums.chunks_exact_mut(tokens).enumerate() {
        let codes = panels.panel(panel);
        for (column, q) in columns.clone().zip(0..) {
            for (t, sums) in sums.iter_mut().enumerate() {
                let q = i32::from(q_at(operands.q, q, t, tokens));
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.wrapping_add(i32::from((layout.code)(codes, row, column)) * q);
                }
            }
        }
    }
    debug_assert!(q.len() >= columns.len() * tokens);
}

/// The value of a column and token, columns in fours.
fn q_at(q: &[i8], column: usize, token: usize, tokens: usize) -> i8 {
    q[(column / 4 * tokens + token) * 4 + column % 4]
}

fn any_groups(operands: Operands<'_>, groups: Groups<'_>, buffers: GroupBuffers<'_>) {
    by_group(any_sums, operands, groups, buffers);
}

/// The sums of a panel's rows for one token, of up to [`Halves::FIELDS`] fields: fours of columns.
///
/// A product of words makes two of codes and activations at once. With B = 2¹⁶,
/// `(c_0 + B·c_2) · (q_2 + B·q_0) = c_0·q_2 + B·(c_0·q_0 + c_2·q_2)` modulo 2³². Both halves of such words are added up as they
/// are, and the lower one, which nobody wants, is taken off in the end: of a field it is 2 · 2 · 128 at most in magnitude, and
/// the upper one 4 · 2 · 128, which are 2¹⁵ in 32 fields, but only −128 reaches it, which goes downwards.
pub(super) struct Halves([u32; PANEL_ROWS]);

impl Halves {
    pub(super) const ZERO: Halves = Halves([0; PANEL_ROWS]);

    /// Most fields.
    pub(super) const FIELDS: usize = 32;

    /// Adds a block's products with four activations for each of `F` fields; `codes` takes the fields' codes from two bytes, which
    /// are the lower ones of u16 as the codes are.
    #[inline(always)]
    pub(super) fn add<const F: usize>(
        &mut self,
        block: &[u8],
        q: [[i8; 4]; F],
        codes: impl Fn(u32) -> [u32; F],
    ) {
        const BYTES: u32 = 0x00ff_00ff;
        let factor = |upper, lower| ((i32::from(upper) << 16) + i32::from(lower)).cast_unsigned();
        let factors = q.map(|[a, b, c, d]| [factor(a, c), factor(b, d)]);
        for (sum, &word) in self.0.iter_mut().zip(block.as_chunks().0) {
            let word = u32::from_le_bytes(word);
            let (even, odd) = (codes(word & BYTES), codes(word >> 8 & BYTES));
            for (f, factors) in factors.iter().enumerate() {
                let products = [even[f].wrapping_mul(factors[0]), odd[f].wrapping_mul(factors[1])];
                *sum = sum.wrapping_add(products[0]).wrapping_add(products[1]);
            }
        }
    }

    /// Adds the sums to those of all fields.
    pub(super) fn add_to(self, sums: &mut [i32; PANEL_ROWS]) {
        for (sum, halves) in sums.iter_mut().zip(self.0) {
            let lower = i32::from(halves as i16);
            *sum = sum.wrapping_add(halves.cast_signed().wrapping_sub(lower) >> 16);
        }
    }
}

/// Two codes of a byte's lowest bits each.
pub(super) const CODES: u32 = 0x0003_0003;

/// The activations of `F` fields of a token, from its first ones on.
#[inline(always)]
pub(super) fn fields<const F: usize>(q: &[i8], tokens: usize) -> [[i8; 4]; F] {
    let fours = q.as_chunks().0;
    core::array::from_fn(|field| fours[field * tokens])
}

/// A [`GroupKernel`](crate::kernels::contract::GroupKernel) made of a portable [`SumKernel`]: a call of it for each group.
pub(super) fn by_group(
    kernel: SumKernel,
    operands: Operands<'_>,
    groups: Groups<'_>,
    buffers: GroupBuffers<'_>,
) {
    let Operands { panels, q, tokens, .. } = operands;
    let GroupBuffers { scratch, sums, scaled } = buffers;
    let width = panels.width();
    let starts = (0..width).step_by(groups.columns());
    for (group, (start, q)) in starts.zip(q.chunks(groups.columns() * tokens)).enumerate() {
        for sums in sums.chunks_exact_mut(tokens) {
            for (sums, sum) in sums.iter_mut().zip(groups.sums(0, group, tokens)) {
                *sums = [-sum; PANEL_ROWS];
            }
        }
        let panels = panels.columns(start..width.min(start + groups.columns()));
        // SAFETY: a portable kernel needs no feature; the lengths are those of a group's columns.
        unsafe { kernel(Operands { panels, q, ..operands }, scratch, sums) };
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
