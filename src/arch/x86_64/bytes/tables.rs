//! `T2` times several tokens of int4, by table: a nibble holds the codes of two columns, and a byte what they add to a
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
//! **Cost.** Two columns of a quad and 4 tokens: 4 table loads, 4 lookups, 4 adds, an index load, and 5/7 of flushing, 16
//! for 4 · 64 products where `maddubs` with 4 tokens takes 20 for the half. A block of a token adds about 40 to make
//! its tables, shared by the panels of a call, and one of a quad 40 to bring it in order, shared by the tokens.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Bytes, vectors};
use crate::arch::kernels::Panels;
use crate::arch::x86_64::dot::{codes, place};
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS};

/// Most panels of a call.
pub(in crate::arch::x86_64) const MAX_PANELS: usize = 32;

/// Most tokens of a call.
pub(in crate::arch::x86_64) const MAX_TOKENS: usize = 32;

/// From how many tokens on this is faster than [`fields`](super::fields).
pub(in crate::arch::x86_64) const MIN_TOKENS: usize = 4;

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

/// A block's table indices: the vectors of columns, low and high nibbles.
type Indices<V> = [V; LOOKUPS];

/// All panels times all tokens, `R` quads at once.
///
/// # Safety
/// The CPU has the features of `V` and SSSE3; `q` holds `tokens` values, within −8..=7, for each column of the panels; at
/// most [`MAX_PANELS`] and [`MAX_TOKENS`].
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn several_tokens<V: Bytes>(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let quads = vectors::<V>(panels).div_ceil(QUAD);
    assert!(tokens <= MAX_TOKENS && panels.count() <= MAX_PANELS);
    let mut tables = [const { MaybeUninit::<[[u8; 16]; BLOCKS * LOOKUPS]>::uninit() }; MAX_TOKENS];
    let mut narrow = [const { MaybeUninit::<[V; 2]>::uninit() }; MAX_TOKENS * MAX_PANELS / 2];
    let mut totals = [const { MaybeUninit::<__m128i>::uninit() }; MAX_TOKENS];
    let (totals, narrow) = (&mut totals[..tokens], &mut narrow[..tokens * quads]);
    for (run, q) in q.chunks(RUN * BLOCK_COLUMNS * tokens).enumerate() {
        // SAFETY: the caller's.
        let (totals, narrow) = unsafe {
            let zero = V::splat(0);
            (fill(totals, _mm_setzero_si128()), fill(narrow, [zero; 2]))
        };
        let mut flushes = 0;
        for (chunk, q) in q.chunks(BLOCKS * BLOCK_COLUMNS * tokens).enumerate() {
            let blocks = q.len() / (BLOCK_COLUMNS * tokens);
            // SAFETY: the caller's; there is room for a chunk's blocks.
            unsafe {
                make_tables(q, tokens, tables.as_mut_ptr().cast(), totals);
                let from = run * RUN + chunk * BLOCKS;
                let mut quad = 0;
                while quad + 2 <= quads {
                    look_up::<V, 2>(
                        panels,
                        quad,
                        from..from + blocks,
                        tables.as_ptr().cast(),
                        tokens,
                        narrow,
                    );
                    quad += 2;
                }
                if quad < quads {
                    look_up::<V, 1>(
                        panels,
                        quad,
                        from..from + blocks,
                        tables.as_ptr().cast(),
                        tokens,
                        narrow,
                    );
                }
            }
            flushes += (blocks * LOOKUPS).div_ceil(DEPTH);
        }
        // SAFETY: the caller's.
        unsafe { end::<V>(panels, tokens, flushes, totals, narrow, sums) };
    }
}

/// Makes all elements a value.
fn fill<T: Copy>(slice: &mut [MaybeUninit<T>], value: T) -> &mut [T] {
    for element in &mut *slice {
        element.write(value);
    }
    // SAFETY: all of them are written.
    unsafe { &mut *(core::ptr::from_mut(slice) as *mut [T]) }
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
unsafe fn look_up<V: Bytes, const R: usize>(
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
            [*from] = codes::<V, 1>(|panel| panels.t2(panel), last.min((quad + r) * QUAD + i));
        }
        for (indices, block) in indices.iter_mut().zip(blocks.clone()) {
            // SAFETY: the caller's.
            indices.write(unsafe { order(from.map(|from| from.wrapping_add(block * BLOCK_BYTES))) });
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
/// The features of `V`, and a block of the vectors there.
#[inline(always)]
unsafe fn order<V: Bytes>(from: [*const u8; QUAD]) -> Indices<V> {
    // SAFETY: the caller's.
    unsafe {
        let mut vectors = [V::splat(0); QUAD];
        for ((vector, from), pick) in vectors.iter_mut().zip(from).zip(&PICK_COLUMNS) {
            *vector = V::load(from).lookup(V::table(pick.as_ptr()));
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
    let mut spare = [0; PANEL_ROWS];
    for (quad, narrow) in narrow.chunks_exact(tokens).enumerate() {
        for (t, (&[pairs, upper], &total)) in narrow.iter().zip(totals).enumerate() {
            let mut to = [spare.as_mut_ptr(); QUAD];
            for (i, to) in to.iter_mut().enumerate() {
                let vector = quad * QUAD + i;
                if vector < vectors::<V>(panels) {
                    let (panel, row) = place::<V>(vector);
                    *to = sums[panel * tokens + t][row..].as_mut_ptr();
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
