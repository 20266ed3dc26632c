//! Products of [`Layout::FiveTrit`](crate::Layout::FiveTrit).

#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, unused_imports))]
pub(crate) mod by_element;
pub(crate) mod dot_u8s8;
mod factors;
mod lookup_codes;
pub(crate) mod maddubs;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, unused_imports))]
pub(crate) mod matrix;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
pub(crate) mod multiply_add;
pub(crate) mod nine;
mod portable;
mod quarter;
pub(crate) mod recoded;
mod recoding;
mod tile_codes;

use core::ops::Range;

pub(crate) use portable::PORTABLE;

use crate::kernels::contract::Panels;
use crate::layout::five_trit::QUARTER_COLUMNS;

/// The layout, for kernels that are generic over the unpacking.
pub(crate) struct FiveTritCodes;

/// The run's quarters.
#[inline(always)]
pub(crate) fn quarters(panels: Panels<'_>) -> Range<usize> {
    let Range { start, end } = panels.range();
    start / QUARTER_COLUMNS..end.div_ceil(QUARTER_COLUMNS)
}
