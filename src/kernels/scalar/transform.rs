//! The transform's two kernels in portable Rust, for any float: the scalar backend and the f64 transform.

use core::ops::{Add, Neg, Sub};

use num_traits::Float;

use crate::matrices::conference::{self, Conference};
use crate::matrices::paley_pairs::{self, Pairing};
use crate::matrices::{MAX_ORDER, SignRows};

/// See [`Kernels::butterflies`](crate::kernels::contract::Kernels::butterflies).
pub(crate) fn butterflies<T: Float>(x: &mut [T], log2: u32, scale: T) {
    for run in x.chunks_exact_mut(1 << log2) {
        // Two stages in one pass over memory, and the first three where a run has them.
        let (eights, mut stride) = (run.as_chunks_mut().0, 1);
        if !eights.is_empty() {
            eights.iter_mut().for_each(butterflies_of_eight);
            stride = 8;
        }
        while 2 * stride < run.len() {
            for four in run.chunks_exact_mut(4 * stride) {
                let (ab, cd) = four.split_at_mut(2 * stride);
                let ((a, b), (c, d)) = (ab.split_at_mut(stride), cd.split_at_mut(stride));
                for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                    let (ab, cd) = ((*a + *b, *a - *b), (*c + *d, *c - *d));
                    (*a, *c) = (ab.0 + cd.0, ab.0 - cd.0);
                    (*b, *d) = (ab.1 + cd.1, ab.1 - cd.1);
                }
            }
            stride *= 4;
        }
        if stride < run.len() {
            let (low, high) = run.split_at_mut(stride);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        for value in run {
            *value = *value * scale;
        }
    }
}

/// Three stages.
fn butterflies_of_eight<T: Float>(x: &mut [T; 8]) {
    for stride in [1, 2, 4] {
        for i in 0..4 {
            let low = i / stride * 2 * stride + i % stride;
            let (a, b) = (x[low], x[low + stride]);
            (x[low], x[low + stride]) = (a + b, a - b);
        }
    }
}

/// Columns that are taken together where there are as many. Small machines without vectors save the code.
const LANES: usize = if cfg!(any(
    target_pointer_width = "64",
    target_family = "wasm",
    target_feature = "sse2",
    target_feature = "neon"
)) {
    8
} else {
    1
};

/// [`Kernels::sign_columns`](crate::kernels::contract::Kernels::sign_columns): in pairs ([`paley_pairs`]) for Paley I of order 44, 60,
/// 108 and 140 and their transposes, by half-sized [`conference`] matrices for Paley II of order 28 and 36 in either order of
/// their rows, otherwise in groups of four ([`sign_products`]).
pub(crate) fn sign_columns<T: Float>(x: &mut [T], stride: usize, matrix: SignRows<'_>, scale: T) {
    let structure = paley_pairs::find(matrix)
        .map(|(pairing, transposed)| Structure::Pairs(pairing, transposed))
        .or_else(|| conference::find(matrix).map(|(conference, split)| Structure::Halves(conference, split)));
    let whole = stride - stride % LANES;
    for run in x.chunks_exact_mut(matrix.order() * stride) {
        columns::<T, LANES>(run, stride, 0..whole, matrix, structure, scale);
        columns::<T, 1>(run, stride, whole..stride, matrix, structure, scale);
    }
}

/// What saves sums, where a matrix has it.
#[derive(Clone, Copy)]
enum Structure {
    /// And whether it is the transpose.
    Pairs(&'static Pairing, bool),
    /// And whether the first members of its blocks are before the second ones.
    Halves(&'static Conference, bool),
}

/// `L` columns at a time of the range, which is a multiple of that.
fn columns<T: Float, const L: usize>(
    run: &mut [T],
    stride: usize,
    columns: core::ops::Range<usize>,
    matrix: SignRows<'_>,
    structure: Option<Structure>,
    scale: T,
) {
    let order = matrix.order();
    let (mut column, mut sums) = ([Lanes([T::zero(); L]); MAX_ORDER + 3], [Lanes([T::zero(); L]); MAX_ORDER]);
    for c in columns.step_by(L) {
        for (i, lanes) in column[..order].iter_mut().enumerate() {
            lanes.0.copy_from_slice(&run[i * stride + c..][..L]);
        }
        let mut write = |i: usize, y: Lanes<T, L>| {
            for (to, y) in run[i * stride + c..][..L].iter_mut().zip(y.0) {
                *to = y * scale;
            }
        };
        match structure {
            Some(Structure::Pairs(pairing, transposed)) => {
                pairing.product(transposed, &column[..order], write)
            }
            Some(Structure::Halves(conference, split)) => conference.product(split, &column[..order], write),
            None => {
                sign_products(matrix, &column, &mut sums[..order]);
                for (i, &y) in sums[..order].iter().enumerate() {
                    write(i, y);
                }
            }
        }
    }
}

/// The rows of a sign matrix without such a structure times columns, in the canonical order: groups of four,
/// `±((c0 ± c1) ± (c2 ± c3))`, added up from the first group to the last.
///
/// The sign of each pair is taken out of it, so that a group's value is one of eight sums or its negation, which are computed
/// once and looked up for every row. `column` holds zeros beyond the order, up to a multiple of four.
fn sign_products<V: Copy + Add<Output = V> + Sub<Output = V> + Neg<Output = V>>(
    matrix: SignRows<'_>,
    column: &[V],
    sums: &mut [V],
) {
    for g in 0..matrix.groups() {
        let c = &column[4 * g..4 * g + 4];
        // By a row's four signs; those that begin with a minus mirror the others.
        let mut values = [c[0]; 16];
        for signs in (0..16).step_by(2) {
            let plus_minus = |a: V, b: V, minus: usize| if minus & 1 == 1 { a - b } else { a + b };
            let first = plus_minus(c[0], c[1], signs ^ signs >> 1);
            let second = plus_minus(c[2], c[3], signs >> 2 ^ signs >> 3);
            let value = plus_minus(first, second, signs ^ signs >> 2);
            (values[signs], values[15 - signs]) = (value, -value);
        }
        for (row, sum) in sums.iter_mut().enumerate() {
            let value = values[matrix.nibble(row, g)];
            *sum = if g == 0 { value } else { *sum + value };
        }
    }
}

/// The same element of several columns, of which the compiler makes vectors.
#[derive(Clone, Copy)]
struct Lanes<T, const L: usize>([T; L]);

impl<T: Float, const L: usize> Add for Lanes<T, L> {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = *a + b;
        }
        self
    }
}

impl<T: Float, const L: usize> Sub for Lanes<T, L> {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = *a - b;
        }
        self
    }
}

impl<T: Float, const L: usize> Neg for Lanes<T, L> {
    type Output = Self;

    #[inline(always)]
    fn neg(mut self) -> Self {
        for a in &mut self.0 {
            *a = -*a;
        }
        self
    }
}
