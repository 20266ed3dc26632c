//! The library of `hbl`, the command line for ternary model files.
//!
//! | | |
//! |---|---|
//! | [`mod@file`] | headers: GGUF and safetensors read, GGUF written |
//! | [`model`] | a file of any kind ([`mapped`] as a rule), its tensors and what they mean; [`ternary`] weights, [`i2s`] orders, [`rotation`] contracts |
//! | `convert` | to a container of packed weights, and back; to a file for llama.cpp |
//! | `inspect`, `verify`, `bench`, `run` | the other commands |
//! | [`json`], `npy`, `progress`, [`share`] | what they use |
//!
//! What is not a link needs the feature `commands`, which is on by default.

#[cfg(feature = "commands")]
pub mod bench;
#[cfg(feature = "commands")]
pub mod convert;
pub mod file;
pub mod i2s;
#[cfg(feature = "commands")]
pub mod inspect;
pub mod json;
pub mod mapped;
pub mod model;
#[cfg(feature = "commands")]
pub mod npy;
#[cfg(feature = "commands")]
pub mod progress;
pub mod rotation;
#[cfg(feature = "commands")]
pub mod run;
pub mod share;
pub mod ternary;
#[cfg(feature = "commands")]
pub mod verify;
