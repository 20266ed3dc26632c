//! The structs and numbers of ggml's backend interface, declared by hand: `ggml-backend-impl.h` is not installed anywhere.
//! `layouts/` holds what compilers say of them, and `tests.rs` compares.
//!
//! API 2 and 3 differ in the buffer type alone, into which 3 inserts two functions.

use core::ffi::{c_char, c_int, c_void};

/// `enum ggml_type`, as far as it is needed. GGUF files hold these numbers.
pub(crate) mod types {
    pub(crate) const F32: i32 = 0;
    pub(crate) const TQ1_0: i32 = 34;
    pub(crate) const TQ2_0: i32 = 35;
    pub(crate) const Q2_0: i32 = 42;
}

/// `enum ggml_op`, as far as it is needed. The numbers move when an operation is added, so the host is asked for their
/// names before they are used.
pub(crate) mod ops {
    pub(crate) const NONE: i32 = 0;
    pub(crate) const MUL_MAT: i32 = 29;
    pub(crate) const RESHAPE: i32 = 36;
    pub(crate) const VIEW: i32 = 37;
    pub(crate) const PERMUTE: i32 = 38;
    pub(crate) const TRANSPOSE: i32 = 39;

    pub(crate) const NAMES: [(i32, &core::ffi::CStr); 6] = [
        (NONE, c"NONE"),
        (MUL_MAT, c"MUL_MAT"),
        (RESHAPE, c"RESHAPE"),
        (VIEW, c"VIEW"),
        (PERMUTE, c"PERMUTE"),
        (TRANSPOSE, c"TRANSPOSE"),
    ];
}

pub(crate) const STATUS_FAILED: c_int = -1;
pub(crate) const STATUS_SUCCESS: c_int = 0;
pub(crate) const DEVICE_TYPE_CPU: c_int = 0;
pub(crate) const DEVICE_TYPE_ACCEL: c_int = 3;
pub(crate) const TENSOR_FLAG_COMPUTE: i32 = 16;
/// Bytes of `ggml_tensor_overhead()`: a tensor and the object before it.
pub(crate) const TENSOR_OVERHEAD: usize = size_of::<Tensor>() + 32;

/// A function that is left out.
pub(crate) type Absent = Option<unsafe extern "C" fn()>;

/// `struct ggml_tensor`.
#[repr(C)]
pub(crate) struct Tensor {
    pub(crate) kind: c_int,
    pub(crate) buffer: *mut Buffer,
    pub(crate) ne: [i64; 4],
    pub(crate) nb: [usize; 4],
    pub(crate) op: c_int,
    pub(crate) op_params: [i32; 16],
    pub(crate) flags: i32,
    pub(crate) src: [*mut Tensor; 10],
    pub(crate) view_src: *mut Tensor,
    pub(crate) view_offs: usize,
    pub(crate) data: *mut c_void,
    pub(crate) name: [c_char; 64],
    pub(crate) extra: *mut c_void,
    pub(crate) padding: [c_char; 8],
}

/// `struct ggml_backend_buffer_type_i` of API 2.
#[repr(C)]
pub(crate) struct BufferTypeFunctions2 {
    pub(crate) get_name: unsafe extern "C" fn(*mut c_void) -> *const c_char,
    pub(crate) alloc_buffer: unsafe extern "C" fn(*mut c_void, usize) -> *mut Buffer,
    pub(crate) get_alignment: unsafe extern "C" fn(*mut c_void) -> usize,
    pub(crate) get_max_size: Absent,
    pub(crate) get_alloc_size: Absent,
    pub(crate) is_host: unsafe extern "C" fn(*mut c_void) -> bool,
}

/// `struct ggml_backend_buffer_type_i` of API 3.
#[repr(C)]
pub(crate) struct BufferTypeFunctions3 {
    pub(crate) get_name: unsafe extern "C" fn(*mut c_void) -> *const c_char,
    pub(crate) alloc_buffer: unsafe extern "C" fn(*mut c_void, usize) -> *mut Buffer,
    pub(crate) alloc_buffer_n: Absent,
    pub(crate) get_alignment: unsafe extern "C" fn(*mut c_void) -> usize,
    pub(crate) get_max_size: Absent,
    pub(crate) get_alloc_size: Absent,
    pub(crate) get_alloc_size_n: Absent,
    pub(crate) is_host: unsafe extern "C" fn(*mut c_void) -> bool,
}

/// `struct ggml_backend_buffer_type`, of either API.
#[repr(C)]
pub(crate) struct BufferType<F> {
    pub(crate) functions: F,
    pub(crate) device: *mut Device,
    pub(crate) context: *mut c_void,
}

/// `struct ggml_backend_buffer_i`.
#[repr(C)]
pub(crate) struct BufferFunctions {
    pub(crate) free_buffer: unsafe extern "C" fn(*mut Buffer),
    pub(crate) get_base: unsafe extern "C" fn(*mut Buffer) -> *mut c_void,
    pub(crate) init_tensor: Absent,
    pub(crate) memset_tensor: unsafe extern "C" fn(*mut Buffer, *mut Tensor, u8, usize, usize),
    pub(crate) set_tensor: unsafe extern "C" fn(*mut Buffer, *mut Tensor, *const c_void, usize, usize),
    pub(crate) get_tensor: unsafe extern "C" fn(*mut Buffer, *const Tensor, *mut c_void, usize, usize),
    pub(crate) set_tensor_2d: Absent,
    pub(crate) get_tensor_2d: Absent,
    pub(crate) cpy_tensor: Absent,
    pub(crate) clear: unsafe extern "C" fn(*mut Buffer, u8),
    pub(crate) reset: Absent,
}

/// `struct ggml_backend_buffer`.
#[repr(C)]
pub(crate) struct Buffer {
    pub(crate) functions: BufferFunctions,
    pub(crate) buffer_type: *mut c_void,
    pub(crate) context: *mut c_void,
    pub(crate) size: usize,
    pub(crate) usage: c_int,
}

/// `struct ggml_backend_i`.
#[repr(C)]
pub(crate) struct BackendFunctions {
    pub(crate) get_name: unsafe extern "C" fn(*mut Backend) -> *const c_char,
    pub(crate) free: unsafe extern "C" fn(*mut Backend),
    /// Asynchronous copies and `synchronize`.
    pub(crate) asynchronous: [Absent; 6],
    /// Create, free, update, compute.
    pub(crate) graph_plan: [Absent; 4],
    pub(crate) graph_compute: unsafe extern "C" fn(*mut Backend, *mut Graph) -> c_int,
    pub(crate) event_record: Absent,
    pub(crate) event_wait: Absent,
    /// Its signature changed within API 2: never set.
    pub(crate) graph_optimize: Absent,
}

/// `struct ggml_backend`.
#[repr(C)]
pub(crate) struct Backend {
    pub(crate) guid: *const [u8; 16],
    pub(crate) functions: BackendFunctions,
    pub(crate) device: *mut Device,
    pub(crate) context: *mut c_void,
}

/// `struct ggml_backend_dev_caps`.
#[repr(C)]
pub(crate) struct Capabilities {
    pub(crate) asynchronous: bool,
    pub(crate) host_buffer: bool,
    pub(crate) buffer_from_host_ptr: bool,
    pub(crate) events: bool,
    pub(crate) mmap_support: bool,
}

/// `struct ggml_backend_dev_props`.
#[repr(C)]
pub(crate) struct Properties {
    pub(crate) name: *const c_char,
    pub(crate) description: *const c_char,
    pub(crate) memory_free: usize,
    pub(crate) memory_total: usize,
    pub(crate) device_type: c_int,
    pub(crate) device_id: *const c_char,
    pub(crate) capabilities: Capabilities,
}

/// `struct ggml_backend_device_i`.
#[repr(C)]
pub(crate) struct DeviceFunctions {
    pub(crate) get_name: unsafe extern "C" fn(*mut Device) -> *const c_char,
    pub(crate) get_description: unsafe extern "C" fn(*mut Device) -> *const c_char,
    pub(crate) get_memory: unsafe extern "C" fn(*mut Device, *mut usize, *mut usize),
    pub(crate) get_type: unsafe extern "C" fn(*mut Device) -> c_int,
    pub(crate) get_props: unsafe extern "C" fn(*mut Device, *mut Properties),
    pub(crate) init_backend: unsafe extern "C" fn(*mut Device, *const c_char) -> *mut Backend,
    pub(crate) get_buffer_type: unsafe extern "C" fn(*mut Device) -> *mut c_void,
    pub(crate) get_host_buffer_type: Absent,
    pub(crate) buffer_from_host_ptr: Absent,
    pub(crate) supports_op: unsafe extern "C" fn(*mut Device, *const Tensor) -> bool,
    pub(crate) supports_buft: unsafe extern "C" fn(*mut Device, *mut c_void) -> bool,
    pub(crate) offload_op: Absent,
    /// New, free, synchronize.
    pub(crate) event: [Absent; 3],
}

/// `struct ggml_backend_device`.
#[repr(C)]
pub(crate) struct Device {
    pub(crate) functions: DeviceFunctions,
    pub(crate) registry: *mut Registry,
    pub(crate) context: *mut c_void,
}

/// `struct ggml_backend_reg`, with `struct ggml_backend_reg_i` in its middle.
#[repr(C)]
pub(crate) struct Registry {
    pub(crate) api_version: c_int,
    pub(crate) get_name: unsafe extern "C" fn(*mut Registry) -> *const c_char,
    pub(crate) get_device_count: unsafe extern "C" fn(*mut Registry) -> usize,
    pub(crate) get_device: unsafe extern "C" fn(*mut Registry, usize) -> *mut Device,
    pub(crate) get_proc_address: unsafe extern "C" fn(*mut Registry, *const c_char) -> *mut c_void,
    pub(crate) context: *mut c_void,
}

/// `struct ggml_cgraph`, which only the host's functions look into.
#[repr(C)]
pub(crate) struct Graph {
    opaque: [u8; 0],
}
