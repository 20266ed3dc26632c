//! TQ2_0, from ggml's `block_tq2_0` and the reference quantiser of PyPI `gguf`.

use super::block::{self, Block, ScaleAt};
use super::codec::Codec;
use super::fields::{LOWEST_FIRST, join, split};

pub(super) const CODEC: Codec = block::codec::<Tq2_0>();

struct Tq2_0;

impl Block for Tq2_0 {
    const NAME: &'static str = "tq2_0";
    const GGML_TYPE: u32 = 35;
    const INPUTS: usize = 256;
    const BYTES: usize = 66;
    const SCALE: ScaleAt = ScaleAt::Block(64);

    fn decode(block: &[u8], codes: &mut [u8]) {
        split::<32>(block, &mut codes[..128], LOWEST_FIRST);
        split::<32>(&block[32..], &mut codes[128..], LOWEST_FIRST);
    }

    fn encode(codes: &[u8], block: &mut [u8]) {
        join::<32>(&codes[..128], block, LOWEST_FIRST);
        join::<32>(&codes[128..], &mut block[32..], LOWEST_FIRST);
    }
}
