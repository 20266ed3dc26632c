//! The host: a real ggml, opened for this program alone, and what the tests call of it.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::abi::{Backend, Buffer, Device, Graph, Registry, Tensor};

/// `struct ggml_init_params`.
#[repr(C)]
pub(crate) struct InitParams {
    pub(crate) mem_size: usize,
    pub(crate) mem_buffer: *mut c_void,
    pub(crate) no_alloc: bool,
}

macro_rules! functions {
    ($( $name:ident: fn($($argument:ty),*) $(-> $result:ty)?; )+) => {
        pub(crate) struct Ggml {
            $( pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?, )+
            folder: PathBuf,
        }

        impl Ggml {
            /// Opens the libraries of the folder that `HBITLINEAR_GGML_LIBS` names.
            pub(crate) fn open() -> Ggml {
                let folder = env::var_os("HBITLINEAR_GGML_LIBS").expect(
                    "HBITLINEAR_GGML_LIBS must name a folder with libggml-base and libggml: see ffi/ggml/README.md",
                );
                let folder = PathBuf::from(folder);
                let library = find(&folder, &["libggml.so", "libggml.v"]);
                let path = CString::new(library.to_str().expect("a path of UTF-8")).expect("no NUL");
                // For this program alone: the backend must find it nevertheless.
                let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
                assert!(!handle.is_null(), "{}", unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy());
                Ggml {
                    $( $name: unsafe {
                        let name = concat!(stringify!($name), "\0");
                        let found = libc::dlsym(handle, name.as_ptr().cast());
                        assert!(!found.is_null(), "no {name}");
                        core::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(found)
                    }, )+
                    folder,
                }
            }
        }
    };
}

functions! {
    ggml_init: fn(InitParams) -> *mut c_void;
    ggml_free: fn(*mut c_void);
    ggml_new_tensor_4d: fn(*mut c_void, c_int, i64, i64, i64, i64) -> *mut Tensor;
    ggml_view_4d: fn(*mut c_void, *mut Tensor, i64, i64, i64, i64, usize, usize, usize, usize) -> *mut Tensor;
    ggml_set_name: fn(*mut Tensor, *const c_char) -> *mut Tensor;
    ggml_mul_mat: fn(*mut c_void, *mut Tensor, *mut Tensor) -> *mut Tensor;
    ggml_add: fn(*mut c_void, *mut Tensor, *mut Tensor) -> *mut Tensor;
    ggml_new_graph: fn(*mut c_void) -> *mut Graph;
    ggml_build_forward_expand: fn(*mut Graph, *mut Tensor);
    ggml_backend_load: fn(*const c_char) -> *mut Registry;
    ggml_backend_unload: fn(*mut Registry);
    ggml_backend_reg_dev_get: fn(*mut Registry, usize) -> *mut Device;
    ggml_backend_reg_get_proc_address: fn(*mut Registry, *const c_char) -> *mut c_void;
    ggml_backend_dev_init: fn(*mut Device, *const c_char) -> *mut Backend;
    ggml_backend_dev_buffer_type: fn(*mut Device) -> *mut c_void;
    ggml_backend_dev_supports_op: fn(*mut Device, *const Tensor) -> bool;
    ggml_backend_cpu_buffer_type: fn() -> *mut c_void;
    ggml_backend_alloc_ctx_tensors_from_buft: fn(*mut c_void, *mut c_void) -> *mut Buffer;
    ggml_backend_buft_alloc_buffer: fn(*mut c_void, usize) -> *mut Buffer;
    ggml_backend_buffer_free: fn(*mut Buffer);
    ggml_backend_tensor_set: fn(*mut Tensor, *const c_void, usize, usize);
    ggml_backend_tensor_get: fn(*const Tensor, *mut c_void, usize, usize);
    ggml_backend_graph_compute: fn(*mut Backend, *mut Graph) -> c_int;
    ggml_backend_free: fn(*mut Backend);
}

/// The file in a folder whose name starts with one of these.
fn find(folder: &Path, starts: &[&str]) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| starts.iter().any(|s| name.to_string_lossy().starts_with(s)))
        })
        .collect();
    files.sort();
    files.into_iter().next().unwrap_or_else(|| panic!("no {starts:?} in {}", folder.display()))
}

/// The object under test, which cargo puts beside this program.
fn object() -> PathBuf {
    let program = env::current_exe().expect("a path");
    program.with_file_name("libggml_hbitlinear.so")
}

impl Ggml {
    pub(crate) fn load(&self, path: &Path) -> *mut Registry {
        let path = CString::new(path.to_str().expect("a path of UTF-8")).expect("no NUL");
        unsafe { (self.ggml_backend_load)(path.as_ptr()) }
    }

    /// Loads the object under test; null if it refuses.
    pub(crate) fn load_ours(&self) -> *mut Registry {
        let object = object();
        assert!(object.exists(), "{} is not built", object.display());
        self.load(&object)
    }

    /// The CPU backend that every x86-64 CPU with AVX2 runs, or the only one of the build.
    pub(crate) fn load_cpu(&self) -> *mut Registry {
        self.load(&find(&self.folder, &["libggml-cpu-haswell.so", "libggml-cpu.so"]))
    }

    /// A context for descriptions of tensors.
    pub(crate) fn context(&self) -> *mut c_void {
        let context = unsafe {
            (self.ggml_init)(InitParams {
                mem_size: 1 << 20,
                mem_buffer: core::ptr::null_mut(),
                no_alloc: true,
            })
        };
        assert!(!context.is_null());
        context
    }

    /// How the host tells a backend its number of threads.
    pub(crate) fn set_threads(&self, registry: *mut Registry, backend: *mut Backend, threads: c_int) {
        unsafe {
            let found =
                (self.ggml_backend_reg_get_proc_address)(registry, c"ggml_backend_set_n_threads".as_ptr());
            assert!(!found.is_null());
            core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut Backend, c_int)>(found)(
                backend, threads,
            );
        }
    }
}
