//! Formats whose rows are a scale or none, and blocks that hold a scale or none.

use super::codec::{Cell, Codec, Shape, f32_at};
use super::scales::{Shared, checked_f16};
use crate::error::Result;
use crate::layout::{SEGMENT, Segment, Weights, f16_at};

/// Where a format's scales are.
pub(super) enum ScaleAt {
    /// In each block, an f16 from that byte on.
    Block(usize),
    /// Before the blocks of each row.
    RowF16,
    RowF32,
}

/// A format of blocks.
pub(super) trait Block {
    const NAME: &'static str;
    const GGML_TYPE: u32;
    /// Weights of a block: divides a segment.
    const INPUTS: usize;
    /// Bytes of a block.
    const BYTES: usize;
    const SCALE: ScaleAt;

    /// The codes of a block; both slices are as long as a block.
    fn decode(block: &[u8], codes: &mut [u8]);
    /// Writes codes of 0, 1, 2; leaves the scale alone.
    fn encode(codes: &[u8], block: &mut [u8]);
}

/// Bytes before a row's blocks.
const fn row_header<B: Block>() -> usize {
    match B::SCALE {
        ScaleAt::Block(_) => 0,
        ScaleAt::RowF16 => 2,
        ScaleAt::RowF32 => 4,
    }
}

pub(super) const fn codec<B: Block>() -> Codec {
    assert!(SEGMENT.is_multiple_of(B::INPUTS));
    Codec {
        name: B::NAME,
        ggml_type: Some(B::GGML_TYPE),
        cell: if row_header::<B>() == 0 { Cell::Block(B::INPUTS) } else { Cell::Row },
        inputs_multiple: B::INPUTS,
        weights_multiple: 1,
        line: |shape| (1, row_bytes::<B>(shape)),
        lines: |shape| shape.outputs,
        tail: 0,
        read: read::<B>,
        scale: scale::<B>,
        write: write::<B>,
        write_tail: |_, _| (),
        scale_of_tensor: None,
    }
}

const fn row_bytes<B: Block>(shape: Shape) -> usize {
    row_header::<B>() + shape.inputs / B::INPUTS * B::BYTES
}

/// The bytes of a block.
fn block_at<B: Block>(shape: Shape, output: usize, input: usize) -> usize {
    output * row_bytes::<B>(shape) + row_header::<B>() + input / B::INPUTS * B::BYTES
}

fn read<B: Block>(shape: Shape, bytes: &[u8], output: usize, first: usize, codes: &mut Segment) {
    let len = (shape.inputs - first).min(SEGMENT);
    let blocks = bytes[block_at::<B>(shape, output, first)..].chunks_exact(B::BYTES);
    for (codes, block) in codes[..len].chunks_exact_mut(B::INPUTS).zip(blocks) {
        B::decode(block, codes);
    }
}

fn scale<B: Block>(shape: Shape, bytes: &[u8], output: usize, input: usize) -> f32 {
    match B::SCALE {
        ScaleAt::Block(at) => f16_at(bytes, block_at::<B>(shape, output, input) + at),
        ScaleAt::RowF16 => f16_at(bytes, output * row_bytes::<B>(shape)),
        ScaleAt::RowF32 => f32_at(bytes, output * row_bytes::<B>(shape)),
    }
}

fn write<B: Block>(shape: Shape, weights: &Weights<'_>, output: usize, row: &mut [u8]) -> Result<()> {
    let (header, blocks) = row.split_at_mut(row_header::<B>());
    let mut of_row = Shared::of(Cell::Row, 0);
    let segments = blocks.chunks_mut(SEGMENT / B::INPUTS * B::BYTES);
    for (first, blocks) in (0..shape.inputs).step_by(SEGMENT).zip(segments) {
        let codes = weights.codes(output, first);
        let codes = &codes[..(shape.inputs - first).min(SEGMENT)];
        let places = (first..).step_by(B::INPUTS);
        for ((codes, block), first) in
            codes.chunks_exact(B::INPUTS).zip(blocks.chunks_exact_mut(B::BYTES)).zip(places)
        {
            B::encode(codes, block);
            if let ScaleAt::Block(at) = B::SCALE {
                let mut shared = Shared::of(Cell::Block(B::INPUTS), first);
                shared.take(weights, output, first, codes)?;
                let scale = checked_f16(weights, output, first, shared.scale())?;
                block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
            }
        }
        if !matches!(B::SCALE, ScaleAt::Block(_)) {
            of_row.take(weights, output, first, codes)?;
        }
    }
    match B::SCALE {
        ScaleAt::Block(_) => {}
        ScaleAt::RowF16 => {
            header.copy_from_slice(&checked_f16(weights, output, 0, of_row.scale())?.to_le_bytes());
        }
        ScaleAt::RowF32 => header.copy_from_slice(&of_row.scale().to_le_bytes()),
    }
    Ok(())
}
