//! x86-64 backends, a module an instruction set, and the CPU's features.

pub(crate) mod amx;
pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod avx512vnni;
pub(crate) mod avxvnni;
mod detect;
mod tables;
