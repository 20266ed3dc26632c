//! The single source of truth on bits and bytes: packed weights, their header and scales, quantised activations,
//! attention states ([`states`]), and the order of float sums ([`sums`]).
//!
//! # Weight codes
//! A ternary weight `w ∈ {−1, 0, 1}` is stored as `code = w + 1 ∈ {0, 1, 2}`. A product therefore sums
//! `code · q` and subtracts the integer sum of the quantised row: `Σ w·q = Σ code·q − Σ q`.
//!
//! # Panels
//! The N outputs are the rows of the weight matrix, the K inputs its columns. Rows are grouped into **panels** of
//! [`PANEL_ROWS`] = 16, which follow each other along N; the bytes of a panel are its layout's: [`two_bit`],
//! [`five_trit`]. All their numbers are the same on every machine.
//!
//! A packed matrix is a plain byte blob (64-byte header, scales, codes), position-independent and without alignment needs:
//! write it to a file, map it, send it. A blob that is truncated, damaged, or of another version is refused when it is
//! opened ([`Weights`]).
//!
//! # Activations
//! int8: one byte each. int4: two's-complement nibbles, input `2i` in the low and `2i + 1` in the high half of
//! byte `i`; a row takes ⌈K/2⌉ bytes and the spare nibble of an odd row is 0 ([`Activations`]).
//!
//! # Adding a layout
//! A file beside [`two_bit`] with a `Codes`, and a line in the table of `kind.rs`. Kernels of its own are not needed: every backend
//! falls back to a portable product of any layout.

mod activations;
mod codes;
pub mod five_trit;
mod header;
mod kind;
mod panel;
mod scales;
mod spec;
pub mod states;
pub mod sums;
pub(crate) mod trits;
pub mod two_bit;
mod weights;
mod writer;
mod written;

pub use activations::{Activations, ActivationsMut, Bits};
pub(crate) use codes::{Codes, SEGMENT, Segment};
pub use kind::Layout;
pub use panel::{BLOCK_BYTES, LAYOUT_VERSION, MAX_INPUTS, MAX_OUTPUTS, PANEL_ROWS};
pub use scales::{GroupLen, Scaling};
pub(crate) use scales::{ScaleType, exact_f16, f16_at, f32_of_f16};
pub use spec::WeightSpec;
pub use states::StateBits;
pub use weights::Weights;
pub use writer::{BlobHead, BlobRows};
pub use written::Written;
