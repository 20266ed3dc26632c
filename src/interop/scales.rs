//! Which scale weights share that had one each.

use core::ops::Range;

use super::codec::Cell;
use crate::error::{Error, Result};
use crate::layout::{SEGMENT, Scaling, Weights, exact_f16};

/// The scale that some weights share. Those that are all 0 fit any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Common {
    scale: Option<f32>,
    /// The first scale of weights that are all 0.
    of_zeros: Option<f32>,
}

impl Common {
    /// Takes more weights, which have that scale (or, if they are all 0, `of_zeros`); false if they do not fit.
    #[inline]
    pub(super) fn take(&mut self, scale: f32, of_zeros: f32, are_zeros: impl FnOnce() -> bool) -> bool {
        if self.scale.is_some_and(|shared| shared.to_bits() == scale.to_bits()) {
            return true;
        }
        if are_zeros() {
            self.of_zeros.get_or_insert(of_zeros);
            return true;
        }
        self.scale.replace(scale).is_none()
    }

    /// The scale, of at least some weights.
    pub(super) fn scale(&self) -> f32 {
        self.scale.or(self.of_zeros).unwrap_or(0.0)
    }
}

/// Whether weights of these codes are all 0.
pub(super) fn are_zeros(codes: &[u8]) -> bool {
    codes.iter().all(|&code| code == 1)
}

/// The scale of a format's cell, from packed weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    cell: Cell,
    /// The inputs of a cell of a block.
    inputs: (usize, usize),
    common: Common,
}

impl Shared {
    pub(super) fn of(cell: Cell, first: usize) -> Shared {
        let end = if let Cell::Block(len) = cell { first + len } else { usize::MAX };
        Shared { cell, inputs: (first, end), common: Common::default() }
    }

    /// Takes more of the cell's weights, of one row.
    #[inline]
    pub(super) fn take(
        &mut self,
        weights: &Weights<'_>,
        output: usize,
        first: usize,
        codes: &[u8],
    ) -> Result<()> {
        let spec = weights.spec();
        let group_len = spec.group_inputs();
        let end = first + codes.len();
        let mut at = first;
        while at < end {
            let group = at / group_len;
            let group_end = ((group + 1) * group_len).min(spec.inputs());
            let piece = &codes[at - first..group_end.min(end) - first];
            let scale = weights.scale(output, group);
            let of_zeros =
                if self.contains(spec.scaling(), group * group_len..group_end) { scale } else { 0.0 };
            if !self.common.take(scale, of_zeros, || are_zeros(piece)) {
                return Err(Error::ScaleDiffers { output, input: at });
            }
            at = group_end;
        }
        Ok(())
    }

    /// Whether all weights with the scale of that group are in the cell.
    fn contains(&self, scaling: Scaling, group: Range<usize>) -> bool {
        let (start, end) = self.inputs;
        match (self.cell, scaling) {
            (Cell::Tensor, _) => true,
            (_, Scaling::Tensor) => false,
            _ => start <= group.start && group.end <= end,
        }
    }

    pub(super) fn scale(&self) -> f32 {
        self.common.scale()
    }
}

/// The one scale of a whole tensor.
pub(super) fn tensor_scale(weights: &Weights<'_>) -> Result<f32> {
    let spec = weights.spec();
    if spec.scaling() == Scaling::Tensor {
        return Ok(weights.scale(0, 0));
    }
    let mut shared = Shared::of(Cell::Tensor, 0);
    for output in 0..spec.outputs() {
        for first in (0..spec.inputs()).step_by(SEGMENT) {
            let codes = weights.codes(output, first);
            shared.take(weights, output, first, &codes[..(spec.inputs() - first).min(SEGMENT)])?;
        }
    }
    Ok(shared.scale())
}

/// The bits of an f16, or [`Error::Scale`] naming the packed weights' scale that is none.
pub(super) fn checked_f16(weights: &Weights<'_>, output: usize, input: usize, scale: f32) -> Result<u16> {
    let spec = weights.spec();
    let index = || {
        if spec.scaling() == Scaling::Tensor {
            0
        } else {
            output * spec.groups() + input / spec.group_inputs()
        }
    };
    exact_f16(scale).ok_or_else(|| Error::Scale { index: index() })
}
