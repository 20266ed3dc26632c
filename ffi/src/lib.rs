//! The C ABI: one thin file per stage, each function a check of the caller's memory and one call of the core.
//!
//! The doc comments of what is public here are the header's comments (`include/hbitlinear.h`, generated; see
//! `tests/header.rs`). Why it is shaped this way is on one page in `README.md`.
//!
//! Modules name each other by `super`, not `crate`: the scorecard includes this file to time the calls.
//!
//! Built with `panic = "abort"` there is nothing to catch, and the library does without std.

#![cfg_attr(not(panic = "unwind"), no_std)]
#![expect(non_camel_case_types, reason = "the names are C's")]
#![allow(clippy::missing_safety_doc, reason = "what a caller promises is the rules at the top of the header")]

pub mod absmean;
pub mod attention;
pub mod backend;
pub mod conformance;
pub mod container;
pub mod contract;
pub mod error;
pub mod export;
pub mod format;
pub mod import;
pub mod input;
pub mod layer;
pub mod matrix;
pub mod norm;
pub mod product;
pub mod quantize;
pub mod stages;
pub mod status;
pub mod transform;
pub mod weights;

mod describe;
mod handle;
mod memory;
#[cfg(not(panic = "unwind"))]
mod trap;

/// The ABI this header describes. It grows when a function or a struct changes in a way that a compiled caller would
/// notice; new functions, new numbers and new fields at the end of a description do not count. The shared library's
/// SONAME ends with it.
pub const HBL_ABI_VERSION: u32 = 1;

/// The ABI of the library that was loaded: compare it with HBL_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_abi_version() -> u32 {
    HBL_ABI_VERSION
}

/// The release, such as "0.1.0": a static string.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_version() -> *const core::ffi::c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
