//! Several tokens of int4, by table: a nibble holds the codes of two columns, and a byte what they add to a
//! row's sum, w_a·q_a + w_b·q_b, 16 at most in magnitude. Sixteen bytes are a table of that for a token and two columns,
//! a `pshufb` of it is 2 products a byte, twice what `maddubs` makes, and is added in bytes too. Int8 would need two.
//!
//! **Order.** A table serves one pair of columns, so the 16 bytes of a 128-bit lane must be rows. Four vectors of rows
//! (a **quad**) are brought from four columns a row to a vector a column by a shuffle each, skewed so that what is left
//! are eight blends, and the masked nibbles are kept as indices in first-level cache, for all tokens.
//!
//! **Range.** Seven entries and a start of 112 are within a byte. Then i16 lanes take the bytes in pairs, as they are, and
//! the upper bytes again: three operations. Nothing is lost modulo 2¹⁶, and the sums fit in that for [`RUN`] blocks.
//!
//! **Cost.** Two columns of a quad and 4 tokens: 4 table loads, 4 lookups, 4 adds, an index load, and 3 of flushing, 16 for
//! 4 · 64 products, where `maddubs` with 4 tokens takes 14 for the half. A block of a token adds about 40 to make
//! its tables, shared by the panels of a call, and one of a quad 40 to bring it in order, shared by the tokens. `T5` is
//! turned into `T2` on the way, 8 operations a field. Measured on a shared Zen 4, 64 tokens and 256 bits, GMAC/s: 196
//! where `maddubs` makes 137 to 142, and 162 against 103 with `T5`.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Bytes, flipped, vectors};
use crate::arch::kernels::{Panels, ROOM_BYTES, Room};
use crate::arch::x86_64::dot::{codes, place, quarter_offsets};
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS};

/// Most panels of a call.
pub(in crate::arch::x86_64) const MAX_PANELS: usize = 32;

/// Most tokens of a call.
pub(in crate::arch::x86_64) const MAX_TOKENS: usize = 32;

/// Blocks whose tables and indices there are at a time.
const BLOCKS: usize = 12;

/// Lookups of a block.
const LOOKUPS: usize = BLOCK_COLUMNS / 2;

/// Lookups that a byte takes, and what it starts from: 7 · 16 up and down.
const DEPTH: usize = 7;
const START: i32 = 112;

/// Blocks that an i16 takes: 252 · 16 · 8 < 2¹⁵.
const RUN: usize = 21 * BLOCKS;

/// Tokens whose sums are in registers together.
const GROUP: usize = 4;

/// Vectors of a quad.
const QUAD: usize = 4;

/// Bytes of all tables.
const TABLE_BYTES: usize = MAX_TOKENS * BLOCKS * LOOKUPS * 16;

/// Behind them a vector of pairs for each token, and two vectors for each token and quad, of which narrow vectors make more.
const _: () = assert!(TABLE_BYTES.is_multiple_of(64) && (MAX_TOKENS * 16).is_multiple_of(64));
const _: () = assert!(TABLE_BYTES + MAX_TOKENS * (16 + MAX_PANELS * BLOCK_BYTES / QUAD * 2) <= ROOM_BYTES);

/// A block's table indices: the vectors of columns, low and high nibbles.
type Indices<V> = [V; LOOKUPS];

/// How a layout's codes become those of `T2`.
pub(in crate::arch::x86_64) trait Unpack {
    /// From how many tokens on tables are faster than `maddubs`.
    const MIN_TOKENS: usize;
    /// Blocks that are unpacked at a time, up to four.
    const BLOCKS: usize;
    /// Where [`Unpack::unpack`] begins to count a panel's blocks, and the run's first one.
    fn panel(panels: Panels<'_>, panel: usize) -> &[u8];
    fn first(panels: Panels<'_>) -> usize;
    /// `T2` blocks of a vector of rows from number `block` on.
    ///
    /// # Safety
    /// The features of `V`, and the blocks there.
    unsafe fn unpack<V: Bytes>(from: *const u8, block: usize) -> [V; 4];
}

pub(in crate::arch::x86_64) struct T2;

impl Unpack for T2 {
    const MIN_TOKENS: usize = 4;
    const BLOCKS: usize = 1;

    #[inline(always)]
    fn panel(panels: Panels<'_>, panel: usize) -> &[u8] {
        panels.t2(panel)
    }

    #[inline(always)]
    fn first(_: Panels<'_>) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn unpack<V: Bytes>(from: *const u8, block: usize) -> [V; 4] {
        // SAFETY: the caller's.
        unsafe { [V::load(from.add(block * BLOCK_BYTES)); 4] }
    }
}

/// A quarter is 16 fields, which four blocks have.
pub(in crate::arch::x86_64) struct T5;

impl Unpack for T5 {
    const MIN_TOKENS: usize = 7;
    const BLOCKS: usize = 4;

    #[inline(always)]
    fn panel(panels: Panels<'_>, panel: usize) -> &[u8] {
        panels.whole(panel)
    }

    #[inline(always)]
    fn first(panels: Panels<'_>) -> usize {
        4 * panels.quarters().start
    }

    #[inline(always)]
    unsafe fn unpack<V: Bytes>(from: *const u8, block: usize) -> [V; 4] {
        let quarter = block / 4;
        let (rest, trits) = quarter_offsets(quarter);
        // SAFETY: the caller's.
        unsafe {
            let mut fields = [V::splat(0); 16];
            for (block, fields) in fields.chunks_mut(5).take(3).enumerate() {
                let mut trits = flipped::<V>(from.add(trits + block * BLOCK_BYTES));
                for field in fields {
                    *field = trits.flipped_trit();
                    trits = trits.triple();
                }
            }
            let last = V::load(from.add(rest)).field_at((quarter % 4 * 2) as u32);
            fields[15] = last.and(V::splat(0x0303_0303));
            let mut blocks = [V::splat(0); 4];
            for (block, fields) in blocks.iter_mut().zip(fields.as_chunks::<4>().0) {
                let upper = fields[2].add_i8(fields[3].up_a_field());
                let upper = fields[1].add_i8(upper.up_a_field());
                *block = fields[0].add_i8(upper.up_a_field());
            }
            blocks
        }
    }
}

/// All panels times all tokens.
///
/// # Safety
/// The CPU has the features of `V` and SSSE3; `q` holds `tokens` values, within −8..=7, for each column of the panels; at
/// most [`MAX_PANELS`] and [`MAX_TOKENS`].
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn several_tokens<V: Bytes, U: Unpack>(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    room: &mut Room,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let quads = vectors::<V>(panels).div_ceil(QUAD);
    assert!(tokens <= MAX_TOKENS && panels.count() <= MAX_PANELS);
    let (tables, rest) = room.split_at_mut(TABLE_BYTES);
    let tables = tables.as_mut_ptr().cast::<[u8; 16]>();
    let (totals, narrow) = rest.split_at_mut(MAX_TOKENS * size_of::<__m128i>());
    // SAFETY: the room starts at a cache line, and so do these parts; vectors are plain bytes.
    let (totals, narrow) = unsafe {
        (
            &mut totals.align_to_mut::<__m128i>().1[..tokens],
            &mut narrow.align_to_mut::<[V; 2]>().1[..tokens * quads],
        )
    };
    for (run, q) in q.chunks(RUN * BLOCK_COLUMNS * tokens).enumerate() {
        // SAFETY: the caller's.
        unsafe {
            totals.fill(_mm_setzero_si128());
            narrow.fill([V::splat(0); 2]);
        }
        let mut flushes = 0;
        for (chunk, q) in q.chunks(BLOCKS * BLOCK_COLUMNS * tokens).enumerate() {
            let blocks = q.len() / (BLOCK_COLUMNS * tokens);
            // SAFETY: the caller's; there is room for a chunk's blocks.
            unsafe {
                make_tables(q, tokens, tables, totals);
                let from = run * RUN + chunk * BLOCKS;
                let mut quad = 0;
                while quad + 2 <= quads {
                    look_up::<V, U, 2>(panels, quad, from..from + blocks, tables, tokens, narrow);
                    quad += 2;
                }
                if quad < quads {
                    look_up::<V, U, 1>(panels, quad, from..from + blocks, tables, tokens, narrow);
                }
            }
            flushes += (blocks * LOOKUPS).div_ceil(DEPTH);
        }
        // SAFETY: the caller's.
        unsafe { end::<V>(panels, tokens, flushes, totals, narrow, sums) };
    }
}

/// The tables of some blocks; adds the activations to `totals`, pair by pair.
///
/// Groups of [`GROUP`] tokens follow each other, the last one may be smaller; within them the lookups; within these the
/// tokens.
///
/// # Safety
/// The CPU has AVX2; there is room.
#[inline(always)]
unsafe fn make_tables(q: &[i8], tokens: usize, tables: *mut [u8; 16], totals: &mut [__m128i]) {
    let blocks = q.len() / (BLOCK_COLUMNS * tokens);
    for (t, total) in totals.iter_mut().enumerate() {
        let group = t / GROUP * GROUP;
        let step = GROUP.min(tokens - group);
        // SAFETY: the values are there, 4 columns of all tokens next to each other; the caller's.
        unsafe {
            let mut to = tables.add(group * blocks * LOOKUPS + t - group);
            let mut q = q.as_ptr().add(4 * t).cast::<i32>();
            for _ in 0..blocks {
                let field = |s: usize| q.add(s * tokens).read_unaligned();
                let values = _mm_setr_epi32(field(0), field(1), field(2), field(3));
                *total = _mm_add_epi16(*total, _mm_maddubs_epi16(_mm_set1_epi8(1), values));
                make_block(values, to, step);
                q = q.add(4 * tokens);
                to = to.add(LOOKUPS * step);
            }
        }
    }
}

/// The tables of 16 columns, every `step`th.
///
/// # Safety
/// As [`make_tables`].
#[inline(always)]
unsafe fn make_block(values: __m128i, to: *mut [u8; 16], step: usize) {
    // SAFETY: the caller's.
    unsafe {
        // The columns of a nibble and their negatives, first the low nibble's.
        let minus = _mm_sub_epi8(_mm_setzero_si128(), values);
        let values = _mm256_setr_m128i(_mm_unpacklo_epi64(values, minus), _mm_unpackhi_epi64(values, minus));
        for (j, [first, second]) in PICK_TERMS.iter().enumerate() {
            let first = _mm256_broadcastsi128_si256(_mm_loadu_si128(first.as_ptr().cast()));
            let second = _mm256_broadcastsi128_si256(_mm_loadu_si128(second.as_ptr().cast()));
            let entries =
                _mm256_add_epi8(_mm256_shuffle_epi8(values, first), _mm256_shuffle_epi8(values, second));
            _mm_storeu_si128(to.add(2 * j * step).cast(), _mm256_castsi256_si128(entries));
            _mm_storeu_si128(to.add((2 * j + 1) * step).cast(), _mm256_extracti128_si256::<1>(entries));
        }
    }
}

/// For each of a nibble's four bytes, where each entry takes its two terms from; 128 and more is 0.
const PICK_TERMS: [[[u8; 16]; 2]; 4] = {
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

/// Adds the blocks' products of `R` quads to the i16 sums.
///
/// # Safety
/// As [`several_tokens`]; the blocks are within the panels and the tables are made.
#[inline(always)]
unsafe fn look_up<V: Bytes, U: Unpack, const R: usize>(
    panels: Panels<'_>,
    quad: usize,
    blocks: core::ops::Range<usize>,
    tables: *const [u8; 16],
    tokens: usize,
    narrow: &mut [[V; 2]],
) {
    let mut indices = [const { [const { MaybeUninit::<Indices<V>>::uninit() }; BLOCKS] }; R];
    let lookups = blocks.len() * LOOKUPS;
    for (r, indices) in indices.iter_mut().enumerate() {
        // Beyond the last panel: some vector again.
        let last = vectors::<V>(panels) - 1;
        let mut from = [core::ptr::null(); QUAD];
        for (i, from) in from.iter_mut().enumerate() {
            [*from] = codes::<V, 1>(|panel| U::panel(panels, panel), last.min((quad + r) * QUAD + i));
        }
        let starts = blocks.clone().step_by(U::BLOCKS);
        for (indices, block) in indices.chunks_mut(U::BLOCKS).zip(starts) {
            // SAFETY: the caller's.
            unsafe {
                let mut unpacked = [[V::splat(0); 4]; QUAD];
                for (unpacked, from) in unpacked.iter_mut().zip(from) {
                    *unpacked = U::unpack(from, U::first(panels) + block);
                }
                for (s, indices) in indices.iter_mut().enumerate() {
                    let [a, b, c, d] = unpacked;
                    indices.write(order([a[s], b[s], c[s], d[s]]));
                }
            }
        }
    }
    let indices = indices.each_ref().map(|indices| indices.as_ptr().cast::<V>());
    for group in (0..tokens).step_by(GROUP) {
        // SAFETY: the caller's; the indices of all lookups are written, and the sums there.
        unsafe {
            let tables = tables.add(group * lookups);
            let narrow = narrow.as_mut_ptr().add(quad * tokens + group);
            match tokens - group {
                1 => add_group::<V, R, 1>(indices, lookups, tables, narrow, tokens),
                2 => add_group::<V, R, 2>(indices, lookups, tables, narrow, tokens),
                3 => add_group::<V, R, 3>(indices, lookups, tables, narrow, tokens),
                _ => add_group::<V, R, GROUP>(indices, lookups, tables, narrow, tokens),
            }
        }
    }
}

/// A block of a quad as indices: vectors of one column each, whose 128-bit lanes are four rows of each vector.
///
/// # Safety
/// The features of `V`.
#[inline(always)]
unsafe fn order<V: Bytes>(mut vectors: [V; QUAD]) -> Indices<V> {
    // SAFETY: the caller's.
    unsafe {
        for (vector, pick) in vectors.iter_mut().zip(&PICK_COLUMNS) {
            *vector = vector.lookup(V::table(pick.as_ptr()));
        }
        let low = V::splat(0x0f0f_0f0f);
        let mut indices = [low; LOOKUPS];
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

/// Looks all of `R` quads' indices up for `G` tokens.
///
/// # Safety
/// As [`look_up`].
#[inline(always)]
unsafe fn add_group<V: Bytes, const R: usize, const G: usize>(
    indices: [*const V; R],
    lookups: usize,
    tables: *const [u8; 16],
    narrow: *mut [V; 2],
    tokens: usize,
) {
    for first in (0..lookups).step_by(DEPTH) {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [[V::splat(START * 0x0101_0101); R]; G];
            for at in first..lookups.min(first + DEPTH) {
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

/// Adds the i16 sums, so many flushes of bytes, to the callers'.
///
/// # Safety
/// The features of `V`.
#[inline(always)]
unsafe fn end<V: Bytes>(
    panels: Panels<'_>,
    tokens: usize,
    flushes: usize,
    totals: &[__m128i],
    narrow: &[[V; 2]],
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let start = i32::from((-START * flushes as i32) as u16);
    let start = start | start << 16;
    assert!(sums.len() == panels.count() * tokens);
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
            // SAFETY: the caller's; a vector's rows are there.
            unsafe {
                // The callers' sums are of codes, w + 1.
                let total = V::splat(sum_i16(total));
                V::add_rows(pairs, upper, V::splat(start), total, to);
            }
        }
    }
}

/// The sum of eight i16.
///
/// # Safety
/// The CPU has SSE2.
#[inline(always)]
unsafe fn sum_i16(x: __m128i) -> i32 {
    // SAFETY: the caller's.
    unsafe {
        let x = _mm_madd_epi16(x, _mm_set1_epi16(1));
        let x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
        _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_srli_si128::<4>(x)))
    }
}
