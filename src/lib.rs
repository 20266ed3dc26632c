//! The kernels that run BitNet v2 on CPUs: in-place Hadamard transforms, activation quantisers, and
//! ternary-weight × int4/int8-activation products (arXiv 2504.18415).
//!
//! ```text
//!  X [M, K] f32 ─ norm ─ Hadamard ─ quantise and pack ─┐
//!                (InputStages: stages 1 and 2)         │ Activations: int8 or nibbles, scale, row sum
//!                                                      ├─ product ─ dequantise ─ Y [M, N] f32
//!  W [N, K] ─ absmean ─ ternary ─ pack (offline) ──────┘  (stage 3)
//!                                                        Weights: 2 or 1.625 bits each, a plain byte blob
//! ```
//!
//! - **Exact everywhere.** The same input gives the same bits on every backend, for every way of cutting the work.
//!   [`mod@reference`] is the paper's arithmetic, written apart from all backends.
//! - **Every shape.** Any N, K ≥ 1, any M ≥ 0; transform lengths are named, never padded.
//! - **The host's memory and threads.** No allocation, no threads, no global state but what was asked of the CPU once, as for
//!   the best [`Backend`] (and, where it has AMX, Linux's permission to use tiles). Workspace by query, initialised or not; any
//!   range of tokens or outputs by argument. 96 KiB of stack are enough.
//! - `no_std`. What holds in which floating-point environment, and which values are checked: [`stages`].
//!
//! Start at [`BitLinear`]; the [`stages`] are public for hosts that arrange them differently, [`layout`] and [`matrices`] are
//! what they stand on. [`guide`] is advice to engines: threads, memory nodes, pages.
//!
//! # Features
//! | feature | what it adds |
//! |---|---|
//! | `half` | layers also take f16 and bf16 ([`Element`]) |
//! | `rayon` | `par_product`: the product on rayon's threads; needs std |
//! | `proptest` | `check`: strategies and a harness for kernels of one's own; needs std |
//!
//! None is on by default.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The vector traits' kernels have no user where there is no vector backend yet.
#![cfg_attr(not(any(target_arch = "aarch64", target_arch = "x86", target_arch = "x86_64")), allow(dead_code))]

#[cfg(feature = "proptest")]
extern crate std;

mod buffer;
#[cfg(feature = "proptest")]
pub mod check;
pub mod conformance;
pub mod container;
mod error;
pub mod guide;
pub mod interop;
mod kernels;
mod layer;
pub mod layout;
pub mod matrices;
pub mod reference;
pub mod stages;

pub use buffer::Buffer;
pub use error::{Error, Result};
pub use kernels::{Backend, BackendId};
pub use layer::BitLinear;
pub use layout::{
    Activations, ActivationsMut, Bits, GroupLen, Layout, Scaling, StateBits, WeightSpec, Weights,
};
pub use matrices::{Direction, Family, SignMatrix};
pub use stages::{
    Cache, CacheSpec, Element, Input, InputStages, NonFinite, OutputMut, Quantizer, Query, QueryBits,
    RmsNorm, Rule, States, Transform, absmean, absmean_rows, attend, attend_workspace_len, product,
    product_i32, product_workspace_len, softmax,
};
#[cfg(feature = "rayon")]
pub use stages::{par_product, par_workspace_len};

/// Compiles the Rust of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
