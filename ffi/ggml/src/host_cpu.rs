//! What *inject* takes of the host's CPU backend: functions of its pool, and its list of extra buffer types. All of it is
//! private to ggml: see [`crate::inject`].

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;

use crate::abi::{DEVICE_TYPE_CPU, Device};
use crate::host::Objects;

/// `ggml_version()` of the releases whose sources, or whose symbols and layouts, were looked at.
const VERSIONS: [&CStr; 3] = [c"0.25.1", c"0.25.3", c"0.26.0"];

/// The host's pool.
pub(crate) struct Pool {
    pub(crate) barrier: unsafe extern "C" fn(*mut c_void),
    pub(crate) chunk_set: unsafe extern "C" fn(*mut c_void, c_int),
    pub(crate) chunk_add: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
}

/// A `std::vector` of pointers.
#[repr(C)]
struct Vector {
    start: *mut *mut c_void,
    end: *mut *mut c_void,
    capacity: *mut *mut c_void,
}

impl Pool {
    /// Finds everything, and refuses a version that was not looked at.
    pub(crate) fn find() -> Result<Pool, String> {
        let cpu = Objects::with(c"ggml_barrier")
            .ok_or("inject: this ggml's CPU backend is not loaded, or not shared")?;
        let symbol = |name: &'static CStr| cpu.symbol(name).ok_or(format!("inject: no symbol {name:?}"));
        // SAFETY: declared so in ggml's public header.
        let version = unsafe {
            let version = core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const c_char>(
                symbol(c"ggml_version")?,
            );
            CStr::from_ptr(version())
        };
        if !VERSIONS.contains(&version) {
            return Err(format!(
                "inject: ggml {version:?} is none of {VERSIONS:?}; the other ways need no version"
            ));
        }
        // SAFETY: declared so in these versions.
        unsafe {
            Ok(Pool {
                barrier: core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(symbol(
                    c"ggml_barrier",
                )?),
                chunk_set: core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, c_int)>(
                    symbol(c"ggml_threadpool_chunk_set")?,
                ),
                chunk_add: core::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
                >(symbol(c"ggml_threadpool_chunk_add")?),
            })
        }
    }
}

/// The device of the CPU backend.
pub(crate) fn cpu_device() -> Result<*mut Device, String> {
    let registry = Objects::with(c"ggml_backend_dev_by_type").ok_or("inject: no registry of backends")?;
    let by_type = registry.symbol(c"ggml_backend_dev_by_type").ok_or("inject: no registry of backends")?;
    // SAFETY: declared so in ggml's public header.
    let device = unsafe {
        core::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int) -> *mut Device>(by_type)(
            DEVICE_TYPE_CPU,
        )
    };
    if device.is_null() { Err("inject: the CPU backend is not loaded yet".into()) } else { Ok(device) }
}

/// Appends a buffer type to the CPU backend's list, and keeps this object, of which `ours` is an address, loaded for ever, as the
/// list does not forget.
pub(crate) fn append(buffer_type: *mut c_void, ours: *const c_void) -> Result<(), String> {
    let cpu = Objects::with(c"ggml_barrier").ok_or("inject: no CPU backend")?;
    let symbol = |name: &'static CStr| cpu.symbol(name).ok_or(format!("inject: no symbol {name:?}"));
    let list = symbol(c"_Z39ggml_backend_cpu_get_extra_buffer_typesv")?;
    let (new, delete) = (symbol(c"_Znwm")?, symbol(c"_ZdlPv")?);
    // SAFETY: the function gives a reference to a static vector; `operator new` and `delete` are those of the C++ runtime
    // that it is linked to, so that either side may free. Backends are loaded before threads compute.
    unsafe {
        let list = core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut Vector>(list)();
        let new = core::mem::transmute::<*mut c_void, unsafe extern "C" fn(usize) -> *mut c_void>(new);
        let delete = core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(delete);
        let old = &mut *list;
        let len = old.end.offset_from(old.start) as usize;
        let start = new((len + 1) * size_of::<*mut c_void>()).cast::<*mut c_void>();
        ptr::copy_nonoverlapping(old.start, start, len);
        start.add(len).write(buffer_type);
        if !old.start.is_null() {
            delete(old.start.cast());
        }
        *old = Vector { start, end: start.add(len + 1), capacity: start.add(len + 1) };
    }
    stay_loaded(ours)
}

fn stay_loaded(ours: *const c_void) -> Result<(), String> {
    // SAFETY: an address of ours, and a description to fill in.
    let path = unsafe {
        let mut info = core::mem::zeroed::<libc::Dl_info>();
        if libc::dladdr(ours, &raw mut info) == 0 {
            return Err("inject: the loader does not know this object".into());
        }
        info.dli_fname
    };
    // SAFETY: the loader's own name of this object.
    let handle = unsafe { libc::dlopen(path, libc::RTLD_NOLOAD | libc::RTLD_LAZY | libc::RTLD_NODELETE) };
    if handle.is_null() { Err("inject: the object cannot be kept loaded".into()) } else { Ok(()) }
}
