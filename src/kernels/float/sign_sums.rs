//! Outer factors: a ±1 matrix times each column, columns side by side in the lanes. The small named matrices have
//! their own code in [`super::const_signs`], the large ones of Paley's first construction in [`super::paley_pairs`], some of his
//! second one in [`super::conference`]; this is for the others.
//!
//! For each group of four rows the eight sums `c0 ± c1 ± c2 ± c3` go to a table on the stack; an output row is then
//! one lookup and one add a group: 12/4 + m/4 operations an element instead of m. Up to order [`SMALL`] four registers
//! share the decoding of a lookup, and the sign of a group is a multiplication by ±1 inside the add (exact): storing
//! the eight negations too would double the stores, which bound the building of the table. Larger orders spend their
//! time in lookups, so there the negations are stored and a lookup is one load; one register at a time, because the
//! table of two would not fit L1. Tried for them without gain on Zen 4: the table in parts of eight groups with
//! partial sums between, for one and for two registers.

use core::mem::MaybeUninit;

use super::vector::Vector;
use crate::matrices::{MAX_ORDER, SignRows};

/// Largest order of the narrow table, which stays within L1 for four registers.
const SMALL: usize = 64;

/// Where a group's sum with the signs of a nibble is: the entry, and the sign of the whole.
#[derive(Clone, Copy)]
struct Lookup {
    entry: usize,
    sign: f32,
}

/// Entry `e` is the sum with the signs +, e₀, e₁, e₂; a nibble that starts with − is the negation of its complement.
const LOOKUPS: [Lookup; 16] = {
    let mut lookups = [Lookup { entry: 0, sign: 1.0 }; 16];
    let mut nibble = 0;
    while nibble < 16 {
        lookups[nibble] = if nibble & 1 == 0 {
            Lookup { entry: nibble >> 1, sign: 1.0 }
        } else {
            Lookup { entry: (nibble ^ 15) >> 1, sign: -1.0 }
        };
        nibble += 1;
    }
    lookups
};

/// The [kernel](super::column_tiles::Kernel) of any matrix of an order that is a multiple of 4.
#[inline(always)]
pub(crate) unsafe fn columns<V: Vector>(
    x: *mut f32,
    stride: usize,
    count: usize,
    runs: usize,
    matrix: SignRows<'_>,
    scale: f32,
) {
    // SAFETY: the module's contract; `count` is whole registers; the tables hold an order of `SMALL`, or of 256.
    unsafe {
        for run in 0..runs {
            let (x, mut column) = (x.add(run * matrix.order() * stride), 0);
            while column < count {
                let p = x.add(column);
                if matrix.order() > SMALL {
                    wide_strip::<V>(p, stride, matrix, scale);
                } else if column + 4 * V::LANES <= count {
                    strip::<V, 4>(p, stride, matrix, scale);
                    column += 3 * V::LANES;
                } else {
                    strip::<V, 1>(p, stride, matrix, scale);
                }
                column += V::LANES;
            }
        }
    }
}

/// `U` neighbouring registers of columns.
#[inline(always)]
unsafe fn strip<V: Vector, const U: usize>(x: *mut f32, stride: usize, matrix: SignRows<'_>, scale: f32) {
    let mut table = MaybeUninit::<[V; 2 * SMALL * 4]>::uninit();
    let table = table.as_mut_ptr().cast::<V>();
    let (order, groups) = (matrix.order(), matrix.groups());
    // SAFETY: the caller's; rows 0..order of `stride` floats, of which `U · LANES` are accessed.
    unsafe {
        let minus = V::splat(core::hint::black_box(-1.0));
        for g in 0..groups {
            for u in 0..U {
                let c = x.add(4 * g * stride + u * V::LANES);
                let at = table.add(8 * g * U + u);
                let (c0, c1) = (V::load(c), V::load(c.add(stride)));
                let (c2, c3) = (V::load(c.add(2 * stride)), V::load(c.add(3 * stride)));
                let (p, q) = ([c0.add(c1), c1.sub_from(minus, c0)], [c2.add(c3), c3.sub_from(minus, c2)]);
                // Plus or minus q is e₁; q is c2 ± c3 by e₁ ^ e₂.
                at.write(p[0].add(q[0]));
                at.add(U).write(p[1].add(q[0]));
                at.add(2 * U).write(q[1].sub_from(minus, p[0]));
                at.add(3 * U).write(q[1].sub_from(minus, p[1]));
                at.add(4 * U).write(p[0].add(q[1]));
                at.add(5 * U).write(p[1].add(q[1]));
                at.add(6 * U).write(q[0].sub_from(minus, p[0]));
                at.add(7 * U).write(q[0].sub_from(minus, p[1]));
            }
        }
        let scale = V::splat(scale);
        for i in 0..order {
            // −0 is the neutral element of addition.
            let mut sums = [V::splat(-0.0); U];
            let mut at = table.cast_const();
            let mut left = groups;
            for &word in matrix.row(i) {
                let mut word = word;
                for _ in 0..left.min(8) {
                    let Lookup { entry, sign } = LOOKUPS[(word & 15) as usize];
                    let (sign, found) = (V::splat(sign), at.add(entry * U));
                    for (u, sum) in sums.iter_mut().enumerate() {
                        *sum = found.add(u).read().mul_add(sign, *sum);
                    }
                    word >>= 4;
                    at = at.add(8 * U);
                }
                left = left.saturating_sub(8);
            }
            for (u, sum) in sums.iter().enumerate() {
                sum.mul(scale).store(x.add(i * stride + u * V::LANES));
            }
        }
    }
}

/// One register of columns, for large orders: all sixteen sums of a group are stored, so that a lookup is one load
/// and nothing else.
#[inline(always)]
unsafe fn wide_strip<V: Vector>(x: *mut f32, stride: usize, matrix: SignRows<'_>, scale: f32) {
    let mut table = MaybeUninit::<[V; 4 * MAX_ORDER]>::uninit();
    let table = table.as_mut_ptr().cast::<V>();
    // SAFETY: the caller's; rows 0..order of `stride` floats, of which `LANES` are accessed.
    unsafe {
        let minus = V::splat(core::hint::black_box(-1.0));
        for g in 0..matrix.groups() {
            let c = x.add(4 * g * stride);
            let (c0, c1) = (V::load(c), V::load(c.add(stride)));
            let (c2, c3) = (V::load(c.add(2 * stride)), V::load(c.add(3 * stride)));
            let (p, q) = ([c0.add(c1), c1.sub_from(minus, c0)], [c2.add(c3), c3.sub_from(minus, c2)]);
            let sums = [
                p[0].add(q[0]),
                p[1].add(q[0]),
                q[1].sub_from(minus, p[0]),
                q[1].sub_from(minus, p[1]),
                p[0].add(q[1]),
                p[1].add(q[1]),
                q[0].sub_from(minus, p[0]),
                q[0].sub_from(minus, p[1]),
            ];
            let at = table.add(16 * g);
            for (e, sum) in sums.into_iter().enumerate() {
                at.add(2 * e).write(sum);
                at.add(15 - 2 * e).write(sum.neg());
            }
        }
        let scale = V::splat(scale);
        // Rows in fours: a row alone is one long chain of additions.
        for i in (0..matrix.order()).step_by(4) {
            let rows = [matrix.row(i), matrix.row(i + 1), matrix.row(i + 2), matrix.row(i + 3)];
            let mut sums = [V::splat(-0.0); 4];
            let mut at = table.cast_const();
            let mut left = matrix.groups();
            for w in 0..rows[0].len() {
                let mut words = [rows[0][w], rows[1][w], rows[2][w], rows[3][w]];
                for _ in 0..left.min(8) {
                    for (sum, word) in sums.iter_mut().zip(&mut words) {
                        *sum = sum.add(at.add((*word & 15) as usize).read());
                        *word >>= 4;
                    }
                    at = at.add(16);
                }
                left = left.saturating_sub(8);
            }
            for (j, sum) in sums.iter().enumerate() {
                sum.mul(scale).store(x.add((i + j) * stride));
            }
        }
    }
}
