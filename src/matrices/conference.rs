//! Matrices of Paley's second construction as two products by a matrix of half the order.
//!
//! Its blocks are ±`[+ +; + −]` where the symmetric bordered Q, a conference matrix C, has ±1, and `[+ −; − −]` on the
//! diagonal, where C has 0. With u_i and v_i the sum and the difference of the two elements of block i, the two rows of block
//! i are (C·u)_i + v_i and (C·v)_i − u_i. And C is almost two matrices of half its order: let e_k = z(k) + z(−k) and
//! o_k = z(k) − z(−k), k = 1, 2, … h = (q − 1)/2. As χ(−1) = 1, rows a and −a see the elements ±k alike where
//! χ(k − a) = χ(k + a), and otherwise with opposite signs: so both come from a sum A of e's and a sum B of o's, of h − 1 terms
//! in all, as A + B and A − B. For order 28 that is 7.3 additions a row instead of the 9 of groups of four columns, for 36 8.4
//! instead of 11.
//!
//! **Order of the float operations**, which every backend keeps, for z = u, then w = v, and for z = v, then w = −u:
//!
//! ```text
//! A_a = z(∞) + χ(a)·z(0), then ± e_k    B_a = the first o_k that is its, then ± o_k    k = 1, 2, … h without a
//! y(±a) = A_a ± σ·B_a + χ(2a)·z(∓a) + w(±a)       from the left; σ is the sign of the first o_k, the others are relative to it
//! y(∞) = z(0) + e_1 + e_2 + … + w(∞)    y(0) = z(∞) + χ(1)·e_1 + χ(2)·e_2 + … + w(0)    from the left
//! ```
//!
//! ∞ is row and column 0 of C, element a is 1 + a.

use core::ops::{Add, Neg, Sub};

use super::constructions::{Construction, Field};
use super::paley_pairs::Term;
use super::sign_matrix::SignRows;

/// Most pairs ±a: those of q = 17.
pub(crate) const MAX_PAIRS: usize = 8;

/// Largest order of C.
pub(crate) const MAX_HALF: usize = 2 * MAX_PAIRS + 2;

/// Rows a and −a of C.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// By k − 1, what A takes of e_k or B of o_k, whose sign is relative to the first one's; none of k = a.
    pub(crate) terms: [Option<Term>; MAX_PAIRS],
    /// The k of the first o_k.
    pub(crate) first: usize,
    /// Whether B's first term, and so B, is subtracted.
    pub(crate) first_negative: bool,
    /// Whether χ(a) = −1.
    pub(crate) zero_negative: bool,
    /// Whether χ(2a) = −1.
    pub(crate) other_negative: bool,
}

/// The signs of C for one q.
pub(crate) struct Conference {
    /// q.
    pub(crate) q: usize,
    /// h.
    pub(crate) pairs: usize,
    /// By a − 1.
    pub(crate) rows: [Row; MAX_PAIRS],
}

impl Conference {
    pub(super) const fn new(q: usize) -> Conference {
        let (field, pairs) = (Field::prime(q), (q - 1) / 2);
        let none = Row {
            terms: [None; MAX_PAIRS],
            first: 0,
            first_negative: false,
            zero_negative: false,
            other_negative: false,
        };
        let mut rows = [none; MAX_PAIRS];
        let mut a = 1;
        while a <= pairs {
            let mut row = none;
            (row.zero_negative, row.other_negative) =
                (field.chi_negative(0, a), field.chi_negative(0, 2 * a % q));
            let mut k = 1;
            while k <= pairs {
                let (below, above) = (field.chi_negative(a, k), field.chi_negative(0, (k + a) % q));
                if k != a && below == above {
                    row.terms[k - 1] = Some(Term { odd: false, negative: below });
                } else if k != a {
                    if row.first == 0 {
                        (row.first, row.first_negative) = (k, below);
                    }
                    row.terms[k - 1] = Some(Term { odd: true, negative: below != row.first_negative });
                }
                k += 1;
            }
            rows[a - 1] = row;
            a += 1;
        }
        Conference { q, pairs, rows }
    }

    /// Where a member of block i of C is in the matrix: neighbours, or all first members before all second ones.
    pub(crate) const fn place(&self, split: bool, i: usize, member: usize) -> usize {
        if split { i + member * (self.q + 1) } else { 2 * i + member }
    }

    /// The matrix times a column.
    #[inline(never)]
    pub(crate) fn product<T: Copy + Add<Output = T> + Sub<Output = T> + Neg<Output = T>>(
        &self,
        split: bool,
        column: &[T],
        mut write: impl FnMut(usize, T),
    ) {
        let (q, order) = (self.q, self.q + 1);
        let (mut u, mut v) = ([column[0]; MAX_HALF], [column[0]; MAX_HALF]);
        for i in 0..order {
            let (a, b) = (column[self.place(split, i, 0)], column[self.place(split, i, 1)]);
            (u[i], v[i]) = (a + b, a - b);
        }
        for member in 0..2 {
            let (z, w) = if member == 0 { (&u, &v) } else { (&v, &u) };
            let mut finish = |i: usize, sum: T| {
                write(self.place(split, i, member), if member == 0 { sum + w[i] } else { sum - w[i] });
            };
            let (mut e, mut o) = ([z[0]; MAX_PAIRS + 1], [z[0]; MAX_PAIRS + 1]);
            let (mut infinity, mut zero) = (z[1], z[0]);
            for k in 1..=self.pairs {
                let (x, y) = (z[1 + k], z[1 + q - k]);
                (e[k], o[k]) = (x + y, x - y);
                infinity = infinity + e[k];
                zero = if self.rows[k - 1].zero_negative { zero - e[k] } else { zero + e[k] };
            }
            finish(0, infinity);
            finish(1, zero);
            for a in 1..=self.pairs {
                let row = &self.rows[a - 1];
                let plus_minus = |x: T, y: T, negative: bool| if negative { x - y } else { x + y };
                let (mut even, mut odd) = (plus_minus(z[0], z[1], row.zero_negative), o[row.first]);
                for k in 1..=self.pairs {
                    match row.terms[k - 1] {
                        Some(Term { odd: false, negative }) => even = plus_minus(even, e[k], negative),
                        Some(Term { odd: true, negative }) if k != row.first => {
                            odd = plus_minus(odd, o[k], negative);
                        }
                        _ => {}
                    }
                }
                for (negative, at, other) in [(false, 1 + a, 1 + q - a), (true, 1 + q - a, 1 + a)] {
                    let sum = plus_minus(even, odd, negative != row.first_negative);
                    finish(at, plus_minus(sum, z[other], row.other_negative));
                }
            }
        }
    }
}

static CONFERENCES: [Conference; 2] = [Conference::new(13), Conference::new(17)];

const PALEY2_OF_28: [u32; 28] = Construction::Paley2(Field::prime(13)).pack(28, false);
const SPLIT_OF_28: [u32; 28] = Construction::Paley2Split(Field::prime(13)).pack(28, false);
const PALEY2_OF_36: [u32; 2 * 36] = Construction::Paley2(Field::prime(17)).pack(36, false);
const SPLIT_OF_36: [u32; 2 * 36] = Construction::Paley2Split(Field::prime(17)).pack(36, false);

/// The matrices with one of [`CONFERENCES`]: which one, whether the first members of the blocks are before the second ones, and
/// the rows. Not taken from the families, all of whose tables would come with them.
static MATRICES: [(usize, bool, &[u32]); 4] =
    [(0, false, &PALEY2_OF_28), (0, true, &SPLIT_OF_28), (1, false, &PALEY2_OF_36), (1, true, &SPLIT_OF_36)];

/// The conference matrix in this matrix, if it is one of orders 28 and 36, and whether the first members of the blocks are
/// before the second ones. All of them are symmetric.
pub(crate) fn find(matrix: SignRows<'_>) -> Option<(&'static Conference, bool)> {
    MATRICES.iter().find_map(|&(conference, split, rows)| {
        let conference = &CONFERENCES[conference];
        (SignRows::from_parts(2 * conference.q + 2, rows) == matrix).then_some((conference, split))
    })
}
