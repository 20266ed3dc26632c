//! PQ2_0, from descriptions of `block_pq2_0` in Ternary-Bonsai's llama.cpp: Q2_0 with groups of 128.

use super::block::{self, Block, ScaleAt};
use super::codec::Codec;
use super::fields::{join_in_order, split_in_order};

pub(super) const CODEC: Codec = block::codec::<Pq2_0>();

struct Pq2_0;

impl Block for Pq2_0 {
    const NAME: &'static str = "pq2_0";
    const GGML_TYPE: u32 = 142;
    const INPUTS: usize = 128;
    const BYTES: usize = 34;
    const SCALE: ScaleAt = ScaleAt::Block(0);

    fn decode(block: &[u8], codes: &mut [u8]) {
        split_in_order(&block[2..], codes);
    }

    fn encode(codes: &[u8], block: &mut [u8]) {
        join_in_order(codes, &mut block[2..]);
    }
}
