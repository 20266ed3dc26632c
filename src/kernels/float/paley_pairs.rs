//! Outer factors in pairs of rows: see [`crate::matrices::paley_pairs`] for what is summed, and in which order.
//!
//! The e's and o's of a register of columns go to the stack, twice in a row, so that every block of pairs of rows finds
//! its columns without a wrap: the signs depend on the distance alone, and one straight-line code with the signs in it
//! serves all blocks. A block keeps A and B of its pairs in registers, and each column it loads is added to all of them:
//! for order 108, 26 additions and 6 (AVX-512) or 10 (AVX2) loads for each row. Measured on Zen 4, 108·64 takes 2.1
//! (AVX-512) and 2.6 (AVX2) times a power of two's time per element, 60·128 1.7 and 2.5, where tables took 3.8 and 5.0,
//! 2.6 and 3.1.
//!
//! **What binds.** A sum that is not in a register waits for the store in each addition, and is the longest chain of its block.
//! With the sums settled ([`Vector::settle`]) AVX2 has none, which took a quarter off the time of 60 rows on Zen 3 and a tenth off
//! 44 at strides up to 64; at 128 the whole of 60·128 was within 5 % of what it was, and why is not known. 108 rows gained 3 %:
//! there 45 instructions on 256 bits a row, 31 of them additions and multiply-adds, take 13.4 cycles, near
//! the 3.3 a cycle that such a mixture reaches. Beside the stores of e's and o's their differences are subtractions, for 60
//! rows 7 % faster than multiply-adds. Fewer additions would be another order of sums. Five pairs a block instead of
//! six, without settling, were 8 % faster for 60 and 3 to 13 % slower for 108.

use core::mem::MaybeUninit;

use super::vector::{Vector, unroll};
use crate::matrices::SignRows;
use crate::matrices::const_matrices::ConstPairing;
use crate::matrices::paley_pairs::{MAX_PAIRS, Term};

/// Most pairs of a block, on any backend.
const MAX_BLOCK: usize = 12;

/// Every e (or o) twice, and what the last block reads beyond.
const COPIES: usize = 2 * MAX_PAIRS + MAX_BLOCK;

/// How a backend goes about a pairing.
struct Plan<V, F>(core::marker::PhantomData<(V, F)>);

impl<V: Vector, F: ConstPairing> Plan<V, F> {
    const PAIRS: usize = F::PAIRING.pairs;
    const BLOCKS: usize = Self::PAIRS.div_ceil(if V::PAIRS < MAX_BLOCK { V::PAIRS } else { MAX_BLOCK });
    /// Pairs of a block.
    const BLOCK: usize = Self::PAIRS.div_ceil(Self::BLOCKS);

    /// Columns that the last block reads beyond two rounds.
    const THRICE: usize = (Self::BLOCKS * Self::BLOCK - 1).saturating_sub(Self::PAIRS);

    /// As many columns as `sums` writes out.
    const FITS: () = assert!(Self::PAIRS + Self::BLOCK <= 81);

    /// What pair `pair` of a block takes of column `column`, counted from the block's first pair.
    const fn term(column: usize, pair: usize) -> Option<Term> {
        if pair < Self::BLOCK && column > pair && column < pair + Self::PAIRS {
            Some(F::PAIRING.terms[column - pair])
        } else {
            None
        }
    }
}

/// The [kernel](super::column_tiles::Kernel) of a pairing.
#[inline(always)]
pub(crate) unsafe fn columns<V: Vector, F: ConstPairing>(
    x: *mut f32,
    stride: usize,
    count: usize,
    runs: usize,
    matrix: SignRows<'_>,
    scale: f32,
) {
    // In the first row, +1 everywhere, the transpose has the −1 of the first column.
    let transposed = matrix.nibble(0, 0) & 2 != 0;
    // SAFETY: the module's contract; `count` is whole registers.
    unsafe {
        let minus = V::splat(core::hint::black_box(-1.0));
        for run in 0..runs {
            let x = x.add(run * matrix.order() * stride);
            for column in (0..count).step_by(V::LANES) {
                register::<V, F>(x.add(column), stride, transposed, minus, V::splat(scale));
            }
        }
    }
}

/// One register of columns.
#[inline(always)]
unsafe fn register<V: Vector, F: ConstPairing>(
    x: *mut f32,
    stride: usize,
    transposed: bool,
    minus: V,
    scale: V,
) {
    let (pairs, squares) = (Plan::<V, F>::PAIRS, &F::PAIRING.squares);
    let mut copies = MaybeUninit::<[[V; COPIES]; 2]>::uninit();
    let even = copies.as_mut_ptr().cast::<V>();
    // SAFETY: the caller's: 2 · pairs + 2 rows of `stride` floats, of which `LANES` are accessed; the last block reads
    // less than two rounds and a block.
    unsafe {
        let odd = even.add(COPIES);
        let orientation = if transposed { minus } else { V::splat(1.0) };
        let (infinity, zero) = (V::load(x), V::load(x.add(stride)));
        let (mut evens, mut odds) = (zero, infinity.neg());
        for k in 0..pairs {
            let (a, b) = (
                V::load(x.add((1 + squares[k]) * stride)),
                V::load(x.add((2 * pairs + 2 - squares[k]) * stride)),
            );
            let (e, o) = (a.add(b), a.sub(b));
            (evens, odds) = (evens.add(e), odds.add(o));
            for at in [k, k + pairs] {
                even.add(at).write(e);
                odd.add(at).write(o);
            }
            if k < Plan::<V, F>::THRICE {
                even.add(k + 2 * pairs).write(e);
                odd.add(k + 2 * pairs).write(o);
            }
        }
        evens.mul_add(orientation, infinity).mul(scale).store(x);
        odds.mul_add(orientation, zero).mul(scale).store(x.add(stride));
        // What a row has of its own pair.
        let straight = transposed == F::PAIRING.two_negative;
        let (first, second, sign) = if straight { (odd, even, V::splat(1.0)) } else { (even, odd, minus) };
        for block in 0..Plan::<V, F>::BLOCKS {
            let from = block * Plan::<V, F>::BLOCK;
            let (a, b) = sums::<V, F>(even.add(from), odd.add(from), infinity.neg(), zero.neg(), minus);
            unroll!(P in 0 1 2 3 4 5 6 7 8 9 10 11 => {
                let k = from + P;
                if P < const { Plan::<V, F>::BLOCK } && k < pairs {
                    let own = (first.add(k).read(), second.add(k).read().mul(sign));
                    let rows = (a[P].add(b[P]), a[P].sub(b[P]));
                    rows.0.mul_add(orientation, own.0).mul(scale).store(x.add((1 + squares[k]) * stride));
                    rows.1.mul_add(orientation, own.1).mul(scale).store(x.add((2 * pairs + 2 - squares[k]) * stride));
                }
            });
        }
    }
}

/// A and B of a block's pairs.
#[inline(always)]
unsafe fn sums<V: Vector, F: ConstPairing>(
    even: *const V,
    odd: *const V,
    infinity: V,
    zero: V,
    minus: V,
) -> ([V; MAX_BLOCK], [V; MAX_BLOCK]) {
    let () = Plan::<V, F>::FITS;
    let (mut a, mut b) = ([infinity; MAX_BLOCK], [zero; MAX_BLOCK]);
    let columns = core::hint::black_box(Plan::<V, F>::PAIRS + Plan::<V, F>::BLOCK - 1);
    // SAFETY: the module's contract; the columns of a block are within what `register` wrote, twice a round and a block.
    unsafe {
        // The compiler is to add a column to all sums before it takes the next one: left alone it finishes one sum after the
        // other, and the columns go through memory again. So the sums are settled behind each column; or, for a vector that
        // does not, the loop might leave early, as it never does.
        'columns: {
            unroll!(C in
                1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40
                41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79
            => {
                if C < const { Plan::<V, F>::PAIRS + Plan::<V, F>::BLOCK - 1 } {
                    if !V::SETTLES && C == columns {
                        break 'columns;
                    }
                    let (even, odd) = (even.add(C).read(), odd.add(C).read());
                    unroll!(P in 0 1 2 3 4 5 6 7 8 9 10 11 => {
                        match const { Plan::<V, F>::term(C, P) } {
                            Some(Term { odd: true, negative: false }) => a[P] = a[P].add(odd),
                            Some(Term { odd: true, negative: true }) => a[P] = odd.sub_from(minus, a[P]),
                            Some(Term { odd: false, negative: false }) => b[P] = b[P].add(even),
                            Some(Term { odd: false, negative: true }) => b[P] = even.sub_from(minus, b[P]),
                            None => {}
                        }
                    });
                    unroll!(P in 0 1 2 3 4 5 6 7 8 9 10 11 => {
                        if V::SETTLES && P < const { Plan::<V, F>::BLOCK } {
                            (a[P], b[P]) = (a[P].settle(), b[P].settle());
                        }
                    });
                }
            });
        }
    }
    (a, b)
}
