//! Ternary weights: made from trained ones, packed once, opened without copying.
//!
//! A packed matrix is a plain byte blob (64-byte header, scales, codes; see [`crate::layout`] and the header's
//! table in the source), the same on every machine, position-independent and without alignment needs: write it to a
//! file, map it, send it. A blob that is truncated, damaged, or of another version is refused when it is opened.

mod codes;
mod header;
mod scales;
mod ternary;

use header::HEADER_BYTES;
pub(crate) use scales::{ScaleType, f32_of_f16};
pub use ternary::{absmean, absmean_rows};

use crate::error::{Error, Result, check_len, check_nonzero, checked_size};
use crate::layout::{MAX_COLUMNS, MAX_ROWS, PANEL_ROWS};

/// How codes are packed.
#[non_exhaustive]
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Two bits a weight. The faster one wherever memory is not what limits.
    T2 = 2,
    /// Five weights a byte, 1.625 bits each. The faster one for few tokens and weights that no cache holds.
    T5 = 5,
}

/// How many scales a weight matrix has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scaling {
    /// One.
    Tensor,
    /// One for each of the N rows.
    Row,
    /// One for each run of 64, 128 or 256 columns of each row; the last run may be shorter.
    Group(usize),
    /// The same, stored as f16: the scales must be f16 values, as those of the published formats with groups are. Half
    /// the bytes, and the same results.
    GroupF16(usize),
}

/// Shape and format of a weight matrix `[N, K]`, checked; N outputs (rows), K inputs (columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    rows: usize,
    columns: usize,
    layout: Layout,
    scaling: Scaling,
    scale_bytes: usize,
    packed_len: usize,
}

impl WeightSpec {
    /// Any N ≥ 1 and K ≥ 1.
    ///
    /// # Errors
    /// [`Error::Zero`], [`Error::SizeOverflow`] if the blob would not fit in `usize` or the shape is beyond
    /// [`MAX_ROWS`] or [`MAX_COLUMNS`], [`Error::Value`] for a group that is not 64, 128 or 256.
    pub fn new(rows: usize, columns: usize, layout: Layout, scaling: Scaling) -> Result<WeightSpec> {
        check_nonzero("rows", rows)?;
        check_nonzero("columns", columns)?;
        if rows > MAX_ROWS {
            return Err(Error::SizeOverflow { argument: "rows" });
        }
        if columns > MAX_COLUMNS {
            return Err(Error::SizeOverflow { argument: "columns" });
        }
        const BYTES: &str = "bytes of packed weights";
        let padded_rows = checked_size(rows.div_ceil(PANEL_ROWS), PANEL_ROWS, BYTES)?;
        let scales = match scaling {
            Scaling::Tensor => 1,
            Scaling::Row => padded_rows,
            Scaling::Group(group @ (64 | 128 | 256)) | Scaling::GroupF16(group @ (64 | 128 | 256)) => {
                checked_size(padded_rows, columns.div_ceil(group), BYTES)?
            }
            Scaling::Group(value) | Scaling::GroupF16(value) => {
                return Err(Error::Value { argument: "scale group", value });
            }
        };
        let overflow = Error::SizeOverflow { argument: BYTES };
        let scale_bytes = checked_size(scales, ScaleType::of(scaling).bytes(), BYTES)?;
        let scale_bytes = scale_bytes.checked_next_multiple_of(64).ok_or(overflow)?;
        let codes = checked_size(padded_rows / PANEL_ROWS, layout.panel_bytes(columns), BYTES)?;
        let packed_len =
            scale_bytes.checked_add(codes).and_then(|len| len.checked_add(HEADER_BYTES)).ok_or(overflow)?;
        Ok(WeightSpec { rows, columns, layout, scaling, scale_bytes, packed_len })
    }

    /// N, the number of outputs.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// K, the number of inputs.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// How codes are packed.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// How many scales there are.
    #[must_use]
    pub const fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// Scales a caller passes to [`WeightSpec::pack`]: 1, N, or N · ⌈K / group⌉.
    #[must_use]
    pub const fn scale_count(&self) -> usize {
        match self.scaling {
            Scaling::Tensor => 1,
            Scaling::Row => self.rows,
            Scaling::Group(_) | Scaling::GroupF16(_) => self.rows * self.groups(),
        }
    }

    /// Scale groups of a row: 1 unless the scaling is by group.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.columns.div_ceil(self.group_columns())
    }

    /// Columns that share a scale within a row: K unless the scaling is by group.
    #[must_use]
    pub const fn group_columns(&self) -> usize {
        match self.scaling {
            Scaling::Group(columns) | Scaling::GroupF16(columns) => columns,
            Scaling::Tensor | Scaling::Row => self.columns,
        }
    }

    /// How the scales are stored.
    pub(crate) const fn scale_type(&self) -> ScaleType {
        ScaleType::of(self.scaling)
    }

    /// Whether each row has a scale for each of its groups.
    pub(crate) const fn has_groups(&self) -> bool {
        matches!(self.scaling, Scaling::Group(_) | Scaling::GroupF16(_))
    }

    /// Bytes of the packed blob.
    #[must_use]
    pub const fn packed_len(&self) -> usize {
        self.packed_len
    }

    /// Packs `[N, K]` row-major weights −1, 0, 1 and their scales (row-major `[N, groups]`) into `blob`.
    ///
    /// # Errors
    /// [`Error::Length`] unless the slices have N·K, [`WeightSpec::scale_count`] and [`WeightSpec::packed_len`]
    /// elements; [`Error::Code`] for another weight; [`Error::Scale`] for a NaN or infinite scale, or one that is not an
    /// f16 where scales are stored so. Then `blob` is untouched.
    ///
    /// ```
    /// use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
    /// let spec = WeightSpec::new(1, 3, Layout::T2, Scaling::Tensor)?;
    /// let mut blob = vec![0; spec.packed_len()];
    /// spec.pack(&[1, 0, -1], &[0.5], &mut blob)?;
    /// let weights = Weights::open(&blob)?;
    /// assert_eq!((weights.weight(0, 0), weights.weight(0, 2), weights.scale(0, 0)), (1, -1, 0.5));
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn pack(&self, ternary: &[i8], scales: &[f32], blob: &mut [u8]) -> Result<()> {
        check_len("ternary", checked_size(self.rows, self.columns, "rows * columns")?, ternary.len())?;
        check_len("scales", self.scale_count(), scales.len())?;
        check_len("blob", self.packed_len, blob.len())?;
        ternary::check_ternary(self.columns, ternary)?;
        self.check_scales(scales.iter().copied())?;

        let scale_bytes = &mut blob[HEADER_BYTES..][..self.scale_bytes];
        scale_bytes.fill(0);
        for (index, scale) in scales.iter().enumerate() {
            let slot = self.scale_slot(index / self.groups(), index % self.groups());
            let bytes = self.scale_type().bytes();
            self.scale_type().write(*scale, &mut scale_bytes[slot * bytes..][..bytes]);
        }
        self.write_codes(blob, |row, column| (ternary[row * self.columns + column] + 1) as u8);
        Ok(())
    }

    /// Writes the codes and, as the last part of the blob, its header.
    fn write_codes(&self, blob: &mut [u8], code: impl Fn(usize, usize) -> u8) {
        let codes = &mut blob[HEADER_BYTES + self.scale_bytes..];
        let panels = codes.chunks_exact_mut(self.layout.panel_bytes(self.columns));
        for (panel, first) in panels.zip((0..self.rows).step_by(PANEL_ROWS)) {
            self.layout.fill(panel, self.columns);
            for row in 0..PANEL_ROWS.min(self.rows - first) {
                for column in 0..self.columns {
                    self.layout.set_code(panel, row, column, code(first + row, column));
                }
            }
        }
        header::write(self, blob);
    }

    /// Index of a scale in the blob: rows of a panel are neighbours, so that a panel loads its 16 at once.
    fn scale_slot(&self, row: usize, group: usize) -> usize {
        match self.scaling {
            Scaling::Tensor => 0,
            Scaling::Row => row,
            Scaling::Group(_) | Scaling::GroupF16(_) => {
                (row / PANEL_ROWS * self.groups() + group) * PANEL_ROWS + row % PANEL_ROWS
            }
        }
    }

    /// Whether [`WeightSpec::scale_slot`] gives that index to a row of the matrix.
    fn slot_is_used(&self, slot: usize) -> bool {
        match self.scaling {
            Scaling::Tensor => slot == 0,
            Scaling::Row => slot < self.rows,
            Scaling::Group(_) | Scaling::GroupF16(_) => {
                slot / PANEL_ROWS / self.groups() * PANEL_ROWS + slot % PANEL_ROWS < self.rows
            }
        }
    }

    fn check_scales(&self, scales: impl Iterator<Item = f32>) -> Result<()> {
        scales
            .enumerate()
            .find(|&(_, scale)| !self.scale_type().holds(scale))
            .map_or(Ok(()), |(index, _)| Err(Error::Scale { index }))
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
        let scale_type = weights.spec.scale_type();
        let scales = weights.scales.chunks_exact(scale_type.bytes());
        weights.spec.check_scales(scales.map(|bytes| scale_type.read(bytes)))?;
        let layout = weights.spec.layout;
        for (panel, codes) in weights.codes.chunks_exact(layout.panel_bytes(weights.columns())).enumerate() {
            if let Some((row, column)) = layout.damage(codes) {
                return Err(Error::Code { row: panel * PANEL_ROWS + row, column });
            }
        }
        weights.check_padding()?;
        Ok(weights)
    }

    /// [`Error::BlobPayload`] unless all beyond the matrix is as packing leaves it: weights and scales of zero.
    fn check_padding(&self) -> Result<()> {
        let (rows, columns) = (self.rows(), self.columns());
        let padded_rows = rows.next_multiple_of(PANEL_ROWS);
        let is_zero = |row: usize, column| {
            self.spec.layout.code(self.panel(row / PANEL_ROWS), row % PANEL_ROWS, column) == 1
        };
        let right = self.spec.layout.padding(columns);
        let codes = (0..padded_rows).all(|row| right.clone().all(|column| is_zero(row, column)))
            && (rows..padded_rows).all(|row| (0..columns).all(|column| is_zero(row, column)));
        let mut slots = self.scales.chunks_exact(self.spec.scale_type().bytes()).enumerate();
        let scales = slots.all(|(slot, bytes)| self.spec.slot_is_used(slot) || bytes.iter().all(|&b| b == 0));
        if codes && scales { Ok(()) } else { Err(Error::BlobPayload) }
    }

    /// Opens a blob that is known to be whole, because [`Weights::open`] accepted the same bytes before: checks the
    /// header and the length only, so that a mapped file is not read through. Damage behind the header then gives
    /// wrong numbers, never undefined behaviour.
    ///
    /// # Errors
    /// [`Error::BlobLength`], [`Error::BlobMagic`], [`Error::BlobVersion`], [`Error::BlobHeader`].
    pub fn open_verified(blob: &'a [u8]) -> Result<Weights<'a>> {
        let spec = header::read(blob)?;
        let (scales, codes) = blob[HEADER_BYTES..].split_at(spec.scale_bytes);
        Ok(Weights { spec, scales, codes })
    }

    /// Shape and format.
    #[must_use]
    pub const fn spec(&self) -> &WeightSpec {
        &self.spec
    }

    /// N, the number of outputs.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.spec.rows
    }

    /// K, the number of inputs.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.spec.columns
    }

    /// One weight, −1, 0 or 1; 0 outside the matrix.
    #[must_use]
    pub fn weight(&self, row: usize, column: usize) -> i8 {
        if row >= self.rows() || column >= self.columns() {
            return 0;
        }
        self.spec.layout.code(self.panel(row / PANEL_ROWS), row % PANEL_ROWS, column) as i8 - 1
    }

    /// The scale of a row's group (group 0 unless the scaling is by group); 0 outside the matrix.
    #[must_use]
    pub fn scale(&self, row: usize, group: usize) -> f32 {
        if row >= self.rows() || group >= self.spec.groups() {
            return 0.0;
        }
        let scale_type = self.spec.scale_type();
        scale_type.read(&self.scales[self.spec.scale_slot(row, group) * scale_type.bytes()..])
    }

    /// Writes the weights −1, 0, 1 as `[N, K]` row-major: the inverse of [`WeightSpec::pack`].
    ///
    /// # Errors
    /// [`Error::Length`] unless `ternary` is N·K long.
    pub fn unpack(&self, ternary: &mut [i8]) -> Result<()> {
        check_len("ternary", checked_size(self.rows(), self.columns(), "rows * columns")?, ternary.len())?;
        for (row, weights) in ternary.chunks_exact_mut(self.columns()).enumerate() {
            for (column, weight) in weights.iter_mut().enumerate() {
                *weight = self.weight(row, column);
            }
        }
        Ok(())
    }

    /// Packs the same weights and scales in another layout, into a blob of that layout's length.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`]; [`Error::Length`] unless `blob` has the [`WeightSpec::packed_len`] of the shape and
    /// scaling in that layout. Then it is untouched.
    ///
    /// ```
    /// use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
    /// let two_bits = WeightSpec::new(1, 3, Layout::T2, Scaling::Row)?;
    /// let mut blob = vec![0; two_bits.packed_len()];
    /// two_bits.pack(&[1, 0, -1], &[0.5], &mut blob)?;
    /// let trits = WeightSpec::new(1, 3, Layout::T5, Scaling::Row)?;
    /// let mut smaller = vec![0; trits.packed_len()];
    /// Weights::open(&blob)?.repack(Layout::T5, &mut smaller)?;
    /// assert_eq!(Weights::open(&smaller)?.weight(0, 2), -1);
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn repack(&self, layout: Layout, blob: &mut [u8]) -> Result<()> {
        let spec = WeightSpec::new(self.rows(), self.columns(), layout, self.spec.scaling)?;
        check_len("blob", spec.packed_len, blob.len())?;
        blob[HEADER_BYTES..][..spec.scale_bytes].copy_from_slice(self.scales);
        spec.write_codes(blob, |row, column| (self.weight(row, column) + 1) as u8);
        Ok(())
    }

    /// The code bytes of one panel.
    fn panel(&self, panel: usize) -> &'a [u8] {
        let bytes = self.spec.layout.panel_bytes(self.columns());
        &self.codes[panel * bytes..][..bytes]
    }

    /// The code bytes from a panel on, and the distance of panels.
    pub(crate) fn panels(&self, first: usize) -> (&'a [u8], usize) {
        let bytes = self.spec.layout.panel_bytes(self.columns());
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
        if self.spec.scaling == Scaling::Tensor {
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
