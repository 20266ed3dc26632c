//! AMX int8 on top of [`avx512vnni`]: 16 tokens × 16 outputs × 64 inputs an instruction.
//!
//! `tdpbsud` adds, for 16 tokens and 16 outputs, the products of 64 inputs: signed activations from a tile of a token a
//! row, unsigned codes from a tile of four inputs a row. A panel's sums for neighbouring tokens are neighbouring rows
//! of a third tile, so they are loaded, added to and stored where the driver wants them.
//!
//! **Codes** are unpacked to tiles in first-level cache: a `T2` field, and a digit of a `T5` block, is a tile's row;
//! four `T2` blocks or one `T5` quarter make the tile. The tile of the next 64 inputs is unpacked while this one is
//! multiplied, into other memory, so that neither waits for the other.
//!
//! **Blocks.** More than 16 tokens: 2 tiles of tokens × 2 panels; up to 16: 1 × 4. Both keep four sums in tiles, as a
//! product takes about 52 cycles and the next one can start after 16. Estimated cycles of 2 × 2 and 64 inputs, none of
//! them measured:
//!
//! | | `T2` | `T5` | ports |
//! |---|---|---|---|
//! | 4 products | 64 | 64 | tile unit |
//! | 4 tile loads of 16 rows | 32 | 32 | 2 loads |
//! | 32 rows of codes stored | 32 | 32 | 1 store of 64 bytes |
//! | unpacking 2 tiles | 28 | 105 | 2 vector ports |
//!
//! So the tile unit is the busy one with `T2` from 32 tokens on, and the vector ports with `T5`. A product of fewer
//! tokens still beats `vpdpbusd` from two on: with 512 bits and two a cycle those take 8 cycles a token for what a tile
//! does in 16. Estimates again.
//!
//! A single token is [`avx512vnni`]'s, whose order of activations is the same there.
//!
//! **Not yet timed**: no CPU with tiles was at hand. On an emulated one (Bochs as of August 2026, its Sapphire Rapids) 74 312
//! products were bit for bit scalar's. That emulator takes the signed bytes of tiles for unsigned; it was corrected as
//! the instruction is defined, and without the correction all products of activations ≥ 0 were equal too. The tests run
//! the same kernels, driver and all, with tiles in software.
//!
//! Tiles are set up once for all calls with one number of tokens, not for each scale group, and released at the end of a
//! product: the host's next context switch saves no tiles, and the core may lower its power state again.

mod tiles;
mod unpack;

use core::arch::x86_64::__m512i;

use tiles::{Amx, Block, Config, Unit};
use unpack::{T2, T5, Unpack};

use crate::arch::kernels::{
    CALL_PANELS, Calls, GroupKernel, Groups, Kernels, Panels, Product, Room, TileKernel,
};
use crate::arch::x86_64::{avx512vnni, detect, dot};
use crate::layout::PANEL_ROWS;

/// Tokens of a tile.
const ROWS: usize = 16;

/// Columns of a tile of activations: bytes of a tile's row.
const COLUMNS: usize = 64;

/// Bytes of a full tile.
const TILE_BYTES: usize = ROWS * COLUMNS;

pub(crate) const KERNELS: Kernels = kernels::<Amx>();

const fn kernels<X: Unit>() -> Kernels {
    Kernels {
        product: Product {
            token_multiple: ROWS,
            interleave: COLUMNS,
            begin: begin::<X>,
            end: end::<X>,
            t2: calls(t2::<X>, t2_groups::<X>),
            t5: calls(t5::<X>, t5_groups::<X>),
            t2_int4: calls(t2_int4::<X>, t2_int4_groups::<X>),
            t5_int4: calls(t5_int4::<X>, t5_int4_groups::<X>),
        },
        ..avx512vnni::KERNELS
    }
}

const fn calls(tile: TileKernel, groups: GroupKernel) -> Calls {
    Calls { token_tile: 2 * ROWS, panels: CALL_PANELS, tile, groups }
}

pub(crate) fn detect() -> bool {
    avx512vnni::detect() && detect::amx_int8()
}

/// # Safety
/// The thread may use AMX.
unsafe fn begin<X: Unit>(tokens: usize) {
    if tokens > 1 {
        // SAFETY: the caller's.
        unsafe { X::configure(&Config::new(tokens)) };
    }
}

/// # Safety
/// As [`begin`].
unsafe fn end<X: Unit>(tokens: usize) {
    if tokens > 1 {
        // SAFETY: the caller's.
        unsafe { X::release() };
    }
}

/// Instantiates the kernels of a layout. A single token's are those of [`avx512vnni`] with the same name.
macro_rules! kernels {
    ($calls:ident, $groups:ident = $layout:ident) => {
        unsafe fn $calls<X: Unit>(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            room: &mut Room,
            sums: &mut [[i32; PANEL_ROWS]],
        ) {
            // SAFETY: the contract of kernels.
            unsafe {
                match tokens {
                    1 => (avx512vnni::KERNELS.product.$calls.tile)(panels, q, 1, room, sums),
                    _ => tile::<X, $layout>(panels, q, tokens, room, sums),
                }
            }
        }

        unsafe fn $groups<X: Unit>(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            room: &mut Room,
            sums: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            // SAFETY: the contract of kernels.
            unsafe {
                match tokens {
                    1 => {
                        (avx512vnni::KERNELS.product.$calls.groups)(panels, q, 1, groups, room, sums, scaled)
                    }
                    _ => tile_by_group::<X, $layout>(panels, q, tokens, groups, room, sums, scaled),
                }
            }
        }
    };
}

kernels!(t2, t2_groups = T2);
kernels!(t5, t5_groups = T5);
kernels!(t2_int4, t2_int4_groups = T2);
kernels!(t5_int4, t5_int4_groups = T5);

/// [`dot::by_group`], compiled with the vectors' features.
///
/// # Safety
/// As [`tile`], for the columns of each group.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile_by_group<X: Unit, U: Unpack>(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    groups: Groups<'_>,
    room: &mut Room,
    sums: &mut [[i32; PANEL_ROWS]],
    scaled: &mut [[f32; PANEL_ROWS]],
) {
    // SAFETY: the caller's; every group begins with a tile of columns.
    unsafe { dot::by_group::<__m512i>(tile::<X, U>, panels, q, tokens, groups, room, sums, scaled) }
}

/// # Safety
/// The CPU has AVX-512 BW, and [`begin`] was called with as many tokens; `q` holds those of each column, in whole tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile<X: Unit, U: Unpack>(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    _: &mut Room,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    assert!((2..=2 * ROWS).contains(&tokens) && q.len().is_multiple_of(COLUMNS * tokens));
    assert!(sums.len() == panels.count() * tokens);
    // SAFETY: the caller's, and the lengths above.
    unsafe {
        let block = Block::<X>::new(panels, q, tokens);
        let mut first = 0;
        while first < panels.count() {
            let rest = panels.count() - first;
            match (tokens > ROWS, rest) {
                (true, 2..) => first += block.multiply::<U, 2, 2>(first, sums),
                (true, _) => first += block.multiply::<U, 2, 1>(first, sums),
                (false, 4..) => first += block.multiply::<U, 1, 4>(first, sums),
                (false, _) => first += block.multiply::<U, 1, 1>(first, sums),
            }
        }
    }
}

#[cfg(test)]
mod tests;
