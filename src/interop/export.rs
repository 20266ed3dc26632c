//! From packed weights to a format.

use core::ops::Range;

use super::codec::{Cell, Shape};
use super::format::Format;
use super::scales::tensor_scale;
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_range};
use crate::layout::Weights;

/// Packed weights that are written in one of the [`Format`]s: as **lines**, runs of bytes that threads can write
/// independently (a row in the formats whose rows are bytes of their own), and a tail.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    format: Format,
    shape: Shape,
    weights: Weights<'a>,
    /// As stored.
    tensor_scale: Option<f32>,
}

impl<'a> Export<'a> {
    /// Looks whether the format has such tensors; if it has one scale for all weights, also whether they have one.
    ///
    /// # Errors
    /// As [`Format::tensor_len`]; [`Error::ScaleDiffers`]; [`Error::Scale`] if no value is stored for that scale
    /// ([`Format::HfDivide`]: some f32 are no f32's reciprocal).
    pub fn new(format: Format, weights: &Weights<'a>) -> Result<Export<'a>> {
        let codec = format.codec();
        let shape = codec.shape(weights.outputs(), weights.inputs())?;
        let of_tensor = if codec.cell == Cell::Tensor { Some(tensor_scale(weights)?) } else { None };
        let tensor_scale = match (of_tensor, codec.scale_of_tensor) {
            (Some(scale), Some(rule)) => Some((rule.write)(scale).ok_or(Error::Scale { index: 0 })?),
            (scale, _) => scale,
        };
        Ok(Export { format, shape, weights: *weights, tensor_scale })
    }

    /// Bytes of the tensor.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a tensor is never empty")]
    pub const fn len(&self) -> usize {
        self.shape.len
    }

    /// What to store in the tensor that the format keeps its scale in, if it does.
    #[must_use]
    pub fn weight_scale(&self) -> Option<f32> {
        self.tensor_scale.filter(|_| self.format.has_weight_scale())
    }

    /// Number of lines.
    #[must_use]
    pub fn lines(&self) -> usize {
        (self.format.codec().lines)(self.shape)
    }

    /// Bytes of a line.
    #[must_use]
    pub fn line_len(&self) -> usize {
        (self.format.codec().line)(self.shape).1
    }

    /// Bytes behind the lines; 0 for most formats.
    #[must_use]
    pub const fn tail_len(&self) -> usize {
        self.format.codec().tail
    }

    /// Writes the whole tensor.
    ///
    /// # Errors
    /// [`Error::Length`] unless `bytes` is [`Export::len`] long; then it is untouched. As [`Export::write_lines`].
    pub fn write<'b>(&self, bytes: impl Into<Buffer<'b, u8>>) -> Result<()> {
        let bytes = bytes.into();
        check_len("bytes of the tensor", self.len(), bytes.len())?;
        let (lines, tail) = bytes.split_at(self.lines() * self.line_len());
        self.write_lines(0..self.lines(), lines)?;
        self.write_tail(tail)
    }

    /// Writes some lines, which `bytes` is exactly long enough for.
    ///
    /// # Errors
    /// [`Error::Range`] and [`Error::Length`], with `bytes` untouched; [`Error::ScaleDiffers`] where weights that share a
    /// scale in the format have different ones here; [`Error::Scale`] for one that is no f16 where the format stores those.
    pub fn write_lines<'b>(&self, lines: Range<usize>, bytes: impl Into<Buffer<'b, u8>>) -> Result<()> {
        let mut bytes = bytes.into();
        check_range("lines", &lines, self.lines())?;
        check_len("bytes of the lines", lines.len() * self.line_len(), bytes.len())?;
        for line in lines {
            let (now, later) = bytes.split_at(self.line_len());
            (self.format.codec().write)(self.shape, &self.weights, line, now.fill_with(|_| 0))?;
            bytes = later;
        }
        Ok(())
    }

    /// Writes the tail.
    ///
    /// # Errors
    /// [`Error::Length`] unless `bytes` is [`Export::tail_len`] long; then it is untouched.
    pub fn write_tail<'b>(&self, bytes: impl Into<Buffer<'b, u8>>) -> Result<()> {
        let bytes = bytes.into();
        check_len("bytes of the tail", self.tail_len(), bytes.len())?;
        (self.format.codec().write_tail)(self.tensor_scale.unwrap_or(0.0), bytes.fill_with(|_| 0));
        Ok(())
    }
}
