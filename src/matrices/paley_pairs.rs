//! The large matrices of Paley's first construction as half as many sums: rows and columns in pairs.
//!
//! For q ≡ 3 mod 4 the squares of GF(q) and their negatives are all elements but 0, and multiplying by a square changes
//! no χ. Number the h = (q − 1)/2 squares as powers of one of them, s_k = s₁^k, and let e_k = x(s_k) + x(−s_k) and
//! o_k = x(s_k) − x(−s_k). Rows s_k and −s_k of `Σ_b χ(b − a) x(b)` see the columns ±s_(k+j) with signs that depend on
//! j alone: where χ(s_j − 1) = χ(s_j + 1) = σ both take σ·o_(k+j); where they differ, σ = χ(s_j − 1), one takes
//! σ·e_(k+j) and the other its negative. So both rows come from two sums of h − 1 terms in all, A of the o's and B of
//! the e's, as A + B and A − B: a quarter of the additions, or half of what groups of four columns leave.
//!
//! **Order of the float operations**, which every backend keeps, t = 1 for the matrix and −1 for its transpose, χ(2) = ±1:
//!
//! ```text
//! A_k = −x(∞), then ± o_(k+j)    B_k = −x(0), then ± e_(k+j)    j = 1, 2, … h − 1 where the term is theirs
//! y(s_k), y(−s_k) = t·(A_k + B_k) + o_k, t·(A_k − B_k) + e_k    if t·χ(2) = 1
//!                   t·(A_k + B_k) + e_k, t·(A_k − B_k) − o_k    if t·χ(2) = −1
//! y(∞) = x(∞) + t·(x(0) + e_0 + e_1 + …)    y(0) = x(0) + t·(−x(∞) + o_0 + o_1 + …)    from the left
//! ```
//!
//! ∞ is row and column 0 of the matrix, element a is 1 + a.

use core::ops::{Add, Neg, Sub};

use super::constructions::Field;
use super::families::Family;
use super::sign_matrix::{Direction, SignRows};

/// Most pairs: those of order 140.
pub(crate) const MAX_PAIRS: usize = 69;

/// What A and B take of the columns ±s_(k+j).
#[derive(Clone, Copy)]
pub(crate) struct Term {
    /// A takes o; otherwise B takes e.
    pub(crate) odd: bool,
    pub(crate) negative: bool,
}

/// The numbering of one q and its signs.
pub(crate) struct Pairing {
    /// h.
    pub(crate) pairs: usize,
    /// s_k.
    pub(crate) squares: [usize; MAX_PAIRS],
    /// By j; the first is none.
    pub(crate) terms: [Term; MAX_PAIRS],
    /// Whether χ(2) = −1.
    pub(crate) two_negative: bool,
}

impl Pairing {
    pub(super) const fn new(q: usize) -> Pairing {
        let (field, pairs) = (Field::prime(q), (q - 1) / 2);
        let mut squares = [1; MAX_PAIRS];
        let mut base = 1;
        // The first base whose powers are all squares: none returns to 1 early.
        let mut found = false;
        while !found {
            base += 1;
            let mut k = 1;
            while k < pairs {
                squares[k] = squares[k - 1] * (base * base % q) % q;
                if squares[k] == 1 {
                    break;
                }
                k += 1;
            }
            found = k == pairs;
        }
        let mut terms = [Term { odd: false, negative: false }; MAX_PAIRS];
        let mut j = 1;
        while j < pairs {
            let (below, above) =
                (field.chi_negative(1, squares[j]), field.chi_negative(0, (squares[j] + 1) % q));
            terms[j] = Term { odd: below == above, negative: below };
            j += 1;
        }
        Pairing { pairs, squares, terms, two_negative: field.chi_negative(0, 2) }
    }

    /// The matrix, or its transpose, times a column.
    pub(crate) fn product<T: Copy + Add<Output = T> + Sub<Output = T> + Neg<Output = T>>(
        &self,
        transposed: bool,
        column: &[T],
        mut write: impl FnMut(usize, T),
    ) {
        let (h, order) = (self.pairs, 2 * self.pairs + 2);
        let (mut even, mut odd) = ([column[0]; 2 * MAX_PAIRS], [column[0]; 2 * MAX_PAIRS]);
        for k in 0..2 * h {
            let square = self.squares[k % h];
            let (x, y) = (column[1 + square], column[order - square]);
            (even[k], odd[k]) = (x + y, x - y);
        }
        let oriented = |x: T| if transposed { -x } else { x };
        let (infinity, zero) = (column[0], column[1]);
        write(0, infinity + oriented(even[..h].iter().fold(zero, |sum, &e| sum + e)));
        write(1, zero + oriented(odd[..h].iter().fold(-infinity, |sum, &o| sum + o)));
        for k in 0..h {
            let (mut a, mut b) = (-infinity, -zero);
            for (j, term) in self.terms[..h].iter().enumerate().skip(1) {
                match (term.odd, term.negative) {
                    (true, false) => a = a + odd[k + j],
                    (true, true) => a = a - odd[k + j],
                    (false, false) => b = b + even[k + j],
                    (false, true) => b = b - even[k + j],
                }
            }
            let own = if transposed == self.two_negative { (odd[k], even[k]) } else { (even[k], -odd[k]) };
            write(1 + self.squares[k], oriented(a + b) + own.0);
            write(order - self.squares[k], oriented(a - b) + own.1);
        }
    }
}

/// 12 and 20 have straight-line code, with which pairs are no faster.
static PAIRINGS: [Pairing; 4] = [Pairing::new(43), Pairing::new(59), Pairing::new(107), Pairing::new(139)];

/// The pairing of this matrix, if it has one, and whether the matrix is the transpose.
pub(crate) fn find(matrix: SignRows<'_>) -> Option<(&'static Pairing, bool)> {
    let pairing = PAIRINGS.iter().find(|pairing| 2 * pairing.pairs + 2 == matrix.order())?;
    Some((pairing, orientation(matrix)?))
}

/// Whether this is the transpose of the Paley I matrix of its order, if it is one of the two.
fn orientation(matrix: SignRows<'_>) -> Option<bool> {
    let paley = Family::Paley1.matrix(matrix.order()).ok()?;
    [(Direction::Forward, false), (Direction::Transpose, true)]
        .into_iter()
        .find(|&(direction, _)| paley.oriented(direction) == matrix)
        .map(|(_, transposed)| transposed)
}
