//! From a format to packed weights.

use super::codec::{Cell, Shape};
use super::format::Format;
use super::scales::{Common, are_zeros};
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_range};
use crate::layout::{BlobRows, GroupLen, Layout, SEGMENT, Scaling, WeightSpec};

/// A tensor in one of the [`Format`]s: a view of the caller's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    format: Format,
    shape: Shape,
    bytes: &'a [u8],
    weight_scale: Option<f32>,
}

impl<'a> Import<'a> {
    /// A tensor of N outputs (rows) and K inputs (columns); a GGUF file states K first.
    ///
    /// # Errors
    /// As [`Format::tensor_len`], and [`Error::Length`] unless `bytes` is that long.
    pub fn new(format: Format, outputs: usize, inputs: usize, bytes: &'a [u8]) -> Result<Import<'a>> {
        let shape = format.codec().shape(outputs, inputs)?;
        check_len("bytes of the tensor", shape.len, bytes.len())?;
        Ok(Import { format, shape, bytes, weight_scale: None })
    }

    /// Gives the scale that the format keeps in another tensor, as it is stored there.
    ///
    /// # Errors
    /// [`Error::Unused`] unless [`Format::has_weight_scale`]; [`Error::Scale`] if the weights' scale is not finite.
    pub fn with_weight_scale(self, stored: f32) -> Result<Import<'a>> {
        let rule = self.format.codec().scale_of_tensor;
        let scale = (rule.ok_or(Error::Unused { argument: "weight_scale" })?.read)(stored);
        if !scale.is_finite() {
            return Err(Error::Scale { index: 0 });
        }
        Ok(Import { weight_scale: Some(scale), ..self })
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// N, the number of outputs.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.shape.outputs
    }

    /// K, the number of inputs.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.shape.inputs
    }

    /// The scale of a weight, as stored (finite or not).
    ///
    /// # Errors
    /// [`Error::Range`] outside the matrix; [`Error::Missing`] without [`Import::with_weight_scale`] where it is needed.
    pub fn scale(&self, output: usize, input: usize) -> Result<f32> {
        check_range("output", &(output..output.saturating_add(1)), self.outputs())?;
        check_range("input", &(input..input.saturating_add(1)), self.inputs())?;
        self.scale_at(output, input)
    }

    #[inline]
    fn scale_at(&self, output: usize, input: usize) -> Result<f32> {
        let codec = self.format.codec();
        if codec.scale_of_tensor.is_some() {
            return self.weight_scale.ok_or(Error::Missing { argument: "weight_scale" });
        }
        Ok((codec.scale)(self.shape, self.bytes, output, input))
    }

    /// Writes the K weights −1, 0, 1 of a row.
    ///
    /// # Errors
    /// [`Error::Range`] and [`Error::Length`], with `weights` untouched; [`Error::Code`] if a code is 3.
    pub fn row<'w>(&self, output: usize, weights: impl Into<Buffer<'w, i8>>) -> Result<()> {
        let mut weights = weights.into();
        check_range("output", &(output..output.saturating_add(1)), self.outputs())?;
        check_len("weights", self.inputs(), weights.len())?;
        for first in (0..self.inputs()).step_by(SEGMENT) {
            let mut codes = [1; SEGMENT];
            (self.format.codec().read)(self.shape, self.bytes, output, first, &mut codes);
            if let Some(at) = codes.iter().position(|&code| code > 2) {
                return Err(Error::Code { output, input: first + at });
            }
            let (now, later) = weights.split_at((self.inputs() - first).min(SEGMENT));
            now.fill_with(|at| codes[at] as i8 - 1);
            weights = later;
        }
        Ok(())
    }

    /// The coarsest scaling that holds these scales exactly: by tensor, by row, or as the format has them. Reads every scale,
    /// and the weights where scales differ.
    ///
    /// # Errors
    /// [`Error::Scale`] for a NaN or an infinity, with the index of the format's scale; [`Error::Missing`].
    pub fn scaling(&self) -> Result<Scaling> {
        let mut finest = Scaling::Tensor;
        let mut of_tensor = Common::default();
        for output in 0..self.outputs() {
            let mut of_row = Common::default();
            for (first, end) in self.cells(0, self.inputs()) {
                let scale = self.checked_scale(output, first)?;
                let zeros = || self.cell_is_zero(output, first, end);
                if finest == Scaling::Tensor && !of_tensor.take(scale, scale, zeros) {
                    finest = Scaling::Row;
                }
                if let Cell::Block(len) = self.format.codec().cell
                    && !of_row.take(scale, scale, zeros)
                {
                    finest = Scaling::GroupF16(GroupLen::try_from(len)?);
                }
            }
        }
        Ok(finest)
    }

    /// Shape and format of the packed weights.
    ///
    /// # Errors
    /// As [`WeightSpec::new`].
    pub fn spec(&self, layout: Layout, scaling: Scaling) -> Result<WeightSpec> {
        WeightSpec::new(self.outputs(), self.inputs(), layout, scaling)
    }

    /// Packs the tensor into a blob. See [`Import::push_rows`] for several threads.
    ///
    /// # Errors
    /// [`Error::Length`] unless `spec` is of this shape and `blob` of its length; then `blob` is untouched. As
    /// [`Import::push_rows`]; then it holds no weights.
    pub fn pack<'b>(&self, spec: &WeightSpec, blob: impl Into<Buffer<'b, u8>>) -> Result<()> {
        self.check_spec(spec)?;
        let (head, mut rows) = spec.writer(blob)?;
        self.push_rows(&mut rows)?;
        head.finish(&rows.finish()?)
    }

    fn check_spec(&self, spec: &WeightSpec) -> Result<()> {
        check_len("outputs of the spec", self.outputs(), spec.outputs())?;
        check_len("inputs of the spec", self.inputs(), spec.inputs())
    }

    /// Writes all of [`BlobRows::outputs`], which may be some of the rows, so that each thread writes its own.
    ///
    /// # Errors
    /// [`Error::Length`] if the blob is of another shape; [`Error::Code`] if a code is 3; [`Error::Scale`] for a scale that is
    /// NaN or infinite, or no f16 where the blob stores those; [`Error::ScaleDiffers`] where weights that share a scale in
    /// the blob have different ones here; [`Error::Missing`].
    pub fn push_rows(&self, rows: &mut BlobRows<'_>) -> Result<()> {
        let spec = *rows.spec();
        self.check_spec(&spec)?;
        let of_tensor = if spec.scaling() == Scaling::Tensor { Some(self.tensor_scale()?) } else { None };
        let group = spec.group_inputs();
        for output in rows.outputs() {
            rows.push_with(
                |index| {
                    let (first, end) = (index * group, ((index + 1) * group).min(self.inputs()));
                    of_tensor.map_or_else(|| self.shared_scale(output, first, end), Ok)
                },
                |first, codes| (self.format.codec().read)(self.shape, self.bytes, output, first, codes),
            )?;
        }
        Ok(())
    }

    fn tensor_scale(&self) -> Result<f32> {
        if self.format.codec().cell == Cell::Tensor {
            return self.checked_scale(0, 0);
        }
        let mut common = Common::default();
        for output in 0..self.outputs() {
            self.take(&mut common, output, 0, self.inputs())?;
        }
        Ok(common.scale())
    }

    /// The one scale of inputs of a row.
    #[inline]
    fn shared_scale(&self, output: usize, first: usize, end: usize) -> Result<f32> {
        match self.format.codec().cell {
            Cell::Block(len) if end - first > len => {
                let mut common = Common::default();
                self.take(&mut common, output, first, end)?;
                Ok(common.scale())
            }
            _ => self.checked_scale(output, first),
        }
    }

    fn take(&self, common: &mut Common, output: usize, first: usize, end: usize) -> Result<()> {
        for (input, cell_end) in self.cells(first, end) {
            let scale = self.checked_scale(output, input)?;
            if !common.take(scale, scale, || self.cell_is_zero(output, input, cell_end)) {
                return Err(Error::ScaleDiffers { output, input });
            }
        }
        Ok(())
    }

    /// First input and end of the cells of a row from one input, which begins a cell, to another.
    fn cells(&self, first: usize, end: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let len = if let Cell::Block(len) = self.format.codec().cell { len } else { self.inputs() };
        (first..end).step_by(len).map(move |first| (first, (first + len).min(end)))
    }

    #[inline]
    fn checked_scale(&self, output: usize, input: usize) -> Result<f32> {
        let scale = self.scale_at(output, input)?;
        if scale.is_finite() {
            return Ok(scale);
        }
        let index = match self.format.codec().cell {
            Cell::Block(len) => output * (self.inputs() / len) + input / len,
            Cell::Row => output,
            Cell::Tensor => 0,
        };
        Err(Error::Scale { index })
    }

    /// Whether the weights of a row from one input to another are all 0.
    #[cold]
    fn cell_is_zero(&self, output: usize, first: usize, end: usize) -> bool {
        (first / SEGMENT * SEGMENT..end).step_by(SEGMENT).all(|segment| {
            let mut codes = [1; SEGMENT];
            (self.format.codec().read)(self.shape, self.bytes, output, segment, &mut codes);
            are_zeros(&codes[first.max(segment) - segment..end.min(segment + SEGMENT) - segment])
        })
    }
}
