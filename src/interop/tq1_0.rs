//! TQ1_0, from ggml's `block_tq1_0` and the reference quantiser of PyPI `gguf`.

use super::block::{self, Block, ScaleAt};
use super::codec::Codec;
use super::trit_runs::{decode, encode};

pub(super) const CODEC: Codec = block::codec::<Tq1_0>();

struct Tq1_0;

impl Block for Tq1_0 {
    const NAME: &'static str = "tq1_0";
    const GGML_TYPE: u32 = 34;
    const INPUTS: usize = 256;
    const BYTES: usize = 54;
    const SCALE: ScaleAt = ScaleAt::Block(52);

    fn decode(block: &[u8], codes: &mut [u8]) {
        decode::<32>(block, &mut codes[..160]);
        decode::<16>(&block[32..], &mut codes[160..240]);
        decode::<4>(&block[48..], &mut codes[240..]);
    }

    fn encode(codes: &[u8], block: &mut [u8]) {
        encode::<32>(&codes[..160], block);
        encode::<16>(&codes[160..240], &mut block[32..]);
        encode::<4>(&codes[240..], &mut block[48..]);
    }
}
