//! Writing a blob row by row, in parts that threads can share.
//!
//! ```text
//! WeightSpec::writer ─┬─ BlobHead ───────────────────────────────── finish ─ a blob that opens
//!                     └─ BlobRows ─ split_at ─┬─ push … ─ finish ─┐   │
//!                                             └─ push … ─ finish ─┴─ Written::join
//! ```

use core::ops::Range;

use super::codes::{SEGMENT, Segment, first_bad_code};
use super::header;
use super::panel::{HEADER_BYTES, PANEL_ROWS};
use super::scales::Scaling;
use super::spec::WeightSpec;
use super::written::{Sum, Written};
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_range};

impl WeightSpec {
    /// Begins to write a blob of this shape and format: the rows, which may be split among threads, and the head, which is
    /// finished last. Until then, and after any error, the blob has no header and does not open.
    ///
    /// # Errors
    /// [`Error::Length`] unless `blob` is [`WeightSpec::packed_len`] long. Then it is untouched.
    ///
    /// ```
    /// use hbitlinear::{Layout, Scaling, WeightSpec, Weights};
    /// let spec = WeightSpec::new(33, 3, Layout::TwoBit, Scaling::Row)?;
    /// let mut blob = vec![0; spec.packed_len()];
    /// let (head, rows) = spec.writer(&mut blob)?;
    /// let (top, bottom) = rows.split_at(16)?; // at a multiple of 16, for two threads
    /// let write = |mut rows: hbitlinear::layout::BlobRows| {
    ///     while !rows.outputs().is_empty() {
    ///         rows.push(&[2, 1, 0], &[0.5])?;
    ///     }
    ///     rows.finish()
    /// };
    /// head.finish(&write(top)?.join(write(bottom)?)?)?;
    /// assert_eq!(Weights::open(&blob)?.weight(32, 0), 1);
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn writer<'b>(&self, blob: impl Into<Buffer<'b, u8>>) -> Result<(BlobHead<'b>, BlobRows<'b>)> {
        let blob = blob.into();
        check_len("blob", self.packed_len(), blob.len())?;
        let (header, rest) = blob.split_at(HEADER_BYTES);
        let (scales, codes) = rest.split_at(self.scale_bytes());
        let (row_scales, other_scales) = scales.split_at(self.row_scale_bytes(self.outputs()));
        let head = BlobHead::new(self, header, other_scales)?;
        Ok((head, BlobRows::new(self, 0..self.outputs(), row_scales, codes)?))
    }

    /// Where in a blob the bytes of some outputs are, their scales and their codes: what [`BlobRows::new`] takes, for threads
    /// that are not given a part of [`WeightSpec::writer`]'s rows.
    ///
    /// # Errors
    /// [`Error::Range`] beyond N; [`Error::Multiple`] unless the range's ends are multiples of [`PANEL_ROWS`] or N.
    pub fn rows_bytes(&self, outputs: &Range<usize>) -> Result<[Range<usize>; 2]> {
        check_range("outputs", outputs, self.outputs())?;
        check_cut(outputs.start, self.outputs())?;
        check_cut(outputs.end, self.outputs())?;
        let panel_bytes = (self.layout().codes().panel_bytes)(self.inputs());
        let codes = HEADER_BYTES + self.scale_bytes();
        let code = |output: usize| codes + output.div_ceil(PANEL_ROWS) * panel_bytes;
        let scale = |output| HEADER_BYTES + self.row_scale_bytes(output);
        Ok([scale(outputs.start)..scale(outputs.end), code(outputs.start)..code(outputs.end)])
    }

    /// Where in a blob the bytes are that belong to no output, the header and the scale that all share: what
    /// [`BlobHead::new`] takes.
    #[must_use]
    pub fn head_bytes(&self) -> [Range<usize>; 2] {
        let scales = HEADER_BYTES + self.row_scale_bytes(self.outputs());
        [0..HEADER_BYTES, scales..HEADER_BYTES + self.scale_bytes()]
    }

    /// Bytes of the scales that belong to the panels of so many rows.
    const fn row_scale_bytes(&self, rows: usize) -> usize {
        rows.div_ceil(PANEL_ROWS) * self.panel_scale_bytes()
    }

    /// Bytes of the scales that belong to the rows of one panel.
    const fn panel_scale_bytes(&self) -> usize {
        match self.scaling() {
            Scaling::Tensor => 0,
            _ => PANEL_ROWS * self.groups() * self.scale_type().bytes(),
        }
    }
}

/// The part of a blob that is written last: its header, and a scale that all rows share.
#[derive(Debug)]
pub struct BlobHead<'b> {
    spec: WeightSpec,
    header: &'b mut [u8],
    /// The scales that belong to no panel, and padding.
    other_scales: &'b mut [u8],
}

impl<'b> BlobHead<'b> {
    /// From the parts of a blob that are at [`WeightSpec::head_bytes`].
    ///
    /// # Errors
    /// [`Error::Length`]. Then they are untouched.
    pub fn new(
        spec: &WeightSpec,
        header: impl Into<Buffer<'b, u8>>,
        other_scales: impl Into<Buffer<'b, u8>>,
    ) -> Result<BlobHead<'b>> {
        let (header, other_scales, [first, second]) = (header.into(), other_scales.into(), spec.head_bytes());
        check_len("header", first.len(), header.len())?;
        check_len("other scales", second.len(), other_scales.len())?;
        let (header, other_scales) = (header.fill_with(|_| 0), other_scales.fill_with(|_| 0));
        Ok(BlobHead { spec: *spec, header, other_scales })
    }

    /// Completes the blob.
    ///
    /// # Errors
    /// [`Error::Length`] unless all rows are written.
    pub fn finish(self, written: &Written) -> Result<()> {
        check_len("rows written", self.spec.outputs(), written.end - written.start)?;
        if let Some(scale) = written.tensor_scale {
            let scale = f32::from_bits(scale);
            self.spec.scale_type().write(scale, &mut self.other_scales[..self.spec.scale_type().bytes()]);
        }
        let mut sum = written.scales.hasher();
        sum.update(self.other_scales);
        sum.combine(&written.codes.hasher());
        header::write(&self.spec, self.header, sum.finalize());
        Ok(())
    }
}

/// Rows of a blob that are to be written, in order.
#[derive(Debug)]
pub struct BlobRows<'b> {
    spec: WeightSpec,
    start: usize,
    next: usize,
    end: usize,
    /// Of the panels from `start` on.
    scales: &'b mut [u8],
    /// The panel that `next` belongs to, if some of its rows are written.
    panel: &'b mut [u8],
    /// The panels behind that.
    codes: Buffer<'b, u8>,
    /// Of the codes.
    sum: crc32fast::Hasher,
    codes_len: u64,
    /// The scale of all rows, where they share one.
    tensor_scale: Option<f32>,
}

impl<'b> BlobRows<'b> {
    /// Some outputs, from the parts of a blob that are at [`WeightSpec::rows_bytes`].
    ///
    /// # Errors
    /// As [`WeightSpec::rows_bytes`], and [`Error::Length`]. Then they are untouched.
    pub fn new(
        spec: &WeightSpec,
        outputs: Range<usize>,
        scales: impl Into<Buffer<'b, u8>>,
        codes: impl Into<Buffer<'b, u8>>,
    ) -> Result<BlobRows<'b>> {
        let (scales, codes, [first, second]) = (scales.into(), codes.into(), spec.rows_bytes(&outputs)?);
        check_len("scales of the rows", first.len(), scales.len())?;
        check_len("codes of the rows", second.len(), codes.len())?;
        Ok(BlobRows::of(*spec, outputs, scales.fill_with(|_| 0), codes))
    }

    fn of(
        spec: WeightSpec,
        outputs: Range<usize>,
        scales: &'b mut [u8],
        codes: Buffer<'b, u8>,
    ) -> BlobRows<'b> {
        BlobRows {
            spec,
            start: outputs.start,
            next: outputs.start,
            end: outputs.end,
            scales,
            panel: &mut [],
            codes_len: codes.len() as u64,
            codes,
            sum: crc32fast::Hasher::new(),
            tensor_scale: None,
        }
    }

    /// Shape and format of the whole blob.
    #[must_use]
    pub const fn spec(&self) -> &WeightSpec {
        &self.spec
    }

    /// The outputs that are still to be written.
    #[must_use]
    pub const fn outputs(&self) -> Range<usize> {
        self.next..self.end
    }

    /// The rows before an output, and the others.
    ///
    /// # Errors
    /// [`Error::Range`] unless the output is one of [`BlobRows::outputs`] or their end, [`Error::Multiple`] unless it is
    /// a multiple of [`PANEL_ROWS`] or the end, [`Error::Value`] if rows of these were written.
    pub fn split_at(self, output: usize) -> Result<(BlobRows<'b>, BlobRows<'b>)> {
        check_range("output", &(self.start..output), self.end)?;
        check_cut(output, self.end)?;
        if self.next != self.start {
            return Err(Error::Value {
                argument: "rows written before the split",
                value: self.next - self.start,
            });
        }
        let panels = (output - self.start).div_ceil(PANEL_ROWS);
        let panel_bytes = (self.spec.layout().codes().panel_bytes)(self.spec.inputs());
        let (top_codes, codes) = self.codes.split_at(panels * panel_bytes);
        let (top_scales, scales) = self.scales.split_at_mut(panels * self.spec.panel_scale_bytes());
        let top = BlobRows::of(self.spec, self.start..output, top_scales, top_codes);
        let bottom = BlobRows::of(self.spec, output..self.end, scales, codes);
        Ok((top, bottom))
    }

    /// Writes the next row: K codes `w + 1`, and its scales, [`WeightSpec::groups`] of them (one scale, the same for all
    /// rows, if the scaling is by tensor).
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::Code`]; [`Error::Scale`] for a NaN or infinite scale, or one that is not an f16 where
    /// scales are stored so; [`Error::ScaleDiffers`] from the row before, if all share one. Then the row is still to be
    /// written.
    pub fn push(&mut self, codes: &[u8], scales: &[f32]) -> Result<()> {
        check_len("codes", self.spec.inputs(), codes.len())?;
        check_len("scales", self.spec.groups(), scales.len())?;
        self.push_with(
            |group| Ok(scales[group]),
            |first, segment| {
                let codes = &codes[first..];
                let len = codes.len().min(SEGMENT);
                segment[..len].copy_from_slice(&codes[..len]);
            },
        )
    }

    /// Writes the next row from functions: of its scales, and of its segments, of which the second fills as much as is in
    /// the row, given the first column.
    pub(crate) fn push_with(
        &mut self,
        scale: impl Fn(usize) -> Result<f32>,
        mut fill: impl FnMut(usize, &mut Segment),
    ) -> Result<()> {
        let output = self.next;
        check_range("output", &(output..output.saturating_add(1)), self.end)?;
        for group in 0..self.spec.groups() {
            self.write_scale(output, group, scale(group)?)?;
        }
        let (layout, inputs) = (self.spec.layout().codes(), self.spec.inputs());
        let row = output % PANEL_ROWS;
        if row == 0 && self.panel.is_empty() {
            self.open_panel();
        }
        for first in (0..inputs).step_by(SEGMENT) {
            let mut segment = [1; SEGMENT];
            fill(first, &mut segment);
            segment[(inputs - first).min(SEGMENT)..].fill(1);
            if let Some(at) = first_bad_code(segment.iter().copied()) {
                return Err(Error::Code { output, input: first + at });
            }
            (layout.write)(self.panel, row, first, &segment);
        }
        self.next += 1;
        if row + 1 == PANEL_ROWS || self.next == self.end {
            self.sum.update(self.panel);
            self.panel = &mut [];
        }
        Ok(())
    }

    /// Takes the next panel and gives it the weights that no row will.
    fn open_panel(&mut self) {
        let (layout, inputs) = (self.spec.layout().codes(), self.spec.inputs());
        let codes = core::mem::replace(&mut self.codes, Buffer::from(&mut []));
        let (panel, codes) = codes.split_at((layout.panel_bytes)(inputs));
        (self.panel, self.codes) = (panel.fill_with(|_| 0), codes);
        if self.end - self.next < PANEL_ROWS {
            (layout.clear)(self.panel, inputs);
        }
    }

    fn write_scale(&mut self, output: usize, group: usize, scale: f32) -> Result<()> {
        let kind = self.spec.scale_type();
        if !kind.holds(scale) {
            return Err(Error::Scale { index: output * self.spec.groups() + group });
        }
        if self.spec.scaling() == Scaling::Tensor {
            let shared = *self.tensor_scale.get_or_insert(scale);
            let same = shared.to_bits() == scale.to_bits();
            return if same { Ok(()) } else { Err(Error::ScaleDiffers { output, input: 0 }) };
        }
        let slot = self.spec.scale_slot(output - self.start, group);
        kind.write(scale, &mut self.scales[slot * kind.bytes()..][..kind.bytes()]);
        Ok(())
    }

    /// What these rows add to the blob's head.
    ///
    /// # Errors
    /// [`Error::Length`] if some are not written.
    pub fn finish(self) -> Result<Written> {
        check_len("rows written", self.end - self.start, self.next - self.start)?;
        Ok(Written {
            start: self.start,
            end: self.end,
            scales: Sum { crc: crc32fast::hash(self.scales), len: self.scales.len() as u64 },
            codes: Sum { crc: self.sum.finalize(), len: self.codes_len },
            tensor_scale: self.tensor_scale.map(f32::to_bits),
        })
    }
}

/// [`Error::Multiple`] unless a part may end before that output.
fn check_cut(output: usize, end: usize) -> Result<()> {
    if output.is_multiple_of(PANEL_ROWS) || output == end {
        Ok(())
    } else {
        Err(Error::Multiple { argument: "output", multiple: PANEL_ROWS, actual: output })
    }
}
