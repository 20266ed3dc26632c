//! A backend: what a context of the host's computes with.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

use crate::abi::{Backend, BackendFunctions, Device, Graph, Registry, STATUS_FAILED, STATUS_SUCCESS};
use crate::compute::Engine;
use crate::guard::{guarded, instance, report};

static GUID: [u8; 16] = *b"hbitlinear-ggml\0";

struct Context {
    threads: AtomicUsize,
    engine: Mutex<Engine>,
}

pub(crate) unsafe extern "C" fn init_backend(_: *mut Device, _: *const c_char) -> *mut Backend {
    guarded(ptr::null_mut(), || {
        let threads = AtomicUsize::new(thread::available_parallelism().map_or(1, usize::from));
        let context = Context { threads, engine: Mutex::new(Engine::new()) };
        let functions = BackendFunctions {
            get_name,
            free,
            asynchronous: [None; 6],
            graph_plan: [None; 4],
            graph_compute,
            event_record: None,
            event_wait: None,
            graph_optimize: None,
        };
        let context = Box::into_raw(Box::new(context)).cast();
        let device = instance().backend_device;
        Box::into_raw(Box::new(Backend { guid: &raw const GUID, functions, device, context }))
    })
}

unsafe extern "C" fn get_name(_: *mut Backend) -> *const c_char {
    c"hbitlinear".as_ptr()
}

unsafe extern "C" fn free(backend: *mut Backend) {
    guarded((), || {
        // SAFETY: made by `init_backend`, freed once.
        let backend = unsafe { Box::from_raw(backend) };
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(backend.context.cast::<Context>()) });
    });
}

unsafe extern "C" fn graph_compute(backend: *mut Backend, graph: *mut Graph) -> c_int {
    guarded(STATUS_FAILED, || {
        // SAFETY: made by `init_backend`, not freed yet.
        let context = unsafe { &*(*backend).context.cast::<Context>() };
        let mut engine = context.engine.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let threads = context.threads.load(Ordering::Relaxed);
        // SAFETY: the host's graph.
        match unsafe { engine.compute(graph, threads) } {
            Ok(()) => STATUS_SUCCESS,
            Err(problem) => {
                report(&problem);
                STATUS_FAILED
            }
        }
    })
}

unsafe extern "C" fn set_n_threads(backend: *mut Backend, threads: c_int) {
    // SAFETY: a backend of ours.
    let context = unsafe { &*(*backend).context.cast::<Context>() };
    context.threads.store(usize::try_from(threads).unwrap_or(1).max(1), Ordering::Relaxed);
}

/// What the host may ask a registry for by name.
pub(crate) unsafe extern "C" fn get_proc_address(_: *mut Registry, name: *const c_char) -> *mut c_void {
    // SAFETY: a string of the host's.
    if unsafe { CStr::from_ptr(name) } == c"ggml_backend_set_n_threads" {
        set_n_threads as *mut c_void
    } else {
        ptr::null_mut()
    }
}
