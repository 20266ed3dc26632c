//! Ternary products: a folder for each packed layout with its ways to multiply, and what they share. No architecture in
//! it: kernels are written over the vectors of [`vector`], which [`super::isa`] fills in.
//!
//! - [`portable`]: plain Rust, for any layout; the yardstick.
//! - [`dot_u8s8`]: for CPUs with a dot instruction, u8 × s8 to i32.
//! - [`maddubs`]: for CPUs without, u8 × s8 to i16; and [`int4_lookup`]: several tokens of int4 by table.
//! - [`matrix`]: several tokens by small matrices of codes and activations.
//! - [`multiply_add`]: for CPUs that multiply lane by lane only.
//! - [`tiles`]: many tokens, by matrix tiles or vectors ([`vector_unit`], and [`lane_unit`] with activations by lane);
//!   [`tile_codes`]: codes for them.
//! - [`rows`], [`one_token`], [`sinks`]: how kernels walk panels, and what becomes of their sums.
//! - [`instantiate`], [`many_tokens`]: the macros that make a backend's products of vectors and features.
//!
//! **Adding a layout**: a folder with what it can do of the above, a line in [`PORTABLE`], and one in each macro of
//! [`instantiate`] that it has kernels for. Without any of these, products of it are [`portable::ANY_LAYOUT`] on every
//! backend.
//!
//! **Features.** Everything here is `#[inline(always)]` into an outermost function that carries `#[target_feature]`. No
//! closures on the way, those of array `map` and `from_fn` included: they are not always inlined, and then run without
//! the CPU features, forty times slower.
//!
//! **Safety contract of kernels in this module:** the CPU has the features of the vector `V`, and the operands' lengths
//! are as [`sinks::check_lengths`] says, which every sink's constructor checks: then code pointers stay within the
//! panels and activation pointers within `q`.

// Nobody uses kernels over vectors where there is no vector backend yet; other architectures' are not those of x86-64.
#![cfg_attr(
    not(all(target_arch = "x86_64", target_feature = "sse2")),
    allow(dead_code, unused_macros, unused_imports)
)]

pub(crate) mod dot_u8s8;
pub(crate) mod five_trit;
pub(crate) mod instantiate;
pub(crate) mod int4_lookup;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
pub(crate) mod lane_unit;
pub(crate) mod maddubs;
pub(crate) mod many_tokens;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
pub(crate) mod matrix;
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
pub(crate) mod multiply_add;
mod one_token;
pub(crate) mod portable;
mod rows;
pub(crate) mod sinks;
pub(crate) mod tile_codes;
pub(crate) mod tiles;
pub(crate) mod two_bit;
pub(crate) mod vector;
pub(crate) mod vector_unit;

use super::contract::{Product, TileTable};
use crate::layout::Layout;

/// Portable products of everything. A layout without a line of its own gets the general ones.
pub(crate) const PORTABLE: Product = Product {
    few: None,
    tiles: TileTable::new(portable::ANY_LAYOUT)
        .with(Layout::TwoBit, two_bit::PORTABLE, two_bit::PORTABLE)
        .with(Layout::FiveTrit, five_trit::PORTABLE, five_trit::PORTABLE),
};
