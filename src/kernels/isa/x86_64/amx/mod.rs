//! AMX int8 on top of [`avx512vnni`]: `tdpbsud` adds, for 16 tokens and 16 outputs, the products of 64 inputs. The walk
//! over blocks of tokens and panels is in [`ternary::tiles`], which unpacks codes with AVX-512.
//!
//! **Costs**, estimated and not measured: cycles of 2 tiles of tokens × 2 panels and 64 inputs, for a run of 1024.
//!
//! | | `TwoBit` | `FiveTrit` | ports |
//! |---|---|---|---|
//! | 4 products, 16 each | 64 | 64 | tile unit |
//! | 4 tile loads of 16 rows, beside the products | 32 | 32 | 2 loads |
//! | 32 rows of codes stored | 32 | 32 | 1 store of 64 bytes |
//! | unpacking 2 tiles, beside the stores | 28 | 105 | 2 vector ports |
//! | a sixteenth of setting up, sums in and out, and release | 10 | 10 | |
//!
//! Codes are unpacked first and multiplied then, and the two overlap no further than the core looks ahead, so the sum
//! is nearer the truth than the largest: about 106 and 179 cycles. A scale group is a run of its own, however short:
//! with groups of 128 the last line counts 80. A product takes about 52 cycles and the next one of other sums can start
//! after 16, which is why four sums are kept. A tile of few tokens costs what a full one does; from two on it still
//! beats `vpdpbusd`, which with 512 bits and two a cycle takes 8 cycles a token for what a tile does in 16.
//!
//! A single token is [`avx512vnni`]'s, whose order of activations is the same there.
//!
//! **Has run on emulated CPUs alone**, which is why [`Backend::best`](crate::Backend::best) does not choose it. With an
//! earlier arrangement of the same instructions, 74 312 products on Bochs (as of August 2026, its Sapphire Rapids) were
//! bit for bit scalar's. That emulator takes the signed bytes of tiles for unsigned; it was corrected as the
//! instruction is defined, and without the correction all products of activations ≥ 0 were equal too. The tests run the
//! kernels, driver and all, with an interpreter of the programs in [`tiles`].
//!
//! Tiles are released at the end of every block: the host's next context switch saves none, and the core may lower its
//! power state again.

mod tiles;

use core::arch::x86_64::__m512i;

use tiles::Amx;

use super::{avx512vnni, detect};
use crate::kernels::contract::{
    CALL_PANELS, GroupBuffers, Groups, Kernels, Operands, Product, Scratch, TileKernels, TileTable,
};
use crate::kernels::ternary;
use crate::kernels::ternary::five_trit::FiveTritCodes;
use crate::kernels::ternary::portable::ANY_LAYOUT;
use crate::kernels::ternary::tile_codes::{TILE_COLUMNS, TileCodes};
use crate::kernels::ternary::tiles::{MAX_TILE_TOKENS, TILE_TOKENS, TileUnit};
use crate::kernels::ternary::two_bit::TwoBitCodes;
use crate::layout::{Bits, PANEL_ROWS};

pub(crate) const KERNELS: Kernels = kernels::<Amx>();

const fn kernels<X: TileUnit>() -> Kernels {
    Kernels {
        product: Product {
            token_multiple: TILE_TOKENS,
            interleave: TILE_COLUMNS,
            // Of any other layout a token at a time, whose order is the same for all interleavings.
            tiles: TileTable::new(TileKernels { token_tile: 1, ..ANY_LAYOUT })
                .with(
                    TwoBitCodes::LAYOUT,
                    tile_kernels::<X, TwoBitCodes, false>(),
                    tile_kernels::<X, TwoBitCodes, true>(),
                )
                .with(
                    FiveTritCodes::LAYOUT,
                    tile_kernels::<X, FiveTritCodes, false>(),
                    tile_kernels::<X, FiveTritCodes, true>(),
                ),
        },
        ..avx512vnni::KERNELS
    }
}

const fn tile_kernels<X: TileUnit, C: TileCodes, const INT4: bool>() -> TileKernels {
    TileKernels {
        token_tile: MAX_TILE_TOKENS,
        panels: CALL_PANELS,
        sums: sums::<X, C, INT4>,
        groups: groups::<X, C, INT4>,
    }
}

pub(crate) fn detect() -> bool {
    avx512vnni::detect() && detect::amx_int8()
}

/// The kernels of a single token.
const fn one_token<C: TileCodes, const INT4: bool>() -> TileKernels {
    avx512vnni::KERNELS.product.tiles.get(C::LAYOUT, if INT4 { Bits::Four } else { Bits::Eight })
}

/// The operands that those want: padded to whole blocks, not to whole tiles.
fn one_tokens_operands(operands: Operands<'_>) -> Operands<'_> {
    let panels = operands.panels;
    let width = panels.width().next_multiple_of(panels.layout().column_multiple);
    Operands { q: &operands.q[..width], ..operands }
}

/// # Safety
/// The contract's.
unsafe fn sums<X: TileUnit, C: TileCodes, const INT4: bool>(
    operands: Operands<'_>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    // SAFETY: the contract is the same, but for the padding of one token.
    unsafe {
        match operands.tokens {
            1 => (const { one_token::<C, INT4>() }.sums)(one_tokens_operands(operands), scratch, sums),
            _ => tile_sums::<X, C>(operands, scratch, sums),
        }
    }
}

/// # Safety
/// The contract's.
unsafe fn groups<X: TileUnit, C: TileCodes, const INT4: bool>(
    operands: Operands<'_>,
    groups: Groups<'_>,
    buffers: GroupBuffers<'_>,
) {
    // SAFETY: as above.
    unsafe {
        match operands.tokens {
            1 => (const { one_token::<C, INT4>() }.groups)(one_tokens_operands(operands), groups, buffers),
            _ => tile_groups::<X, C>(operands, groups, buffers),
        }
    }
}

/// # Safety
/// The CPU has the features and the thread may use `X`; otherwise the contract's.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile_sums<X: TileUnit, C: TileCodes>(
    operands: Operands<'_>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    // SAFETY: this function has the features; the rest as promised.
    unsafe { ternary::tiles::several_tokens::<X, __m512i, C>(operands, scratch, sums) }
}

/// # Safety
/// As [`tile_sums`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile_groups<X: TileUnit, C: TileCodes>(
    operands: Operands<'_>,
    groups: Groups<'_>,
    buffers: GroupBuffers<'_>,
) {
    // SAFETY: this function has the features; every group begins with a tile of columns.
    unsafe { ternary::sinks::sums_by_group::<__m512i>(tile_sums::<X, C>, operands, groups, buffers) }
}

#[cfg(test)]
mod tests;
