//! Blocks as they are.

use super::{TwoBitCodes, start};
use crate::kernels::contract::Panels;
use crate::kernels::ternary::int4_lookup::LookupCodes;
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;

impl LookupCodes for TwoBitCodes {
    const IN_PLACE: bool = true;
    const UNPACKED_BLOCKS: usize = 1;

    #[inline(always)]
    fn start(panels: Panels<'_>) -> usize {
        start(panels)
    }

    #[inline(always)]
    fn first_block(_: Panels<'_>) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn unpack<V: ByteVector>(from: *const u8, block: usize) -> [V; 4] {
        // SAFETY: the features and the block, as promised.
        unsafe { [V::load(from.add(block * BLOCK_BYTES)); 4] }
    }

    #[inline(always)]
    fn lines(block: usize) -> (usize, usize) {
        (block * BLOCK_BYTES, 1)
    }
}
