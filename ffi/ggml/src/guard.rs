//! The one instance in this process, and the wall between panics and C.

use core::ffi::c_void;
use core::panic::AssertUnwindSafe;
use std::ffi::CString;
use std::panic::catch_unwind;
use std::sync::OnceLock;

use crate::abi::{Device, Registry};
use crate::host::Host;
use crate::host_cpu::Pool;
use crate::settings::Settings;

/// Everything that lives from `ggml_backend_init` to the end of the process.
pub(crate) struct Instance {
    pub(crate) host: Host,
    pub(crate) settings: Settings,
    pub(crate) description: CString,
    pub(crate) registry: *mut Registry,
    /// The device that the host sees.
    pub(crate) device: *mut Device,
    /// The device of its backends.
    pub(crate) backend_device: *mut Device,
    pub(crate) buffer_type: *mut c_void,
    /// The host's, if the way is to inject.
    pub(crate) pool: Option<Pool>,
}

// SAFETY: the pointers are to structs that nobody changes once they are made.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

static INSTANCE: OnceLock<Result<Instance, String>> = OnceLock::new();

/// The instance, made at the first call.
pub(crate) fn init(
    make: impl FnOnce() -> Result<Instance, String>,
) -> Result<&'static Instance, &'static str> {
    INSTANCE.get_or_init(make).as_ref().map_err(String::as_str)
}

/// The instance: whoever calls a function of ours got it from `ggml_backend_init`.
pub(crate) fn instance() -> &'static Instance {
    INSTANCE.get().and_then(|made| made.as_ref().ok()).expect("the host has called ggml_backend_init")
}

/// What `work` gives, or `otherwise` if it panics: nothing unwinds into C.
pub(crate) fn guarded<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// A line for the log.
pub(crate) fn report(message: &str) {
    eprintln!("ggml-hbitlinear: {message}");
}
