//! Q2_0, from descriptions of ggml's `block_q2_0` with groups of 64.

use super::block::{self, Block, ScaleAt};
use super::codec::Codec;
use super::fields::{join_in_order, split_in_order};

pub(super) const CODEC: Codec = block::codec::<Q2_0>();

struct Q2_0;

impl Block for Q2_0 {
    const NAME: &'static str = "q2_0";
    const GGML_TYPE: u32 = 42;
    const INPUTS: usize = 64;
    const BYTES: usize = 18;
    const SCALE: ScaleAt = ScaleAt::Block(0);

    fn decode(block: &[u8], codes: &mut [u8]) {
        split_in_order(&block[2..], codes);
    }

    fn encode(codes: &[u8], block: &mut [u8]) {
        join_in_order(codes, &mut block[2..]);
    }
}
