//! Packed ternary weights: packed once, opened without copying.

use core::mem::MaybeUninit;

use super::codes::{SEGMENT, Segment, code_of, first_bad_code};
use super::header;
use super::kind::Layout;
use super::panel::{HEADER_BYTES, PANEL_ROWS};
use super::scales::Scaling;
use super::spec::WeightSpec;
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_range, checked_size};

impl WeightSpec {
    /// Packs `[N, K]` row-major weights −1, 0, 1 and their scales (row-major `[N, groups]`) into `blob`.
    ///
    /// # Errors
    /// [`Error::Length`] unless the slices have N·K, [`WeightSpec::scale_count`] and [`WeightSpec::packed_len`]
    /// elements; [`Error::Code`] for another weight; [`Error::Scale`] for a NaN or infinite scale, or one that is not an
    /// f16 where scales are stored so. Then `blob` is untouched.
    ///
    /// ```
    /// use hbitlinear::{Layout, Scaling, WeightSpec, Weights};
    /// let spec = WeightSpec::new(1, 3, Layout::TwoBit, Scaling::Tensor)?;
    /// let mut blob = vec![0; spec.packed_len()];
    /// spec.pack(&[1, 0, -1], &[0.5], &mut blob)?;
    /// let weights = Weights::open(&blob)?;
    /// assert_eq!((weights.weight(0, 0), weights.weight(0, 2), weights.scale(0, 0)), (1, -1, 0.5));
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn pack<'b>(&self, ternary: &[i8], scales: &[f32], blob: impl Into<Buffer<'b, u8>>) -> Result<()> {
        let blob = blob.into();
        check_len(
            "ternary",
            checked_size(self.outputs(), self.inputs(), "outputs * inputs")?,
            ternary.len(),
        )?;
        check_len("scales", self.scale_count(), scales.len())?;
        check_len("blob", self.packed_len(), blob.len())?;
        for (at, weights) in (0..).step_by(SEGMENT).zip(ternary.chunks(SEGMENT)) {
            if let Some(index) = first_bad_code(weights.iter().map(|&weight| code_of(weight))) {
                let index = at + index;
                return Err(Error::Code { output: index / self.inputs(), input: index % self.inputs() });
            }
        }
        self.check_scales(scales.iter().copied())?;

        let (head, mut rows) = self.writer(blob)?;
        for (weights, scales) in ternary.chunks_exact(self.inputs()).zip(self.rows_of(scales)) {
            rows.push_with(
                |group| Ok(scales[group]),
                |first, codes| {
                    let weights = &weights[first..];
                    for (code, &weight) in codes.iter_mut().zip(&weights[..weights.len().min(SEGMENT)]) {
                        *code = code_of(weight);
                    }
                },
            )?;
        }
        head.finish(&rows.finish()?)
    }

    /// The scales of each row.
    fn rows_of<'s>(&self, scales: &'s [f32]) -> impl Iterator<Item = &'s [f32]> {
        let shared = self.scaling() == Scaling::Tensor;
        let (one, rows) = scales.split_at(if shared { 1 } else { 0 });
        rows.chunks_exact(self.groups())
            .chain(core::iter::repeat_n(one, if shared { self.outputs() } else { 0 }))
    }
}

/// Packed weights, opened: a checked view of the caller's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    spec: WeightSpec,
    scales: &'a [u8],
    codes: &'a [u8],
}

impl<'a> Weights<'a> {
    /// Opens a blob and checks all of it: header, length, payload checksum, every scale, every code and the padding;
    /// so what opens is byte for byte what [`WeightSpec::pack`] writes. Reads the blob twice; nothing is copied. The
    /// bytes need no alignment.
    ///
    /// # Errors
    /// [`Error::BlobLength`], [`Error::BlobMagic`], [`Error::BlobVersion`], [`Error::BlobHeader`],
    /// [`Error::BlobPayload`], [`Error::Scale`], or [`Error::Code`] where a code is none of the three.
    pub fn open(blob: &'a [u8]) -> Result<Weights<'a>> {
        let weights = Self::open_verified(blob)?;
        header::check_payload(blob)?;
        weights.check_content()?;
        weights.check_padding()?;
        Ok(weights)
    }

    /// [`Error::Scale`] or [`Error::Code`] for the first scale or code that no writer produces.
    fn check_content(&self) -> Result<()> {
        let scale_type = self.spec.scale_type();
        let scales = self.scales.chunks_exact(scale_type.bytes());
        self.spec.check_scales(scales.map(|bytes| scale_type.read(bytes)))?;
        let layout = self.spec.layout().codes();
        let panels = self.codes.chunks_exact((layout.panel_bytes)(self.inputs()));
        for (panel, codes) in panels.enumerate() {
            if let Some(damage) = (layout.damage)(codes) {
                return Err(Error::Code { output: panel * PANEL_ROWS + damage.row, input: damage.column });
            }
        }
        Ok(())
    }

    /// [`Error::BlobPayload`] unless all beyond the matrix is as packing leaves it: weights and scales of zero.
    fn check_padding(&self) -> Result<()> {
        let layout = self.spec.layout().codes();
        let (outputs, inputs) = (self.outputs(), self.inputs());
        let padded_rows = outputs.next_multiple_of(PANEL_ROWS);
        let is_zero =
            |row: usize, column| (layout.code)(self.panel(row / PANEL_ROWS), row % PANEL_ROWS, column) == 1;
        let right = layout.padding(inputs);
        let codes = (0..padded_rows).all(|row| right.clone().all(|column| is_zero(row, column)))
            && (outputs..padded_rows).all(|row| (0..inputs).all(|column| is_zero(row, column)));
        let mut slots = self.scales.chunks_exact(self.spec.scale_type().bytes()).enumerate();
        let scales = slots.all(|(slot, bytes)| self.spec.slot_is_used(slot) || bytes.iter().all(|&b| b == 0));
        if codes && scales { Ok(()) } else { Err(Error::BlobPayload) }
    }

    /// Bytes of the blob that starts with these, of which the first 64, its header, are looked at: how much of a file to
    /// map.
    ///
    /// # Errors
    /// [`Error::BlobLength`] below 64 bytes, [`Error::BlobMagic`], [`Error::BlobVersion`], [`Error::BlobHeader`].
    pub fn blob_len(start: &[u8]) -> Result<usize> {
        header::read(start).map(|spec| spec.packed_len())
    }

    /// Opens a blob that is known to be whole, because [`Weights::open`] accepted the same bytes before: checks the
    /// header and the length only, so that a mapped file is not read through. Damage behind the header then gives
    /// wrong numbers, never undefined behaviour.
    ///
    /// # Errors
    /// [`Error::BlobLength`], [`Error::BlobMagic`], [`Error::BlobVersion`], [`Error::BlobHeader`].
    pub fn open_verified(blob: &'a [u8]) -> Result<Weights<'a>> {
        let spec = header::read(blob)?;
        check_blob_len(spec.packed_len(), blob.len())?;
        let (scales, codes) = blob[HEADER_BYTES..].split_at(spec.scale_bytes());
        Ok(Weights { spec, scales, codes })
    }

    /// Shape and format.
    #[must_use]
    pub const fn spec(&self) -> &WeightSpec {
        &self.spec
    }

    /// N, the number of outputs.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.spec.outputs()
    }

    /// K, the number of inputs.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.spec.inputs()
    }

    /// The blob's parts behind its header: the stored scales and the packed codes.
    #[must_use]
    pub const fn parts(&self) -> (&'a [u8], &'a [u8]) {
        (self.scales, self.codes)
    }

    /// One weight, −1, 0 or 1; 0 outside the matrix.
    #[must_use]
    pub fn weight(&self, output: usize, input: usize) -> i8 {
        if output >= self.outputs() || input >= self.inputs() {
            return 0;
        }
        self.code(output, input) as i8 - 1
    }

    fn code(&self, output: usize, input: usize) -> u8 {
        (self.spec.layout().codes().code)(self.panel(output / PANEL_ROWS), output % PANEL_ROWS, input)
    }

    /// The scale of an output's group (group 0 unless the scaling is by group); 0 outside the matrix.
    #[must_use]
    pub fn scale(&self, output: usize, group: usize) -> f32 {
        if output >= self.outputs() || group >= self.spec.groups() {
            return 0.0;
        }
        let scale_type = self.spec.scale_type();
        scale_type.read(&self.scales[self.spec.scale_slot(output, group) * scale_type.bytes()..])
    }

    /// Writes the K weights −1, 0, 1 of a row.
    ///
    /// # Errors
    /// [`Error::Range`] outside the matrix, [`Error::Length`] unless `weights` is K long. Then it is untouched.
    pub fn row<'w>(&self, output: usize, weights: impl Into<Buffer<'w, i8>>) -> Result<()> {
        let weights = weights.into();
        check_range("output", &(output..output.saturating_add(1)), self.outputs())?;
        check_len("weights", self.inputs(), weights.len())?;
        self.write_row(output, weights.into_uninit());
        Ok(())
    }

    fn write_row(&self, output: usize, row: &mut [MaybeUninit<i8>]) {
        for (first, weights) in (0..).step_by(SEGMENT).zip(row.chunks_mut(SEGMENT)) {
            let codes = self.codes(output, first);
            for (weight, code) in weights.iter_mut().zip(codes) {
                weight.write(code as i8 - 1);
            }
        }
    }

    /// Writes the weights −1, 0, 1 as `[N, K]` row-major and the scales as `[N, groups]`: the inverse of
    /// [`WeightSpec::pack`].
    ///
    /// # Errors
    /// [`Error::Length`] unless `ternary` is N·K and `scales` [`WeightSpec::scale_count`] long. Then both are untouched.
    pub fn unpack<'t, 's>(
        &self,
        ternary: impl Into<Buffer<'t, i8>>,
        scales: impl Into<Buffer<'s, f32>>,
    ) -> Result<()> {
        let (ternary, scales) = (ternary.into(), scales.into());
        let (inputs, groups) = (self.inputs(), self.spec.groups());
        check_len("ternary", checked_size(self.outputs(), inputs, "outputs * inputs")?, ternary.len())?;
        check_len("scales", self.spec.scale_count(), scales.len())?;
        for (output, row) in ternary.into_uninit().chunks_exact_mut(inputs).enumerate() {
            self.write_row(output, row);
        }
        scales.fill_with(|index| self.scale(index / groups, index % groups));
        Ok(())
    }

    /// Packs the same weights and scales in another layout, into a blob of that layout's length.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`]; [`Error::Length`] unless `blob` has the [`WeightSpec::packed_len`] of the shape and
    /// scaling in that layout; [`Error::Code`] or [`Error::Scale`] if these weights are a blob that was opened with
    /// [`Weights::open_verified`] and is damaged. Then it is untouched.
    ///
    /// ```
    /// use hbitlinear::{Layout, Scaling, WeightSpec, Weights};
    /// let two_bits = WeightSpec::new(1, 3, Layout::TwoBit, Scaling::Row)?;
    /// let mut blob = vec![0; two_bits.packed_len()];
    /// two_bits.pack(&[1, 0, -1], &[0.5], &mut blob)?;
    /// let trits = WeightSpec::new(1, 3, Layout::FiveTrit, Scaling::Row)?;
    /// let mut smaller = vec![0; trits.packed_len()];
    /// Weights::open(&blob)?.repack(Layout::FiveTrit, &mut smaller)?;
    /// assert_eq!(Weights::open(&smaller)?.weight(0, 2), -1);
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn repack<'b>(&self, layout: Layout, blob: impl Into<Buffer<'b, u8>>) -> Result<()> {
        let (spec, blob) = (self.spec.with_layout(layout)?, blob.into());
        check_len("blob", spec.packed_len(), blob.len())?;
        self.check_content()?;
        let (head, mut rows) = spec.writer(blob)?;
        for output in 0..self.outputs() {
            rows.push_with(
                |group| Ok(self.scale(output, group)),
                |first, codes| *codes = self.codes(output, first),
            )?;
        }
        head.finish(&rows.finish()?)
    }

    /// The codes of a row from an input on that is a multiple of [`SEGMENT`]; those beyond the row are arbitrary.
    pub(crate) fn codes(&self, output: usize, first: usize) -> Segment {
        let mut codes = [1; SEGMENT];
        (self.spec.layout().codes().read)(
            self.panel(output / PANEL_ROWS),
            output % PANEL_ROWS,
            first,
            &mut codes,
        );
        codes
    }

    /// The code bytes of one panel.
    fn panel(&self, panel: usize) -> &'a [u8] {
        let (codes, bytes) = self.panels(panel);
        &codes[..bytes]
    }

    /// The code bytes from a panel on, and the distance of panels.
    pub(crate) fn panels(&self, first: usize) -> (&'a [u8], usize) {
        let bytes = (self.spec.layout().codes().panel_bytes)(self.inputs());
        (&self.codes[first * bytes..], bytes)
    }

    /// The scales from a panel's group on, 16 stored ones for each group, and the distance of panels in bytes. Scaling
    /// by group.
    pub(crate) fn group_scales(&self, first_panel: usize, group: usize) -> (&'a [u8], usize) {
        let bytes = self.spec.scale_type().bytes();
        let at = self.spec.scale_slot(first_panel * PANEL_ROWS, group) * bytes;
        (&self.scales[at..], self.spec.groups() * PANEL_ROWS * bytes)
    }

    /// The 16 scales of a panel's rows. Scaling by tensor or row.
    pub(crate) fn panel_scales(&self, panel: usize) -> [f32; PANEL_ROWS] {
        if self.spec.scaling() == Scaling::Tensor {
            return [self.scale(0, 0); PANEL_ROWS];
        }
        let at = self.spec.scale_slot(panel * PANEL_ROWS, 0) * 4;
        let mut scales = [0.0; PANEL_ROWS];
        for (scale, bytes) in scales.iter_mut().zip(self.scales[at..][..4 * PANEL_ROWS].chunks_exact(4)) {
            *scale = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        scales
    }
}

fn check_blob_len(expected: usize, actual: usize) -> Result<()> {
    if actual == expected { Ok(()) } else { Err(Error::BlobLength { expected, actual }) }
}
