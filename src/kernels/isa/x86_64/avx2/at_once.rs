//! Lookups of [`int4_lookup`](crate::kernels::ternary::int4_lookup) for few tokens: a block of a quad is brought in order and looked up
//! in registers.
//!
//! In assembly, because the next block is brought in order between the lookups of this one, which compilers undo, and lines of the next
//! quad are fetched there too. Of 4 tokens, with tables that lie ready, on a Zen 3 (GMAC/s, lower quartiles):
//!
//! | weights | 4 MiB, from third-level cache | 128 KiB |
//! |---|---|---|
//! | intrinsics (gcc 12) | 141 | 156 |
//! | intrinsics (clang 14) | 171 | 199 |
//! | in assembly, block after block | 180 | 212 |
//! | the same with lines fetched ahead | 194 | 209 |
//! | **that, one block in order while the other is looked up** | 203 | 222 |
//!
//! A block is 94 operations on vectors, and the CPU starts 3.1 a cycle. It starts four `vpshufb` and `vpaddb` where none waits for
//! another, and 3.2 where each `vpaddb` adds what a `vpshufb` has just given, in any order.

use core::arch::asm;
use core::arch::x86_64::__m256i;

use crate::kernels::ternary::vector::QuadCodes;

/// Byte j of each of four rows next to each other, as 32-bit lane j, and as lane j with every two lanes exchanged.
static PICK: [[u8; 32]; 2] = {
    let mut pick = [[0; 32]; 2];
    let mut i = 0;
    while i < 64 {
        let (vector, lane, row) = (i / 32, i / 4 % 4, i % 4);
        pick[vector][i % 32] = (4 * row + (lane ^ vector)) as u8;
        i += 1;
    }
    pick
};

/// Looks an index up for two tokens and adds to their bytes, with something to do in between.
macro_rules! two_tokens {
    ($tables:literal, $lookup:literal, $index:literal, $first:literal, $second:literal, $between:expr) => {
        concat!(
            "vbroadcasti128 ymm9, [{",
            $tables,
            "} + ",
            $lookup,
            "*32]\n",
            "vbroadcasti128 ymm10, [{",
            $tables,
            "} + ",
            $lookup,
            "*32 + 16]\n",
            "vpshufb ymm9, ymm9, ",
            $index,
            "\n",
            "vpshufb ymm10, ymm10, ",
            $index,
            "\n",
            $between,
            "vpaddb ",
            $first,
            ", ",
            $first,
            ", ymm9\n",
            "vpaddb ",
            $second,
            ", ",
            $second,
            ", ymm10\n",
        )
    };
}

/// The same for one token, the third.
macro_rules! third_token {
    ($lookup:literal, $index:literal, $between:expr) => {
        concat!(
            "vbroadcasti128 ymm9, [{others} + ",
            $lookup,
            "*16]\n",
            "vpshufb ymm9, ymm9, ",
            $index,
            "\n",
            $between,
            "vpaddb ymm2, ymm2, ymm9\n",
        )
    };
}

macro_rules! look_up_2 {
    ($lookup:literal, $index:literal, $first:expr, $second:expr) => {
        two_tokens!("tables", $lookup, $index, "ymm0", "ymm1", concat!($first, $second))
    };
}

macro_rules! look_up_3 {
    ($lookup:literal, $index:literal, $first:expr, $second:expr) => {
        concat!(
            two_tokens!("tables", $lookup, $index, "ymm0", "ymm1", $first),
            third_token!($lookup, $index, $second),
        )
    };
}

macro_rules! look_up_4 {
    ($lookup:literal, $index:literal, $first:expr, $second:expr) => {
        concat!(
            two_tokens!("tables", $lookup, $index, "ymm0", "ymm1", $first),
            two_tokens!("others", $lookup, $index, "ymm2", "ymm3", $second),
        )
    };
}

/// Adds a token's bytes to its i16 sums, and begins again.
macro_rules! flush {
    ($token:literal) => {
        concat!(
            "vpaddw ymm9, ymm",
            $token,
            ", [{narrow} + ",
            $token,
            "*64]\n",
            "vpsrlw ymm10, ymm",
            $token,
            ", 8\n",
            "vpaddw ymm10, ymm10, [{narrow} + ",
            $token,
            "*64 + 32]\n",
            "vmovdqa [{narrow} + ",
            $token,
            "*64], ymm9\n",
            "vmovdqa [{narrow} + ",
            $token,
            "*64 + 32], ymm10\n",
            "vpxor xmm",
            $token,
            ", xmm",
            $token,
            ", xmm",
            $token,
            "\n",
        )
    };
}

/// The loop over blocks, of lookups and flushes of all tokens; the bytes are those of a block's other tables. In 4 to 7 are the columns of
/// the block, in 11 to 14 what becomes those of the next.
macro_rules! look_up {
    ($look_up:ident, $flush:expr, $other_bytes:literal, $quad:expr, $tables:expr, $narrow:expr, $each:expr) => {
        asm!(
            "vpcmpeqd ymm15, ymm15, ymm15",
            "vpsrlw ymm15, ymm15, 12",
            "vpackuswb ymm15, ymm15, ymm15",
            "vpxor xmm0, xmm0, xmm0",
            "vpxor xmm1, xmm1, xmm1",
            "vpxor xmm2, xmm2, xmm2",
            "vpxor xmm3, xmm3, xmm3",
            // The first block in order: its columns in 4 to 7.
            "vmovdqu ymm8, [{lower}]",
            "vmovdqu ymm9, [{lower} + 32]",
            "vmovdqu ymm10, [{upper}]",
            "vmovdqu ymm11, [{upper} + 32]",
            "vpshufb ymm8, ymm8, [{pick}]",
            "vpshufb ymm9, ymm9, [{pick} + 32]",
            "vpshufb ymm10, ymm10, [{pick}]",
            "vpshufb ymm11, ymm11, [{pick} + 32]",
            "vpblendd ymm12, ymm8, ymm9, 0xaa",
            "vpblendd ymm13, ymm8, ymm9, 0x55",
            "vpblendd ymm8, ymm10, ymm11, 0xaa",
            "vpblendd ymm9, ymm10, ymm11, 0x55",
            "vpunpcklqdq ymm4, ymm12, ymm8",
            "vshufps ymm5, ymm13, ymm9, 0x11",
            "vpunpckhqdq ymm6, ymm12, ymm8",
            "vshufps ymm7, ymm13, ymm9, 0xbb",
            ".p2align 5",
            "2:",
            "prefetcht0 [{next_lower} + {at}]",
            "prefetcht0 [{next_upper} + {at}]",
            // After the last block: that one again.
            "lea {after}, [{at} + 64]",
            "cmp {blocks}, 1",
            "cmovne {at}, {after}",
            concat!(
                "vpand ymm8, ymm4, ymm15\n",
                "vpsrld ymm4, ymm4, 4\n",
                $look_up!("0", "ymm8", "vmovdqu ymm11, [{lower} + {at}]\n", "vmovdqu ymm12, [{lower} + {at} + 32]\n"),
                "vpand ymm4, ymm4, ymm15\n",
                $look_up!("1", "ymm4", "vpshufb ymm11, ymm11, [{pick}]\n", "vpshufb ymm12, ymm12, [{pick} + 32]\n"),
                "vpand ymm8, ymm5, ymm15\n",
                "vpsrld ymm5, ymm5, 4\n",
                $look_up!(
                    "2", "ymm8",
                    "vpblendd ymm13, ymm11, ymm12, 0xaa\nvpblendd ymm11, ymm11, ymm12, 0x55\n",
                    "vmovdqu ymm12, [{upper} + {at}]\nvmovdqu ymm14, [{upper} + {at} + 32]\n"
                ),
                "vpand ymm5, ymm5, ymm15\n",
                $look_up!("3", "ymm5", "vpshufb ymm12, ymm12, [{pick}]\n", "vpshufb ymm14, ymm14, [{pick} + 32]\n"),
                // After every half of a block.
                "test {each:l}, 2\n",
                "jz 4f\n",
                $flush,
                "4:\n",
                "vpand ymm8, ymm6, ymm15\n",
                "vpsrld ymm6, ymm6, 4\n",
                $look_up!(
                    "4", "ymm8",
                    "vpblendd ymm4, ymm12, ymm14, 0xaa\nvpblendd ymm12, ymm12, ymm14, 0x55\n",
                    "vshufps ymm5, ymm11, ymm12, 0x11\n"
                ),
                "vpand ymm6, ymm6, ymm15\n",
                $look_up!("5", "ymm6", "", ""),
                "vpand ymm8, ymm7, ymm15\n",
                "vpsrld ymm7, ymm7, 4\n",
                $look_up!("6", "ymm8", "vpunpckhqdq ymm6, ymm13, ymm4\n", "vpunpcklqdq ymm4, ymm13, ymm4\n"),
                "vpand ymm7, ymm7, ymm15\n",
                $look_up!("7", "ymm7", "", ""),
                "vshufps ymm7, ymm11, ymm12, 0xbb\n",
            ),
            // After every block, or every second one.
            "mov {after}, {blocks}",
            "or {after}, {each}",
            "test {after:l}, 1",
            "jz 3f",
            $flush,
            "3:",
            "add {tables}, 256",
            concat!("add {others}, ", $other_bytes),
            "dec {blocks}",
            "jnz 2b",
            lower = in(reg) $quad.codes[0],
            upper = in(reg) $quad.codes[1],
            next_lower = in(reg) $quad.next[0],
            next_upper = in(reg) $quad.next[1],
            blocks = inout(reg) $quad.blocks => _,
            at = inout(reg) 0_usize => _,
            after = out(reg) _,
            each = in(reg) $each,
            tables = inout(reg) $tables[0] => _,
            others = inout(reg) $tables[1] => _,
            narrow = in(reg) $narrow,
            pick = in(reg) PICK.as_ptr(),
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
            out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
            out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        )
    };
}

/// See [`ByteVector::look_up_at_once`](crate::kernels::ternary::vector::ByteVector::look_up_at_once).
///
/// # Safety
/// As promised there, and the CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn look_up_at_once(
    quad: QuadCodes,
    tokens: usize,
    tables: [*const [u8; 16]; 2],
    byte_lookups: usize,
    narrow: *mut [__m256i; 2],
) {
    // Whether bytes are full after each block, and after each half of one.
    let each = match byte_lookups {
        16 => 0_usize,
        8 => 1,
        _ => 3,
    };
    // SAFETY: codes, tables and sums are read and written where they are, as promised; a fetch may point anywhere.
    unsafe {
        match tokens {
            2 => look_up!(look_up_2, concat!(flush!("0"), flush!("1")), "0", quad, tables, narrow, each),
            3 => look_up!(
                look_up_3,
                concat!(flush!("0"), flush!("1"), flush!("2")),
                "128",
                quad,
                tables,
                narrow,
                each
            ),
            _ => look_up!(
                look_up_4,
                concat!(flush!("0"), flush!("1"), flush!("2"), flush!("3")),
                "256",
                quad,
                tables,
                narrow,
                each
            ),
        }
    }
}
