//! Outer factors: a ±1 matrix times each column, columns side by side in the lanes.
//!
//! For each group of four rows the eight sums `c0 ± c1 ± c2 ± c3` go to a table on the stack; an output row is then
//! one lookup and one add a group: 12/4 + m/4 operations an element instead of m. The sign of a whole group is a
//! multiplication by ±1 inside the add (exact), because storing the eight negations too would double the stores,
//! which bound the building of the table.

use core::mem::MaybeUninit;

use super::Vector;
use crate::hadamard::{SignRows, portable};

/// Vectors of the table: 8 sums · groups · columns of vectors side by side.
const TABLE: usize = 512;

/// See [`Kernels::sign_columns`](crate::arch::kernels::Kernels::sign_columns).
#[inline(always)]
pub(crate) unsafe fn sign_columns<V: Vector>(x: &mut [f32], stride: usize, matrix: SignRows<'_>, scale: f32) {
    let whole = stride - stride % V::LANES;
    for run in x.chunks_exact_mut(matrix.order() * stride) {
        let mut column = 0;
        // SAFETY: the module's contract; columns end at `whole ≤ stride`; the table holds 8 · groups · U vectors,
        // as an order is at most 256.
        unsafe {
            let x = run.as_mut_ptr();
            if matrix.groups() <= TABLE / 8 / 4 {
                while column + 4 * V::LANES <= whole {
                    strip::<V, 4>(x.add(column), stride, matrix, scale);
                    column += 4 * V::LANES;
                }
            }
            if matrix.groups() <= TABLE / 8 / 2 {
                while column + 2 * V::LANES <= whole {
                    strip::<V, 2>(x.add(column), stride, matrix, scale);
                    column += 2 * V::LANES;
                }
            }
            while column < whole {
                strip::<V, 1>(x.add(column), stride, matrix, scale);
                column += V::LANES;
            }
        }
    }
    portable::sign_columns(x, stride, whole, matrix, scale);
}

/// `U` vectors of neighbouring columns.
#[inline(always)]
unsafe fn strip<V: Vector, const U: usize>(x: *mut f32, stride: usize, matrix: SignRows<'_>, scale: f32) {
    let mut table = MaybeUninit::<[V; TABLE]>::uninit();
    let table = table.as_mut_ptr().cast::<V>();
    let (order, groups) = (matrix.order(), matrix.groups());
    // SAFETY: the caller's; rows 0..order of `stride` floats, of which `U · LANES` are accessed.
    unsafe {
        let minus = V::splat(core::hint::black_box(-1.0));
        for g in 0..groups {
            for u in 0..U {
                let mut c = [V::splat(0.0); 4];
                for (j, c) in c.iter_mut().enumerate() {
                    if 4 * g + j < order {
                        *c = V::load(x.add((4 * g + j) * stride + u * V::LANES));
                    }
                }
                let (p, q) = (
                    [c[0].add(c[1]), c[1].mul_add(minus, c[0])],
                    [c[2].add(c[3]), c[3].mul_add(minus, c[2])],
                );
                let at = table.add(g * 8 * U + u);
                // Entry e is the sum with signs (+, e₀, e₁, e₂), in the canonical order.
                for e in 0..8 {
                    let (p, q) = (p[e & 1], q[(e >> 1 ^ e >> 2) & 1]);
                    *at.add(e * U) = if e >> 1 & 1 == 0 { p.add(q) } else { q.mul_add(minus, p) };
                }
            }
        }
        let scale = V::splat(scale);
        for i in 0..order {
            // −0 is the neutral element of addition.
            let mut sums = [V::splat(-0.0); U];
            for g in 0..groups {
                let nibble = matrix.nibble(i, g);
                let negative = nibble & 1;
                let entry = (nibble ^ negative.wrapping_neg() & 15) >> 1;
                let sign = V::splat(1.0 - 2.0 * negative as f32);
                let at = table.add((g * 8 + entry) * U);
                for (u, sum) in sums.iter_mut().enumerate() {
                    *sum = (*at.add(u)).mul_add(sign, *sum);
                }
            }
            for (u, sum) in sums.iter().enumerate() {
                sum.mul(scale).store(x.add(i * stride + u * V::LANES));
            }
        }
    }
}
