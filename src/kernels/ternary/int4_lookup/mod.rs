//! Several tokens of int4, by table: a nibble holds the codes of two columns, and a byte what they add to a row's sum,
//! w_a·q_a + w_b·q_b, 16 at most in magnitude. Sixteen bytes are a table of that for a token and two columns, a
//! `pshufb` of it is 2 products a byte, twice what `maddubs` makes, and is added in bytes too. Int8 would need two.
//!
//! **Order.** A table serves one pair of columns, so the 16 bytes of a 128-bit lane must be rows. Four vectors of rows
//! (a **quad**) are brought from four columns a row to a vector a column by a shuffle each, skewed so that what is left
//! are eight blends, and the masked nibbles are kept as indices in first-level cache, for all tokens.
//!
//! **Range.** Seven entries and a start of 112 are within a byte. Then i16 lanes take the bytes in pairs, as they are,
//! and the upper bytes again: three operations. Nothing is lost modulo 2¹⁶, and the sums fit in that for [`NARROW_RUN`]
//! blocks.
//!
//! **Sums in registers.** Of 4 tokens and 2 quads the bytes are in registers, and the i16 in memory: 8 flushes, 24 operations
//! and 16 stores, took about 27 cycles of a Zen 3, which stores one vector a cycle, and 7 lookups 35. With
//! [`ByteVector::KEEPS_NARROW`] it is 2 tokens, whose i16 sums stay in registers as well. A byte takes as many lookups as fit,
//! 16, 8 or 4: of activations whose magnitudes add up to 127 at most in two blocks, in one, or even not in one, which nothing
//! but −8 has. The tables bring what bytes start from with them, and the codes to come are fetched ahead.
//!
//! **Cost.** Two columns of a quad and 4 tokens: 4 table loads, 4 lookups, 4 adds, an index load, and 3 of flushing, 16
//! for 4 · 64 products, where `maddubs` with 4 tokens takes 14 for the half. A block of a token adds about 40 to make
//! its tables, shared by the panels of a call, and one of a quad 40 to bring it in order, shared by the tokens.
//! `FiveTrit` is brought to `TwoBit` blocks on the way, 8 operations a field. Measured on a shared Zen 4, 64 tokens and
//! 256 bits, GMAC/s: 196 where `maddubs` makes 137 to 142, and 162 against 103 with `FiveTrit`.
//!
//! **The limit** of sums in registers is the lookups' and adds' ports: with 16 lookups to a byte 136 operations, of which 64
//! lookups and 4 shifts go to two ports, make 4096 products. A Zen 3 starts 3.2 to 3.4 of such a mix a cycle (two `pshufb` or four
//! `vpaddb` alone), 310 to 330 GMAC/s at 3.24 GHz; lookups, adds and their loads alone make 318 to 349 there. The loop is 73 % of
//! the time with 32 tokens, tables 8, bringing codes in order 7, loading and storing i16 sums 4, outputs and staging 7: 212 to 219
//! GMAC/s with 64 tokens, 206 with 16, where 4 tokens with i16 sums in memory made 177 to 184 and 178. From a seven-lookup byte to 8 and 16: 195 to 207; tables of two tokens at once gained no more than the noise.
//!
//! Tried on Zen 3 beside it, loops of the same kind without the outputs:
//!
//! - seven lookups with i16 sums in memory written out: no gain, as the stores bind; in assembly in the best order of the
//!   instructions 0.92;
//! - chunks of 7, 12 and 14 blocks, and 4 or 8 quads brought in order together, so that a group's tables come from the second level
//!   once for all of them: within the noise;
//! - 4 tokens and one quad in registers: 0.93 (a table load a lookup);
//! - bits instead of codes, w = p − m with two indices of four columns and one table of 16 sums for both: as many lookups and
//!   adds, half the tables, 0.92 to 0.95 of the loop, and bytes that take 12 columns for 14;
//! - three columns, whose 27 sums are 14 and a sign: `pshufb`, `psignb`, `vpaddb` are three operations for 96 products, as
//!   two for 64, and `psignb` has two ports; sums of bytes by `maddubs` or `psadbw` take one more each lookup;
//! - adds with saturation, which have other ports than lookups: 0.8;
//! - lookups of a step before its adds: no gain.
//!
//! **Few tokens** of blocks that lie as `TwoBit`'s do: with [`ByteVector::AT_ONCE`] a block of one quad is looked up as soon as it is
//! in order, for up to 4 tokens at a time, and no index is stored: 94 operations for 2048 products of 4 tokens, of which bringing codes
//! in order is 24, and 6 are flushes of 16 lookups. The instruction set does that in one piece
//! ([`avx2::at_once`](crate::kernels::isa::x86_64)). All tokens' bytes take as many lookups then, and there are tables of
//! [`AT_ONCE_TABLES`] blocks at a time, for a loop costs some 30 cycles to begin. On a Zen 3, 4096 × 4096 in cache, GMAC/s with 2, 3, 4,
//! 5, 6 and 8 tokens: 146, 171, 188, 161, 172 and 187, where indices that are stored (two and three tokens: `maddubs`) made 118, 124, 143,
//! 146, 163 and 176. Of that is tables for 64 panels a call, not 32: 4 % with 4 tokens, and 6 with 16, 210 for 197.
//!
//! Tried there: `FiveTrit`'s blocks unpacked first, 0.97 to 1.0 with 5 to 8 tokens; 9 to 12 tokens, 0.94 to 1.0; the indices stored on the way
//! for tokens beyond 4, one quad and 4 tokens at a time, 0.88 to 1.0 with 5 to 64; from intrinsics 1.05 to 1.1 where in assembly it is
//! 1.2; groups of 128 columns, which are a call each, 0.86 and 0.92 of `maddubs` with 2 and 3 tokens. In C:
//!
//! - two nibbles kept together and taken apart at each lookup, half as many stores: 0.86 to 0.96;
//! - codes that lie in order already, which would be another layout: 1.07 to 1.4 of the loop with stored indices;
//! - tables of 32 bytes, which are loaded without a broadcast: no gain, nor in any order of lookups and adds of a block.

mod indices;
pub(crate) mod sizes;
mod sums;

use core::mem::MaybeUninit;
use core::ops::Range;

pub(crate) use indices::LookupCodes;
use indices::{Indices, fetch_next, order};
use sizes::{BLOCK_LOOKUPS, BYTE_LOOKUPS, BYTE_START, KEPT_START, QUAD};
use sums::{add_group, add_kept, add_to_sums, token_group};

use super::rows::{Rows, vectors};
use super::sinks::check_lengths;
use super::vector::{ByteVector, QuadCodes};
use crate::kernels::contract::{MAX_CALL_PANELS, MAX_CALL_SUMS, Operands, Panels, SCRATCH_BYTES, Scratch};
use crate::layout::two_bit::BLOCK_COLUMNS;
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

/// Most panels of a call.
pub(crate) const LOOKUP_PANELS: usize = MAX_CALL_PANELS;

/// Most tokens of a call.
pub(crate) const LOOKUP_TOKENS: usize = 32;

/// Blocks whose tables and indices there are at a time.
const TABLE_BLOCKS: usize = 12;

/// Blocks times tokens of which there are tables at a time where lookups are of codes in order at once: 12 KiB.
const AT_ONCE_TABLES: usize = 96;

/// Blocks that an i16 takes: 252 · 16 · 8 < 2¹⁵.
const NARROW_RUN: usize = 21 * TABLE_BLOCKS;

/// Bytes of all tables.
const TABLE_BYTES: usize = LOOKUP_TOKENS * TABLE_BLOCKS * BLOCK_LOOKUPS * 16;

/// Most bytes of the totals of all tokens.
const TOTAL_BYTES: usize = LOOKUP_TOKENS * 16;

/// Behind them are two vectors for each token and quad, of which narrow vectors make more.
const _: () = assert!(TABLE_BYTES.is_multiple_of(64) && TOTAL_BYTES.is_multiple_of(64));
const _: () = assert!(TABLE_BYTES + TOTAL_BYTES + MAX_CALL_SUMS * BLOCK_BYTES / QUAD * 2 <= SCRATCH_BYTES);

/// All panels times all tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels are of the layout `C`; all values of `q` are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: ByteVector, C: LookupCodes>(
    operands: Operands<'_>,
    scratch: &mut Scratch,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let Operands { panels, q, tokens, .. } = operands;
    check_lengths(operands, panels.layout().column_multiple, sums.len());
    assert!(tokens <= LOOKUP_TOKENS && tokens * panels.count().next_multiple_of(4) <= MAX_CALL_SUMS);
    const { assert!(size_of::<V::Totals>() <= 16 && size_of::<V>() == 4 * V::ROWS) };
    const { assert!(TABLE_BLOCKS.is_multiple_of(C::UNPACKED_BLOCKS) && C::UNPACKED_BLOCKS <= 4) };
    let quads = vectors::<V>(panels).div_ceil(QUAD);
    // One more than there are, rather than code for a single one.
    let quads = if V::KEEPS_NARROW { quads.next_multiple_of(2) } else { quads };
    let at_once = C::IN_PLACE && V::AT_ONCE.contains(&tokens);
    let chunk_blocks = if at_once { AT_ONCE_TABLES / tokens / 2 * 2 } else { TABLE_BLOCKS };
    let scratch = scratch.0.as_mut_ptr().cast::<u8>();
    // The scratch starts at a cache line, and so do its parts.
    let tables = scratch.cast::<[u8; 16]>();
    let totals = scratch.wrapping_add(TABLE_BYTES).cast::<V::Totals>();
    let narrow = scratch.wrapping_add(TABLE_BYTES + TOTAL_BYTES).cast::<[V; 2]>();
    // SAFETY: the features and values, as promised. The parts of the scratch are as large as asserted above for as many
    // tokens and panels, and written before they become slices.
    unsafe {
        for (run, q) in q.chunks(NARROW_RUN * BLOCK_COLUMNS * tokens).enumerate() {
            for t in 0..tokens {
                totals.add(t).write(V::no_totals());
            }
            for i in 0..tokens * quads {
                narrow.add(i).write([V::splat(0); 2]);
            }
            let totals = core::slice::from_raw_parts_mut(totals, tokens);
            let narrow = core::slice::from_raw_parts_mut(narrow, tokens * quads);
            let mut starts = [0; LOOKUP_TOKENS];
            for (chunk, q) in q.chunks(chunk_blocks * BLOCK_COLUMNS * tokens).enumerate() {
                let blocks = q.len() / (BLOCK_COLUMNS * tokens);
                let byte_lookups = make_all_tables::<V>(q, tokens, at_once, tables, totals);
                for (start, byte_lookups) in
                    starts.iter_mut().zip(byte_lookups).take(tokens.div_ceil(token_group::<V>()))
                {
                    let flushes = (blocks * BLOCK_LOOKUPS).div_ceil(byte_lookups);
                    *start += flushes * if V::KEEPS_NARROW { KEPT_START } else { BYTE_START as usize };
                }
                let from = run * NARROW_RUN + chunk * chunk_blocks;
                if at_once {
                    for quad in 0..vectors::<V>(panels).div_ceil(QUAD) {
                        look_up_at_once::<V, C>(
                            panels,
                            quad,
                            from..from + blocks,
                            tables,
                            byte_lookups[0],
                            tokens,
                            narrow,
                        );
                    }
                    continue;
                }
                let mut quad = 0;
                while quad + 2 <= quads {
                    look_up::<V, C, 2>(
                        panels,
                        quad,
                        from..from + blocks,
                        tables,
                        byte_lookups,
                        tokens,
                        narrow,
                    );
                    quad += 2;
                }
                if !V::KEEPS_NARROW && quad < quads {
                    look_up::<V, C, 1>(
                        panels,
                        quad,
                        from..from + blocks,
                        tables,
                        byte_lookups,
                        tokens,
                        narrow,
                    );
                }
            }
            add_to_sums::<V>(panels, tokens, &starts, totals, narrow, sums);
        }
    }
}

/// The tables of some blocks, up to [`TABLE_BLOCKS`] or [`AT_ONCE_TABLES`]; adds the activations to `totals`. Returns how many
/// lookups a byte takes, for each group, or for all `alike`.
///
/// Groups of [`token_group`] tokens follow each other, the last one may be smaller; within them the lookups; within
/// these the tokens.
///
/// # Safety
/// The CPU has the features of `V`; `q` is whole blocks of `tokens`, of which `totals` has as many; there is room for a
/// table for each lookup and token.
#[inline(always)]
unsafe fn make_all_tables<V: ByteVector>(
    q: &[i8],
    tokens: usize,
    alike: bool,
    tables: *mut [u8; 16],
    totals: &mut [V::Totals],
) -> [usize; LOOKUP_TOKENS] {
    let blocks = q.len() / (BLOCK_COLUMNS * tokens);
    let mut byte_lookups = [BYTE_LOOKUPS; LOOKUP_TOKENS];
    let groups = tokens.div_ceil(token_group::<V>());
    // SAFETY: the features, the values and the room, as promised.
    unsafe {
        for (group, byte_lookups) in byte_lookups.iter_mut().enumerate().take(groups) {
            let first = group * token_group::<V>();
            let count = token_group::<V>().min(tokens - first);
            *byte_lookups = V::byte_lookups(q.as_ptr().add(4 * first), tokens, blocks, count);
        }
        if alike {
            let least = byte_lookups[..groups].iter().copied().min();
            byte_lookups[..groups].fill(least.unwrap_or(BYTE_LOOKUPS));
        }
        for (group, totals) in totals.chunks_mut(token_group::<V>()).enumerate() {
            let first = group * token_group::<V>();
            let to = tables.add(first * blocks * BLOCK_LOOKUPS);
            V::make_group_tables(q.as_ptr().add(4 * first), tokens, blocks, byte_lookups[group], to, totals);
        }
    }
    byte_lookups
}

/// Adds the blocks' products of `R` quads to the i16 sums.
///
/// # Safety
/// The CPU has the features of `V`; the blocks, up to [`TABLE_BLOCKS`] and whole units of unpacking, are within the
/// panels' run, and their tables are made; `narrow` has the quads' sums for each token.
#[inline(always)]
unsafe fn look_up<V: ByteVector, C: LookupCodes, const R: usize>(
    panels: Panels<'_>,
    quad: usize,
    blocks: Range<usize>,
    tables: *const [u8; 16],
    byte_lookups: [usize; LOOKUP_TOKENS],
    tokens: usize,
    narrow: &mut [[V; 2]],
) {
    let mut indices = [const { [const { MaybeUninit::<Indices<V>>::uninit() }; TABLE_BLOCKS] }; R];
    let lookups = blocks.len() * BLOCK_LOOKUPS;
    let rows = Rows::new::<V>(panels, C::start(panels), 0);
    for (r, indices) in indices.iter_mut().enumerate() {
        // Beyond the last panel: some vector again.
        let last = vectors::<V>(panels) - 1;
        let mut from = [core::ptr::null(); QUAD];
        for (i, from) in from.iter_mut().enumerate() {
            *from = rows.vector::<V>(last.min((quad + r) * QUAD + i));
        }
        let starts = blocks.clone().step_by(C::UNPACKED_BLOCKS);
        for (indices, block) in indices.chunks_mut(C::UNPACKED_BLOCKS).zip(starts) {
            // SAFETY: the features and blocks, as promised; the vector is one of the panels'.
            unsafe {
                let mut unpacked = [[V::splat(0); 4]; QUAD];
                for (unpacked, from) in unpacked.iter_mut().zip(from) {
                    *unpacked = C::unpack(from, C::first_block(panels) + block);
                }
                for (s, indices) in indices.iter_mut().enumerate() {
                    let [a, b, c, d] = unpacked;
                    indices.write(order([a[s], b[s], c[s], d[s]]));
                }
            }
        }
    }
    if V::KEEPS_NARROW {
        // SAFETY: the features, as promised.
        unsafe { fetch_next::<V, C, R>(panels, quad, &blocks) };
    }
    let mut first = [core::ptr::null::<V>(); R];
    for (first, indices) in first.iter_mut().zip(&indices) {
        *first = indices.as_ptr().cast();
    }
    for group in (0..tokens).step_by(token_group::<V>()) {
        // SAFETY: the features, tables and sums, as promised; the indices of all lookups are written.
        unsafe {
            let tables = tables.add(group * lookups);
            let narrow = narrow.as_mut_ptr().add(quad * tokens + group);
            if V::KEEPS_NARROW {
                let fit = byte_lookups[group / token_group::<V>()];
                match (tokens - group, fit) {
                    (2.., 16) => add_kept::<V, R, 2>(first, lookups, tables, narrow, tokens, 16),
                    (2.., 8) => add_kept::<V, R, 2>(first, lookups, tables, narrow, tokens, 8),
                    (2.., _) => add_kept::<V, R, 2>(first, lookups, tables, narrow, tokens, 4),
                    _ => add_kept::<V, R, 1>(first, lookups, tables, narrow, tokens, fit),
                }
                continue;
            }
            match tokens - group {
                1 => add_group::<V, R, 1>(first, lookups, tables, narrow, tokens),
                2 => add_group::<V, R, 2>(first, lookups, tables, narrow, tokens),
                3 => add_group::<V, R, 3>(first, lookups, tables, narrow, tokens),
                _ => add_group::<V, R, 4>(first, lookups, tables, narrow, tokens),
            }
        }
    }
}

/// Adds the blocks' products of a quad to the i16 sums, of tokens whose tables' bytes all take so many lookups.
///
/// # Safety
/// As [`look_up`], and [`ByteVector::AT_ONCE`] has the number of tokens.
#[inline(always)]
unsafe fn look_up_at_once<V: ByteVector, C: LookupCodes>(
    panels: Panels<'_>,
    quad: usize,
    blocks: Range<usize>,
    tables: *const [u8; 16],
    byte_lookups: usize,
    tokens: usize,
    narrow: &mut [[V; 2]],
) {
    assert!(2 * V::ROWS == PANEL_ROWS);
    let rows = Rows::new::<V>(panels, C::start(panels), 0);
    // Beyond the last panel: that one again.
    let last = vectors::<V>(panels) - 2;
    let pair = |quad, block| {
        [quad * QUAD, quad * QUAD + 2]
            .map(|vector| rows.vector::<V>(last.min(vector)).wrapping_add(block * BLOCK_BYTES))
    };
    let first = C::first_block(panels) + blocks.start;
    let next = if (quad + 1) * QUAD <= last { pair(quad + 1, first) } else { pair(0, first + blocks.len()) };
    let codes = QuadCodes { codes: pair(quad, first), next, blocks: blocks.len() };
    let lookups = blocks.len() * BLOCK_LOOKUPS;
    let mut token = 0;
    while token < tokens {
        let count = match tokens - token {
            5 => 2,
            left => left.min(4),
        };
        let tables = [token, token + 2].map(|token| tables.wrapping_add(token * lookups));
        let narrow = narrow[quad * tokens + token..][..count].as_mut_ptr();
        // SAFETY: the features, tables and sums, as promised; the codes of all blocks are there.
        unsafe { V::look_up_at_once(codes, count, tables, byte_lookups, narrow) };
        token += count;
    }
}
