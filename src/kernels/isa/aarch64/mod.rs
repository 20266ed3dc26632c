//! AArch64.

mod byte_vector;
mod detect;
mod dot;
pub(crate) mod dotprod;
pub(crate) mod i8mm;
mod int_vector;
pub(crate) mod neon;
