//! Transforms of any factors, and the bound that every backend must keep to the dense oracle.

use hbitlinear::{Backend, Direction, Family, SignMatrix, Transform, reference};
use libfuzzer_sys::arbitrary;

use crate::rows::widen;
use crate::{TINY, U, cycle, hash, others, same, scalar};

/// Most entries of the matrix that the oracle multiplies by, for one row.
const MAX_ENTRIES: usize = 1 << 15;

/// What a transform is made of.
#[derive(arbitrary::Arbitrary, Debug)]
pub struct Parts {
    factors: Vec<Factor>,
    log2: u8,
    blocks: u8,
    signs: Option<Vec<bool>>,
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Factor {
    Family(u8, u8),
    Own(Own),
}

/// A Hadamard matrix that no family has: a Kronecker product with rows and columns exchanged and negated.
#[derive(arbitrary::Arbitrary, Debug)]
pub struct Own {
    pieces: Vec<Piece>,
    exchanges: Vec<(u8, u8)>,
    negations: Vec<u8>,
}

#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
enum Piece {
    One,
    Two,
    /// Not equivalent to the Kronecker square of two by its signs alone: one −1 in each row.
    Four,
    Twelve,
    Twenty,
    TwentyEight,
}

/// Row-major signs, and storage for them.
pub struct OwnMatrix {
    pub order: usize,
    pub signs: Vec<i8>,
    storage: Vec<u32>,
}

impl Own {
    /// The largest product of the pieces that is within order 32.
    #[must_use]
    pub fn build(&self) -> OwnMatrix {
        let (mut order, mut signs) = (1, vec![1]);
        for piece in self.pieces.iter().take(8) {
            let (by, entry): (usize, fn(usize, usize) -> i8) = match piece {
                Piece::One => (1, |_, _| -1),
                Piece::Two => (2, |i, j| if i + j == 1 { -1 } else { 1 - 2 * (i as i8) }),
                Piece::Four => (4, |i, j| if i == j { -1 } else { 1 }),
                Piece::Twelve => (12, |i, j| paley(11, i, j)),
                Piece::Twenty => (20, |i, j| paley(19, i, j)),
                Piece::TwentyEight => (28, |i, j| family_entry(28, i, j)),
            };
            if order * by <= 32 {
                signs = kronecker(order, &signs, by, entry);
                order *= by;
            }
        }
        for &(a, b) in &self.exchanges {
            let (a, b) = (usize::from(a) % (2 * order), usize::from(b) % order);
            for k in 0..order {
                // Rows by even, columns by odd numbers.
                let at = |line: usize| if a % 2 == 0 { line * order + k } else { k * order + line };
                signs.swap(at(a / 2), at(b));
            }
        }
        for &line in &self.negations {
            let line = usize::from(line) % (2 * order);
            for k in 0..order {
                let at = if line % 2 == 0 { line / 2 * order + k } else { k * order + line / 2 };
                signs[at] = -signs[at];
            }
        }
        let words = SignMatrix::storage_len(order).expect("an order within 1 to 32");
        OwnMatrix { order, signs, storage: vec![0x5555_AAAA; words] }
    }
}

impl OwnMatrix {
    /// Packed.
    ///
    /// # Panics
    /// If packing refuses a Hadamard matrix.
    pub fn matrix(&mut self) -> SignMatrix<'_> {
        SignMatrix::pack(self.order, &self.signs, &mut self.storage).expect("a Hadamard matrix")
    }
}

/// The Kronecker product with a matrix of order `by` on the inside.
fn kronecker(order: usize, signs: &[i8], by: usize, entry: impl Fn(usize, usize) -> i8) -> Vec<i8> {
    let size = order * by;
    let at = |index: usize| (index / size, index % size);
    let product = |(i, j): (usize, usize)| signs[i / by * order + j / by] * entry(i % by, j % by);
    (0..size * size).map(|index| product(at(index))).collect()
}

/// I + S of Paley's first construction for a prime q ≡ 3 mod 4.
fn paley(q: usize, i: usize, j: usize) -> i8 {
    let residue = |d: usize| (1..q).any(|s| s * s % q == d);
    match (i, j) {
        (0, _) => 1,
        (_, 0) => -1,
        _ if i == j => 1,
        _ => {
            if residue((j + q - i) % q) {
                1
            } else {
                -1
            }
        }
    }
}

fn family_entry(order: usize, i: usize, j: usize) -> i8 {
    Family::Paley2.matrix(order).expect("an order of the family").entry(i, j)
}

/// The signs and the matrices that a transform borrows.
pub struct Built<'a> {
    parts: &'a Parts,
    own: Vec<OwnMatrix>,
    signs: Vec<i8>,
}

impl Parts {
    /// What does not borrow from anything else.
    #[must_use]
    pub fn build(&self) -> Built<'_> {
        let own = self.factors.iter().filter_map(|factor| match factor {
            Factor::Own(own) => Some(own.build()),
            Factor::Family(..) => None,
        });
        Built { parts: self, own: own.collect(), signs: Vec::new() }
    }
}

impl Built<'_> {
    /// The transform, unless it has too many factors, no blocks, or rows beyond `longest`.
    ///
    /// # Panics
    /// If a transform that must exist is refused.
    pub fn transform(&mut self, longest: usize) -> Option<Transform<'_>> {
        let mut own = self.own.iter_mut();
        let mut factors = Vec::new();
        for factor in &self.parts.factors {
            factors.push(match factor {
                Factor::Own(_) => own.next().expect("built").matrix(),
                &Factor::Family(family, order) => family_matrix(family, order),
            });
        }
        let power = 1 << (self.parts.log2 % 16);
        let mut transform = Transform::new(&factors, power).ok()?;
        assert_eq!(transform.block_len(), factors.iter().map(SignMatrix::order).product::<usize>() * power);
        transform = transform.with_blocks(self.parts.blocks.into()).ok()?;
        let len = transform.row_len();
        if len > longest {
            return None;
        }
        if let Some(signs) = &self.parts.signs {
            self.signs = cycle(signs, len).into_iter().map(|minus| if minus { -1 } else { 1 }).collect();
            transform = transform.with_signs(&self.signs).expect("a sign for each element");
        }
        Some(transform)
    }
}

/// A family's matrix by any two numbers.
///
/// # Panics
/// If a family lacks an order that it lists.
#[must_use]
pub fn family_matrix(family: u8, order: u8) -> SignMatrix<'static> {
    let family = Family::ALL[usize::from(family) % Family::ALL.len()];
    let orders = family.orders();
    family.matrix(orders[usize::from(order) % orders.len()]).expect("a listed order")
}

/// Longest chain of roundings on the way to an output: log₂ of the power of two, and for each outer factor of order m two
/// within a group of four and ⌈m/4⌉ − 1 across groups, or at most m/2 + 2 in the sums of pairs that make the large Paley I
/// matrices; then the product with 1/√n and that factor's own.
#[must_use]
pub fn roundings(transform: &Transform<'_>) -> f64 {
    let factor = |order: usize| match order {
        44 | 60 | 108 | 140 => order / 2 + 2,
        _ => 1 + order.div_ceil(4),
    };
    let outer: usize = transform.factors().map(|matrix| factor(matrix.order())).sum();
    (outer + transform.power_of_two().ilog2() as usize + 2) as f64
}

/// How far a transformed element of a block may lie from the oracle's; each of n inputs is rounded so often on its way.
#[must_use]
pub fn tolerance(transform: &Transform<'_>, block: &[f32]) -> f64 {
    let sum: f64 = block.iter().map(|&x| f64::from(x.abs())).sum();
    1.001 * roundings(transform) * U * sum / (transform.block_len() as f64).sqrt() + TINY
}

/// A copy, transformed.
///
/// # Panics
/// Unless `x` is whole rows.
#[must_use]
pub fn apply(transform: &Transform<'_>, backend: Backend, direction: Direction, x: &[f32]) -> Vec<f32> {
    let mut y = x.to_vec();
    let done = match direction {
        Direction::Forward => transform.forward(backend, &mut y),
        Direction::Transpose => transform.transpose(backend, &mut y),
    };
    done.expect("whole rows");
    y
}

/// Both directions of some rows: the backends' bits are scalar's, and those lie within the bound of the oracle, as does
/// the transform in f64.
///
/// # Panics
/// Otherwise.
pub fn check(transform: &Transform<'_>, x: &[f32]) {
    for direction in [Direction::Forward, Direction::Transpose] {
        let y = apply(transform, scalar(), direction, x);
        for backend in others() {
            assert!(same(&y, &apply(transform, backend, direction, x)), "{backend:?} {direction:?}");
        }
        let mut wide = widen(x);
        transform.apply_f64(direction, &mut wide).expect("whole rows");
        let rows = x.chunks(transform.row_len()).zip(y.chunks(transform.row_len()));
        for ((x, y), wide) in rows.zip(wide.chunks(transform.row_len())) {
            check_row(transform, direction, x, y, wide);
        }
    }
}

fn check_row(transform: &Transform<'_>, direction: Direction, x: &[f32], y: &[f32], wide: &[f64]) {
    let n = transform.block_len();
    let expected = oracle(transform, direction, x);
    for (block, x) in x.chunks(n).enumerate() {
        let sum: f64 = x.iter().map(|&x| f64::from(x.abs())).sum();
        // Sums that a NaN is in, or that overflow, have no bound. They end in their block.
        if sum.is_nan() || sum > f64::from(f32::MAX / 2.0) {
            continue;
        }
        let bound = tolerance(transform, x);
        // Of the oracle's ascending sum, and of the transform in f64.
        let wide_bound =
            (roundings(transform) + n as f64) / (1_u64 << 53) as f64 * 1.001 * sum / (n as f64).sqrt();
        for i in block * n..(block + 1) * n {
            if let Some(e) = expected(i) {
                let (error, wide_error) = ((f64::from(y[i]) - e).abs(), (wide[i] - e).abs());
                assert!(
                    error <= bound + wide_bound,
                    "{direction:?} element {i}: {} {e}: {error:e} > {bound:e}",
                    y[i]
                );
                assert!(wide_error <= wide_bound, "{direction:?} element {i} in f64: {} {e}", wide[i]);
            }
        }
    }
}

/// The oracle's row, or of a large one some of its elements.
fn oracle(transform: &Transform<'_>, direction: Direction, x: &[f32]) -> impl Fn(usize) -> Option<f64> {
    let (n, x) = (transform.block_len(), widen(x));
    let whole = (n * x.len() <= MAX_ENTRIES).then(|| {
        let mut y = vec![0.0; x.len()];
        reference::hadamard(transform, direction, &x, &mut y).expect("a row");
        y
    });
    let some = MAX_ENTRIES / n / 4 + 1;
    move |i| match &whole {
        Some(y) => Some(y[i]),
        // A few places, other ones for every transform.
        None if hash(n as u64, i) % (x.len() as u64) < some as u64 => {
            let sign = |index: usize| transform.signs().map_or(1.0, |signs| f64::from(signs[index]));
            let (start, row) = (i / n * n, i % n);
            let sum: f64 = (0..n)
                .map(|j| match direction {
                    Direction::Forward => f64::from(transform.entry(row, j)) * sign(start + j) * x[start + j],
                    Direction::Transpose => sign(i) * f64::from(transform.entry(j, row)) * x[start + j],
                })
                .sum();
            Some(sum / (n as f64).sqrt())
        }
        None => None,
    }
}
