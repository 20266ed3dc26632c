//! The transform's two kernels in portable Rust, for any float: the scalar backend and the f64 transform.

use num_traits::Float;

use crate::matrices::{MAX_ORDER, SignRows, paley_pairs};

/// See [`Kernels::butterflies`](crate::kernels::contract::Kernels::butterflies).
pub(crate) fn butterflies<T: Float>(x: &mut [T], log2: u32, scale: T) {
    for run in x.chunks_exact_mut(1 << log2) {
        let mut stride = 1;
        while stride < run.len() {
            for pair in run.chunks_exact_mut(2 * stride) {
                let (low, high) = pair.split_at_mut(stride);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            stride *= 2;
        }
        for value in run {
            *value = *value * scale;
        }
    }
}

/// [`Kernels::sign_columns`](crate::kernels::contract::Kernels::sign_columns): in pairs ([`paley_pairs`]) for Paley I of order 44, 60,
/// 108 and 140 and their transposes, otherwise in groups of four ([`sign_product`]).
pub(crate) fn sign_columns<T: Float>(x: &mut [T], stride: usize, matrix: SignRows<'_>, scale: T) {
    let (order, pairing) = (matrix.order(), paley_pairs::find(matrix));
    let mut column = [T::zero(); MAX_ORDER + 3];
    for run in x.chunks_exact_mut(order * stride) {
        for c in 0..stride {
            for (i, value) in column[..order].iter_mut().enumerate() {
                *value = run[i * stride + c];
            }
            if let Some((pairing, transposed)) = pairing {
                pairing.product(transposed, &column, |i, y| run[i * stride + c] = y * scale);
                continue;
            }
            for i in 0..order {
                run[i * stride + c] = sign_product(matrix, i, &column) * scale;
            }
        }
    }
}

/// One row of a sign matrix without such pairs times a column, in the canonical order: groups of four,
/// `±((c0 ± c1) ± (c2 ± c3))`, added up from the first group to the last.
///
/// The sign of each pair is taken out of it, so that a group's value is one of eight sums or its negation:
/// vector kernels compute the eight once and look them up for every row. `column` holds zeros beyond the
/// order, up to a multiple of four.
#[inline]
fn sign_product<T: Float>(matrix: SignRows<'_>, row: usize, column: &[T]) -> T {
    let group = |g: usize| {
        let c = &column[4 * g..4 * g + 4];
        let signs = matrix.nibble(row, g);
        let plus_minus = |a: T, b: T, minus: usize| if minus & 1 == 1 { a - b } else { a + b };
        let first = plus_minus(c[0], c[1], signs ^ signs >> 1);
        let second = plus_minus(c[2], c[3], signs >> 2 ^ signs >> 3);
        let sum = plus_minus(first, second, signs ^ signs >> 2);
        if signs & 1 == 1 { -sum } else { sum }
    };
    (1..matrix.groups()).fold(group(0), |sum, g| sum + group(g))
}
