//! Named Hadamard matrices: the ±1 tables models were actually trained or folded with.
//!
//! Two matrices of one order are in general *not* interchangeable, not even up to a transpose, so a
//! matrix is asked for by [`Family`] and order and never guessed. Every table here is that of y = H·x:
//! y_i = Σ_j H_ij·x_j is what the named library computes along the outer index.
//!
//! Nothing is stored as an array of signs. Each matrix is one of four algebraic constructions, written out
//! into sign bits at compile time. This also holds for the tables libraries publish, and the unit tests
//! check those against a hash of the published signs.
//!
//! χ is the quadratic character of GF(q): 0 at 0, +1 at the other squares, −1 elsewhere. Q is the q×q matrix
//! with Q_ij = χ(j − i), the indices being the field's elements in the order 0, 1, …, q−1; for q = 25 index
//! a + 5b is the element a + b·t with t² = 2. The *bordered* Q has a zero corner, +1 along the rest of its
//! first row, and below the corner +1 for a symmetric Q (q ≡ 1 mod 4) and −1 for an antisymmetric one
//! (q ≡ 3 mod 4).

use super::constructions::{Construction, Field};
use super::sign_matrix::SignMatrix;
use crate::error::{Error, Result};

/// A set of Hadamard matrices that share a construction or a publisher.
///
/// The matrices are unnormalised: their entries are ±1 and H·Hᵀ = order·I.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Paley's first construction, H = I + S with S the bordered Q, q a prime ≡ 3 mod 4.
    ///
    /// Orders q + 1: 12, 20, 44, 60, 108, 140. The first row is all +1, the diagonal is +1, the rest of the
    /// first column is −1, and H_ij = χ(j − i) elsewhere. Not symmetric: S is antisymmetric, so
    /// H + Hᵀ = 2I. Other software uses other signs or the transpose; [`Family::QuaRot`] is one of those.
    Paley1,
    /// Paley's second construction, q ≡ 1 mod 4: each entry of the bordered Q becomes a 2×2 block.
    ///
    /// Orders 2(q + 1): 12, 28, 36, 52, 60, 76, 84, 108; q is a prime except for 52, where it is 25.
    /// A zero becomes `[+ −; − −]` and an entry ±1 becomes ±`[+ +; + −]`, in place, so the
    /// entries of a block are neighbours. Symmetric.
    Paley2,
    /// The tables of QuaRot. SpinQuant has the same ones and a 44, the transpose of [`Family::Paley1`]'s.
    ///
    /// Orders 12, 20, 28, 36, 40, 52, 60, 108, 140, 156, 172. Those libraries multiply by the table itself,
    /// online and when folding weights.
    ///
    /// * 12, 20, 60, 108, 140: the transpose of [`Family::Paley1`];
    /// * 40: `[H H; H −H]` of this family's 20;
    /// * 28, 36: [`Family::Paley2`] with rows and columns reordered, all first members of the 2×2 blocks
    ///   before all second ones;
    /// * 52, 156, 172: Williamson matrices.
    ///
    /// Only 28 and 36 are symmetric.
    QuaRot,
    /// The tables of fast-hadamard-transform; MLX has the same 12, 20 and 28.
    ///
    /// Orders 12, 20, 28, 40. Both libraries multiply by the table itself.
    ///
    /// * 12: the same as [`Family::Paley2`], symmetric;
    /// * 20, 28: Williamson matrices, not symmetric;
    /// * 40: the same as [`Family::QuaRot`], not symmetric.
    ///
    /// The backward pass of fast-hadamard-transform applies H where 20, 28 and 40 need Hᵀ; this crate does not.
    FastHadamard,
}

impl Family {
    /// Every family.
    pub const ALL: &'static [Self] = &[Self::Paley1, Self::Paley2, Self::QuaRot, Self::FastHadamard];

    /// The name that [`str::parse`] understands, for files and command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paley1 => "paley1",
            Self::Paley2 => "paley2",
            Self::QuaRot => "quarot",
            Self::FastHadamard => "fht",
        }
    }

    /// The orders the family has a matrix for, ascending.
    #[must_use]
    pub const fn orders(self) -> &'static [usize] {
        self.catalogue().orders
    }

    /// The family's matrix of this order.
    ///
    /// # Errors
    /// [`Error::FamilyOrder`] if it has none.
    pub fn matrix(self, order: usize) -> Result<SignMatrix<'static>> {
        let Catalogue { orders, tables } = self.catalogue();
        let found = orders.iter().zip(tables).find(|&(&found, _)| found == order);
        let (_, table) = found.ok_or(Error::FamilyOrder { family: self.name(), order })?;
        Ok(SignMatrix::from_parts(order, table.rows, table.columns))
    }

    const fn catalogue(self) -> Catalogue {
        match self {
            Self::Paley1 => PALEY1,
            Self::Paley2 => PALEY2,
            Self::QuaRot => QUAROT,
            Self::FastHadamard => FAST_HADAMARD,
        }
    }
}

impl core::str::FromStr for Family {
    type Err = Error;

    /// The family with exactly this [`Family::name`], or [`Error::Name`].
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|family| family.name() == name)
            .ok_or(Error::Name { argument: "family" })
    }
}

impl core::fmt::Display for Family {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The matrices of a family; `orders` and `tables` run in parallel.
#[derive(Clone, Copy)]
struct Catalogue {
    orders: &'static [usize],
    tables: &'static [Table],
}

/// Sign bits of a matrix and of its transpose, in the layout of [`SignMatrix`].
struct Table {
    rows: &'static [u32],
    columns: &'static [u32],
}

macro_rules! catalogue {
    ($($order:literal => $construction:expr,)*) => {
        Catalogue {
            orders: &[$($order),*],
            tables: &[$({
                const CONSTRUCTION: Construction = $construction;
                const WORDS: usize = $order * usize::div_ceil($order, 32);
                // Constants, not statics, so that equal tables may be merged.
                const ROWS: [u32; WORDS] = CONSTRUCTION.pack($order, false);
                const COLUMNS: [u32; WORDS] = CONSTRUCTION.pack($order, true);
                Table { rows: &ROWS, columns: &COLUMNS }
            }),*],
        }
    };
}

const PALEY1: Catalogue = catalogue! {
    12 => Construction::Paley1(Field::prime(11)),
    20 => Construction::Paley1(Field::prime(19)),
    44 => Construction::Paley1(Field::prime(43)),
    60 => Construction::Paley1(Field::prime(59)),
    108 => Construction::Paley1(Field::prime(107)),
    140 => Construction::Paley1(Field::prime(139)),
};

const PALEY2: Catalogue = catalogue! {
    12 => Construction::Paley2(Field::prime(5)),
    28 => Construction::Paley2(Field::prime(13)),
    36 => Construction::Paley2(Field::prime(17)),
    52 => Construction::Paley2(Field::prime_squared(5)),
    60 => Construction::Paley2(Field::prime(29)),
    76 => Construction::Paley2(Field::prime(37)),
    84 => Construction::Paley2(Field::prime(41)),
    108 => Construction::Paley2(Field::prime(53)),
};

const QUAROT: Catalogue = catalogue! {
    12 => Construction::Paley1Transposed(Field::prime(11)),
    20 => Construction::Paley1Transposed(Field::prime(19)),
    28 => Construction::Paley2Split(Field::prime(13)),
    36 => Construction::Paley2Split(Field::prime(17)),
    40 => Construction::Paley1TransposedTwice(Field::prime(19)),
    52 => Construction::Williamson([0x161a, 0x1c0e, 0xb34, 0x1ede]),
    60 => Construction::Paley1Transposed(Field::prime(59)),
    108 => Construction::Paley1Transposed(Field::prime(107)),
    140 => Construction::Paley1Transposed(Field::prime(139)),
    156 => Construction::Williamson([0x1a_fb3c_df58, 0xe_cf5a_f370, 0x19_75bd_ae98, 0x72_be24_7d4e]),
    172 => Construction::Williamson([0x730_a264_50ce, 0x207_ac93_5e04, 0x14d_42f4_2b28, 0x385_b3fc_da1c]),
};

const FAST_HADAMARD: Catalogue = catalogue! {
    12 => Construction::Paley2(Field::prime(5)),
    20 => Construction::Williamson([0x1e, 0x1e, 0xc, 0x12]),
    28 => Construction::Williamson([0x7e, 0x3c, 0x5a, 0x66]),
    40 => Construction::Paley1TransposedTwice(Field::prime(19)),
};

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> impl Iterator<Item = (Family, usize, &'static Table)> {
        Family::ALL.iter().flat_map(|&family| {
            let Catalogue { orders, tables } = family.catalogue();
            assert_eq!(orders.len(), tables.len());
            orders.iter().zip(tables).map(move |(&order, table)| (family, order, table))
        })
    }

    fn table(family: Family, order: usize) -> &'static Table {
        tables().find(|&(f, o, _)| (f, o) == (family, order)).unwrap().2
    }

    fn negative(bits: &[u32], order: usize, i: usize, j: usize) -> bool {
        bits[i * order.div_ceil(32) + j / 32] >> (j % 32) & 1 == 1
    }

    /// FNV-1a over the matrix written as one line of '+' and '-', row after row.
    fn hash(bits: &[u32], order: usize) -> u64 {
        (0..order * order).fold(0xcbf2_9ce4_8422_2325, |hash: u64, k| {
            let byte = if negative(bits, order, k / order, k % order) { b'-' } else { b'+' };
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    }

    #[test]
    fn rows_are_orthogonal() {
        for (family, order, table) in tables() {
            // Padding bits are zero in every row, so they never count as a difference.
            let words = order.div_ceil(32);
            for (i, a) in table.rows.chunks(words).enumerate() {
                for (j, b) in table.rows.chunks(words).enumerate() {
                    let differing: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
                    let expected = if i == j { 0 } else { order / 2 };
                    assert_eq!(differing as usize, expected, "{family:?} {order}: rows {i} and {j}");
                }
            }
        }
    }

    #[test]
    fn columns_hold_the_transpose() {
        for (family, order, table) in tables() {
            let words = order.div_ceil(32);
            assert_eq!((table.rows.len(), table.columns.len()), (order * words, order * words));
            for (i, j) in (0..order).flat_map(|i| (0..words * 32).map(move |j| (i, j))) {
                let expected = j < order && negative(table.rows, order, j, i);
                assert_eq!(negative(table.columns, order, i, j), expected, "{family:?} {order}: ({i}, {j})");
            }
        }
    }

    #[test]
    fn symmetric_where_documented() {
        for (family, order, table) in tables() {
            let documented = match family {
                Family::Paley1 => false,
                Family::Paley2 => true,
                Family::QuaRot => matches!(order, 28 | 36),
                Family::FastHadamard => order == 12,
            };
            assert_eq!(table.rows == table.columns, documented, "{family:?} {order}");
        }
    }

    #[test]
    fn related_as_documented() {
        for order in [12, 20, 60, 108, 140] {
            assert_eq!(table(Family::QuaRot, order).rows, table(Family::Paley1, order).columns);
        }
        assert_eq!(table(Family::FastHadamard, 12).rows, table(Family::Paley2, 12).rows);
        assert_eq!(table(Family::FastHadamard, 40).rows, table(Family::QuaRot, 40).rows);
        for order in [28, 36] {
            let (split, paley) = (table(Family::QuaRot, order).rows, table(Family::Paley2, order).rows);
            let place = |i: usize| i % 2 * (order / 2) + i / 2;
            for (i, j) in (0..order).flat_map(|i| (0..order).map(move |j| (i, j))) {
                assert_eq!(negative(split, order, place(i), place(j)), negative(paley, order, i, j));
            }
        }
    }

    #[test]
    fn paley_matrices_follow_the_definition() {
        let chi = |d: i64, q: i64| match (0..(q - 1) / 2).fold(1, |power, _| power * d % q) {
            0 => 0,
            1 => 1,
            _ => -1,
        };
        for (family, order, table) in tables() {
            let block = match family {
                Family::Paley1 => 1,
                Family::Paley2 if order != 52 => 2, // the orthogonality test is left to pin GF(25)
                _ => continue,
            };
            let q = (order / block - 1) as i64;
            for (i, j) in (0..order).flat_map(|i| (0..order).map(move |j| (i, j))) {
                let bordered = match ((i / block) as i64, (j / block) as i64) {
                    (0, 0) => 0,
                    (0, _) => 1,
                    (_, 0) => [-1, 1][block - 1],
                    (x, y) => chi((y - x).rem_euclid(q), q),
                };
                let sign = match (block, i % 2, j % 2) {
                    (1, ..) => bordered + (i == j) as i32,
                    (_, 0, 0) => bordered + (i == j) as i32,
                    (_, 1, 1) => -bordered - (i == j) as i32,
                    _ if i / 2 == j / 2 => -1,
                    _ => bordered,
                };
                assert_eq!(negative(table.rows, order, i, j), sign < 0, "{family:?} {order}: ({i}, {j})");
            }
        }
    }

    /// Number of −1 entries and [`hash`], both taken from the signs in the libraries' own sources.
    #[test]
    fn published_tables_are_reproduced() {
        let published = [
            (Family::QuaRot, 12, 66, 0x35c7_785e_68b7_64ad_u64),
            (Family::QuaRot, 20, 190, 0x47ee_1a07_79da_2545_u64),
            (Family::QuaRot, 28, 380, 0x65c6_68d1_8606_a97d_u64),
            (Family::QuaRot, 36, 632, 0x03cb_d584_a619_bddd_u64),
            (Family::QuaRot, 40, 780, 0x8b98_6804_b398_3415_u64),
            (Family::QuaRot, 52, 1326, 0x6454_7545_b466_0cc5_u64),
            (Family::QuaRot, 60, 1770, 0x976d_be55_c09a_5eb5_u64),
            (Family::QuaRot, 108, 5778, 0x6391_c059_935e_ebb5_u64),
            (Family::QuaRot, 140, 9730, 0x7e0d_0c2c_703d_8685_u64),
            (Family::QuaRot, 156, 12870, 0x1311_bcd5_9e9c_3ef5_u64),
            (Family::QuaRot, 172, 14190, 0xa0b3_f25b_0659_5585_u64),
            (Family::FastHadamard, 12, 68, 0x6d27_d4ef_16d4_7d75_u64),
            (Family::FastHadamard, 20, 230, 0x0214_13dc_efa5_42c5_u64),
            (Family::FastHadamard, 28, 462, 0x2b85_9142_f857_4c35_u64),
            (Family::FastHadamard, 40, 780, 0x8b98_6804_b398_3415_u64),
        ];
        for (family, order, minus, expected) in published {
            let rows = table(family, order).rows;
            assert_eq!(rows.iter().map(|w| w.count_ones()).sum::<u32>(), minus, "{family:?} {order}");
            assert_eq!(hash(rows, order), expected, "{family:?} {order}");
        }
        let checked = |family| published.iter().filter(|entry| entry.0 == family).count();
        assert_eq!(checked(Family::QuaRot), Family::QuaRot.orders().len());
        assert_eq!(checked(Family::FastHadamard), Family::FastHadamard.orders().len());
    }

    #[test]
    fn lookup() {
        for &family in Family::ALL {
            assert_eq!(family.name().parse(), Ok(family));
            assert!(family.orders().is_sorted());
            assert!(family.orders().iter().all(|&order| family.matrix(order).is_ok()));
            assert!([0, 1, 2, 16, 24, 92].into_iter().all(|order| family.matrix(order).is_err()));
        }
        assert!("Paley1".parse::<Family>().is_err());
    }
}
