//! The stages of a layer in the order in which data flows, each public for hosts that arrange them differently.
//!
//! | stage | what it does | source (arXiv 2504.18415) |
//! |---|---|---|
//! | [`RmsNorm`] | `x / √(mean(x²) + ε) · gain` | the `Norm` of eq. 7 |
//! | [`Transform`] | orthonormal Hadamard transform in place | eq. 3, 4 |
//! | [`Quantizer`] | f32 to int8 or int4, per token | eq. 5, 6 |
//! | [`InputStages`] | those three in one pass over a row | eq. 7 |
//! | [`product()`] | ternary × int8/int4, dequantised | eq. 7 |
//! | [`Cache`], [`attend`] | attention over keys and values of 3, 4 or 8 bits ([`attention`]) | tables 2, 3 |
//! | [`absmean()`] | trained weights to ternary ones, offline | eq. 1, 2 |
//!
//! # What is checked, and what is not
//! All sizes, ranges and strides, before anything is written. Of values: a NaN or an infinity in `x`, and one that the norm
//! or the transform would make, is refused by the row, or spoils its own row only ([`NonFinite`]). The product multiplies
//! what it is given: where a scale is not finite, or `α · sum · s` goes beyond f32, the output is the infinity or NaN that
//! IEEE arithmetic gives for the documented expression, the same on every backend.
//!
//! # Floating-point environment
//! The bits are those documented if the CPU rounds to nearest and keeps subnormals: the default of every operating system.
//! In another mode (toward zero, flush to zero) results may differ from those and between backends; nothing worse happens.
//! Sticky exception flags may be raised by any call; do not unmask traps around one.

mod absmean;
pub mod attention;
mod input;
mod input_stages;
mod norm;
mod output;
mod product;
mod quantize;
mod statistics;
mod transform;
mod workspace;

pub use absmean::{absmean, absmean_rows};
pub use attention::{Cache, CacheSpec, Query, QueryBits, States, attend, attend_workspace_len, softmax};
pub use input::{Element, Input};
pub use input_stages::InputStages;
pub use norm::RmsNorm;
pub use output::OutputMut;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use product::product_with;
#[cfg(feature = "rayon")]
pub use product::{par_product, par_workspace_len};
pub use product::{product, product_i32, product_workspace_len};
pub use quantize::{NonFinite, Quantizer, Rule};
pub use transform::{MAX_FACTORS, Transform};
pub(crate) use workspace::{Size, Workspace};
