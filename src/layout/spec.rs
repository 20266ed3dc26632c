//! Shape and format of packed weights: all sizes come from here.

use super::kind::Layout;
use super::panel::{HEADER_BYTES, MAX_INPUTS, MAX_OUTPUTS, PANEL_ROWS};
use super::scales::{ScaleType, Scaling};
use crate::error::{Error, Result, check_nonzero, checked_size};

/// Shape and format of a weight matrix `[N, K]`, checked; N outputs (rows), K inputs (columns).
// Layout and scaling are in words of their own. Joined in one by an addition, as LLVM did, the layout counts for valgrind as
// unwritten as what a scaling without groups leaves of its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct WeightSpec {
    layout: Layout,
    outputs: usize,
    inputs: usize,
    scaling: Scaling,
    scale_bytes: usize,
    packed_len: usize,
}

impl WeightSpec {
    /// Any N ≥ 1 and K ≥ 1.
    ///
    /// # Errors
    /// [`Error::Zero`], [`Error::SizeOverflow`] if the blob would not fit in `usize` or the shape is beyond
    /// [`MAX_OUTPUTS`] or [`MAX_INPUTS`].
    pub fn new(outputs: usize, inputs: usize, layout: Layout, scaling: Scaling) -> Result<WeightSpec> {
        check_nonzero("outputs", outputs)?;
        check_nonzero("inputs", inputs)?;
        if outputs > MAX_OUTPUTS {
            return Err(Error::SizeOverflow { argument: "outputs" });
        }
        if inputs > MAX_INPUTS {
            return Err(Error::SizeOverflow { argument: "inputs" });
        }
        const BYTES: &str = "bytes of packed weights";
        let padded_rows = checked_size(outputs.div_ceil(PANEL_ROWS), PANEL_ROWS, BYTES)?;
        let scales = match scaling {
            Scaling::Tensor => 1,
            Scaling::Row => padded_rows,
            Scaling::Group(group) | Scaling::GroupF16(group) => {
                checked_size(padded_rows, inputs.div_ceil(group.get()), BYTES)?
            }
        };
        let overflow = Error::SizeOverflow { argument: BYTES };
        let scale_bytes = checked_size(scales, ScaleType::of(scaling).bytes(), BYTES)?;
        let scale_bytes = scale_bytes.checked_next_multiple_of(64).ok_or(overflow)?;
        let panel_bytes = (layout.codes().panel_bytes)(inputs);
        let codes = checked_size(padded_rows / PANEL_ROWS, panel_bytes, BYTES)?;
        let packed_len =
            scale_bytes.checked_add(codes).and_then(|len| len.checked_add(HEADER_BYTES)).ok_or(overflow)?;
        Ok(WeightSpec { outputs, inputs, layout, scaling, scale_bytes, packed_len })
    }

    /// The same matrix in another layout.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`].
    pub fn with_layout(&self, layout: Layout) -> Result<WeightSpec> {
        WeightSpec::new(self.outputs, self.inputs, layout, self.scaling)
    }

    /// N, the number of outputs.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// K, the number of inputs.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
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
            Scaling::Row => self.outputs,
            Scaling::Group(_) | Scaling::GroupF16(_) => self.outputs * self.groups(),
        }
    }

    /// Scale groups of a row: 1 unless the scaling is by group.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.inputs.div_ceil(self.group_inputs())
    }

    /// Inputs that share a scale within a row: K unless the scaling is by group.
    #[must_use]
    pub const fn group_inputs(&self) -> usize {
        match self.scaling.group() {
            Some(group) => group.get(),
            None => self.inputs,
        }
    }

    /// Bytes of the scales and their padding.
    pub(super) const fn scale_bytes(&self) -> usize {
        self.scale_bytes
    }

    /// How the scales are stored.
    pub(crate) const fn scale_type(&self) -> ScaleType {
        ScaleType::of(self.scaling)
    }

    /// Whether each row has a scale for each of its groups.
    pub(crate) const fn has_groups(&self) -> bool {
        self.scaling.group().is_some()
    }

    /// Bytes of the packed blob.
    #[must_use]
    pub const fn packed_len(&self) -> usize {
        self.packed_len
    }

    /// Index of a scale in the blob: rows of a panel are neighbours, so that a panel loads its 16 at once.
    pub(super) fn scale_slot(&self, output: usize, group: usize) -> usize {
        match self.scaling {
            Scaling::Tensor => 0,
            Scaling::Row => output,
            Scaling::Group(_) | Scaling::GroupF16(_) => {
                (output / PANEL_ROWS * self.groups() + group) * PANEL_ROWS + output % PANEL_ROWS
            }
        }
    }

    /// Whether [`WeightSpec::scale_slot`] gives that index to a row of the matrix.
    pub(super) fn slot_is_used(&self, slot: usize) -> bool {
        match self.scaling {
            Scaling::Tensor => slot == 0,
            Scaling::Row => slot < self.outputs,
            Scaling::Group(_) | Scaling::GroupF16(_) => {
                slot / PANEL_ROWS / self.groups() * PANEL_ROWS + slot % PANEL_ROWS < self.outputs
            }
        }
    }

    pub(super) fn check_scales(&self, scales: impl Iterator<Item = f32>) -> Result<()> {
        scales
            .enumerate()
            .find(|&(_, scale)| !self.scale_type().holds(scale))
            .map_or(Ok(()), |(index, _)| Err(Error::Scale { index }))
    }
}
