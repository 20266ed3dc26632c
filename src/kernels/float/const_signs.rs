//! The small named outer factors as straight-line code.
//!
//! The table of [`super::signs`] costs a store for each of its entries and a load, a second one for the sign, and
//! four or five integer instructions for each lookup. With signs that the compiler knows, a block of rows is summed at
//! a time, as many as there are registers: group after group, each of the group's eight sums is made and added to the
//! rows that take it while it is in a register. So nothing is looked up and hardly anything spilled, and the sign of a
//! group is the choice between an addition and a multiply-add by −1. That the sums are made again for each block of
//! rows, 12 operations a group, costs less than to load them: order 36 takes 15 operations a register instead of 12,
//! but 2 loads instead of 10, which Zen 4 does one a cycle (512 bits). Measured there with AVX-512, 36·256 takes 1.3
//! times a power of two's time per element, instead of 1.5 with all sums made once.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::vector::{Vector, unroll};
use crate::matrices::const_matrices::{ConstMatrix, MAX_CONST_ORDER, nibble};

/// Most rows of a block, on any backend.
const MAX_ROWS: usize = 28;

/// The [kernel](super::column_tiles::Kernel) of the matrix `K`.
#[inline(always)]
pub(crate) unsafe fn columns<V: Vector, K: ConstMatrix>(
    x: *mut f32,
    stride: usize,
    count: usize,
    scale: f32,
) {
    // SAFETY: the module's contract; `count` is whole registers.
    unsafe {
        let minus = V::splat(core::hint::black_box(-1.0));
        let scale = V::splat(scale);
        for column in (0..count).step_by(V::LANES) {
            register::<V, K>(x.add(column), stride, minus, scale);
        }
    }
}

/// One addition: which of a block's rows takes which of a group's eight sums.
#[derive(Clone, Copy)]
struct Step {
    row: usize,
    entry: usize,
    negative: bool,
    /// Whether the step before took another sum.
    fresh: bool,
}

/// Rows `FIRST..FIRST + COUNT` of a matrix, and for each group of four columns their steps, sorted by the sum.
struct Block<V, K, const B: usize>(PhantomData<(V, K)>);

impl<V: Vector, K: ConstMatrix, const B: usize> Block<V, K, B> {
    const EVEN: usize = K::ORDER.div_ceil(K::ORDER.div_ceil(V::ROWS));
    /// As many blocks as `register` writes out.
    const FITS: () = assert!(K::ORDER.div_ceil(Self::EVEN) <= 5);
    const FIRST: usize = B * Self::EVEN;
    const COUNT: usize = {
        let left = K::ORDER.saturating_sub(Self::FIRST);
        if left < Self::EVEN { left } else { Self::EVEN }
    };
    const LAST: bool = Self::FIRST + Self::COUNT == K::ORDER;
    const STEPS: [[Step; MAX_ROWS]; MAX_CONST_ORDER / 4] = {
        let mut steps =
            [[Step { row: 0, entry: 8, negative: false, fresh: false }; MAX_ROWS]; MAX_CONST_ORDER / 4];
        let mut group = 0;
        while 4 * group < K::ORDER {
            let (mut done, mut entry) = (0, 0);
            while entry < 8 {
                let (mut row, mut fresh) = (0, true);
                while row < Self::COUNT {
                    let nibble = nibble::<K>(Self::FIRST + row, group);
                    let negative = nibble & 1 == 1;
                    if (if negative { nibble ^ 15 } else { nibble }) >> 1 == entry {
                        steps[group][done] = Step { row, entry, negative, fresh };
                        (done, fresh) = (done + 1, false);
                    }
                    row += 1;
                }
                entry += 1;
            }
            group += 1;
        }
        steps
    };
}

/// One register of columns. The columns are read until the last block is summed, so the rows before it wait beside.
#[inline(always)]
unsafe fn register<V: Vector, K: ConstMatrix>(x: *mut f32, stride: usize, minus: V, scale: V) {
    let () = Block::<V, K, 0>::FITS;
    let mut early = MaybeUninit::<[V; MAX_CONST_ORDER]>::uninit();
    let early = early.as_mut_ptr().cast::<V>();
    // SAFETY: the caller's: rows 0..ORDER of `stride` floats, of which `LANES` are accessed; the rows before the last
    // block are written before they are read.
    unsafe {
        unroll!(B in 0 1 2 3 4 => {
            if const { Block::<V, K, B>::COUNT > 0 } {
                let (first, last) = const { (Block::<V, K, B>::FIRST, Block::<V, K, B>::LAST) };
                let sums = block::<V, K, B>(x, stride, minus);
                unroll!(I in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 => {
                    if I < const { Block::<V, K, B>::COUNT } {
                        let row = sums[I].mul(scale);
                        if last {
                            row.store(x.add((first + I) * stride));
                        } else {
                            early.add(first + I).write(row);
                        }
                    }
                });
                if last {
                    for i in 0..first {
                        early.add(i).read().store(x.add(i * stride));
                    }
                }
            }
        });
    }
}

/// The block's rows times the columns.
#[inline(always)]
unsafe fn block<V: Vector, K: ConstMatrix, const B: usize>(
    x: *const f32,
    stride: usize,
    minus: V,
) -> [V; MAX_ROWS] {
    // SAFETY: the module's contract, and rows 0..ORDER of `stride` floats, as `register` promises.
    unsafe {
        // Behind the black box are other columns, as far as the compiler knows: it would keep the groups' sums of the
        // block before, in memory.
        let x = core::hint::black_box(x);
        let mut sums = [minus; MAX_ROWS];
        unroll!(G in 0 1 2 3 4 5 6 7 8 => {
            if 4 * G < K::ORDER {
                let c = x.add(4 * G * stride);
                let (c0, c1) = (V::load(c), V::load(c.add(stride)));
                let (c2, c3) = (V::load(c.add(2 * stride)), V::load(c.add(3 * stride)));
                let (p, q) = ([c0.add(c1), c1.sub_from(minus, c0)], [c2.add(c3), c3.sub_from(minus, c2)]);
                let mut sum = minus;
                unroll!(I in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 => {
                    if I < const { Block::<V, K, B>::COUNT } {
                        let Step { row, entry, negative, fresh } = const { Block::<V, K, B>::STEPS[G][I] };
                        if fresh {
                            sum = match entry {
                                0 => p[0].add(q[0]),
                                1 => p[1].add(q[0]),
                                2 => q[1].sub_from(minus, p[0]),
                                3 => q[1].sub_from(minus, p[1]),
                                4 => p[0].add(q[1]),
                                5 => p[1].add(q[1]),
                                6 => q[0].sub_from(minus, p[0]),
                                _ => q[0].sub_from(minus, p[1]),
                            };
                        }
                        sums[row] = match (G, negative) {
                            (0, false) => sum,
                            (0, true) => sum.neg(),
                            (_, false) => sums[row].add(sum),
                            (_, true) => sum.sub_from(minus, sums[row]),
                        };
                    }
                });
            }
        });
        sums
    }
}
