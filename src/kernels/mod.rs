//! The kernels: what a backend must provide ([`contract`]), which backends there are ([`registry`]), and the code.
//!
//! - [`scalar`]: complete, portable, and the yardstick that every other backend equals bit for bit.
//! - [`float`]: norm, transforms and quantisers, written once over a vector trait.
//! - [`ternary`]: products, a folder for each packed layout, written over vector traits.
//! - [`attention`]: scores, softmax and weighted sums over quantised states.
//! - [`isa`]: instruction sets: the traits' intrinsics, and one backend each.

pub(crate) mod attention;
pub(crate) mod contract;
#[cfg(any(
    all(any(target_arch = "x86", target_arch = "x86_64"), target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"),
    all(target_arch = "wasm32", target_feature = "simd128")
))]
pub(crate) mod float;
pub(crate) mod isa;
mod registry;
pub(crate) mod scalar;
pub(crate) mod ternary;

#[cfg(test)]
mod tests;

pub use registry::{Backend, BackendId};
