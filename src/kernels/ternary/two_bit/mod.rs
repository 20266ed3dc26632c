//! Products of [`Layout::TwoBit`](crate::Layout::TwoBit).

#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, unused_imports))]
pub(crate) mod by_element;
pub(crate) mod dot_u8s8;
mod in_place;
mod lookup_codes;
pub(crate) mod maddubs;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, unused_imports))]
pub(crate) mod matrix;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
pub(crate) mod multiply_add;
mod piece;
mod portable;
mod recoding;
mod tile_codes;

pub(crate) use portable::PORTABLE;

use crate::kernels::contract::Panels;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// The layout, for kernels that are generic over the unpacking.
pub(crate) struct TwoBitCodes;

/// The run's first byte of a panel.
#[inline(always)]
pub(crate) fn start(panels: Panels<'_>) -> usize {
    panels.range().start / BLOCK_COLUMNS * BLOCK_BYTES
}

/// The run's blocks of a panel.
#[inline(always)]
pub(crate) fn blocks(panels: Panels<'_>, panel: usize) -> &[u8] {
    &panels.panel(panel)[start(panels)..panels.range().end.div_ceil(BLOCK_COLUMNS) * BLOCK_BYTES]
}
