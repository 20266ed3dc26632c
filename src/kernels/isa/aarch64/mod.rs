//! AArch64: `neon`, which every such CPU has, and on top of it `dotprod` (Armv8.2) and `i8mm` (Armv8.6). They ran on an emulator
//! alone, so that what chooses between their kernels are counts.
//!
//! # Counts
//! `benches/arm_inner_loops` counts the instructions of the inner loops in a disassembly of what is built (rustc 1.96), and asks
//! `llvm-mca` 22 for their cycles. None of its models was held to hardware here; those of Cortex-A53, A55 and A510 let nothing
//! overtake a slower instruction. One token, for 64 products:
//!
//! | loop | instructions | chains | cycles |
//! |---|---|---|---|
//! | `neon`, `TwoBit`, int8 | 16.8 | 8 | Cortex-A57 8.1, A53 18.5 |
//! | `neon`, `TwoBit`, int4 | 13.8 | 8 | 8.1, 16.0 |
//! | BitNet.cpp's I2_S without `sdot` | 20 | 1 | 9.2, 61 |
//! | `neon`, `FiveTrit`, int4 | 22.8 | 12 | 10.4, 33.9 |
//! | `dotprod`, `TwoBit` | 10.0 | 8 | Neoverse-N1 4.5, Cortex-A55 12.5 |
//! | BitNet.cpp's I2_S, a row, and eight rows at once | 16, 11.6 | 1, 8 | 8.1, 29.0 and 5.0, 15.0 |
//! | KleidiAI's 2-bit 1x4 | 18 | 1 | 8.1, 31.0 |
//! | `dotprod`, `FiveTrit`, int8 | 20.0 | 8 | 8.9, 26.0 |
//! | `dotprod`, `FiveTrit`, int4 | 8.0 | 16 | 3.5, 10.2 |
//! | `i8mm`, `TwoBit` | 10.0 | 8 | Neoverse-N2 4.5, Cortex-A510 6.5 |
//! | `i8mm`, `FiveTrit`, int8, int4 | 19.2, 7.8 | 8, 16 | 8.5, 14.8 and 3.4, 5.8 |
//!
//! Many tokens, for 512 products; codes are unpacked before, once for all tokens that are staged:
//!
//! | loop | instructions | chains | cycles |
//! |---|---|---|---|
//! | `neon`, int8, 2 tokens × 16 rows | 87 | 16 | Cortex-A57 64.2, A53 101 |
//! | `neon`, int4 by table, 4 tokens × 32 rows | 46 | 8 | 32.3, 62 |
//! | BitNet.cpp's I2_S without `sdot` | 128 | 1 | 74, 464 |
//! | `dotprod`, 4 tokens × 16 rows | 37.5 | 16 | Neoverse-N1 18.1, Cortex-A55 53.8 |
//! | BitNet.cpp's I2_S, 8 tokens | 66 | 8 | 37.1, 115 |
//! | KleidiAI's 2-bit 8x4 | 49 | 8 | 21.2, 70 |
//! | `i8mm`, 4 tokens × 16 rows | 23.5 | 16 | Neoverse-N2 9.0, Cortex-A510 18.5 |
//! | KleidiAI's int4 8x8x32 (it has none of 2 bits) | 27.3 | 16 | 10.0, 19.8 |
//!
//! (BitNet.cpp of July 2026 by clang 14, `-O3`; KleidiAI of August 2026 from its assembly; the same script with `--object`.)
//!
//! Floats, instructions for an element beside those of AVX2, whose vectors are twice as wide and whose instructions load what
//! they add: a transform of 4096 has 2.31 for six stages (AVX2 1.44), 1.38 for the next three (0.67) and 1.62 for the last ones
//! with the scale (0.80); the quantisers have 1.44 (0.59) for int8 and 1.59 (0.69) for int4.
//!
//! # Why
//! - **Unpacked or not**: unpacking 64 columns of 16 rows is some 190 instructions of `TwoBit` and 400 of `FiveTrit`, and 144
//!   to pair columns for `smmla`. The tokens from which on that costs less than unpacking in each tile of tokens are in each
//!   backend's list.
//! - **Activations by lane**: `sdot` takes them by element, so that 64 dots go with twelve loads. `smmla` takes two tokens, which
//!   are zipped as they are loaded.
//! - **Order**: an instruction after a dot waits for it on a Cortex-A55 (in `llvm-mca`'s model), so that one token's fields are
//!   all masked before the first dot: 12.5 cycles where masks and dots in turn took 17.0.
//! - **int4 of many tokens in `neon`** goes by table (`tbl`): two products a byte and add. `mla` and sums of pairs have as many
//!   instructions, but a Cortex-A57 has one pipe for multiplications, at half of what `tbl` and `add` reach: 8.1 cycles for 64
//!   products where tables take 4.0.
//!
//! # SVE and SME
//! At 128 bits, which all cores with SVE have but Neoverse-V1 and A64FX, an SVE loop has the instructions of a NEON one, and panels
//! have no tails that predicates would serve: nothing is gained. SME2 would: an int8 outer product of 512-bit vectors is 1024
//! products (KleidiAI's loop: 11 instructions for 4096), and a row of an unpacked tile, four columns of 16 outputs, is one of
//! its vectors as it is, so that it would be a [`TileUnit`](crate::kernels::ternary::tiles::TileUnit) like AMX's. Rust has
//! neither its intrinsics nor a way to say that a function runs in streaming mode, so that it would be one `asm!` from `smstart` to
//! `smstop`; worth it for some dozens of tokens a call, on a machine to measure it on.

mod byte_vector;
mod detect;
mod dot;
pub(crate) mod dotprod;
pub(crate) mod i8mm;
mod int_vector;
pub(crate) mod neon;
