//! A backend that an unmodified llama.cpp loads through `GGML_BACKEND_PATH`: its products with ternary weights run on
//! hbitlinear, everything else stays on its CPU backend. `README.md` is the page for engines' authors.
//!
//! | file | what it has |
//! |---|---|
//! | `abi` | ggml's structs and numbers |
//! | `host` | the ggml that is loaded, which API it has |
//! | `settings`, `rules` | the environment; what a tensor's input goes through |
//! | `device` | registry, devices, buffer type |
//! | `buffer`, `memory`, `matrix` | buffers; weights that are packed when they arrive |
//! | `product` | which products are taken |
//! | `batch` | products of one input, as one thread of several computes them |
//! | `backend`, `compute`, `threads` | graphs of the device's own backend |
//! | `others` | operations that are given unasked |
//! | `inject` | the way into the CPU backend |
//! | `undecoded` | tensors that turn out not to be ternary |
//! | `guard` | the instance; no panic leaves |

#![cfg(unix)]

mod abi;
mod backend;
mod batch;
mod buffer;
mod compute;
mod device;
mod guard;
mod host;
mod host_cpu;
mod inject;
mod matrix;
mod memory;
mod others;
mod product;
mod rules;
mod settings;
mod threads;
mod undecoded;

use core::ffi::{c_int, c_void};
use core::ptr;

/// The entry point that `ggml_backend_load` calls: the registry, for the API of the ggml that is loaded; null, and a line on
/// standard error, if there is none that is known or a variable is not understood.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_init() -> *mut c_void {
    guard::guarded(ptr::null_mut(), || match guard::init(device::make) {
        Ok(instance) => instance.registry.cast(),
        Err(problem) => {
            guard::report(problem);
            ptr::null_mut()
        }
    })
}

/// How good it is on this system: 0 would be not at all.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_score() -> c_int {
    1
}

#[cfg(test)]
mod tests;
