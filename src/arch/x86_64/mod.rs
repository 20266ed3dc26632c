//! x86-64 backends, a module an instruction set, and the CPU's features. The products that several of them share are in
//! `dot` (CPUs with a dot instruction) and `bytes` (without).

pub(crate) mod amx;
pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod avx512vnni;
pub(crate) mod avxvnni;
mod bytes;
mod detect;
mod dot;
