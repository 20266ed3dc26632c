//! [`TileUnit`](super::tiles::TileUnit)s of vectors that take activations by lane: a token's sixteen columns are one load, and
//! the fours in it are no broadcasts ([`DotVector::dot_four`]) or copies of a lane ([`LaneVector::four`]). A dot takes them
//! by element; products of matrices take two tokens side by side; and where bytes are multiplied lane by lane, i16 hold the
//! products of [`Int8::TERMS`] columns.

use super::multiply_add::{Int8, Width};
use super::rows::place;
use super::tile_codes::{TILE_BYTES, TILE_ROWS};
use super::tiles::TileBlock;
use super::vector::{DotVector, IntVector, LaneVector, MatrixVector};
use super::vector_unit::Place;
use crate::layout::BLOCK_BYTES;

/// Fours of columns in a load of activations.
const FOURS: usize = 4;

/// Rows of tiles whose products an i16 takes: four columns each, of which a lane has one.
const NARROW_ROWS: usize = Int8::TERMS;

/// The sums of `R` vectors of rows and `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`, and the place has the rows and tokens.
#[inline(always)]
unsafe fn load_sums<V: IntVector, const R: usize, const T: usize>(at: Place) -> [[V; R]; T] {
    // SAFETY: as promised.
    unsafe {
        let mut sums = [[V::splat(0); R]; T];
        for (t, sums) in sums.iter_mut().enumerate() {
            for (r, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(at.sums::<V>(r, t));
            }
        }
        sums
    }
}

/// Their way back.
///
/// # Safety
/// As [`load_sums`].
#[inline(always)]
unsafe fn store_sums<V: IntVector, const R: usize, const T: usize>(at: Place, sums: [[V; R]; T]) {
    for (t, sums) in sums.into_iter().enumerate() {
        for (r, sum) in sums.into_iter().enumerate() {
            // SAFETY: as promised.
            unsafe { sum.store(at.sums::<V>(r, t)) };
        }
    }
}

/// `R` vectors of rows times `T` tokens of a block from number `first` on, with dots by element.
///
/// # Safety
/// The CPU has the features of `V`; the block's pointers are as it says, and it has these rows and tokens.
#[inline(always)]
pub(crate) unsafe fn dots_by_element<V: DotVector, const R: usize, const T: usize>(
    block: &TileBlock,
    first: usize,
) {
    let mut at = Place::new(block, first);
    // SAFETY: as promised.
    unsafe {
        let mut sums = load_sums::<V, R, T>(at);
        for _ in 0..block.steps {
            dot_sixteen(at, 0, &mut sums);
            dot_sixteen(at, FOURS, &mut sums);
            dot_sixteen(at, 2 * FOURS, &mut sums);
            dot_sixteen(at, 3 * FOURS, &mut sums);
            at.next_step();
        }
        store_sums(at, sums);
    }
}

/// Sixteen columns of it, from row `four` of a tile on.
///
/// # Safety
/// As [`dots_by_element`], and there are such columns.
#[inline(always)]
unsafe fn dot_sixteen<V: DotVector, const R: usize, const T: usize>(
    at: Place,
    four: usize,
    sums: &mut [[V; R]; T],
) {
    // SAFETY: as promised.
    unsafe {
        let mut q = [V::sixteen(at.fours(four, 0)); T];
        for (t, q) in q.iter_mut().enumerate() {
            *q = V::sixteen(at.fours(four, t));
        }
        dot_four::<V, R, T, 0>(at, four, q, sums);
        dot_four::<V, R, T, 1>(at, four, q, sums);
        dot_four::<V, R, T, 2>(at, four, q, sums);
        dot_four::<V, R, T, 3>(at, four, q, sums);
    }
}

/// Four columns of those, number `S`.
///
/// # Safety
/// As [`dot_sixteen`].
#[inline(always)]
unsafe fn dot_four<V: DotVector, const R: usize, const T: usize, const S: usize>(
    at: Place,
    four: usize,
    q: [V::Sixteen; T],
    sums: &mut [[V; R]; T],
) {
    // SAFETY: as promised.
    unsafe {
        let mut codes = [V::splat(0); R];
        for (r, codes) in codes.iter_mut().enumerate() {
            *codes = at.codes(four + S, r);
        }
        for (sums, q) in sums.iter_mut().zip(q) {
            for (sum, codes) in sums.iter_mut().zip(codes) {
                *sum = sum.dot_four::<S>(codes, q);
            }
        }
    }
}

/// The vector of codes `r` of eight columns from number `four` on, in two halves of its rows, as [`pair_columns`] leaves them.
///
/// # Safety
/// The CPU has the features of `V`, and there is such a vector.
#[inline(always)]
unsafe fn paired_codes<V: MatrixVector>(at: Place, four: usize, r: usize) -> [V; 2] {
    let (_, row) = place::<V>(r);
    // SAFETY: as promised: a vector of either of two rows of a tile, side by side from twice as far on.
    unsafe {
        let first = at.codes_at::<V>(four, r).wrapping_add(4 * row);
        [V::load(first), V::load(first.wrapping_add(4 * V::ROWS))]
    }
}

/// Brings the codes of tiles in the order of [`matrices`]: of each eight columns, eight of a row side by side.
///
/// # Safety
/// The CPU has the features of `V`; there are as many tiles, valid for reads and writes.
#[inline(always)]
pub(crate) unsafe fn pair_columns<V: MatrixVector>(codes: *mut u8, tiles: usize) {
    for part in 0..tiles * TILE_BYTES / (2 * BLOCK_BYTES) {
        // SAFETY: as promised; each two rows of a tile are read before they are written.
        unsafe {
            let at = codes.add(part * 2 * BLOCK_BYTES);
            let vectors = BLOCK_BYTES / (4 * V::ROWS);
            let mut pairs = [[V::splat(0); 2]; BLOCK_BYTES / 16];
            for (v, pairs) in pairs[..vectors].iter_mut().enumerate() {
                let first = at.add(v * 4 * V::ROWS);
                *pairs = V::pair_rows(V::load(first), V::load(first.add(BLOCK_BYTES)));
            }
            for (v, pairs) in pairs[..vectors].iter().enumerate() {
                for (half, pair) in pairs.iter().enumerate() {
                    pair.store(at.add((2 * v + half) * 4 * V::ROWS));
                }
            }
        }
    }
}

/// The same as [`dots_by_element`] with products of matrices, of codes that [`pair_columns`] has brought in order. An odd
/// token goes with itself.
///
/// # Safety
/// As [`dots_by_element`].
#[inline(always)]
pub(crate) unsafe fn matrices<V: MatrixVector, const R: usize, const T: usize>(
    block: &TileBlock,
    first: usize,
) {
    let mut at = Place::new(block, first);
    // SAFETY: as promised; of the sums by pairs of tokens, as many are used as there are.
    unsafe {
        let mut pairs = [[[V::splat(0); 2]; R]; T];
        for _ in 0..block.steps {
            multiply_sixteen(at, 0, &mut pairs);
            multiply_sixteen(at, FOURS, &mut pairs);
            multiply_sixteen(at, 2 * FOURS, &mut pairs);
            multiply_sixteen(at, 3 * FOURS, &mut pairs);
            at.next_step();
        }
        let mut sums = load_sums::<V, R, T>(at);
        for pair in 0..T.div_ceil(2) {
            for r in 0..R {
                let tokens = V::by_token(pairs[pair][r]);
                for (sums, token) in sums[2 * pair..].iter_mut().zip(tokens) {
                    sums[r] = sums[r].add(token);
                }
            }
        }
        store_sums(at, sums);
    }
}

/// Sixteen columns of it, from row `four` of a tile on.
///
/// # Safety
/// As [`matrices`], and there are such columns.
#[inline(always)]
unsafe fn multiply_sixteen<V: MatrixVector, const R: usize, const T: usize>(
    at: Place,
    four: usize,
    sums: &mut [[[V; 2]; R]; T],
) {
    // SAFETY: as promised.
    unsafe {
        let mut q = [[V::splat(0); 2]; T];
        for pair in 0..T.div_ceil(2) {
            let even = V::load(at.fours(four, 2 * pair).cast());
            let odd = V::load(at.fours(four, (2 * pair + 1).min(T - 1)).cast());
            q[pair] = V::pair_tokens(even, odd);
        }
        for half in 0..2 {
            for r in 0..R {
                let codes = paired_codes::<V>(at, four + 2 * half, r);
                for pair in 0..T.div_ceil(2) {
                    let [low, high] = &mut sums[pair][r];
                    *low = low.multiply(codes[0], q[pair][half]);
                    *high = high.multiply(codes[1], q[pair][half]);
                }
            }
        }
    }
}

/// The same with products of lanes.
///
/// # Safety
/// As [`dots_by_element`].
#[inline(always)]
pub(crate) unsafe fn lanes<V: LaneVector, const R: usize, const T: usize>(block: &TileBlock, first: usize) {
    const STEPS: usize = NARROW_ROWS / TILE_ROWS;
    let mut at = Place::new(block, first);
    // SAFETY: as promised.
    unsafe {
        for start in (0..block.steps).step_by(STEPS) {
            let mut narrow = [[V::zero_halves(); R]; T];
            for _ in start..block.steps.min(start + STEPS) {
                for four in (0..TILE_ROWS).step_by(FOURS) {
                    let mut q = [V::sixteen(at.fours(four, 0)); T];
                    for (t, q) in q.iter_mut().enumerate() {
                        *q = V::sixteen(at.fours(four, t));
                    }
                    add_lanes::<V, R, T, 0>(at, four, q, &mut narrow);
                    add_lanes::<V, R, T, 1>(at, four, q, &mut narrow);
                    add_lanes::<V, R, T, 2>(at, four, q, &mut narrow);
                    add_lanes::<V, R, T, 3>(at, four, q, &mut narrow);
                }
                at.next_step();
            }
            for (t, narrow) in narrow.into_iter().enumerate() {
                for (r, narrow) in narrow.into_iter().enumerate() {
                    let sums = at.sums::<V>(r, t);
                    V::load(sums).add_halves(narrow).store(sums);
                }
            }
        }
    }
}

/// Four columns of it, number `S` of those that were loaded.
///
/// # Safety
/// As [`lanes`], and there are such columns.
#[inline(always)]
unsafe fn add_lanes<V: LaneVector, const R: usize, const T: usize, const S: usize>(
    at: Place,
    four: usize,
    q: [V::Sixteen; T],
    narrow: &mut [[V::Halves; R]; T],
) {
    // SAFETY: as promised.
    unsafe {
        let mut codes = [V::splat(0); R];
        for (r, codes) in codes.iter_mut().enumerate() {
            *codes = at.codes(four + S, r);
        }
        for (narrow, q) in narrow.iter_mut().zip(q) {
            let q = V::four::<S>(q);
            for (narrow, codes) in narrow.iter_mut().zip(codes) {
                *narrow = V::add_products(*narrow, codes, q);
            }
        }
    }
}
