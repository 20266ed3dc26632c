//! The small named outer factors as straight-line code.
//!
//! The table of [`super::signs`] costs a store for each of its entries and a load, a second one for the sign, and
//! four or five integer instructions for each lookup. With signs that the compiler knows, the eight sums of each
//! group are values in registers (spilled where there are too many: a spill is a store like the table's, a reload
//! rides on the addition), the sign of a group is the choice between an addition and a multiply-add by −1, and
//! nothing is decoded.

use super::Vector;
use crate::hadamard::known::{Known, MAX_KNOWN, nibble};
use crate::hadamard::portable;

/// [`super::signs::sign_columns`] for the matrix `K`.
#[inline(always)]
pub(crate) unsafe fn columns<V: Vector, K: Known>(x: &mut [f32], stride: usize, scale: f32) {
    let whole = stride - stride % V::LANES;
    // SAFETY: the module's contract; registers end at `whole ≤ stride` in each row.
    unsafe {
        let minus = V::splat(core::hint::black_box(-1.0));
        let scale_all = V::splat(scale);
        for run in x.chunks_exact_mut(K::ORDER * stride) {
            for column in (0..whole).step_by(V::LANES) {
                register::<V, K>(run.as_mut_ptr().add(column), stride, minus, scale_all);
            }
        }
    }
    if whole < stride {
        portable::sign_columns(x, stride, whole, K::rows(), scale);
    }
}

/// Repeats a statement for each of the numbers, as a constant.
macro_rules! unroll {
    ($constant:ident in $($value:literal)+ => $body:block) => {
        $({
            const $constant: usize = $value;
            $body
        })+
    };
}

/// One register of columns.
#[inline(always)]
unsafe fn register<V: Vector, K: Known>(x: *mut f32, stride: usize, minus: V, scale: V) {
    // SAFETY: the caller's: rows 0..ORDER of `stride` floats, of which `LANES` are accessed.
    unsafe {
        let mut table = [[minus; 8]; MAX_KNOWN / 4];
        unroll!(G in 0 1 2 3 4 5 6 7 8 => {
            if 4 * G < K::ORDER {
                table[G] = sums(x.add(4 * G * stride), stride, minus);
            }
        });
        unroll!(I in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 => {
            if I < K::ORDER {
                row::<V, K, I>(&table, minus).mul(scale).store(x.add(I * stride));
            }
        });
    }
}

/// The eight sums of a group of four rows, as in [`super::signs`].
#[inline(always)]
unsafe fn sums<V: Vector>(c: *const f32, stride: usize, minus: V) -> [V; 8] {
    // SAFETY: the caller's.
    unsafe {
        let (c0, c1) = (V::load(c), V::load(c.add(stride)));
        let (c2, c3) = (V::load(c.add(2 * stride)), V::load(c.add(3 * stride)));
        let (p, q) = ([c0.add(c1), c1.mul_add(minus, c0)], [c2.add(c3), c3.mul_add(minus, c2)]);
        [
            p[0].add(q[0]),
            p[1].add(q[0]),
            q[1].mul_add(minus, p[0]),
            q[1].mul_add(minus, p[1]),
            p[0].add(q[1]),
            p[1].add(q[1]),
            q[0].mul_add(minus, p[0]),
            q[0].mul_add(minus, p[1]),
        ]
    }
}

/// One row of the matrix times the columns.
#[inline(always)]
unsafe fn row<V: Vector, K: Known, const I: usize>(table: &[[V; 8]; MAX_KNOWN / 4], minus: V) -> V {
    // SAFETY: the caller's.
    unsafe {
        let first = const { nibble::<K>(I, 0) };
        let mut sum = if first & 1 == 0 { table[0][first >> 1] } else { table[0][(first ^ 15) >> 1].neg() };
        unroll!(G in 1 2 3 4 5 6 7 8 => {
            if 4 * G < K::ORDER {
                let nibble = const { nibble::<K>(I, G) };
                sum = if nibble & 1 == 0 {
                    sum.add(table[G][nibble >> 1])
                } else {
                    table[G][(nibble ^ 15) >> 1].mul_add(minus, sum)
                };
            }
        });
        sum
    }
}
