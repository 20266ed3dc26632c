//! Named matrices as types, for kernels that are compiled with their signs: the small ones, the pairings of the large
//! Paley I matrices, and the conference matrices in those of Paley II.

use super::conference::{self, Conference};
use super::constructions::{Construction, Field};
use super::paley_pairs::{self, Pairing};
use super::sign_matrix::SignRows;

/// A matrix whose signs the compiler knows.
pub(crate) trait ConstMatrix {
    /// The order, a multiple of 4 and at most [`MAX_CONST_ORDER`].
    const ORDER: usize;
    /// The sign bits, as in [`SignRows`].
    const ROWS: &'static [u32];

    /// The same as a value.
    fn rows() -> SignRows<'static> {
        SignRows::from_parts(Self::ORDER, Self::ROWS)
    }
}

/// Largest order of a [`ConstMatrix`] matrix.
pub(crate) const MAX_CONST_ORDER: usize = 28;

/// Sign bits of columns `4·group ..` of `row`, lowest first; 0 outside the matrix.
pub(crate) const fn nibble<K: ConstMatrix>(row: usize, group: usize) -> usize {
    if row >= K::ORDER || 4 * group >= K::ORDER {
        return 0;
    }
    let word = K::ROWS[row * K::ORDER.div_ceil(32) + group / 8];
    (word >> (group % 8 * 4)) as usize & 15
}

/// What to do with a matrix that is a type.
pub(crate) trait Visitor {
    /// Called with the matrix as a type.
    fn visit<K: ConstMatrix>(&mut self);

    /// Called with its pairing as a type.
    fn visit_pairing<F: ConstPairing>(&mut self);

    /// Called with the conference matrix in it as a type.
    fn visit_conference<C: ConstConference>(&mut self);
}

/// A pairing whose signs the compiler knows.
pub(crate) trait ConstPairing {
    const PAIRING: Pairing;
}

macro_rules! pairings {
    ($($name:ident = $order:literal;)*) => {
        $(
            struct $name;

            impl ConstPairing for $name {
                const PAIRING: Pairing = Pairing::new($order - 1);
            }
        )*

        /// Visits the pairing of this matrix, if it has one.
        fn visit_pairing(matrix: SignRows<'_>, visitor: &mut impl Visitor) {
            match matrix.order() {
                $($order if paley_pairs::find(matrix).is_some() => visitor.visit_pairing::<$name>(),)*
                _ => {}
            }
        }
    };
}

pairings! {
    Paley1Of44 = 44;
    Paley1Of60 = 60;
    Paley1Of108 = 108;
    Paley1Of140 = 140;
}

/// A conference matrix whose signs the compiler knows, in a matrix of twice the order.
pub(crate) trait ConstConference {
    const CONFERENCE: Conference;
    /// Whether the first members of its blocks are before the second ones.
    const SPLIT: bool;
}

macro_rules! conferences {
    ($($name:ident = $q:literal, split $split:literal;)*) => {
        $(
            struct $name;

            impl ConstConference for $name {
                const CONFERENCE: Conference = Conference::new($q);
                const SPLIT: bool = $split;
            }
        )*

        /// Visits the conference matrix in this matrix, if it has one.
        fn visit_conference(matrix: SignRows<'_>, visitor: &mut impl Visitor) {
            match conference::find(matrix).map(|(conference, split)| (conference.q, split)) {
                $(Some(($q, $split)) => visitor.visit_conference::<$name>(),)*
                _ => {}
            }
        }
    };
}

conferences! {
    Paley2Of28 = 13, split false;
    Paley2SplitOf28 = 13, split true;
    Paley2Of36 = 17, split false;
    Paley2SplitOf36 = 17, split true;
}

macro_rules! matrices {
    ($($name:ident = $order:literal, $construction:expr, transposed $transposed:literal;)*) => {
        $(
            struct $name;

            impl ConstMatrix for $name {
                const ORDER: usize = $order;
                const ROWS: &'static [u32] = {
                    const CONSTRUCTION: Construction = $construction;
                    const BITS: [u32; $order * usize::div_ceil($order, 32)] = CONSTRUCTION.pack($order, $transposed);
                    &BITS
                };
            }
        )*

        /// Visits what equals this matrix, if anything does.
        pub(crate) fn visit(matrix: SignRows<'_>, visitor: &mut impl Visitor) {
            $(
                if matrix == $name::rows() {
                    visitor.visit::<$name>();
                    return;
                }
            )*
            visit_pairing(matrix, visitor);
            visit_conference(matrix, visitor);
        }
    };
}

// Both orientations of those that are not symmetric.
matrices! {
    Paley1Of12 = 12, Construction::Paley1(Field::prime(11)), transposed false;
    Paley1Of12Transposed = 12, Construction::Paley1(Field::prime(11)), transposed true;
    Paley2Of12 = 12, Construction::Paley2(Field::prime(5)), transposed false;
    Paley1Of20 = 20, Construction::Paley1(Field::prime(19)), transposed false;
    Paley1Of20Transposed = 20, Construction::Paley1(Field::prime(19)), transposed true;
    WilliamsonOf20 = 20, Construction::Williamson([0x1e, 0x1e, 0xc, 0x12]), transposed false;
    WilliamsonOf20Transposed = 20, Construction::Williamson([0x1e, 0x1e, 0xc, 0x12]), transposed true;
    WilliamsonOf28 = 28, Construction::Williamson([0x7e, 0x3c, 0x5a, 0x66]), transposed false;
    WilliamsonOf28Transposed = 28, Construction::Williamson([0x7e, 0x3c, 0x5a, 0x66]), transposed true;
}
