//! Operations that the host computes with this backend without asking whether it supports them, as `rpc-server` does: its CPU
//! backend computes them, in place, as everything is in the host's memory.

use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use std::sync::Mutex;

use crate::abi::{Backend, DEVICE_TYPE_CPU, Graph, STATUS_SUCCESS, Tensor};
use crate::host::Objects;
use crate::matrix::format_of;

/// `struct ggml_init_params`.
#[repr(C)]
struct InitParams {
    size: usize,
    buffer: *mut c_void,
    no_alloc: bool,
}

/// The host's functions for that, and a CPU backend.
pub(crate) struct Others {
    init: unsafe extern "C" fn(InitParams) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    new_graph: unsafe extern "C" fn(*mut c_void, usize, bool) -> *mut Graph,
    add_node: unsafe extern "C" fn(*mut Graph, *mut Tensor),
    overhead: unsafe extern "C" fn(usize, bool) -> usize,
    compute: unsafe extern "C" fn(*mut Backend, *mut Graph) -> c_int,
    free_backend: unsafe extern "C" fn(*mut Backend),
    backend: Mutex<Cpu>,
}

struct Cpu(*mut Backend);

// SAFETY: used by one thread at a time.
unsafe impl Send for Cpu {}

/// A function of the host's by its name.
macro_rules! function {
    ($objects:expr, $name:literal, $type:ty) => {{
        let found = $objects.symbol($name).ok_or_else(|| missing($name))?;
        // SAFETY: declared so in ggml's public headers.
        unsafe { core::mem::transmute::<*mut c_void, $type>(found) }
    }};
}

fn missing(name: &CStr) -> String {
    format!("this ggml has no {name:?}")
}

impl Others {
    pub(crate) fn new() -> Result<Others, String> {
        // The registry needs the library of the other functions.
        let name = c"ggml_backend_init_by_type";
        let objects = Objects::with(name).ok_or_else(|| missing(name))?;
        let init_by_type = function!(
            objects,
            c"ggml_backend_init_by_type",
            unsafe extern "C" fn(c_int, *const core::ffi::c_char) -> *mut Backend
        );
        // SAFETY: a type and no parameters.
        let backend = unsafe { init_by_type(DEVICE_TYPE_CPU, ptr::null()) };
        if backend.is_null() {
            return Err("there is no CPU backend for what this one does not compute".into());
        }
        Ok(Others {
            init: function!(objects, c"ggml_init", unsafe extern "C" fn(InitParams) -> *mut c_void),
            free: function!(objects, c"ggml_free", unsafe extern "C" fn(*mut c_void)),
            new_graph: function!(
                objects,
                c"ggml_new_graph_custom",
                unsafe extern "C" fn(*mut c_void, usize, bool) -> *mut Graph
            ),
            add_node: function!(
                objects,
                c"ggml_graph_add_node",
                unsafe extern "C" fn(*mut Graph, *mut Tensor)
            ),
            overhead: function!(
                objects,
                c"ggml_graph_overhead_custom",
                unsafe extern "C" fn(usize, bool) -> usize
            ),
            compute: function!(
                objects,
                c"ggml_backend_graph_compute",
                unsafe extern "C" fn(*mut Backend, *mut Graph) -> c_int
            ),
            free_backend: function!(objects, c"ggml_backend_free", unsafe extern "C" fn(*mut Backend)),
            backend: Mutex::new(Cpu(backend)),
        })
    }

    /// Computes nodes in their order.
    ///
    /// # Safety
    /// The host's nodes, allocated in its memory, which it leaves alone meanwhile.
    pub(crate) unsafe fn compute(&self, nodes: &[*mut Tensor]) -> Result<(), String> {
        for &node in nodes {
            // SAFETY: promised.
            unsafe { refuse_packed(&*node) }?;
        }
        let backend = self.backend.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // SAFETY: a context that is large enough for one graph of so many nodes, freed behind it.
        unsafe {
            let size = (self.overhead)(nodes.len(), false);
            let context = (self.init)(InitParams { size, buffer: ptr::null_mut(), no_alloc: true });
            if context.is_null() {
                return Err("no memory for a graph".into());
            }
            let graph = (self.new_graph)(context, nodes.len(), false);
            nodes.iter().for_each(|&node| (self.add_node)(graph, node));
            let status = (self.compute)(backend.0, graph);
            (self.free)(context);
            if status == STATUS_SUCCESS { Ok(()) } else { Err(format!("the CPU backend: status {status}")) }
        }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // SAFETY: made in `new`.
        unsafe {
            (self.free_backend)(self.backend.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).0)
        };
    }
}

/// The CPU backend would take packed weights for the file's bytes.
fn refuse_packed(node: &Tensor) -> Result<(), String> {
    let ternary = |&source: &*mut Tensor| {
        // SAFETY: sources are null or tensors.
        unsafe { source.as_ref() }.is_some_and(|source| format_of(source.kind).is_some())
    };
    let found = node.src.iter().any(ternary);
    if found { Err(format!("operation {} with ternary weights is not computed", node.op)) } else { Ok(()) }
}
