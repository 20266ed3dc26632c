//! Other people's ternary weights, read and written exactly: [`Format`] lists the byte formats, [`Import`] packs a tensor of
//! one, [`Export`] writes one from packed weights. [`contract`] says which tensors a model wants rotated activations for.
//!
//! Slices in, slices out; no allocation, a few hundred bytes of stack. Work is cut by rows, so that threads can share it.
//!
//! ```
//! use hbitlinear::interop::{Export, Format, Import};
//! use hbitlinear::{Layout, Weights};
//!
//! // One row of 256 weights as TQ2_0: all +1, scale 0.5 as an f16.
//! let mut tensor = [0b10_10_10_10; 66];
//! tensor[64..].copy_from_slice(&[0x00, 0x38]);
//!
//! let import = Import::new(Format::Tq2_0, 1, 256, &tensor)?;
//! let spec = import.spec(Layout::FiveTrit, import.scaling()?)?;
//! let mut blob = vec![0; spec.packed_len()];
//! import.pack(&spec, &mut blob)?;
//! let weights = Weights::open(&blob)?;
//! assert_eq!((weights.weight(0, 255), weights.scale(0, 0)), (1, 0.5));
//!
//! let export = Export::new(Format::Tq2_0, &weights)?;
//! let mut again = vec![0; export.len()];
//! export.write(&mut again)?;
//! assert_eq!(again, tensor);
//! # Ok::<(), hbitlinear::Error>(())
//! ```
//!
//! # Scales
//! Scales keep their granularity unless the caller asks for another that is exact: a scale for each block becomes one for
//! each row, or one for the tensor, if they are the same ([`Import::scaling`] gives the coarsest such [`Scaling`]); it is
//! refused, with the place, if they are not. Nothing is rounded: an f32 that is no f16 is refused by a format of f16 scales.
//!
//! - Weights that are all 0 have no say: they fit any scale. So a block of zeros with scale 0, as quantisers write it, does
//!   not keep a row from having one scale. Nonzero weights with a scale of 0 do: they keep their own scale.
//! - A block (or row) of zeros whose scale was shared with others is written with scale 0, as the formats' own quantisers
//!   write it. If it has a scale of its own, that is written. So what was read with its own granularity is written with the
//!   same bytes, and what those quantisers wrote is in any granularity.
//! - A negative scale stays negative; the weights keep their signs.
//!
//! # What cannot be told from the bytes
//! Reading a tensor as the wrong format of the same length gives wrong weights and no error: the two I2_S orders, the two
//! directions of HF's scale, group 64 and 128 under GGUF's number 42. That is why they are formats of their own here and
//! none is a default. A code 3 (+2 in the formats of two bits) and bad scales are refused, and in bytes that were never of
//! the format they turn up soon.

mod block;
mod codec;
pub mod contract;
mod export;
mod fields;
mod format;
mod hf_bitnet;
mod i2_s;
mod import;
mod iq1_bn;
mod iq2_bn;
mod pq2_0;
mod ptq1_0;
mod q2_0;
mod scales;
mod tq1_0;
mod tq2_0;
mod trit_runs;

#[cfg(doc)]
use crate::layout::Scaling;

pub use export::Export;
pub use format::Format;
pub use import::Import;
