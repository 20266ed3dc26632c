//! The yardstick.

use super::blocks;
use crate::kernels::contract::{CALL_PANELS, GroupBuffers, Groups, Operands, Scratch, TileKernels, by_fours};
use crate::kernels::ternary::portable::{CODES, Halves, by_group, fields};
use crate::layout::two_bit::BLOCK_COLUMNS;
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

pub(crate) const PORTABLE: TileKernels = by_fours(4, CALL_PANELS, sums, groups);

/// Blocks whose sums are halves of words.
const RUN: usize = Halves::FIELDS / 4;

fn sums(operands: Operands<'_>, _: &mut Scratch, sums: &mut [[i32; PANEL_ROWS]]) {
    let Operands { panels, q, tokens, .. } = operands;
    for (panel, sums) in sums.chunks_exact_mut(tokens).enumerate() {
        let runs = blocks(panels, panel).chunks(RUN * BLOCK_BYTES);
        for (blocks, q) in runs.zip(q.chunks(RUN * BLOCK_COLUMNS * tokens)) {
            for (t, sums) in sums.iter_mut().enumerate() {
                let mut halves = Halves::ZERO;
                let q = q.chunks_exact(BLOCK_COLUMNS * tokens);
                for (block, q) in blocks.chunks_exact(BLOCK_BYTES).zip(q) {
                    let codes = |bytes: u32| [0, 2, 4, 6].map(|bit| bytes >> bit & CODES);
                    halves.add(block, fields(&q[4 * t..], tokens), codes);
                }
                halves.add_to(sums);
            }
        }
    }
}

fn groups(operands: Operands<'_>, groups: Groups<'_>, buffers: GroupBuffers<'_>) {
    by_group(sums, operands, groups, buffers);
}
