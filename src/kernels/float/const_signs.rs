//! The small named outer factors as straight-line code.
//!
//! The table of [`super::sign_sums`] costs a store for each of its entries and a load, a second one for the sign, and
//! four or five integer instructions for each lookup. With signs that the compiler knows, a block of rows is summed at
//! a time, as many as there are registers: group after group, each of the group's eight sums is made and added to the
//! rows that take it while it is in a register. So nothing is looked up and hardly anything spilled, and the sign of a
//! group is the choice between an addition and a difference.
//!
//! The first block leaves the sums to the others, which load each of them once. To make them again for each of three even
//! blocks takes 17 additions instead of 11 for order 36, and on a Xeon (Sapphire Rapids) held to AVX2 a sixth more time. On Zen 3
//! a column takes the larger of its stores and half of its multiply-adds (see [`super::passes`]), and of what 3.4 instructions on
//! 256 bits a cycle are: order 20 with 65 stores and 76 multiply-adds 100 cycles, with the same as subtractions but for 20 of
//! pairs 79, without the stores of sums that no later block takes 75. Order 12, all in one block, has few stores: 30 and 32
//! cycles. Rows in an order in which a later block takes 24 sums instead of 34 gain 3 % for order 20. Pointers that go from row to row behind an `asm!`, so that not all of
//! them are kept and spilled, leave out a tenth of the instructions for 4 to 7 % of the time; they are not worth it.

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
    runs: usize,
    scale: f32,
) {
    // SAFETY: the module's contract; `count` is whole registers.
    unsafe {
        let minus = V::splat(core::hint::black_box(-1.0));
        let scale = V::splat(scale);
        for run in 0..runs {
            let x = x.add(run * K::ORDER * stride);
            for column in (0..count).step_by(V::LANES) {
                register::<V, K>(x.add(column), stride, minus, scale);
            }
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

/// The sum of a group that a row takes, and whether it takes it negated.
const fn signed_entry<K: ConstMatrix>(row: usize, group: usize) -> (usize, bool) {
    let nibble = nibble::<K>(row, group);
    if nibble & 1 == 1 { ((nibble ^ 15) >> 1, true) } else { (nibble >> 1, false) }
}

/// Whether one of the rows `from..to` takes this sum of a group.
const fn is_taken<K: ConstMatrix>(from: usize, to: usize, group: usize, entry: usize) -> bool {
    let mut row = from;
    while row < to {
        if signed_entry::<K>(row, group).0 == entry {
            return true;
        }
        row += 1;
    }
    false
}

/// Rows `FIRST..FIRST + COUNT` of a matrix, and for each group of four columns their steps, sorted by the sum.
struct Block<V, K, const B: usize>(PhantomData<(V, K)>);

impl<V: Vector, K: ConstMatrix, const B: usize> Block<V, K, B> {
    /// Most rows of the first of several blocks, which holds a group's pairs too.
    const MOST: usize = V::ROWS - V::ROWS / 3;
    /// Blocks after the first one, and the rows of each.
    const LATER: usize = if K::ORDER <= V::ROWS { 0 } else { (K::ORDER - Self::MOST).div_ceil(V::ROWS) };
    const EVEN: usize = if Self::LATER == 0 { 0 } else { (K::ORDER - Self::MOST).div_ceil(Self::LATER) };
    const START: usize = K::ORDER - Self::LATER * Self::EVEN;
    /// As many blocks as `register` writes out.
    const FITS: () = assert!(Self::LATER < 5);
    const FIRST: usize = if B == 0 { 0 } else { Self::START + (B - 1) * Self::EVEN };
    const COUNT: usize = if B == 0 {
        Self::START
    } else if B <= Self::LATER {
        Self::EVEN
    } else {
        0
    };

    /// Whether a row of this block, or of a later one, takes this sum of a group.
    const fn takes(group: usize, entry: usize) -> bool {
        is_taken::<K>(Self::FIRST, Self::FIRST + Self::COUNT, group, entry)
    }
    const fn leaves(group: usize, entry: usize) -> bool {
        is_taken::<K>(Self::FIRST + Self::COUNT, K::ORDER, group, entry)
    }

    const STEPS: [[Step; MAX_ROWS]; MAX_CONST_ORDER / 4] = {
        let mut steps =
            [[Step { row: 0, entry: 8, negative: false, fresh: false }; MAX_ROWS]; MAX_CONST_ORDER / 4];
        let mut group = 0;
        while 4 * group < K::ORDER {
            let (mut done, mut entry) = (0, 0);
            while entry < 8 {
                let (mut row, mut fresh) = (0, true);
                while row < Self::COUNT {
                    let (taken, negative) = signed_entry::<K>(Self::FIRST + row, group);
                    if taken == entry {
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

/// One register of columns. Rows are written when the first block has read all of them.
#[inline(always)]
unsafe fn register<V: Vector, K: ConstMatrix>(x: *mut f32, stride: usize, minus: V, scale: V) {
    let () = Block::<V, K, 0>::FITS;
    let mut made = MaybeUninit::<[V; 2 * MAX_CONST_ORDER]>::uninit();
    let made = made.as_mut_ptr().cast::<V>();
    // SAFETY: the caller's: rows 0..ORDER of `stride` floats, of which `LANES` are accessed; `made` is filled by the first block.
    unsafe {
        unroll!(B in 0 1 2 3 4 => {
            if const { Block::<V, K, B>::COUNT > 0 } {
                let first = const { Block::<V, K, B>::FIRST };
                let sums = block::<V, K, B>(x, stride, made, minus);
                unroll!(I in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 => {
                    if I < const { Block::<V, K, B>::COUNT } {
                        sums[I].mul(scale).store(x.add((first + I) * stride));
                    }
                });
            }
        });
    }
}

/// The block's rows times the columns. The first block writes the sums that others take to `made`.
#[inline(always)]
unsafe fn block<V: Vector, K: ConstMatrix, const B: usize>(
    x: *const f32,
    stride: usize,
    made: *mut V,
    minus: V,
) -> [V; MAX_ROWS] {
    // SAFETY: the module's contract, and rows 0..ORDER of `stride` floats and room for two sums a row, as `register` promises.
    unsafe {
        // Behind the black box are other sums, as far as the compiler knows: it would keep some of them elsewhere.
        let made = core::hint::black_box(made);
        let mut sums = [minus; MAX_ROWS];
        unroll!(G in 0 1 2 3 4 5 6 => {
            if 4 * G < K::ORDER {
                let group = if B == 0 { Group::load(x.add(4 * G * stride), stride, minus) } else { Group::none(minus) };
                let mut sum = minus;
                unroll!(I in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 => {
                    if I < const { Block::<V, K, B>::COUNT } {
                        let Step { row, entry, negative, fresh } = const { Block::<V, K, B>::STEPS[G][I] };
                        if fresh && B == 0 {
                            sum = group.sum::<K>(entry, minus);
                            if const { Block::<V, K, B>::leaves(G, Block::<V, K, B>::STEPS[G][I].entry) } {
                                made.add(8 * G + entry).write(sum);
                            }
                        } else if fresh {
                            sum = made.add(8 * G + entry).read();
                        }
                        sums[row] = match (G, negative) {
                            (0, false) => sum,
                            (0, true) => sum.neg(),
                            (_, false) => sums[row].add(sum),
                            (_, true) => difference::<V, K>(sums[row], sum, minus),
                        };
                    }
                });
                unroll!(E in 0 1 2 3 4 5 6 7 => {
                    if B == 0 && const { Block::<V, K, B>::leaves(G, E) && !Block::<V, K, B>::takes(G, E) } {
                        made.add(8 * G + E).write(group.sum::<K>(E, minus));
                    }
                });
            }
        });
        sums
    }
}

/// Four columns as the sums and the differences of two pairs.
#[derive(Clone, Copy)]
struct Group<V> {
    p: [V; 2],
    q: [V; 2],
}

impl<V: Vector> Group<V> {
    #[inline(always)]
    unsafe fn load(c: *const f32, stride: usize, minus: V) -> Self {
        // SAFETY: the module's contract, and four rows of `stride` floats, as `block` promises.
        unsafe {
            let (c0, c1) = (V::load(c), V::load(c.add(stride)));
            let (c2, c3) = (V::load(c.add(2 * stride)), V::load(c.add(3 * stride)));
            Group { p: [c0.add(c1), c1.sub_from(minus, c0)], q: [c2.add(c3), c3.sub_from(minus, c2)] }
        }
    }

    /// Of a block that loads its sums.
    #[inline(always)]
    fn none(any: V) -> Self {
        Group { p: [any; 2], q: [any; 2] }
    }

    /// The sum with the signs +, e₀, e₁, e₂ of the entry's bits.
    #[inline(always)]
    unsafe fn sum<K: ConstMatrix>(self, entry: usize, minus: V) -> V {
        let Group { p, q } = self;
        // SAFETY: the module's contract.
        unsafe {
            match entry {
                0 => p[0].add(q[0]),
                1 => p[1].add(q[0]),
                2 => difference::<V, K>(p[0], q[1], minus),
                3 => difference::<V, K>(p[1], q[1], minus),
                4 => p[0].add(q[1]),
                5 => p[1].add(q[1]),
                6 => difference::<V, K>(p[0], q[0], minus),
                _ => difference::<V, K>(p[1], q[0], minus),
            }
        }
    }
}

/// `a − b`: where blocks leave sums to others their stores bind, beside which a multiply-add has its price (see
/// [`super::passes`]).
#[inline(always)]
unsafe fn difference<V: Vector, K: ConstMatrix>(a: V, b: V, minus: V) -> V {
    // SAFETY: the module's contract.
    unsafe { if K::ORDER > V::ROWS { a.sub(b) } else { b.sub_from(minus, a) } }
}
