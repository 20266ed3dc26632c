//! The yardstick.

use super::quarters;
use crate::kernels::contract::{CALL_PANELS, GroupBuffers, Groups, Operands, Scratch, TileKernels, by_fours};
use crate::kernels::ternary::portable::{CODES, Halves, by_group, fields};
use crate::layout::five_trit::{QUARTER_BYTES, QUARTER_COLUMNS, quarter_offsets};
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

pub(crate) const PORTABLE: TileKernels = by_fours(4, CALL_PANELS, sums, groups);

/// Digits of a byte.
const DIGITS: usize = 5;

/// A quarter's fields, three blocks of digits and one of two bits, are halves of words.
const _: () = assert!(QUARTER_COLUMNS / 4 <= Halves::FIELDS);

fn sums(operands: Operands<'_>, _: &mut Scratch, sums: &mut [[i32; PANEL_ROWS]]) {
    let Operands { panels, q, tokens, .. } = operands;
    for (panel, sums) in sums.chunks_exact_mut(tokens).enumerate() {
        let codes = panels.panel(panel);
        for (quarter, q) in quarters(panels).zip(q.chunks_exact(QUARTER_COLUMNS * tokens)) {
            let (rest, blocks) = quarter_offsets(quarter);
            let blocks = codes[blocks..][..QUARTER_BYTES].chunks_exact(BLOCK_BYTES);
            for (t, sums) in sums.iter_mut().enumerate() {
                let mut halves = Halves::ZERO;
                let mut q = &q[4 * t..];
                for block in blocks.clone() {
                    halves.add(block, fields(q, tokens), digits);
                    q = &q[4 * DIGITS * tokens..];
                }
                let shift = quarter % 4 * 2;
                halves.add(
                    &codes[rest..][..BLOCK_BYTES],
                    fields(q, tokens),
                    |bytes| [bytes >> shift & CODES],
                );
                halves.add_to(sums);
            }
        }
    }
}

fn groups(operands: Operands<'_>, groups: Groups<'_>, buffers: GroupBuffers<'_>) {
    by_group(sums, operands, groups, buffers);
}

/// Two bytes' digits: what is carried out when they are tripled.
#[inline(always)]
fn digits(mut bytes: u32) -> [u32; DIGITS] {
    [(); DIGITS].map(|()| {
        bytes = (bytes & 0x00ff_00ff) * 3;
        bytes >> 8 & CODES
    })
}
