//! Instruction sets, a folder for each architecture. Nothing here but intrinsics, detection, and the backends' tables.
//!
//! Soft-float targets (`x86_64-unknown-none` and the like) may not touch vector registers: they have scalar alone.

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) mod x86_64;
