//! The order of every float reduction.
//!
//! A sum over a row of f32 has terms `t_i = |x_i|`, or `x_i · x_i` rounded to f32. They are grouped by eights in f32,
//! and the groups are added in f64 over [`SUM_LANES`] = 32 virtual lanes: an eighth of the conversions, which are what a
//! sum in f64 takes longest over. A row is cut into runs of [`SUM_RUN`] = 256, the last one padded with terms of +0. In
//! ascending order of runs, from +0, lane `j` takes, with `u_k = t_(j+32k)` of the run and each sum rounded to f32,
//!
//! ```text
//! ((u_0 + u_1) + (u_2 + u_3)) + ((u_4 + u_5) + (u_6 + u_7))
//! ```
//!
//! and the lanes are folded by halves (lane `j` takes lane `j + 16`, then `j + 8`, 4, 2, 1). No rounding is fused away.
//! No term is negative, so the f32 steps change a sum by at most 4 · 2⁻²⁴ of it (magnitudes: 3 · 2⁻²⁴), and in
//! proportion; the f64 steps do not count beside that.
//!
//! Where f32 does not reach, the row is summed again in f64 throughout: if the sum is not finite, or if it is of squares
//! with a mean below 2⁻¹⁰⁰, where underflow could count. There lane `j` takes the terms, exact in f64, of elements
//! `j`, `j + 32`, … Such a sum of finite elements is always finite, and any other never is.

/// Virtual lanes of a row sum.
pub const SUM_LANES: usize = 32;

/// Elements that a row sum takes at a time: eight for each lane.
pub const SUM_RUN: usize = 8 * SUM_LANES;

/// Folds the lanes of a row sum in the canonical order.
#[inline(always)]
pub(crate) fn fold_lanes(mut lanes: [f64; SUM_LANES]) -> f64 {
    let mut width = SUM_LANES;
    while width > 1 {
        width /= 2;
        for j in 0..width {
            lanes[j] += lanes[j + width];
        }
    }
    lanes[0]
}
