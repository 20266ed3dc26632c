//! The yardstick.

use super::quarters;
use crate::kernels::contract::{CALL_PANELS, GroupBuffers, Groups, Operands, Scratch, TileKernels, by_fours};
use crate::kernels::ternary::portable::{add_field, by_group};
use crate::layout::five_trit::{QUARTER_BYTES, QUARTER_COLUMNS, quarter_offsets};
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

pub(crate) const PORTABLE: TileKernels = by_fours(4, CALL_PANELS, sums, groups);

fn sums(operands: Operands<'_>, _: &mut Scratch, sums: &mut [[i32; PANEL_ROWS]]) {
    let Operands { panels, q, tokens, .. } = operands;
    for (panel, sums) in sums.chunks_exact_mut(tokens).enumerate() {
        let codes = panels.panel(panel);
        for (quarter, q) in quarters(panels).zip(q.chunks_exact(QUARTER_COLUMNS * tokens)) {
            let (rest, blocks) = quarter_offsets(quarter);
            let blocks = codes[blocks..][..QUARTER_BYTES].chunks_exact(BLOCK_BYTES);
            let fields = blocks.flat_map(|block| (0..5).map(move |digit| (block, digit)));
            let mut q = q.chunks_exact(4 * tokens);
            for ((block, digit), q) in fields.zip(&mut q) {
                add_field(block, |byte| trit(byte, digit), q, sums);
            }
            for q in q {
                let block = &codes[rest..][..BLOCK_BYTES];
                add_field(block, |byte| byte >> (quarter % 4 * 2) & 3, q, sums);
            }
        }
    }
}

fn groups(operands: Operands<'_>, groups: Groups<'_>, buffers: GroupBuffers<'_>) {
    by_group(sums, operands, groups, buffers);
}

/// `digit` tripled away, and the next one carried out.
fn trit(byte: u8, digit: u32) -> u8 {
    (u32::from(byte.wrapping_mul(3_u8.pow(digit))) * 3 / 256) as u8
}
