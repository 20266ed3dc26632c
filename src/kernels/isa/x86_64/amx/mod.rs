//! AMX int8 on top of [`avx512vnni`]: `tdpbsud` adds, for 16 tokens and 16 outputs, the products of 64 inputs. The walk
//! over blocks of tokens and panels is in [`ternary::tiles`], which unpacks codes with AVX-512.
//!
//! **Costs**, measured on a Sapphire Rapids with 2 MiB of second-level cache: nanoseconds of 2 tiles of tokens × 2 panels and
//! 64 inputs, with activations from the second level.
//!
//! | | ns |
//! |---|---|
//! | 4 products, of tiles that stay | 20 |
//! | and the 4 loads of tiles of 16 rows, from the first level | 25 |
//! | activations by `tileload` from the second level, sums loaded and stored, codes unpacked for 128 tokens | 37 |
//! | the same with `tileloadt1` | 30 |
//! | setting tiles up and releasing them, once a call | 48 |
//!
//! A product with fewer rows takes no less time, so tokens are filled up with zeros; few tokens are [`avx512vnni`]'s.
//!
//! The tests also run the kernels, driver and all, with an interpreter of the programs in [`tiles`], on any CPU with AVX-512.

mod tiles;

use tiles::Amx;

use super::{avx512vnni, detect};
use crate::kernels::contract::{
    GroupBuffers, Groups, Kernels, MAX_STAGED_BYTES, Operands, Product, Scratch, TileKernels,
};
use crate::kernels::ternary;
use crate::kernels::ternary::five_trit::FiveTritCodes;
use crate::kernels::ternary::tile_codes::TileCodes;
use crate::kernels::ternary::tiles::TileUnit;
use crate::kernels::ternary::two_bit::TwoBitCodes;
use crate::layout::PANEL_ROWS;

pub(crate) const KERNELS: Kernels = kernels::<Amx>();

const fn kernels<X: TileUnit>() -> Kernels {
    Kernels { product: const { &product::<X>() }, ..avx512vnni::KERNELS }
}

/// What multiplies fewer tokens than tiles are worth, and any other layout, is below.
const fn product<X: TileUnit>() -> Product {
    let two_bit = tile_kernels::<X, TwoBitCodes>(7);
    let five_trit = tile_kernels::<X, FiveTritCodes>(12);
    let below = avx512vnni::KERNELS.product;
    let tiles = below.tiles.with(TwoBitCodes::LAYOUT, two_bit, two_bit);
    Product { tiles: tiles.with(FiveTritCodes::LAYOUT, five_trit, five_trit), few: Some(below) }
}

const fn tile_kernels<X: TileUnit, C: TileCodes>(min_tokens: usize) -> TileKernels {
    ternary::tiles::kernels::<X>(min_tokens, MAX_STAGED_BYTES, sums::<X, C>, groups::<X, C>)
}

pub(crate) fn detect() -> bool {
    avx512vnni::detect() && detect::amx_int8()
}

/// # Safety
/// The CPU has the features and the thread may use `X`; otherwise the contract's.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn products<X: TileUnit, C: TileCodes>(
    operands: Operands<'_>,
    groups: Option<(Groups<'_>, &mut [[f32; PANEL_ROWS]])>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    // SAFETY: this function has the features; the rest as promised.
    unsafe { ternary::tiles::products::<X, C>(operands, groups, scratch, sums) }
}

/// # Safety
/// As [`products`].
unsafe fn sums<X: TileUnit, C: TileCodes>(
    operands: Operands<'_>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    // SAFETY: as promised.
    unsafe { products::<X, C>(operands, None, scratch, sums) }
}

/// # Safety
/// As [`products`].
unsafe fn groups<X: TileUnit, C: TileCodes>(
    operands: Operands<'_>,
    groups: Groups<'_>,
    buffers: GroupBuffers<'_>,
) {
    // SAFETY: as promised.
    unsafe { products::<X, C>(operands, Some((groups, buffers.scaled)), buffers.scratch, buffers.sums) }
}

#[cfg(test)]
mod tests;
