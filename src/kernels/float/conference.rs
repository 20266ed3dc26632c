//! Outer factors of Paley's second construction: see [`crate::matrices::conference`] for what is summed, and in which order.
//!
//! Sums and differences of a register of columns go to the stack, from where each half takes them three times: for the e's, for the
//! o's and, at the end of each row, once more. In a half all A are summed at a time, and then all B: an e or o is made, added
//! where it is due, and gone. So hardly anything is spilled.
//!
//! **What binds** on Zen 3 are instructions on registers of 256 bits: 2.9 to 3.3 a cycle, additions, loads and stores alike, in
//! any mixture that was tried, and stores once in 1.3 cycles at most. With the e's and o's in registers, which were 24 and 38 spills
//! of them, and row after row, 28 and 36 take 143 and 194 cycles a column, so 130 and 172; subtractions instead of
//! multiply-adds, some or all, change that by 3 %. With groups of four columns, of which the second block
//! of rows loads what the first one stored, order 28 has 457 of them, here 379, and takes 0.18 ns an element instead of 0.22; 36
//! 0.20 instead of 0.25 (tables with all first members first, 0.21 instead of 0.27). In groups of four, blocks that make
//! their sums again from the stored sums and differences of pairs, with half as many stores, were no faster. All of this was
//! measured with code of its own for each member; that both share it since halves the code, and was not measured.

use core::mem::MaybeUninit;

use super::vector::{Vector, unroll};
use crate::matrices::conference::{MAX_HALF, MAX_PAIRS, Row};
use crate::matrices::const_matrices::ConstConference;
use crate::matrices::paley_pairs::Term;

/// The [kernel](super::column_tiles::Kernel) of a matrix with a conference matrix in it.
#[inline(always)]
pub(crate) unsafe fn columns<V: Vector, C: ConstConference>(
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
            let x = x.add(run * 2 * Plan::<C>::HALF * stride);
            for column in (0..count).step_by(V::LANES) {
                register::<V, C>(x.add(column), stride, minus, scale);
            }
        }
    }
}

/// A conference matrix and where its blocks are.
struct Plan<C>(core::marker::PhantomData<C>);

impl<C: ConstConference> Plan<C> {
    const Q: usize = C::CONFERENCE.q;
    /// Blocks, and rows of a half.
    const HALF: usize = Self::Q + 1;
    const PAIRS: usize = C::CONFERENCE.pairs;

    /// Rows a and −a.
    const fn row(a: usize) -> &'static Row {
        &C::CONFERENCE.rows[a - 1]
    }
}

/// One register of columns.
#[inline(always)]
unsafe fn register<V: Vector, C: ConstConference>(x: *mut f32, stride: usize, minus: V, scale: V) {
    let mut halves = MaybeUninit::<[[V; MAX_HALF]; 2]>::uninit();
    let u = halves.as_mut_ptr().cast::<V>();
    // SAFETY: the caller's: 2 · (q + 1) rows of `stride` floats, of which `LANES` are accessed, and all are read before any is
    // written; `halves` has room for q + 1 registers in each half.
    unsafe {
        let v = u.add(MAX_HALF);
        unroll!(I in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 => {
            if I < Plan::<C>::HALF {
                let a = V::load(x.add(const { C::CONFERENCE.place(C::SPLIT, I, 0) } * stride));
                let b = V::load(x.add(const { C::CONFERENCE.place(C::SPLIT, I, 1) } * stride));
                u.add(I).write(a.add(b));
                v.add(I).write(a.sub(b));
            }
        });
        // The rows of a member are as far from each other as those of the other one.
        let second = const { C::CONFERENCE.place(C::SPLIT, 0, 1) } * stride;
        let one = V::splat(core::hint::black_box(1.0));
        for (x, z, w, sign) in [(x, u, v, one), (x.add(second), v, u, minus)] {
            // Behind the black box are others, as far as the compiler knows: it would keep some of them elsewhere.
            half::<V, C>(x, stride, core::hint::black_box(z), w, (sign, minus), scale);
        }
    }
}

/// The rows of one member of all blocks, from z and ± the other half; the first one is at `x`.
#[inline(always)]
unsafe fn half<V: Vector, C: ConstConference>(
    x: *mut f32,
    stride: usize,
    z: *const V,
    w: *const V,
    (sign, minus): (V, V),
    scale: V,
) {
    // SAFETY: the module's contract; q + 1 registers in each half and the rows of `register`.
    unsafe {
        let (infinity, zero) = (z.read(), z.add(1).read());
        let starts = [infinity.add(zero), infinity.sub(zero)];
        let (mut even, mut odd) = ([minus; MAX_PAIRS + 1], [minus; MAX_PAIRS + 1]);
        let mut sums = [zero, infinity];
        unroll!(A in 1 2 3 4 5 6 7 8 => {
            if A <= Plan::<C>::PAIRS {
                even[A] = starts[Plan::<C>::row(A).zero_negative as usize];
            }
        });
        unroll!(K in 1 2 3 4 5 6 7 8 => {
            if K <= Plan::<C>::PAIRS {
                let e = z.add(1 + K).read().add(z.add(1 + Plan::<C>::Q - K).read());
                sums = [sums[0].add(e), plus_minus(sums[1], e, Plan::<C>::row(K).zero_negative, minus)];
                unroll!(A in 1 2 3 4 5 6 7 8 => {
                    if A <= Plan::<C>::PAIRS {
                        if let Some(Term { odd: false, negative }) = Plan::<C>::row(A).terms[K - 1] {
                            even[A] = plus_minus(even[A], e, negative, minus);
                        }
                        even[A] = even[A].settle();
                    }
                });
            }
        });
        finish::<V, C>(x, stride, 0, sums[0], w, sign, scale);
        finish::<V, C>(x, stride, 1, sums[1], w, sign, scale);
        unroll!(K in 1 2 3 4 5 6 7 8 => {
            if K <= Plan::<C>::PAIRS {
                let o = z.add(1 + K).read().sub(z.add(1 + Plan::<C>::Q - K).read());
                unroll!(A in 1 2 3 4 5 6 7 8 => {
                    if A <= Plan::<C>::PAIRS {
                        let row = const { Plan::<C>::row(if A <= Plan::<C>::PAIRS { A } else { 1 }) };
                        if K == row.first {
                            odd[A] = o;
                        } else if let Some(Term { odd: true, negative }) = row.terms[K - 1] {
                            odd[A] = plus_minus(odd[A], o, negative, minus);
                        }
                        odd[A] = odd[A].settle();
                    }
                });
            }
        });
        unroll!(A in 1 2 3 4 5 6 7 8 => {
            if A <= Plan::<C>::PAIRS {
                let row = const { Plan::<C>::row(if A <= Plan::<C>::PAIRS { A } else { 1 }) };
                let first = plus_minus(even[A], odd[A], row.first_negative, minus);
                let first = plus_minus(first, z.add(1 + Plan::<C>::Q - A).read(), row.other_negative, minus);
                let second = plus_minus(even[A], odd[A], !row.first_negative, minus);
                let second = plus_minus(second, z.add(1 + A).read(), row.other_negative, minus);
                finish::<V, C>(x, stride, 1 + A, first, w, sign, scale);
                finish::<V, C>(x, stride, 1 + Plan::<C>::Q - A, second, w, sign, scale);
            }
        });
    }
}

/// `sum ± term`.
#[inline(always)]
unsafe fn plus_minus<V: Vector>(sum: V, term: V, negative: bool, minus: V) -> V {
    // SAFETY: the module's contract.
    unsafe { if negative { term.sub_from(minus, sum) } else { sum.add(term) } }
}

/// What a member of block `i` has of the other half, the scale, and the store. With ±1 as a factor both members have the same code.
#[inline(always)]
unsafe fn finish<V: Vector, C: ConstConference>(
    x: *mut f32,
    stride: usize,
    i: usize,
    sum: V,
    w: *const V,
    sign: V,
    scale: V,
) {
    // SAFETY: the module's contract; a block of the rows and of the half that `register` says.
    unsafe {
        let y = w.add(i).read().mul_add(sign, sum);
        y.mul(scale).store(x.add(C::CONFERENCE.place(C::SPLIT, i, 0) * stride));
    }
}
