//! PTQ1_0, from descriptions of `block_ptq1_0` in Ternary-Bonsai's llama.cpp.

use super::block::{self, Block, ScaleAt};
use super::codec::Codec;
use super::trit_runs::{decode, encode};

pub(super) const CODEC: Codec = block::codec::<Ptq1_0>();

struct Ptq1_0;

impl Block for Ptq1_0 {
    const NAME: &'static str = "ptq1_0";
    const GGML_TYPE: u32 = 143;
    const INPUTS: usize = 128;
    const BYTES: usize = 28;
    const SCALE: ScaleAt = ScaleAt::Block(26);

    fn decode(block: &[u8], codes: &mut [u8]) {
        decode::<16>(block, &mut codes[..80]);
        decode::<8>(&block[16..], &mut codes[80..120]);
        decode::<2>(&block[24..], &mut codes[120..]);
    }

    fn encode(codes: &[u8], block: &mut [u8]) {
        encode::<16>(&codes[..80], block);
        encode::<8>(&codes[80..120], &mut block[16..]);
        encode::<2>(&codes[120..], &mut block[24..]);
    }
}
