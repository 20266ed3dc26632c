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

/// Sixteen rows of four columns for every token.
pub(super) fn add_field(block: &[u8], code: impl Fn(u8) -> u8, q: &[i8], sums: &mut [[i32; PANEL_ROWS]]) {
    for (q, sums) in q.chunks_exact(4).zip(sums) {
        for (codes, sum) in block.chunks_exact(4).zip(sums) {
            for (&byte, &q) in codes.iter().zip(q) {
                *sum = sum.wrapping_add(i32::from(code(byte)) * i32::from(q));
            }
        }
    }
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
