//! The kernels in portable Rust, for every kind of states: the yardstick.

use core::ops::Range;

use super::{AttentionKernels, TileWeights, Tiles, Tokens, per_token};
use crate::layout::StateBits;
use crate::layout::states::{TILE_TOKENS, code, float};

/// Portable kernels.
pub(crate) const PORTABLE: AttentionKernels = AttentionKernels {
    quantize: per_token::quantize,
    integer_scores,
    float_scores,
    integer_values,
    float_values,
    exponentials: per_token::exponentials,
    multiply: per_token::multiply,
};

/// `n` of codes.
#[inline(always)]
fn levels(bits: StateBits) -> i32 {
    bits.levels().map_or(0, i32::from)
}

impl<'a> Tiles<'a> {
    /// The tiles of keys, one by one.
    fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks_exact(self.bits.tile_bytes(TILE_TOKENS, self.head_size))
    }

    /// The tiles of values that have tokens with a weight, one by one.
    #[inline(always)]
    pub(super) fn values(self, tokens: Tokens<'_>) -> impl Iterator<Item = Tiles<'a>> {
        let tiles = self.bytes.chunks_exact(self.bits.tile_bytes(self.head_size, TILE_TOKENS));
        tiles.take(tokens.weights.len().div_ceil(TILE_TOKENS)).map(move |bytes| Tiles { bytes, ..self })
    }
}

fn integer_scores(keys: Tiles<'_>, gammas: &[f32], query: &[i8], factor: f32, scores: &mut [f32]) {
    for ((tile, gammas), scores) in
        keys.keys().zip(gammas.chunks_exact(TILE_TOKENS)).zip(scores.chunks_exact_mut(TILE_TOKENS))
    {
        for (t, score) in scores.iter_mut().enumerate() {
            *score =
                integer_score(keys.bits, tile, t, &query[..keys.head_size]) as f32 * (gammas[t] * factor);
        }
    }
}

/// `Σ a·(2k − n)` of a token.
fn integer_score(bits: StateBits, tile: &[u8], token: usize, query: &[i8]) -> i32 {
    let term = |(i, &a): (usize, &i8)| {
        i32::from(a) * (2 * i32::from(code(bits, tile, TILE_TOKENS, token, i)) - levels(bits))
    };
    query.iter().enumerate().map(term).sum()
}

/// See [`AttentionKernels::float_scores`].
pub(super) fn float_scores(keys: Tiles<'_>, gammas: &[f32], query: &[f32], factor: f32, scores: &mut [f32]) {
    for (index, (tile, scores)) in keys.keys().zip(scores.chunks_exact_mut(TILE_TOKENS)).enumerate() {
        let mut sums = [[0.0; TILE_TOKENS]; 2];
        for (i, &q) in query.iter().enumerate() {
            for t in 0..TILE_TOKENS {
                let key = match keys.bits.levels() {
                    Some(n) => {
                        (2 * i32::from(code(keys.bits, tile, TILE_TOKENS, t, i)) - i32::from(n)) as f32
                    }
                    None => float(keys.bits, tile, i * TILE_TOKENS + t),
                };
                sums[i % 2][t] += q * key;
            }
        }
        for (t, score) in scores.iter_mut().enumerate() {
            let factor = match gammas.get(index * TILE_TOKENS + t) {
                Some(gamma) => gamma * factor,
                None => factor,
            };
            *score = (sums[0][t] + sums[1][t]) * factor;
        }
    }
}

fn integer_values(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32]) {
    let mut weights = TileWeights::ZERO;
    for (index, tile) in values.values(tokens).enumerate() {
        tokens.tile(index, values.bits.levels().unwrap_or_default(), &mut weights);
        tile_of_integers(tile, inputs.clone(), &weights, out);
    }
}

/// Adds one tile.
pub(super) fn tile_of_integers(
    values: Tiles<'_>,
    inputs: Range<usize>,
    weights: &TileWeights,
    out: &mut [f32],
) {
    for (element, out) in inputs.zip(out) {
        let mut sum = 0;
        for t in 0..TILE_TOKENS {
            let unit = 256 * i32::from(weights.high[t]) + i32::from(weights.low[t]);
            sum += unit * i32::from(code(values.bits, values.bytes, values.head_size, element, t));
        }
        *out += (2 * sum - weights.sum) as f32 * weights.scale;
    }
}

/// See [`AttentionKernels::float_values`].
pub(super) fn float_values(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32]) {
    for (t, &weight) in tokens.weights.iter().enumerate() {
        for (element, out) in inputs.clone().zip(&mut *out) {
            *out += weight * float(values.bits, values.bytes, t * values.head_size + element);
        }
    }
}
