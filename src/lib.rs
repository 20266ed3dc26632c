//! The kernels that run BitNet v2 on CPUs: in-place Hadamard transforms, activation quantisers, and
//! ternary-weight × int4/int8-activation products (arXiv 2504.18415).
//!
//! ```text
//!  X [M, K] f32 ─ norm ─ Hadamard ─ quantise and pack ─┐
//!                (stage 1)  hadamard    (stage 2) quantize   │ Activations: int8 or nibbles, scale, row sum
//!                                                      ├─ product ─ dequantise ─ Y [M, N] f32
//!  W [N, K] ─ absmean ─ ternary ─ pack (offline) ──────┘  (stage 3) gemm
//!                                   weights                 Weights: 2 bits each, a plain byte blob
//! ```
//!
//! - **Exact everywhere.** The same input gives the same bits on every backend, for every way of cutting the work.
//!   [`mod@reference`] is the paper's arithmetic, written apart from all backends.
//! - **Every shape.** Any N, K ≥ 1, any M ≥ 0; transform lengths are named, never padded.
//! - **The host's memory and threads.** No allocation, no threads, no global state but the cached choice of
//!   [`Backend`] and, on CPUs with tiles, Linux's leave to use them. Workspace by query; any range of tokens or outputs by argument. 96 KiB of stack are enough.
//! - `no_std`. Floats must round to nearest with subnormals on (the default mode of every OS).
//!
//! Start at [`HBitLinear`]; the stages are public for hosts that arrange them differently. [`hosting`] is advice to them:
//! threads, memory nodes, pages.

#![no_std]
// Parts of the kernels' contract have no user where there is no vector backend yet.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

pub mod error;
pub mod gemm;
pub mod hadamard;
pub mod hosting;
pub mod layout;
pub mod norm;
pub mod quantize;
pub mod reference;
pub mod weights;

mod arch;
mod input;
mod linear;
mod means;
mod output;
mod workspace;

pub use arch::{Backend, BackendId};
pub use error::{Error, Result, Status};
pub use input::Input;
pub use linear::{BitLinear, HBitLinear};
pub use output::OutputMut;

/// Compiles the Rust of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
