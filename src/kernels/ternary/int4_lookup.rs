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
//! **Cost.** Two columns of a quad and 4 tokens: 4 table loads, 4 lookups, 4 adds, an index load, and 3 of flushing, 16
//! for 4 · 64 products, where `maddubs` with 4 tokens takes 14 for the half. A block of a token adds about 40 to make
//! its tables, shared by the panels of a call, and one of a quad 40 to bring it in order, shared by the tokens.
//! `FiveTrit` is brought to `TwoBit` blocks on the way, 8 operations a field. Measured on a shared Zen 4, 64 tokens and
//! 256 bits, GMAC/s: 196 where `maddubs` makes 137 to 142, and 162 against 103 with `FiveTrit`.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::rows::{Rows, place, vectors};
use super::sinks::check_lengths;
use super::vector::ByteVector;
use crate::kernels::contract::{MAX_CALL_PANELS, Operands, Panels, SCRATCH_BYTES, Scratch};
use crate::layout::two_bit::BLOCK_COLUMNS;
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

/// Most panels of a call.
pub(crate) const LOOKUP_PANELS: usize = MAX_CALL_PANELS;

/// Most tokens of a call.
pub(crate) const LOOKUP_TOKENS: usize = 32;

/// Blocks whose tables and indices there are at a time.
const TABLE_BLOCKS: usize = 12;

/// Lookups of a block.
const BLOCK_LOOKUPS: usize = BLOCK_COLUMNS / 2;

/// Lookups that a byte takes, and what it starts from: 7 · 16 up and down.
const BYTE_LOOKUPS: usize = 7;
const BYTE_START: i32 = 112;

/// Blocks that an i16 takes: 252 · 16 · 8 < 2¹⁵.
const NARROW_RUN: usize = 21 * TABLE_BLOCKS;

/// Tokens whose sums are in registers together.
const TOKEN_GROUP: usize = 4;

/// Vectors of a quad.
const QUAD: usize = 4;

/// Bytes of all tables.
const TABLE_BYTES: usize = LOOKUP_TOKENS * TABLE_BLOCKS * BLOCK_LOOKUPS * 16;

/// Most bytes of the totals of all tokens.
const TOTAL_BYTES: usize = LOOKUP_TOKENS * 16;

/// Behind them are two vectors for each token and quad, of which narrow vectors make more.
const _: () = assert!(TABLE_BYTES.is_multiple_of(64) && TOTAL_BYTES.is_multiple_of(64));
const _: () = assert!(
    TABLE_BYTES + TOTAL_BYTES + LOOKUP_TOKENS * LOOKUP_PANELS * BLOCK_BYTES / QUAD * 2 <= SCRATCH_BYTES
);

/// A block's table indices: the vectors of columns, low and high nibbles.
type Indices<V> = [V; BLOCK_LOOKUPS];

/// How a layout's codes become `TwoBit` blocks.
pub(crate) trait LookupCodes {
    /// Blocks that are unpacked at a time, up to four; divides [`TABLE_BLOCKS`].
    const UNPACKED_BLOCKS: usize;
    /// The byte of a panel that [`LookupCodes::unpack`] counts from.
    fn start(panels: Panels<'_>) -> usize;
    /// The run's first block, counted from there.
    fn first_block(panels: Panels<'_>) -> usize;
    /// [`LookupCodes::UNPACKED_BLOCKS`] blocks of a vector of rows from number `block` on, which is a multiple of as
    /// many; `from` is the vector's first byte.
    ///
    /// # Safety
    /// The CPU has the features of `V`, and the panel has the blocks.
    unsafe fn unpack<V: ByteVector>(from: *const u8, block: usize) -> [V; 4];
}

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
    assert!(tokens <= LOOKUP_TOKENS && panels.count() <= LOOKUP_PANELS);
    const { assert!(size_of::<V::Totals>() <= 16 && size_of::<V>() == 4 * V::ROWS) };
    const { assert!(TABLE_BLOCKS.is_multiple_of(C::UNPACKED_BLOCKS) && C::UNPACKED_BLOCKS <= 4) };
    let quads = vectors::<V>(panels).div_ceil(QUAD);
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
            let mut flushes = 0;
            for (chunk, q) in q.chunks(TABLE_BLOCKS * BLOCK_COLUMNS * tokens).enumerate() {
                let blocks = q.len() / (BLOCK_COLUMNS * tokens);
                make_all_tables::<V>(q, tokens, tables, totals);
                let from = run * NARROW_RUN + chunk * TABLE_BLOCKS;
                let mut quad = 0;
                while quad + 2 <= quads {
                    look_up::<V, C, 2>(panels, quad, from..from + blocks, tables, tokens, narrow);
                    quad += 2;
                }
                if quad < quads {
                    look_up::<V, C, 1>(panels, quad, from..from + blocks, tables, tokens, narrow);
                }
                flushes += (blocks * BLOCK_LOOKUPS).div_ceil(BYTE_LOOKUPS);
            }
            add_to_sums::<V>(panels, tokens, flushes, totals, narrow, sums);
        }
    }
}

/// The tables of some blocks, up to [`TABLE_BLOCKS`]; adds the activations to `totals`.
///
/// Groups of [`TOKEN_GROUP`] tokens follow each other, the last one may be smaller; within them the lookups; within
/// these the tokens.
///
/// # Safety
/// The CPU has the features of `V`; `q` is whole blocks of `tokens`, of which `totals` has as many; there is room for a
/// table for each lookup and token.
#[inline(always)]
unsafe fn make_all_tables<V: ByteVector>(
    q: &[i8],
    tokens: usize,
    tables: *mut [u8; 16],
    totals: &mut [V::Totals],
) {
    let blocks = q.len() / (BLOCK_COLUMNS * tokens);
    for (t, total) in totals.iter_mut().enumerate() {
        let group = t / TOKEN_GROUP * TOKEN_GROUP;
        let step = TOKEN_GROUP.min(tokens - group);
        // SAFETY: the features and the room, as promised; the values are there, 4 columns of all tokens next to each
        // other. Pointers past the last block are not used.
        unsafe {
            let mut to = tables.add(group * blocks * BLOCK_LOOKUPS + t - group);
            let mut q = q.as_ptr().wrapping_add(4 * t).cast::<i32>();
            for _ in 0..blocks {
                let mut columns = [0; 4];
                for (s, columns) in columns.iter_mut().enumerate() {
                    *columns = q.add(s * tokens).read_unaligned();
                }
                *total = V::make_tables(columns, to, step, *total);
                q = q.wrapping_add(4 * tokens);
                to = to.wrapping_add(BLOCK_LOOKUPS * step);
            }
        }
    }
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
    let mut first = [core::ptr::null::<V>(); R];
    for (first, indices) in first.iter_mut().zip(&indices) {
        *first = indices.as_ptr().cast();
    }
    for group in (0..tokens).step_by(TOKEN_GROUP) {
        // SAFETY: the features, tables and sums, as promised; the indices of all lookups are written.
        unsafe {
            let tables = tables.add(group * lookups);
            let narrow = narrow.as_mut_ptr().add(quad * tokens + group);
            match tokens - group {
                1 => add_group::<V, R, 1>(first, lookups, tables, narrow, tokens),
                2 => add_group::<V, R, 2>(first, lookups, tables, narrow, tokens),
                3 => add_group::<V, R, 3>(first, lookups, tables, narrow, tokens),
                _ => add_group::<V, R, TOKEN_GROUP>(first, lookups, tables, narrow, tokens),
            }
        }
    }
}

/// A block of a quad as indices: vectors of one column each, whose 128-bit lanes are four rows of each vector.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn order<V: ByteVector>(mut vectors: [V; QUAD]) -> Indices<V> {
    // SAFETY: the features, as promised; a pick is 16 bytes.
    unsafe {
        for (vector, pick) in vectors.iter_mut().zip(&PICK_COLUMNS) {
            *vector = vector.lookup(V::table(pick.as_ptr()));
        }
        let low = V::splat(0x0f0f_0f0f);
        let mut indices = [low; BLOCK_LOOKUPS];
        for (j, vector) in V::unskew(vectors).into_iter().enumerate() {
            indices[2 * j] = vector.and(low);
            indices[2 * j + 1] = vector.next_nibble().and(low);
        }
        indices
    }
}

/// Byte j of each of four rows next to each other, as 32-bit lane i + j modulo 4 of the quad's vector i.
const PICK_COLUMNS: [[u8; 16]; QUAD] = {
    let mut pick = [[0; 16]; QUAD];
    let mut i = 0;
    while i < 64 {
        let (vector, lane, row) = (i / 16, i / 4 % 4, i % 4);
        pick[vector][i % 16] = (4 * row + (4 + lane - vector) % 4) as u8;
        i += 1;
    }
    pick
};

/// What an instruction set makes tables with ([`ByteVector::make_tables`]): of a nibble's two vectors of columns, then their
/// negatives, for each of a nibble's four bytes, where each entry takes its two terms from; 128 and more is 0.
pub(crate) const PICK_TERMS: [[[u8; 16]; 2]; 4] = {
    let mut pick = [[[128; 16]; 2]; 4];
    let mut i = 0;
    while i < 64 {
        let (j, entry) = (i / 16, i % 16);
        let mut field = 0;
        while field < 2 {
            match entry >> (2 * field) & 3 {
                0 => pick[j][field][entry] = (8 + 4 * field + j) as u8,
                2 => pick[j][field][entry] = (4 * field + j) as u8,
                _ => {}
            }
            field += 1;
        }
        i += 1;
    }
    pick
};

/// Looks all of `R` quads' indices up for `G` tokens.
///
/// # Safety
/// The CPU has the features of `V`; each of `indices` points to `lookups` vectors, `tables` to `G` tables for each of
/// them, and `narrow` to the sums of `R` quads of `tokens`, of which `G` from there on are added to.
#[inline(always)]
unsafe fn add_group<V: ByteVector, const R: usize, const G: usize>(
    indices: [*const V; R],
    lookups: usize,
    tables: *const [u8; 16],
    narrow: *mut [V; 2],
    tokens: usize,
) {
    for first in (0..lookups).step_by(BYTE_LOOKUPS) {
        // SAFETY: the features, indices, tables and sums, as promised.
        unsafe {
            let mut sums = [[V::splat(BYTE_START * 0x0101_0101); R]; G];
            for at in first..lookups.min(first + BYTE_LOOKUPS) {
                for (g, sums) in sums.iter_mut().enumerate() {
                    let table = V::table(tables.add(at * G + g).cast());
                    for (sum, indices) in sums.iter_mut().zip(indices) {
                        *sum = sum.add_i8(table.lookup(indices.add(at).read()));
                    }
                }
            }
            for (g, sums) in sums.into_iter().enumerate() {
                for (r, sum) in sums.into_iter().enumerate() {
                    let [pairs, upper] = &mut *narrow.add(r * tokens + g);
                    *pairs = pairs.add_i16(sum);
                    *upper = upper.add_i16(sum.down_a_byte());
                }
            }
        }
    }
}

/// Adds the i16 sums, which so many flushes of bytes went to, to the caller's.
///
/// # Safety
/// The CPU has the features of `V`; `sums` has an element for each panel and token.
#[inline(always)]
unsafe fn add_to_sums<V: ByteVector>(
    panels: Panels<'_>,
    tokens: usize,
    flushes: usize,
    totals: &[V::Totals],
    narrow: &[[V; 2]],
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let start = i32::from((-BYTE_START * flushes as i32) as u16);
    let start = start | start << 16;
    let (sums, mut spare) = (sums.as_mut_ptr().cast::<i32>(), [0; PANEL_ROWS]);
    let spare = spare.as_mut_ptr();
    for (quad, narrow) in narrow.chunks_exact(tokens).enumerate() {
        for (t, (&[pairs, upper], &total)) in narrow.iter().zip(totals).enumerate() {
            let mut to = [spare; QUAD];
            for (i, to) in to.iter_mut().enumerate() {
                let vector = quad * QUAD + i;
                if vector < vectors::<V>(panels) {
                    let (panel, row) = place::<V>(vector);
                    *to = sums.wrapping_add((panel * tokens + t) * PANEL_ROWS + row);
                }
            }
            // SAFETY: the features and sums, as promised; a vector's rows are in its panel, or in the spare one.
            unsafe {
                // The caller's sums are of codes, w + 1.
                let total = V::splat(V::total(total));
                V::add_rows(pairs, upper, V::splat(start), total, to);
            }
        }
    }
}
