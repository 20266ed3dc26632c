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
//! **Not yet run on a CPU with tiles.** The kernels were run with tiles in software, see the tests, and their encodings
//! read back. So the backend is there by name only, and [`Backend::best`](crate::Backend::best) passes it over.
//!
//! Each call sets the tiles up and releases them at its end: the host's next context switch saves no tiles, and the core
//! may lower its power state again.

mod tiles;
mod unpack;

use tiles::{Amx, Block, Unit};
use unpack::{T2, T5, Unpack};

use crate::arch::kernels::{Groups, Kernels, Panels, Product};
use crate::arch::scalar;
use crate::arch::x86_64::{avx512vnni, detect};
use crate::layout::PANEL_ROWS;

/// Tokens of a tile.
const ROWS: usize = 16;

/// Columns of a tile of activations: bytes of a tile's row.
const COLUMNS: usize = 64;

/// Bytes of a full tile.
const TILE_BYTES: usize = ROWS * COLUMNS;

pub(crate) const KERNELS: Kernels = Kernels {
    product: Product {
        token_tile: 2 * ROWS,
        interleave: COLUMNS,
        t2,
        t5,
        t2_groups,
        t5_groups,
        t2_int4: None,
        t5_int4: None,
    },
    ..avx512vnni::KERNELS
};

pub(crate) fn detect() -> bool {
    avx512vnni::detect() && detect::amx_int8()
}

unsafe fn t2(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
    // SAFETY: the contract of kernels.
    unsafe {
        match tokens {
            1 => (avx512vnni::KERNELS.product.t2)(panels, q, 1, sums),
            _ => tile::<Amx, T2>(panels, q, tokens, sums),
        }
    }
}

unsafe fn t5(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
    // SAFETY: the contract of kernels.
    unsafe {
        match tokens {
            1 => (avx512vnni::KERNELS.product.t5)(panels, q, 1, sums),
            _ => tile::<Amx, T5>(panels, q, tokens, sums),
        }
    }
}

/// The portable folding, compiled for 512-bit vectors.
macro_rules! by_group {
    ($name:ident = $kernel:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        unsafe fn $name(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            scratch: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            // SAFETY: the contract of kernels.
            unsafe {
                match tokens {
                    1 => (avx512vnni::KERNELS.product.$name)(panels, q, tokens, groups, scratch, scaled),
                    _ => scalar::by_group($kernel, panels, q, tokens, groups, scratch, scaled),
                }
            }
        }
    };
}

by_group!(t2_groups = t2);
by_group!(t5_groups = t5);

/// # Safety
/// The CPU has AVX-512 BW and the thread may use AMX; `q` holds `tokens` values for each column, in whole tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile<X: Unit, U: Unpack>(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
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
