//! Scores and weighted sums of float states, over a [`Vector`]; and scores of a float query and codes.
//!
//! Lanes are tokens in scores and elements in sums, so that nothing is added across a vector. A sum of values needs eight
//! vectors side by side to hide the latency of its additions.

use core::ops::Range;

use super::{Tiles, Tokens, portable};
use crate::kernels::float::Vector;
use crate::layout::StateBits;
use crate::layout::states::{Piece, TILE_TOKENS, pieces};

/// How floats are stored.
trait Stored {
    const BYTES: usize;

    /// # Safety
    /// The CPU has the features, and there are so many numbers at `from`.
    unsafe fn load<V: Vector>(from: *const u8) -> V;
}

struct F16;
struct F32;

impl Stored for F16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const u8) -> V {
        // SAFETY: as promised.
        unsafe { V::load_f16(from) }
    }
}

impl Stored for F32 {
    const BYTES: usize = 4;

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const u8) -> V {
        // SAFETY: as promised.
        unsafe { V::load(from.cast()) }
    }
}

/// See [`AttentionKernels::float_scores`](super::AttentionKernels::float_scores).
#[inline(always)]
pub(crate) unsafe fn scores<V: Vector>(
    keys: Tiles<'_>,
    gammas: &[f32],
    query: &[f32],
    factor: f32,
    scores: &mut [f32],
) {
    // SAFETY: the caller's contract.
    unsafe {
        match keys.bits {
            StateBits::F16 => float_scores::<V, F16>(keys, query, factor, scores),
            StateBits::F32 => float_scores::<V, F32>(keys, query, factor, scores),
            _ => code_scores(keys, gammas, query, factor, scores),
        }
    }
}

#[inline(always)]
unsafe fn float_scores<V: Vector, S: Stored>(
    keys: Tiles<'_>,
    query: &[f32],
    factor: f32,
    scores: &mut [f32],
) {
    let vectors = TILE_TOKENS / V::LANES;
    let tiles = keys.bytes.chunks_exact(TILE_TOKENS * keys.head_size * S::BYTES);
    for (tile, scores) in tiles.zip(scores.as_chunks_mut::<TILE_TOKENS>().0) {
        let at = tile.as_ptr();
        // SAFETY: the module's contract; a tile has 32 numbers for each element of the query.
        unsafe {
            // Registers for the narrowest vector; a wider one leaves the rest unused.
            let mut sums = [[V::splat(0.0); 8]; 2];
            let (pairs, rest) = query.as_chunks::<2>();
            for (i, pair) in pairs.iter().enumerate() {
                for half in 0..2 {
                    let q = V::splat(pair[half]);
                    for j in 0..vectors {
                        let key =
                            S::load::<V>(at.add(((2 * i + half) * TILE_TOKENS + j * V::LANES) * S::BYTES));
                        sums[half][j] = sums[half][j].add(q.mul(key));
                    }
                }
            }
            for &q in rest {
                let q = V::splat(q);
                for j in 0..vectors {
                    let key =
                        S::load::<V>(at.add(((query.len() - 1) * TILE_TOKENS + j * V::LANES) * S::BYTES));
                    sums[0][j] = sums[0][j].add(q.mul(key));
                }
            }
            for j in 0..vectors {
                let score = sums[0][j].add(sums[1][j]).mul(V::splat(factor));
                score.store(scores.as_mut_ptr().add(j * V::LANES));
            }
        }
    }
}

/// A float query and codes: plain loops over the lanes, of which the compiler makes vectors.
#[inline(always)]
fn code_scores(keys: Tiles<'_>, gammas: &[f32], query: &[f32], factor: f32, scores: &mut [f32]) {
    let levels = keys.bits.levels().map_or(0, i32::from);
    let tiles = keys.bytes.chunks_exact(keys.bits.tile_bytes(TILE_TOKENS, keys.head_size));
    for ((tile, gammas), scores) in
        tiles.zip(gammas.as_chunks::<TILE_TOKENS>().0).zip(scores.as_chunks_mut::<TILE_TOKENS>().0)
    {
        let mut sums = [[0.0; TILE_TOKENS]; 2];
        for (i, &q) in query.iter().enumerate() {
            let [low, high] = pieces(keys.bits, TILE_TOKENS, i);
            let (low_dwords, high_dwords) = (dwords(tile, low), dwords(tile, high));
            let sums = &mut sums[i % 2];
            for t in 0..TILE_TOKENS {
                let mut code = bits(low_dwords[t], low);
                if high.bits > 0 {
                    code |= bits(high_dwords[t], high) << low.bits;
                }
                sums[t] += q * (2 * code as i32 - levels) as f32;
            }
        }
        for t in 0..TILE_TOKENS {
            scores[t] = (sums[0][t] + sums[1][t]) * (gammas[t] * factor);
        }
    }
}

/// The dwords of a piece, one for each token.
#[inline(always)]
fn dwords(tile: &[u8], piece: Piece) -> &[[u8; 4]] {
    &tile[piece.dword..][..4 * TILE_TOKENS].as_chunks().0[..TILE_TOKENS]
}

/// The bits of a piece.
#[inline(always)]
fn bits(dword: [u8; 4], piece: Piece) -> u32 {
    u32::from_le_bytes(dword) >> piece.shift & ((1 << piece.bits) - 1)
}

/// See [`AttentionKernels::float_values`](super::AttentionKernels::float_values).
#[inline(always)]
pub(crate) unsafe fn values<V: Vector>(
    values: Tiles<'_>,
    tokens: Tokens<'_>,
    inputs: Range<usize>,
    out: &mut [f32],
) {
    // SAFETY: the caller's contract.
    unsafe {
        match values.bits {
            StateBits::F16 => float_values::<V, F16>(values, tokens, inputs, out),
            _ => float_values::<V, F32>(values, tokens, inputs, out),
        }
    }
}

#[inline(always)]
unsafe fn float_values<V: Vector, S: Stored>(
    values: Tiles<'_>,
    tokens: Tokens<'_>,
    inputs: Range<usize>,
    out: &mut [f32],
) {
    // By tiles, so that a head with more elements than the registers hold is still read from end to end.
    for (tile, weights) in values.values(tokens).zip(tokens.weights.chunks(TILE_TOKENS)) {
        let (at, mut done) = (tile.bytes.as_ptr(), 0);
        // SAFETY: the module's contract; elements before the range's end have their numbers in each token's row, and their
        // floats in `out`.
        unsafe {
            while done + 8 * V::LANES <= out.len() {
                let from = at.add((inputs.start + done) * S::BYTES);
                block::<V, S, 8>(from, values.head_size, weights, out.as_mut_ptr().add(done));
                done += 8 * V::LANES;
            }
            while done + V::LANES <= out.len() {
                let from = at.add((inputs.start + done) * S::BYTES);
                block::<V, S, 1>(from, values.head_size, weights, out.as_mut_ptr().add(done));
                done += V::LANES;
            }
        }
        let rest = Tokens { weights, ..tokens };
        portable::float_values(tile, rest, inputs.start + done..inputs.end, &mut out[done..]);
    }
}

/// The elements of `BLOCK` vectors.
#[inline(always)]
unsafe fn block<V: Vector, S: Stored, const BLOCK: usize>(
    from: *const u8,
    head_size: usize,
    weights: &[f32],
    out: *mut f32,
) {
    // SAFETY: as the caller promises: the features, `BLOCK` vectors in each token's row, and as many floats.
    unsafe {
        let mut sums = [V::splat(0.0); BLOCK];
        for j in 0..BLOCK {
            sums[j] = V::load(out.add(j * V::LANES));
        }
        for (t, &weight) in weights.iter().enumerate() {
            let weight = V::splat(weight);
            for j in 0..BLOCK {
                let value = S::load::<V>(from.add((t * head_size + j * V::LANES) * S::BYTES));
                sums[j] = sums[j].add(weight.mul(value));
            }
        }
        for j in 0..BLOCK {
            sums[j].store(out.add(j * V::LANES));
        }
    }
}
