//! Sizes that all layouts share.

/// Version of every packed format. Readers refuse any other.
pub const LAYOUT_VERSION: u16 = 1;

/// Bytes of a blob's header.
pub(crate) const HEADER_BYTES: usize = 64;

/// Rows (outputs) of a weight panel.
pub const PANEL_ROWS: usize = 16;

/// Bytes of a block: four for each row of a panel.
pub const BLOCK_BYTES: usize = 4 * PANEL_ROWS;

/// Largest number of inputs: up to here `Σ w·q` fits in an i32 for every int8 input. (`Σ code·q` may wrap on
/// the way; the subtraction of `Σ q` wraps back, and the result is exact.)
pub const MAX_INPUTS: usize = (1 << 24) - 1;

/// Largest number of outputs of a weight matrix.
pub const MAX_OUTPUTS: usize = 1 << 31;
