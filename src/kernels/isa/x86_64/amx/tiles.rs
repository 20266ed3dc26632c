//! The tile instructions. Stable Rust knows no AMX, so a block's are one `asm!`, from `ldtilecfg` to `tilerelease`:
//! between two of them the compiler could do what it likes to tile registers.
//!
//! Tiles 0 to 3 are sums, 4 and 5 activations, 6 and 7 codes. With tokens of two tiles, sums `2t + p` are those of
//! token tile `t` and panel `p`; with one, sums `p` those of panel `p`. The programs are macros, so that a test can
//! read them.

use core::arch::asm;

use crate::kernels::ternary::tile_codes::{TILE_COLUMNS, TILE_ROWS};
use crate::kernels::ternary::tiles::{TILE_TOKENS, TileBlock, TileUnit};

/// What `ldtilecfg` reads; palette 1 has tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
pub(super) struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    pub(super) row_bytes: [u16; 16],
    pub(super) rows: [u8; 16],
}

impl Config {
    /// For up to 32 tokens.
    pub(super) fn new(tokens: usize) -> Config {
        let first = tokens.min(TILE_TOKENS) as u8;
        let second = tokens as u8 - first;
        let sums = if second == 0 { [first; 4] } else { [first, first, second, second] };
        let mut config =
            Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        config.rows[..4].copy_from_slice(&sums);
        config.rows[4..8].copy_from_slice(&[first, second, TILE_ROWS as u8, TILE_ROWS as u8]);
        for (bytes, &rows) in config.row_bytes.iter_mut().zip(&config.rows) {
            *bytes = if rows == 0 { 0 } else { TILE_COLUMNS as u16 };
        }
        config
    }
}

/// Two tiles of tokens, two panels.
macro_rules! two_by_two {
    ($use:ident) => {
        $use! {
            "ldtilecfg [{config}]",
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "tileloadd tmm2, [{sums} + {stride}*1 + 1024]",
            "add {sums}, {panel}",
            "tileloadd tmm1, [{sums} + {stride}*1]",
            "tileloadd tmm3, [{sums} + {stride}*1 + 1024]",
            "2:",
            "tileloadd tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{q} + {stride}*1 + 1024]",
            "tdpbsud tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{codes} + {stride}*1 + 1024]",
            "tdpbsud tmm1, tmm4, tmm7",
            "tdpbsud tmm3, tmm5, tmm7",
            "add {q}, {panel}",
            "add {codes}, 2048",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm1",
            "tilestored [{sums} + {stride}*1 + 1024], tmm3",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm0",
            "tilestored [{sums} + {stride}*1 + 1024], tmm2",
            "tilerelease"
        }
    };
}

/// Two tiles of tokens, one panel.
macro_rules! two_by_one {
    ($use:ident) => {
        $use! {
            "ldtilecfg [{config}]",
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "tileloadd tmm2, [{sums} + {stride}*1 + 1024]",
            "2:",
            "tileloadd tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{q} + {stride}*1 + 1024]",
            "tdpbsud tmm2, tmm5, tmm6",
            "add {q}, {panel}",
            "add {codes}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm0",
            "tilestored [{sums} + {stride}*1 + 1024], tmm2",
            "tilerelease"
        }
    };
}

/// One tile of tokens, four panels.
macro_rules! one_by_four {
    ($use:ident) => {
        $use! {
            "ldtilecfg [{config}]",
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "add {sums}, {panel}",
            "tileloadd tmm1, [{sums} + {stride}*1]",
            "add {sums}, {panel}",
            "tileloadd tmm2, [{sums} + {stride}*1]",
            "add {sums}, {panel}",
            "tileloadd tmm3, [{sums} + {stride}*1]",
            "2:",
            "tileloadd tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{codes} + {stride}*1 + 1024]",
            "tdpbsud tmm1, tmm4, tmm7",
            "tileloadd tmm6, [{codes} + {stride}*1 + 2048]",
            "tdpbsud tmm2, tmm4, tmm6",
            "tileloadd tmm7, [{codes} + {stride}*1 + 3072]",
            "tdpbsud tmm3, tmm4, tmm7",
            "add {q}, {panel}",
            "add {codes}, 4096",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm3",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm2",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm1",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm0",
            "tilerelease"
        }
    };
}

/// One tile of tokens, one panel.
macro_rules! one_by_one {
    ($use:ident) => {
        $use! {
            "ldtilecfg [{config}]",
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "2:",
            "tileloadd tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "add {q}, {panel}",
            "add {codes}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm0",
            "tilerelease"
        }
    };
}

#[cfg(test)]
pub(super) use {one_by_four, one_by_one, two_by_one, two_by_two};

/// The CPU's tiles.
pub(super) struct Amx;

// SAFETY: the programs are products of matrices, and release the tiles.
unsafe impl TileUnit for Amx {
    #[inline(always)]
    unsafe fn multiply(block: TileBlock) {
        let config = Config::new(block.tokens);
        /// Runs a program. `panel` is what a panel's sums, and a step's activations, take: a row of 64 bytes for each
        /// token.
        macro_rules! run {
            ($($line:literal),+) => {
                // SAFETY: the thread may use AMX, as promised. Tiles are set up for the shapes of those in memory,
                // whose rows are `stride` bytes apart, and the block has all that are loaded and stored.
                unsafe {
                    asm!(
                        $($line),+,
                        config = in(reg) &raw const config,
                        stride = in(reg) TILE_COLUMNS,
                        panel = in(reg) block.tokens * TILE_COLUMNS,
                        q = inout(reg) block.q => _,
                        codes = inout(reg) block.codes => _,
                        sums = inout(reg) block.sums => _,
                        steps = inout(reg) block.steps => _,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    )
                }
            };
        }
        match (block.tokens > TILE_TOKENS, block.panels) {
            (true, 2) => two_by_two!(run),
            (true, _) => two_by_one!(run),
            (false, 4) => one_by_four!(run),
            (false, _) => one_by_one!(run),
        }
    }
}
