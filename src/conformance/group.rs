//! Which groups and grids there are.

use core::fmt;

#[cfg(doc)]
use super::digest;
use super::expected::EXPECTED;
use crate::error::{Error, Result};

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
    pub(super) fn of<T>(self, list: &[T], reduced: usize) -> &[T] {
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
        EXPECTED[self as usize][grid as usize]
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
