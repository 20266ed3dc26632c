//! I2_S, from bitnet.cpp's quantiser in its two builds: the weights of a tensor in one run of blocks, a scale behind them.

use super::codec::{Cell, Codec, Shape, f32_at};
use super::fields::{HIGHEST_FIRST, join, split};
use crate::error::Result;
use crate::layout::{SEGMENT, Segment, Weights};

pub(super) const X86: Codec = codec::<128, 32>("i2_s-x86");
pub(super) const ARM: Codec = codec::<64, 16>("i2_s-arm");

/// Bytes behind the codes: the scale, and 28 that mean nothing.
const TAIL: usize = 32;

/// Of blocks of so many weights, and their bytes.
const fn codec<const BLOCK: usize, const BYTES: usize>(name: &'static str) -> Codec {
    Codec {
        name,
        ggml_type: Some(36),
        cell: Cell::Tensor,
        inputs_multiple: 1,
        weights_multiple: BLOCK,
        line: line::<BLOCK>,
        lines: |shape| shape.outputs / line::<BLOCK>(shape).0,
        tail: TAIL,
        read: read::<BLOCK, BYTES>,
        scale: |shape, bytes, _, _| f32_at(bytes, shape.len - TAIL),
        write: write::<BLOCK, BYTES>,
        write_tail: |scale, tail| {
            tail.fill(0);
            tail[..4].copy_from_slice(&scale.to_le_bytes());
        },
        scale_of_tensor: None,
    }
}

/// Rows that end with a block, and their bytes.
fn line<const BLOCK: usize>(shape: Shape) -> (usize, usize) {
    // K and the block have this power of two in common.
    let common = BLOCK.min(1 << shape.inputs.trailing_zeros());
    (BLOCK / common, BLOCK / common * shape.inputs / 4)
}

fn read<const BLOCK: usize, const BYTES: usize>(
    shape: Shape,
    bytes: &[u8],
    output: usize,
    first: usize,
    codes: &mut Segment,
) {
    let mut codes = &mut codes[..(shape.inputs - first).min(SEGMENT)];
    let mut weight = output * shape.inputs + first;
    while !codes.is_empty() {
        let (block, within) = (&bytes[weight / BLOCK * BYTES..], weight % BLOCK);
        let (now, later) = codes.split_at_mut(codes.len().min(BLOCK - within));
        if now.len() == BLOCK {
            split::<BYTES>(block, now, HIGHEST_FIRST);
        } else {
            let mut whole = [0; BLOCK];
            split::<BYTES>(block, &mut whole, HIGHEST_FIRST);
            now.copy_from_slice(&whole[within..][..now.len()]);
        }
        weight += now.len();
        codes = later;
    }
}

fn write<const BLOCK: usize, const BYTES: usize>(
    shape: Shape,
    weights: &Weights<'_>,
    line_index: usize,
    bytes: &mut [u8],
) -> Result<()> {
    let (mut output, mut input) = (line_index * line::<BLOCK>(shape).0, 0);
    let mut segment = weights.codes(output, 0);
    for block in bytes.chunks_exact_mut(BYTES) {
        let mut codes = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            if input == shape.inputs {
                (output, input) = (output + 1, 0);
            }
            if input.is_multiple_of(SEGMENT) {
                segment = weights.codes(output, input);
            }
            let within = input % SEGMENT;
            let len = (BLOCK - filled).min(SEGMENT - within).min(shape.inputs - input);
            codes[filled..][..len].copy_from_slice(&segment[within..][..len]);
            (filled, input) = (filled + len, input + len);
        }
        join::<BYTES>(&codes, block, HIGHEST_FIRST);
    }
    Ok(())
}
