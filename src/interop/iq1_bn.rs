//! IQ1_BN, from ik_llama.cpp's quantiser.

use super::block::{self, Block, ScaleAt};
use super::codec::Codec;
use crate::layout::trits;

pub(super) const CODEC: Codec = block::codec::<Iq1Bn>();

struct Iq1Bn;

/// Bytes of a block but the last, each of five weights in order; every third is followed by a weight of the last byte.
const FIVES: usize = 12;

impl Block for Iq1Bn {
    const NAME: &'static str = "iq1_bn";
    const GGML_TYPE: u32 = 134;
    const INPUTS: usize = 64;
    const BYTES: usize = FIVES + 1;
    const SCALE: ScaleAt = ScaleAt::RowF16;

    fn decode(block: &[u8], codes: &mut [u8]) {
        let mut fractions: [u8; FIVES + 1] = *block.first_chunk().expect("a block");
        for digit in (0..5).rev() {
            let digits = trits::take_first(&mut fractions);
            for (byte, &code) in digits[..FIVES].iter().enumerate() {
                codes[byte / 3 * 16 + byte % 3 * 5 + digit] = code;
            }
            if digit < 4 {
                codes[digit * 16 + 15] = digits[FIVES];
            }
        }
    }

    fn encode(codes: &[u8], block: &mut [u8]) {
        let mut numbers = [0u8; FIVES + 1];
        for digit in (0..5).rev() {
            let mut digits = [0; FIVES + 1];
            for (byte, code) in digits[..FIVES].iter_mut().enumerate() {
                *code = codes[byte / 3 * 16 + byte % 3 * 5 + digit];
            }
            if digit < 4 {
                digits[FIVES] = codes[digit * 16 + 15];
            }
            trits::append(&mut numbers, &digits);
        }
        block.copy_from_slice(&trits::bytes(numbers));
    }
}
