//! The yardstick.

use super::blocks;
use crate::kernels::contract::{CALL_PANELS, GroupBuffers, Groups, Operands, Scratch, TileKernels, by_fours};
use crate::kernels::ternary::portable::{add_field, by_group};
use crate::layout::two_bit::BLOCK_COLUMNS;
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

pub(crate) const PORTABLE: TileKernels = by_fours(4, CALL_PANELS, sums, groups);

fn sums(operands: Operands<'_>, _: &mut Scratch, sums: &mut [[i32; PANEL_ROWS]]) {
    let Operands { panels, q, tokens, .. } = operands;
    for (panel, sums) in sums.chunks_exact_mut(tokens).enumerate() {
        let blocks = blocks(panels, panel).chunks_exact(BLOCK_BYTES);
        for (block, q) in blocks.zip(q.chunks_exact(BLOCK_COLUMNS * tokens)) {
            for (field, q) in q.chunks_exact(4 * tokens).enumerate() {
                add_field(block, |byte| byte >> (2 * field) & 3, q, sums);
            }
        }
    }
}

fn groups(operands: Operands<'_>, groups: Groups<'_>, buffers: GroupBuffers<'_>) {
    by_group(sums, operands, groups, buffers);
}
