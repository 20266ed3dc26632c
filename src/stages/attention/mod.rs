//! Attention over quantised states (the paper's tables 2 and 3): a cache of keys and values, scores, softmax and weighted sums.
//!
//! Heads of q, k and v, after the rotary embedding, become unsigned integers of b bits, each head of each token by its own
//! largest magnitude γ, with n = 2^b − 1:
//!
//! `q = clamp(round((x/γ + 1) · n/2), 0, n)`, rounding halves to even, worth `(2q/n − 1) · γ`; a head of zeros is worth zero.
//!
//! The paper gives no formula; this is ours. Each operation is rounded to f32 once, in the order written. The query has 4 bits
//! or stays f32 ([`QueryBits`]); keys and values have 3, 4 or 8 bits, or stay floats ([`StateBits`](crate::StateBits)). Where
//! they have fewer than 8, those of the cache's first token are kept at 8 beside them: a model attends to it more than to any
//! other.
//!
//! # The expressions
//! Every operation is rounded to f32, and none is fused with another; exact means an integer.
//!
//! | what | expression |
//! |---|---|
//! | factor of a quantised query, codes `a = 2q − 15` | `f = ((γ_q / 15) / n) · scale` |
//! | score, quantised query and keys | `f32(exact Σ a·(2k − n)) · (γ · f)` |
//! | score, f32 query and quantised keys | `(s_0 + s_1) · (γ · (scale / n))`, of terms `x_i · (2k_i − n)` |
//! | score, float keys | `(s_0 + s_1) · scale`, of terms `x_i · k_i`; a quantised query is `x_i = a_i · (γ_q / 15)` |
//! | softmax | `e^(x − max) · f32(1 / Σ)`, see [`softmax()`] |
//! | weighted sum, float values | `p_t · v_t`, added in ascending order of tokens |
//! | weighted sum, quantised values | tiles of 32 tokens, added in ascending order, see below |
//!
//! `s_0` sums the terms with even i in ascending order, `s_1` those with odd i.
//!
//! A tile of quantised values adds `((m / 32639) / n) · f32(exact Σ u_t · (2v_t − n))`, where `w_t = p_t · γ_t`, m is the
//! largest |w_t| of the tile, and `u_t = round(w_t · (32639 / m))`, halves to even: weights are integers of 16 bits. What is
//! lost by that is less than m/2000 for a whole tile, about what an f16 (2⁻¹¹) would lose in the value of the one token with
//! weight m.
//! A tile with m below 2⁻¹⁰⁰ adds zero. A first token at 8 bits stands before the tiles with `((p_0 · γ_0) / 255) · (2v − 255)`,
//! and has `u = 0` in its tile. Every sum begins with +0.
//!
//! The same input gives the same bits on every backend, for any range of tokens, heads or elements.
//!
//! # What is checked
//! Sizes and ranges always, before anything is written. States that are appended, and queries that are quantised, must be
//! finite. Scores, weights and f32 queries are taken as they are: what is not finite in them gives what the expressions give,
//! and a tile of quantised values whose m is not finite adds NaN.

mod attend;
mod cache;
mod codes;
mod query;
mod softmax;
mod spec;
mod states;

pub use attend::{attend, attend_workspace_len};
pub use cache::Cache;
pub use query::{Query, QueryBits};
pub use softmax::softmax;
pub use spec::CacheSpec;
pub use states::States;
