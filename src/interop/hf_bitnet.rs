//! Hugging Face `bitnet`, from transformers' `pack_weights`, `BitLinear` and `AutoBitLinear`.

use super::codec::{Cell, Codec, Shape, WeightScale};
use crate::error::Result;
use crate::layout::{SEGMENT, Segment, Weights};

pub(super) const MULTIPLY: Codec =
    codec("hf-bitnet-multiply", WeightScale { read: |stored| stored, write: |scale| Some(scale) });
pub(super) const DIVIDE: Codec = codec("hf-bitnet-divide", WeightScale { read: reciprocal, write: divisor });

const fn codec(name: &'static str, weight_scale: WeightScale) -> Codec {
    Codec {
        name,
        ggml_type: None,
        cell: Cell::Tensor,
        inputs_multiple: 1,
        weights_multiple: 1,
        line: |shape| (4, shape.inputs),
        lines,
        tail: 0,
        read,
        scale: |_, _, _, _| f32::NAN,
        write,
        write_tail: |_, _| (),
        scale_of_tensor: Some(weight_scale),
    }
}

/// Rows of bytes: those of a byte's four weights are as far apart.
fn lines(shape: Shape) -> usize {
    shape.outputs.div_ceil(4)
}

fn read(shape: Shape, bytes: &[u8], output: usize, first: usize, codes: &mut Segment) {
    let (line, field) = (output % lines(shape), output / lines(shape));
    let row = &bytes[line * shape.inputs..][first..shape.inputs];
    for (code, byte) in codes.iter_mut().zip(row) {
        *code = byte >> (2 * field) & 3;
    }
}

/// Fields of outputs that there are none of stay 0, as transformers leaves them.
fn write(shape: Shape, weights: &Weights<'_>, line: usize, bytes: &mut [u8]) -> Result<()> {
    for (first, bytes) in (0..).step_by(SEGMENT).zip(bytes.chunks_mut(SEGMENT)) {
        bytes.fill(0);
        for (field, output) in (line..shape.outputs).step_by(lines(shape)).enumerate() {
            for (byte, code) in bytes.iter_mut().zip(weights.codes(output, first)) {
                *byte |= code << (2 * field);
            }
        }
    }
    Ok(())
}

fn reciprocal(stored: f32) -> f32 {
    (1.0 / f64::from(stored)) as f32
}

/// A value whose reciprocal is that scale: the nearest bf16 if it will do, because models store bf16, otherwise an f32.
fn divisor(scale: f32) -> Option<f32> {
    let nearest = reciprocal(scale).to_bits();
    let bf16 = (nearest + 0x7fff + (nearest >> 16 & 1)) & 0xffff_0000;
    let candidates = [bf16, nearest, nearest.wrapping_sub(1), nearest.wrapping_add(1)];
    candidates
        .map(f32::from_bits)
        .into_iter()
        .find(|&stored| stored.is_finite() && reciprocal(stored).to_bits() == scale.to_bits())
}
