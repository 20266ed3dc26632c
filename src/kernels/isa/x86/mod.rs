//! What x86 of 32 and of 64 bits have: a backend of 128-bit vectors, and the work in such vectors that backends of x86-64 do
//! for the activations of one token.

pub(super) mod lanes128;
pub(crate) mod sse41;

#[cfg(target_arch = "x86")]
use core::arch::x86 as arch;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64 as arch;
