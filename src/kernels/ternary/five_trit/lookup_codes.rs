//! A quarter is 16 fields, which four `TwoBit` blocks have.

use super::{FiveTritCodes, quarters};
use crate::kernels::contract::Panels;
use crate::kernels::ternary::int4_lookup::LookupCodes;
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::quarter_offsets;

impl LookupCodes for FiveTritCodes {
    const IN_PLACE: bool = false;
    const UNPACKED_BLOCKS: usize = 4;

    #[inline(always)]
    fn start(_: Panels<'_>) -> usize {
        0
    }

    #[inline(always)]
    fn first_block(panels: Panels<'_>) -> usize {
        4 * quarters(panels).start
    }

    #[inline(always)]
    unsafe fn unpack<V: ByteVector>(from: *const u8, block: usize) -> [V; 4] {
        let quarter = block / 4;
        let (rest, trits) = quarter_offsets(quarter);
        // SAFETY: the features and the quarter, as promised.
        unsafe {
            let mut fields = [V::splat(0); 16];
            for (block, fields) in fields.chunks_mut(5).take(3).enumerate() {
                fields.copy_from_slice(&V::load(from.add(trits + block * BLOCK_BYTES)).trits());
            }
            let last = V::load(from.add(rest)).field_at((quarter % 4 * 2) as u32);
            fields[15] = last.and(V::splat(0x0303_0303));
            let mut blocks = [V::splat(0); 4];
            for (block, fields) in blocks.iter_mut().zip(fields.as_chunks::<4>().0) {
                let upper = fields[2].add_i8(fields[3].up_a_field());
                let upper = fields[1].add_i8(upper.up_a_field());
                *block = fields[0].add_i8(upper.up_a_field());
            }
            blocks
        }
    }

    #[inline(always)]
    fn lines(block: usize) -> (usize, usize) {
        (quarter_offsets(block / 4).1, 3)
    }
}
