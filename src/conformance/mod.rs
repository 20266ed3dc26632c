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
mod inputs;
mod layers;
mod products;
mod rows;
mod subject;
mod transforms;

use core::fmt;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::layout::{Bits, Layout};
use crate::stages::{Rule, Size, Workspace};

use self::digest::Digest;

pub use subject::{Attention, Failure, Outcome, Quantised, Subject};

/// How much of the inputs there is.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grid {
    /// All of it: under a second for a desktop's CPU.
    Full = 0,
    /// For microcontrollers and emulators of them.
    Reduced = 1,
}

impl Grid {
    /// Both.
    pub const ALL: &'static [Grid] = &[Grid::Full, Grid::Reduced];

    /// The part of a list that is in the grid: its beginning, or all.
    fn of<T>(self, list: &[T], reduced: usize) -> &[T] {
        match self {
            Grid::Full => list,
            Grid::Reduced => &list[..reduced],
        }
    }
}

impl TryFrom<u32> for Grid {
    type Error = Error;

    /// The grid with that number, or [`Error::Value`].
    fn try_from(number: u32) -> Result<Grid> {
        let found = Self::ALL.iter().copied().find(|&grid| grid as u32 == number);
        found.ok_or(Error::Value { argument: "grid", value: number as usize })
    }
}

macro_rules! groups {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal; )+) => {
        /// What is hashed together. Numbers are append-only.
        #[non_exhaustive]
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Group {
            $( $(#[doc = $doc])+ $variant = $number, )+
        }

        impl Group {
            /// All of them, by number.
            pub const ALL: &'static [Group] = &[$( Group::$variant ),+];

            /// The name used on command lines and in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Group::$variant => $name, )+ }
            }
        }
    };
}

groups! {
    /// Transforms of a power of two, both directions, rows of all exponents.
    Transform = 0, "transform";
    /// The same in blocks, with sign vectors, in several rows.
    TransformBlocks = 1, "transform-blocks";
    /// Transforms with outer factors: every family and order, and products of them.
    TransformFactors = 2, "transform-factors";
    /// RMSNorm with and without gain.
    Norm = 3, "norm";
    /// int8 absmax: values, scales and sums; also rows that are spoiled.
    Int8AbsMax = 4, "int8-absmax";
    /// int4 absmean.
    Int4AbsMean = 5, "int4-absmean";
    /// int4 absmax.
    Int4AbsMax = 6, "int4-absmax";
    /// Trained weights to ternary ones, per tensor and row.
    AbsMean = 7, "absmean";
    /// Integer products of two-bit weights with int8.
    SumsTwoBitInt8 = 8, "sums-two-bit-int8";
    /// Integer products of two-bit weights with int4.
    SumsTwoBitInt4 = 9, "sums-two-bit-int4";
    /// Integer products of five-trit weights with int8.
    SumsFiveTritInt8 = 10, "sums-five-trit-int8";
    /// Integer products of five-trit weights with int4.
    SumsFiveTritInt4 = 11, "sums-five-trit-int4";
    /// Dequantised products of two-bit weights with int8, with every scaling, also with scales that are not finite.
    ProductsTwoBitInt8 = 12, "products-two-bit-int8";
    /// The same with int4.
    ProductsTwoBitInt4 = 13, "products-two-bit-int4";
    /// The same of five-trit weights with int8.
    ProductsFiveTritInt8 = 14, "products-five-trit-int8";
    /// The same of five-trit weights with int4.
    ProductsFiveTritInt4 = 15, "products-five-trit-int4";
    /// Norm, transform and quantiser in one pass.
    Stages = 16, "stages";
    /// Whole layers.
    Layers = 17, "layers";
    /// Scores to weights.
    Softmax = 18, "softmax";
    /// Attention: what a cache holds, and what comes out, for keys, values and queries of all widths.
    Attention = 19, "attention";
    /// Bytes of packed weights in every layout and scaling, and of those repacked into each other. No work of a subject's.
    Blobs = 20, "blobs";
    /// Bytes of every foreign format, and what they are read as. No work of a subject's.
    Formats = 21, "formats";
    /// Bytes of a container, and what it is read as. No work of a subject's.
    Container = 22, "container";
}

impl Group {
    /// The number that [`digest`] must give.
    #[must_use]
    pub const fn expected(self, grid: Grid) -> u64 {
        expected::EXPECTED[self as usize][grid as usize]
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<u32> for Group {
    type Error = Error;

    /// The group with that number, or [`Error::Value`].
    fn try_from(number: u32) -> Result<Group> {
        let found = Self::ALL.iter().copied().find(|&group| group as u32 == number);
        found.ok_or(Error::Value { argument: "group", value: number as usize })
    }
}

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
