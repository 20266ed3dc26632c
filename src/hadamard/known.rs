//! Named matrices as types, for kernels that are compiled with their signs: the small ones, and the foldings of the large
//! Paley I matrices.

use super::folded::{Folding, find};
use super::matrix::SignRows;
use super::recipes::{Field, Recipe};

/// A matrix whose signs the compiler knows.
pub(crate) trait Known {
    /// The order, a multiple of 4 and at most [`MAX_KNOWN`].
    const ORDER: usize;
    /// The sign bits, as in [`SignRows`].
    const ROWS: &'static [u32];

    /// The same as a value.
    fn rows() -> SignRows<'static> {
        SignRows::from_parts(Self::ORDER, Self::ROWS)
    }
}

/// Largest order of a [`Known`] matrix.
pub(crate) const MAX_KNOWN: usize = 36;

/// Sign bits of columns `4·group ..` of `row`, lowest first; 0 outside the matrix.
pub(crate) const fn nibble<K: Known>(row: usize, group: usize) -> usize {
    if row >= K::ORDER || 4 * group >= K::ORDER {
        return 0;
    }
    let word = K::ROWS[row * K::ORDER.div_ceil(32) + group / 8];
    (word >> (group % 8 * 4)) as usize & 15
}

/// What to do with a known matrix.
pub(crate) trait Visitor {
    /// Called with the matrix as a type.
    fn visit<K: Known>(&mut self);

    /// Called with its folding as a type.
    fn visit_folded<F: Folded>(&mut self);
}

/// A folding whose signs the compiler knows.
pub(crate) trait Folded {
    const FOLDING: Folding;
}

macro_rules! folded {
    ($($name:ident = $order:literal;)*) => {
        $(
            struct $name;

            impl Folded for $name {
                const FOLDING: Folding = Folding::new($order - 1);
            }
        )*

        /// Visits the folding of this matrix, if it has one.
        fn visit_folded(matrix: SignRows<'_>, visitor: &mut impl Visitor) {
            match matrix.order() {
                $($order if find(matrix).is_some() => visitor.visit_folded::<$name>(),)*
                _ => {}
            }
        }
    };
}

folded! {
    Paley1Of44 = 44;
    Paley1Of60 = 60;
    Paley1Of108 = 108;
    Paley1Of140 = 140;
}

macro_rules! known {
    ($($name:ident = $order:literal, $recipe:expr, transposed $transposed:literal;)*) => {
        $(
            struct $name;

            impl Known for $name {
                const ORDER: usize = $order;
                const ROWS: &'static [u32] = {
                    const RECIPE: Recipe = $recipe;
                    const BITS: [u32; $order * usize::div_ceil($order, 32)] = RECIPE.pack($order, $transposed);
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
            visit_folded(matrix, visitor);
        }
    };
}

// Both orientations of those that are not symmetric.
known! {
    Paley1Of12 = 12, Recipe::Paley1(Field::prime(11)), transposed false;
    Paley1Of12Transposed = 12, Recipe::Paley1(Field::prime(11)), transposed true;
    Paley2Of12 = 12, Recipe::Paley2(Field::prime(5)), transposed false;
    Paley1Of20 = 20, Recipe::Paley1(Field::prime(19)), transposed false;
    Paley1Of20Transposed = 20, Recipe::Paley1(Field::prime(19)), transposed true;
    WilliamsonOf20 = 20, Recipe::Williamson([0x1e, 0x1e, 0xc, 0x12]), transposed false;
    WilliamsonOf20Transposed = 20, Recipe::Williamson([0x1e, 0x1e, 0xc, 0x12]), transposed true;
    Paley2Of28 = 28, Recipe::Paley2(Field::prime(13)), transposed false;
    Paley2SplitOf28 = 28, Recipe::Paley2Split(Field::prime(13)), transposed false;
    WilliamsonOf28 = 28, Recipe::Williamson([0x7e, 0x3c, 0x5a, 0x66]), transposed false;
    WilliamsonOf28Transposed = 28, Recipe::Williamson([0x7e, 0x3c, 0x5a, 0x66]), transposed true;
    Paley2Of36 = 36, Recipe::Paley2(Field::prime(17)), transposed false;
    Paley2SplitOf36 = 36, Recipe::Paley2Split(Field::prime(17)), transposed false;
}
