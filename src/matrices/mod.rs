//! Hadamard matrices: the named ones that models were trained or folded with, and a caller's own.
//!
//! A [`SignMatrix`] is a ±1 matrix as packed sign bits, an outer factor of a [`Transform`](crate::Transform). Named ones
//! come from a [`Family`], written out by algebraic `constructions` at compile time; `const_matrices` gives the small ones
//! to kernels as types, `paley_pairs` the large ones of Paley's first construction as half as many sums, and `conference` those
//! of his second one as two products of half the order.

pub(crate) mod conference;
pub(crate) mod const_matrices;
mod constructions;
mod families;
pub(crate) mod paley_pairs;
mod sign_matrix;

pub use families::Family;
pub(crate) use sign_matrix::SignRows;
pub use sign_matrix::{Direction, MAX_ORDER, SignMatrix};
