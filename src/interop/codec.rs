//! What a format is to import and export: a few functions over the bytes of a tensor.

use crate::error::{Error, Result, check_nonzero, checked_size};
use crate::layout::{Segment, Weights};

/// A tensor's dimensions and length, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    pub(super) len: usize,
}

/// Weights that share a scale in a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// So many inputs of a row, a divisor of a segment.
    Block(usize),
    Row,
    Tensor,
}

/// A format. A **line** is the least run of whole rows that begins and ends with whole bytes of its own; a tensor is its
/// lines and a tail.
pub(super) struct Codec {
    pub(super) name: &'static str,
    pub(super) ggml_type: Option<u32>,
    pub(super) cell: Cell,
    /// K is a multiple of this.
    pub(super) inputs_multiple: usize,
    /// N · K is a multiple of this.
    pub(super) weights_multiple: usize,
    /// Rows of a line, and its bytes, of a valid shape.
    pub(super) line: fn(Shape) -> (usize, usize),
    /// Lines of a tensor, with a last one that may have fewer rows.
    pub(super) lines: fn(Shape) -> usize,
    /// Bytes behind the lines.
    pub(super) tail: usize,
    /// The codes of a row from an input on that is a multiple of a segment; fills what is in the row.
    pub(super) read: fn(Shape, &[u8], output: usize, first: usize, &mut Segment),
    /// The scale of a weight.
    pub(super) scale: fn(Shape, &[u8], output: usize, input: usize) -> f32,
    /// Writes a line, with its scales unless they are in the tail.
    pub(super) write: fn(Shape, &Weights<'_>, line: usize, &mut [u8]) -> Result<()>,
    /// Writes the tail, given the tensor's scale.
    pub(super) write_tail: fn(f32, &mut [u8]),
    /// The tensor's scale is in another tensor, as this function of it.
    pub(super) scale_of_tensor: Option<WeightScale>,
}

/// How a scale that is stored apart relates to the weights' scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightScale {
    pub(super) read: fn(f32) -> f32,
    /// `None` if no value is read as that scale.
    pub(super) write: fn(f32) -> Option<f32>,
}

impl Codec {
    pub(super) fn shape(&self, outputs: usize, inputs: usize) -> Result<Shape> {
        check_nonzero("outputs", outputs)?;
        check_nonzero("inputs", inputs)?;
        let weights = checked_size(outputs, inputs, "outputs * inputs")?;
        check_multiple("inputs", self.inputs_multiple, inputs)?;
        check_multiple("outputs * inputs", self.weights_multiple, weights)?;
        let mut shape = Shape { outputs, inputs, len: 0 };
        // No format takes more than a byte for a weight, a row's scale and the tail apart.
        let bound = weights.checked_add(checked_size(outputs, 4, "bytes of the tensor")?);
        bound
            .and_then(|len| len.checked_add(self.tail))
            .ok_or(Error::SizeOverflow { argument: "bytes of the tensor" })?;
        shape.len = (self.lines)(shape) * (self.line)(shape).1 + self.tail;
        Ok(shape)
    }
}

fn check_multiple(argument: &'static str, multiple: usize, actual: usize) -> Result<()> {
    let is_multiple = actual.is_multiple_of(multiple);
    if is_multiple { Ok(()) } else { Err(Error::Multiple { argument, multiple, actual }) }
}

pub(super) fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
