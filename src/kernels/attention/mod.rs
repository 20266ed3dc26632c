//! Attention over a head's states: scores of a query, softmax, weighted sum of values.
//!
//! # What is computed
//! With n = 2^b − 1 the largest code, γ the head's largest magnitude, and every operation rounded to f32 unless it says
//! "exact" (an integer):
//!
//! - a code: `round((x/γ + 1) · (n/2))`, halves to even, which needs no clamp; 0 stands for γ = 0;
//! - a score of a quantised query (codes a, odd: `a = 2q − 15`) and quantised keys k:
//!   `f32(exact Σ a·(2k − n)) · (γ · factor)`;
//! - any other score: `(s_0 + s_1) · factor`, or `· (γ · factor)` with quantised keys, where `s_j` sums `q_i · key_i` over
//!   `i = j, j + 2, …` in this order, from +0; a quantised key counts as `2k − n`;
//! - a weighted sum of floats: `w_t · v_t` added in ascending order of tokens;
//! - a weighted sum of codes: by tiles of 32 tokens in ascending order, see [`TileWeights`].
//!
//! The sums of codes are exact and so have no order. The weights of a tile are 16-bit integers for the sake of that: a
//! product by a float would cost a conversion, a multiplication and an addition for each code, and would leave 4-bit states
//! no faster than f16 ones.
//!
//! # How it is written
//! [`integer`] over the vectors of [`ternary`](super::ternary::vector), [`float`] over those of [`mod@super::float`], and
//! [`portable`] as the yardstick. What is a few operations for each token ([`per_token`]) is plain Rust on arrays, which is
//! compiled once for each instruction set. All of it is `#[inline(always)]`, without closures, into functions that carry
//! `#[target_feature]` ([`instantiate`]).
//!
//! **Safety contract:** as [`super::contract`]; lengths are those of the fields' comments.

use core::ops::Range;

use crate::layout::StateBits;
use crate::layout::states::TILE_TOKENS;

#[cfg(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64"))]
mod float;
#[cfg(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64"))]
mod formats;
#[cfg(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64"))]
pub(crate) mod instantiate;
#[cfg(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64"))]
mod integer;
mod per_token;
mod portable;

pub(crate) use portable::PORTABLE;

/// Whole tiles of one head, side by side; see [`crate::layout::states`].
#[derive(Clone, Copy)]
pub(crate) struct Tiles<'a> {
    /// How the numbers are stored.
    pub(crate) bits: StateBits,
    /// Elements of the head: the depth of a tile of keys, the lanes of a tile of values.
    pub(crate) head_size: usize,
    /// The tiles.
    pub(crate) bytes: &'a [u8],
}

/// The tokens of a weighted sum.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    /// p, one for each token.
    pub(crate) weights: &'a [f32],
    /// γ, where values are quantised.
    pub(crate) gammas: &'a [f32],
    /// Whether token 0 is kept apart, and is none of these.
    pub(crate) first_apart: bool,
}

/// The kernels of attention.
#[derive(Clone, Copy)]
pub(crate) struct AttentionKernels {
    /// Codes of a row, one a byte: `x.len() == codes.len()`, no `|x|` above γ, which is finite and not 0.
    pub(crate) quantize: unsafe fn(x: &[f32], gamma: f32, levels: u8, codes: &mut [u8]),

    /// Scores of a quantised query and quantised keys, 32 for each tile; `gammas` and `scores` have as many elements. The
    /// query's odd integers are followed by zeros up to a multiple of 32.
    pub(crate) integer_scores:
        unsafe fn(keys: Tiles<'_>, gammas: &[f32], query: &[i8], factor: f32, scores: &mut [f32]),

    /// Scores of a query of floats, 32 for each tile; there are gammas for keys that are quantised.
    pub(crate) float_scores:
        unsafe fn(keys: Tiles<'_>, gammas: &[f32], query: &[f32], factor: f32, scores: &mut [f32]),

    /// Adds quantised values to `out`, which has an element for each of the range: the tokens that have a weight, which are no
    /// more than those of the tiles; there are as many gammas at least. Token 0 has no part in it if it is kept apart.
    pub(crate) integer_values:
        unsafe fn(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32]),

    /// The same of float values; without gammas, and nothing is kept apart.
    pub(crate) float_values:
        unsafe fn(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32]),

    /// `x_i ← e^(x_i − max)`, where a NaN stays one; all become NaN if the largest, NaNs left out, is not finite.
    pub(crate) exponentials: unsafe fn(x: &mut [f32]),

    /// `x_i ← x_i · factor`.
    pub(crate) multiply: unsafe fn(x: &mut [f32], factor: f32),
}

/// What the values of a tile are multiplied by: with `w_t = p_t · γ_t` and m the largest of their magnitudes,
///
/// `u_t = round(w_t · (32639 / m))`, halves to even, and the tile adds `((m / 32639) / n) · f32(exact Σ u_t · (2v_t − n))`.
///
/// So a weight is off by at most m/65278, and the sum over a tile by less than m/2000: about as much as an f16 (2⁻¹¹) would
/// be off in the value of the one token with weight m. If m is not finite, the tile adds NaN; if it is below 2⁻¹⁰⁰, zero.
/// 32639 = 127 · 256 + 127 is the largest number of which both bytes below are signed ones.
#[repr(C, align(64))]
pub(crate) struct TileWeights {
    /// `u = 256 · high + low`, a byte each, by token.
    pub(crate) high: [i8; TILE_TOKENS],
    pub(crate) low: [i8; TILE_TOKENS],
    /// u itself; of each four tokens the first, the third, the second, the fourth.
    pub(crate) words: [i16; TILE_TOKENS],
    /// `n · Σ u`.
    pub(crate) sum: i32,
    /// What an integer is worth.
    pub(crate) scale: f32,
}

impl TileWeights {
    /// All zero.
    pub(crate) const ZERO: TileWeights = TileWeights {
        high: [0; TILE_TOKENS],
        low: [0; TILE_TOKENS],
        words: [0; TILE_TOKENS],
        sum: 0,
        scale: 0.0,
    };
}
