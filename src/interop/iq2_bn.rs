//! IQ2_BN, from ik_llama.cpp's quantiser.

use super::block::{self, Block, ScaleAt};
use super::codec::Codec;
use super::fields::{LOWEST_FIRST, join, split};

pub(super) const CODEC: Codec = block::codec::<Iq2Bn>();

struct Iq2Bn;

impl Block for Iq2Bn {
    const NAME: &'static str = "iq2_bn";
    const GGML_TYPE: u32 = 135;
    const INPUTS: usize = 64;
    const BYTES: usize = 16;
    const SCALE: ScaleAt = ScaleAt::RowF32;

    fn decode(block: &[u8], codes: &mut [u8]) {
        split::<16>(block, codes, LOWEST_FIRST);
    }

    fn encode(codes: &[u8], block: &mut [u8]) {
        join::<16>(codes, block, LOWEST_FIRST);
    }
}
