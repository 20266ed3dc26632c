//! The ggml that is loaded in this process: its functions, looked up by name, and which API it has.
//!
//! The object names no library that it needs: builds differ in the files' names, and a host may have loaded them for itself
//! alone (`RTLD_LOCAL`). So the symbols are looked for among the global ones and then in each loaded object in turn.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::ffi::CString;

use crate::abi::{Buffer, BufferFunctions, Graph, TENSOR_OVERHEAD, Tensor, ops};

macro_rules! functions {
    ($( $name:ident: unsafe extern "C" fn($($argument:ty),*) $(-> $result:ty)?; )+) => {
        /// The functions of the host that are called.
        pub(crate) struct Host {
            $( pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?, )+
            /// The backend API that it expects.
            pub(crate) api: Api,
        }

        impl Host {
            fn resolve(objects: &Objects, api: Api) -> Result<Host, String> {
                Ok(Host {
                    $( $name: {
                        let name = concat!(stringify!($name), "\0");
                        let name = CStr::from_bytes_with_nul(name.as_bytes()).map_err(|error| error.to_string())?;
                        let found = objects.symbol(name).ok_or(format!("this ggml has no {}", stringify!($name)))?;
                        // SAFETY: ggml's public headers declare it so, for all versions that the checks in `find` pass.
                        unsafe { core::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(found) }
                    }, )+
                    api,
                })
            }
        }
    };
}

functions! {
    ggml_backend_buffer_init: unsafe extern "C" fn(*mut c_void, BufferFunctions, *mut c_void, usize) -> *mut Buffer;
    ggml_backend_cpu_buffer_type: unsafe extern "C" fn() -> *mut c_void;
    ggml_backend_buft_is_host: unsafe extern "C" fn(*mut c_void) -> bool;
    ggml_graph_n_nodes: unsafe extern "C" fn(*mut Graph) -> c_int;
    ggml_graph_node: unsafe extern "C" fn(*mut Graph, c_int) -> *mut Tensor;
    ggml_op_name: unsafe extern "C" fn(c_int) -> *const c_char;
    ggml_tensor_overhead: unsafe extern "C" fn() -> usize;
    dequantize_row_tq1_0: unsafe extern "C" fn(*const c_void, *mut f32, i64);
    dequantize_row_tq2_0: unsafe extern "C" fn(*const c_void, *mut f32, i64);
    dequantize_row_q2_0: unsafe extern "C" fn(*const c_void, *mut f32, i64);
}

/// `GGML_BACKEND_API_VERSION`: the loader demands that it be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Two = 2,
    Three = 3,
}

impl Host {
    /// Finds ggml, and refuses one whose structs are others than these.
    pub(crate) fn find() -> Result<Host, String> {
        let objects =
            Objects::with(c"ggml_backend_buffer_init").ok_or("no ggml is loaded in this process")?;
        // The function came with the field of `ggml_backend_buffer_i`, within API 2.
        if objects.symbol(c"ggml_backend_tensor_set_2d").is_none() {
            return Err("this ggml is older than those that the backend knows".into());
        }
        // The function came with API 3 and the field of `ggml_backend_buffer_type_i` that it calls.
        let three = objects.symbol(c"ggml_backend_buft_alloc_buffer_n").is_some();
        let host = Host::resolve(&objects, if three { Api::Three } else { Api::Two })?;
        // SAFETY: takes nothing.
        let overhead = unsafe { (host.ggml_tensor_overhead)() };
        if overhead != TENSOR_OVERHEAD {
            return Err(format!("this ggml has tensors of {overhead} bytes, not {TENSOR_OVERHEAD}"));
        }
        for (number, name) in ops::NAMES {
            // SAFETY: the numbers are far below the number of operations; the result is a static string.
            if unsafe { CStr::from_ptr((host.ggml_op_name)(number)) } != name {
                return Err(format!("this ggml's operation {number} is not {name:?}"));
            }
        }
        Ok(host)
    }
}

/// Where symbols are looked for: a loaded object and what it needs, or the global ones.
pub(crate) struct Objects(*mut c_void);

impl Objects {
    /// The first that has a symbol.
    pub(crate) fn with(symbol: &CStr) -> Option<Objects> {
        let everything = Objects(libc::RTLD_DEFAULT);
        if everything.symbol(symbol).is_some() {
            return Some(everything);
        }
        Self::named("").into_iter().find(|object| object.symbol(symbol).is_some())
    }

    /// The loaded objects whose path has such a part.
    pub(crate) fn named(part: &str) -> Vec<Objects> {
        let mut paths: Vec<CString> = Vec::new();
        // SAFETY: the callback gets `paths`, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut paths).cast()) };
        let wanted = paths.iter().filter(|path| !path.is_empty() && path.to_string_lossy().contains(part));
        let open = |path: &CString| {
            // SAFETY: a path that ends with NUL; nothing is loaded that is not.
            unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY) }
        };
        wanted.map(open).filter(|handle| !handle.is_null()).map(Objects).collect()
    }

    pub(crate) fn symbol(&self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: an open handle and a name that ends with NUL.
        let found = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        if self.0 != libc::RTLD_DEFAULT {
            // SAFETY: opened in `named`; the object stays loaded, as it was before.
            unsafe { libc::dlclose(self.0) };
        }
    }
}

unsafe extern "C" fn collect(info: *mut libc::dl_phdr_info, _: usize, paths: *mut c_void) -> c_int {
    // SAFETY: `named` passes its vector, and the loader a description with a name or null.
    unsafe {
        if !(*info).dlpi_name.is_null() {
            (*paths.cast::<Vec<CString>>()).push(CStr::from_ptr((*info).dlpi_name).to_owned());
        }
    }
    0
}
