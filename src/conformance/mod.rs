//! One number for each group of results, the same on every machine: whether a build, a CPU, an emulator or somebody else's
//! kernel computes the bits that are documented.
//!
//! [`digest`] makes inputs from a generator of integers, gives them to a [`Subject`] (a [`Backend`](crate::Backend), or your
//! own kernels) and hashes the documented parts of what comes out, never padding: FNV-1a of 64 bits over little-endian
//! bytes, every NaN as one value. [`Group::expected`] is the number that must come out. It needs no allocator, so that it runs
//! on a microcontroller: there with [`Grid::Reduced`].
//!
//! ```
//! use hbitlinear::Backend;
//! use hbitlinear::conformance::{Grid, Group, digest, memory_len};
//! let mut memory = vec![0; memory_len(Grid::Reduced)];
//! for &group in Group::ALL {
//!     let number = digest(&mut Backend::best(), group, Grid::Reduced, &mut memory)?;
//!     assert_eq!(number, group.expected(Grid::Reduced), "{group}");
//! }
//! # Ok::<(), hbitlinear::conformance::Failure>(())
//! ```
//!
//! A kernel of your own is tested by the groups whose stages it has:
//!
//! ```
//! use hbitlinear::conformance::{Failure, Grid, Group, Outcome, Subject, digest, memory_len};
//! use hbitlinear::{Activations, Buffer, Weights};
//!
//! struct Mine;
//!
//! impl Subject for Mine {
//!     fn product_i32(
//!         &mut self,
//!         weights: &Weights<'_>,
//!         x: &Activations<'_>,
//!         y: &mut [i32],
//!         _: Buffer<'_, u8>,
//!     ) -> Outcome {
//!         for (i, y) in y.iter_mut().enumerate() {
//!             let (token, output) = (i / weights.outputs(), i % weights.outputs());
//!             let term = |k| i32::from(weights.weight(output, k)) * i32::from(x.value(token, k));
//!             *y = (0..weights.inputs()).map(term).sum();
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let mut memory = vec![0; memory_len(Grid::Reduced)];
//! let group = Group::SumsTwoBitInt4;
//! assert_eq!(digest(&mut Mine, group, Grid::Reduced, &mut memory)?, group.expected(Grid::Reduced));
//! assert!(matches!(digest(&mut Mine, Group::Norm, Grid::Reduced, &mut memory), Err(Failure::Missing { .. })));
//! # Ok::<(), Failure>(())
//! ```

mod attention;
mod bytes;
mod digest;
mod expected;
mod group;
mod inputs;
mod layers;
mod products;
mod rows;
mod subject;
mod transforms;

use crate::buffer::Buffer;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::layout::{Bits, Layout};
use crate::stages::{Rule, Size, Workspace};

use self::digest::Digest;

pub use group::{Grid, Group};
pub use subject::{Attention, Failure, Outcome, Quantised, Subject};

/// Bytes of memory that [`digest`] needs, for any group.
#[must_use]
pub fn memory_len(grid: Grid) -> usize {
    let size = size(grid);
    // The sizes are small constants, so the fallback is never taken.
    size.map_or(usize::MAX, Size::bytes)
}

/// What the largest group takes beside the workspace of a product.
fn size(grid: Grid) -> Result<Size> {
    let own = match grid {
        Grid::Full => 4 << 20,
        Grid::Reduced => 256 << 10,
    };
    Size::EMPTY.and::<u8>(own)?.and::<u8>(crate::stages::product_workspace_len())
}

/// Runs a group and hashes what comes out.
///
/// # Errors
/// [`Failure::Missing`] if the subject lacks a stage of the group; [`Failure::Refused`] if one refuses an input, or with
/// [`Error::Workspace`] below [`memory_len`] bytes of memory.
pub fn digest<'m>(
    subject: &mut impl Subject,
    group: Group,
    grid: Grid,
    memory: impl Into<Buffer<'m, u8>>,
) -> core::result::Result<u64, Failure> {
    let memory = Workspace::new(memory.into(), size(grid)?)?;
    let mut digest = Digest::new();
    let out = &mut digest;
    match group {
        Group::Transform => transforms::plain(subject, grid, memory, out),
        Group::TransformBlocks => transforms::blocks(subject, grid, memory, out),
        Group::TransformFactors => transforms::factors(subject, grid, memory, out),
        Group::Norm => rows::norms(subject, grid, memory, out),
        Group::Int8AbsMax => rows::quantise(subject, Rule::Int8AbsMax, grid, memory, out),
        Group::Int4AbsMean => rows::quantise(subject, Rule::Int4AbsMean, grid, memory, out),
        Group::Int4AbsMax => rows::quantise(subject, Rule::Int4AbsMax, grid, memory, out),
        Group::AbsMean => rows::absmeans(subject, grid, memory, out),
        Group::SumsTwoBitInt8 => products::sums(subject, Layout::TwoBit, Bits::Eight, grid, memory, out),
        Group::SumsTwoBitInt4 => products::sums(subject, Layout::TwoBit, Bits::Four, grid, memory, out),
        Group::SumsFiveTritInt8 => products::sums(subject, Layout::FiveTrit, Bits::Eight, grid, memory, out),
        Group::SumsFiveTritInt4 => products::sums(subject, Layout::FiveTrit, Bits::Four, grid, memory, out),
        Group::ProductsTwoBitInt8 => products::all(subject, Layout::TwoBit, Bits::Eight, grid, memory, out),
        Group::ProductsTwoBitInt4 => products::all(subject, Layout::TwoBit, Bits::Four, grid, memory, out),
        Group::ProductsFiveTritInt8 => {
            products::all(subject, Layout::FiveTrit, Bits::Eight, grid, memory, out)
        }
        Group::ProductsFiveTritInt4 => {
            products::all(subject, Layout::FiveTrit, Bits::Four, grid, memory, out)
        }
        Group::Stages => layers::stages(subject, grid, memory, out),
        Group::Layers => layers::layers(subject, grid, memory, out),
        Group::Softmax => attention::softmax(subject, grid, memory, out),
        Group::Attention => attention::attention(subject, grid, memory, out),
        Group::Blobs => bytes::blobs(grid, memory, out),
        Group::Formats => bytes::formats(grid, memory, out),
        Group::Container => bytes::container(grid, memory, out),
    }?;
    Ok(digest.finish())
}
