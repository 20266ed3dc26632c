//! The tile instructions. Stable Rust knows no AMX, so those of a block are one `asm!`: between two of them the compiler
//! could do what it likes to tile registers.
//!
//! Tiles 0 to 3 are sums, 4 and 5 activations, 6 and 7 codes. With tokens of two tiles, sums `2t + p` are those of
//! token tile `t` and panel `p`; with one, sums `p` those of panel `p`. The programs are macros, so that a test can
//! read them.
//!
//! Activations of two tiles are loaded by `tileloaddt1`, which does not keep them in first-level cache: codes and sums stay
//! there. A step of 2 × 2 took 30 ns on a Sapphire Rapids so, unpacking for 128 tokens included, 37 without, and 20 without
//! loads.

use core::arch::asm;
use core::arch::x86_64::__m512i;

use crate::kernels::ternary::tile_codes::{TILE_COLUMNS, TILE_ROWS};
use crate::kernels::ternary::tiles::{TileBlock, TileUnit};

/// Tokens of a tile of activations.
pub(super) const TILE_TOKENS: usize = 16;

/// Most bytes of unpacked codes: half of 48 KiB. With more they do not stay beside the sums, with fewer sums are loaded and
/// stored more often.
const CODE_BYTES: usize = 24 << 10;

/// What `ldtilecfg` reads; palette 1 has tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
pub(super) struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    pub(super) row_bytes: [u16; 16],
    pub(super) rows: [u8; 16],
}

/// All tiles of full size.
pub(super) static FULL: Config = {
    let mut config =
        Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    let mut tile = 0;
    while tile < 8 {
        config.row_bytes[tile] = TILE_COLUMNS as u16;
        config.rows[tile] = TILE_ROWS as u8;
        tile += 1;
    }
    config
};

/// Two tiles of tokens, two panels.
macro_rules! two_by_two {
    ($use:ident) => {
        $use! {
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "tileloadd tmm2, [{sums} + {stride}*1 + 1024]",
            "add {sums}, {panel}",
            "tileloadd tmm1, [{sums} + {stride}*1]",
            "tileloadd tmm3, [{sums} + {stride}*1 + 1024]",
            "2:",
            "tileloaddt1 tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tileloaddt1 tmm5, [{q} + {stride}*1 + 1024]",
            "tdpbsud tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{codes} + {stride}*1 + 1024]",
            "tdpbsud tmm1, tmm4, tmm7",
            "tdpbsud tmm3, tmm5, tmm7",
            "add {q}, {step}",
            "add {codes}, 2048",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm1",
            "tilestored [{sums} + {stride}*1 + 1024], tmm3",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm0",
            "tilestored [{sums} + {stride}*1 + 1024], tmm2"
        }
    };
}

/// Two tiles of tokens, one panel.
macro_rules! two_by_one {
    ($use:ident) => {
        $use! {
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "tileloadd tmm2, [{sums} + {stride}*1 + 1024]",
            "// {panel}",
            "2:",
            "tileloaddt1 tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tileloaddt1 tmm5, [{q} + {stride}*1 + 1024]",
            "tdpbsud tmm2, tmm5, tmm6",
            "add {q}, {step}",
            "add {codes}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm0",
            "tilestored [{sums} + {stride}*1 + 1024], tmm2"
        }
    };
}

/// One tile of tokens, four panels.
macro_rules! one_by_four {
    ($use:ident) => {
        $use! {
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
            "add {q}, {step}",
            "add {codes}, 4096",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm3",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm2",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm1",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm0"
        }
    };
}

/// One tile of tokens, two panels.
macro_rules! one_by_two {
    ($use:ident) => {
        $use! {
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "add {sums}, {panel}",
            "tileloadd tmm1, [{sums} + {stride}*1]",
            "2:",
            "tileloadd tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{codes} + {stride}*1 + 1024]",
            "tdpbsud tmm1, tmm4, tmm7",
            "add {q}, {step}",
            "add {codes}, 2048",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm1",
            "sub {sums}, {panel}",
            "tilestored [{sums} + {stride}*1], tmm0"
        }
    };
}

/// One tile of tokens, one panel.
macro_rules! one_by_one {
    ($use:ident) => {
        $use! {
            "tileloadd tmm0, [{sums} + {stride}*1]",
            "// {panel}",
            "2:",
            "tileloadd tmm4, [{q} + {stride}*1]",
            "tileloadd tmm6, [{codes} + {stride}*1]",
            "tdpbsud tmm0, tmm4, tmm6",
            "add {q}, {step}",
            "add {codes}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {stride}*1], tmm0"
        }
    };
}

#[cfg(test)]
pub(super) use {one_by_four, one_by_one, one_by_two, two_by_one, two_by_two};

/// The CPU's tiles.
pub(super) struct Amx;

// SAFETY: the programs are products of matrices. The configuration of tiles is the thread's, and only `begin` and `end`
// change it.
unsafe impl TileUnit for Amx {
    type Vector = __m512i;
    const TOKEN_MULTIPLE: usize = TILE_TOKENS;
    const MAX_TOKENS: usize = 2 * TILE_TOKENS;
    const CODE_BYTES: usize = CODE_BYTES;

    /// Both shapes keep four sums in tiles.
    #[inline(always)]
    fn side_by_side(tokens: usize) -> usize {
        if tokens > TILE_TOKENS { 2 } else { 4 }
    }

    #[inline(always)]
    unsafe fn begin() {
        // SAFETY: the thread may use AMX, as promised; no tile holds anything.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const FULL, options(nostack, readonly)) };
    }

    #[inline(always)]
    unsafe fn multiply(block: TileBlock) {
        /// Runs a program. A step's activations take a row of 64 bytes for each token.
        macro_rules! run {
            ($($line:literal),+) => {
                // SAFETY: the tiles are set up, as promised, for the shapes of those in memory,
                // whose rows are `stride` bytes apart, and the block has all that are loaded and stored.
                unsafe {
                    asm!(
                        $($line),+,
                        stride = in(reg) TILE_COLUMNS,
                        panel = in(reg) block.panel_stride,
                        step = in(reg) block.tokens * TILE_COLUMNS,
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
            (false, 2) => one_by_two!(run),
            (false, _) => one_by_one!(run),
        }
    }

    #[inline(always)]
    unsafe fn end() {
        // SAFETY: the thread may use AMX, as promised.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
