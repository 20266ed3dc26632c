//! Instruction sets, a folder for each architecture. Nothing here but intrinsics, detection, and the backends' tables.
//!
//! Soft-float targets (`x86_64-unknown-none` and the like) may not touch vector registers: they have scalar alone. So
//! has big-endian AArch64, whose lanes count the other way round.

#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
pub(crate) mod aarch64;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm32;
#[cfg(all(any(target_arch = "x86", target_arch = "x86_64"), target_feature = "sse2"))]
pub(crate) mod x86;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) mod x86_64;
