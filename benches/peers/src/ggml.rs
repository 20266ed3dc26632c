//! llama.cpp, called as it calls itself: a graph of one `mul_mat` on its CPU backend, with the weights in the buffer type
//! that its model loader would choose (for Q4_0 a repacked one), and a thread pool that lives as long as the backend.

use core::ffi::{c_char, c_void};
use core::{mem, ptr};
use std::ffi::CStr;

use cpu_time::ThreadTime;
use llama_cpp_sys_2 as sys;

use crate::measure::{Contestant, Seconds, Work};
use crate::problem::{Problem, WORKING_SET};

/// Name, number, and relative error. Activations become int8 in blocks (0.4 %). TQ2_0 and TQ1_0 hold ternary weights
/// exactly; Q4_0 makes those of one sign an eighth too small, because its grid is −8..=7 (9 %).
pub const FORMATS: [(&str, sys::ggml_type, f64); 3] = [
    ("TQ2_0", sys::GGML_TYPE_TQ2_0, 0.005),
    ("TQ1_0", sys::GGML_TYPE_TQ1_0, 0.005),
    ("Q4_0", sys::GGML_TYPE_Q4_0, 0.1),
];

/// Tensors, graphs, and the memory of the tensors' data.
pub struct Context {
    /// The tensors and graphs.
    pub context: *mut sys::ggml_context,
    buffer: sys::ggml_backend_buffer_t,
}

impl Context {
    /// With room for so many tensors, and one graph.
    pub fn new(tensors: usize) -> Context {
        // SAFETY: plain calls.
        let context = unsafe {
            let mem_size = tensors * sys::ggml_tensor_overhead() + sys::ggml_graph_overhead();
            sys::ggml_init(sys::ggml_init_params { mem_size, mem_buffer: ptr::null_mut(), no_alloc: true })
        };
        assert!(!context.is_null(), "memory for tensors");
        Context { context, buffer: ptr::null_mut() }
    }

    /// Room for a matrix.
    pub fn matrix(&self, id: sys::ggml_type, outputs: usize, inputs: usize) -> *mut sys::ggml_tensor {
        // SAFETY: the context is alive, and aborts if it is full.
        unsafe { sys::ggml_new_tensor_2d(self.context, id, inputs as i64, outputs as i64) }
    }

    /// Memory for all matrices.
    pub fn allocate(&mut self, buffer_type: sys::ggml_backend_buffer_type_t) {
        // SAFETY: both are alive; each context is allocated once.
        self.buffer = unsafe { sys::ggml_backend_alloc_ctx_tensors_from_buft(self.context, buffer_type) };
        assert!(!self.buffer.is_null(), "memory for matrices");
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: dropped once, by the owner of all pointers into it; a null buffer is allowed.
        unsafe {
            sys::ggml_backend_buffer_free(self.buffer);
            sys::ggml_free(self.context);
        }
    }
}

/// Takes llama.cpp's log: a line for every matrix that it repacks.
unsafe extern "C" fn ignore(_: sys::ggml_log_level, _: *const c_char, _: *mut c_void) {}

/// llama.cpp's CPU backend on one thread, for the rest of the program.
///
/// # Errors
/// If it was compiled for a lesser CPU than this one: the comparison would be unfair.
pub fn start() -> Result<sys::ggml_backend_t, String> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: plain calls.
    for (feature, built, present) in unsafe {
        [
            ("AVX2", sys::ggml_cpu_has_avx2(), is_x86_feature_detected!("avx2")),
            ("AVX-512", sys::ggml_cpu_has_avx512(), is_x86_feature_detected!("avx512f")),
            ("VNNI", sys::ggml_cpu_has_avx512_vnni(), is_x86_feature_detected!("avx512vnni")),
        ]
    } {
        if present && built == 0 {
            return Err(format!("llama.cpp was built without {feature}: build as README.md says"));
        }
    }
    // SAFETY: plain calls; the pool is never freed.
    unsafe {
        sys::ggml_log_set(Some(ignore), ptr::null_mut());
        let backend = sys::ggml_backend_cpu_init();
        let pool = sys::ggml_threadpool_new(&mut sys::ggml_threadpool_params_default(1));
        assert!(!backend.is_null() && !pool.is_null(), "llama.cpp starts");
        sys::ggml_backend_cpu_set_n_threads(backend, 1);
        sys::ggml_backend_cpu_set_threadpool(backend, pool);
        Ok(backend)
    }
}

/// The first of llama.cpp's types of buffer that takes such weights for a `mul_mat`: asked of an empty buffer, in the
/// order of its model loader. Without that for AMX, whose `mul_mat` of several tokens of Q4_0 ends the program by a
/// segmentation fault in this version (ggml 0.26.0).
fn buffer_type(
    backend: sys::ggml_backend_t,
    id: sys::ggml_type,
    problem: &Problem,
) -> sys::ggml_backend_buffer_type_t {
    let context = Context::new(3);
    let weights = context.matrix(id, problem.outputs, problem.inputs);
    let x = context.matrix(sys::GGML_TYPE_F32, 512, problem.inputs);
    // SAFETY: the function looked up has this type by ggml-backend.h, and a null ends its list; the tensors live to the
    // end, and the weights' buffer is unset before it is freed.
    unsafe {
        let product = sys::ggml_mul_mat(context.context, weights, x);
        let device = sys::ggml_backend_get_device(backend);
        let registry = sys::ggml_backend_dev_backend_reg(device);
        let extra = c"ggml_backend_dev_get_extra_bufts".as_ptr();
        let extra = sys::ggml_backend_reg_get_proc_address(registry, extra);
        let extra: sys::ggml_backend_dev_get_extra_bufts_t = mem::transmute(extra);
        let mut types = extra.expect("the CPU backend lists its extra types")(device);
        while !(*types).is_null() {
            let buffer = sys::ggml_backend_buft_alloc_buffer(*types, 0);
            (*weights).buffer = buffer;
            let supported = sys::ggml_backend_dev_supports_op(device, product);
            (*weights).buffer = ptr::null_mut();
            sys::ggml_backend_buffer_free(buffer);
            if supported && CStr::from_ptr(sys::ggml_backend_buft_name(*types)) != c"AMX" {
                return *types;
            }
            types = types.add(1);
        }
        sys::ggml_backend_cpu_buffer_type()
    }
}

/// One format's weights, and the graph of a product.
struct Peer<'a> {
    backend: sys::ggml_backend_t,
    problem: &'a Problem,
    copies: Vec<*mut sys::ggml_tensor>,
    y: *mut sys::ggml_tensor,
    graph: *mut sys::ggml_cgraph,
    // What the pointers point into.
    _weights: Context,
    _activations: Context,
}

/// Packs the weights in one of [`FORMATS`]. Also returns the name of the type of buffer that holds them.
pub fn contestant<'a>(
    backend: sys::ggml_backend_t,
    (name, id, tolerance): (&str, sys::ggml_type, f64),
    problem: &'a Problem,
) -> (Contestant<'a>, String) {
    let Problem { outputs, inputs, .. } = *problem;
    // SAFETY: a plain call.
    let row_bytes = unsafe { sys::ggml_row_size(id, inputs as i64) };
    let mut packed = vec![0_u8; outputs * row_bytes];
    for (n, bytes) in packed.chunks_exact_mut(row_bytes).enumerate() {
        let (row, to) = (problem.row(n), bytes.as_mut_ptr().cast());
        // SAFETY: one row of floats, and the bytes of one row.
        unsafe { sys::ggml_quantize_chunk(id, row.as_ptr(), to, 0, 1, inputs as i64, ptr::null()) };
    }
    let count = WORKING_SET.div_ceil(packed.len());
    let mut weights = Context::new(count);
    let copies: Vec<_> = (0..count).map(|_| weights.matrix(id, outputs, inputs)).collect();
    let buffer_type = buffer_type(backend, id, problem);
    weights.allocate(buffer_type);
    for &copy in &copies {
        // SAFETY: an allocated tensor of as many bytes.
        unsafe { sys::ggml_backend_tensor_set(copy, packed.as_ptr().cast(), 0, packed.len()) };
    }
    // SAFETY: the name is static.
    let buffer_type = unsafe { CStr::from_ptr(sys::ggml_backend_buft_name(buffer_type)) };
    let (y, graph, _activations) = graph(problem, copies[0], 1);
    let peer = Peer { backend, problem, copies, y, graph, _weights: weights, _activations };
    let contestant = Contestant { name: name.to_owned(), tolerance, copies: count, work: Box::new(peer) };
    (contestant, format!("{name} in {}", buffer_type.to_string_lossy()))
}

/// The graph of one `mul_mat`, and its output.
fn graph(
    problem: &Problem,
    weights: *mut sys::ggml_tensor,
    tokens: usize,
) -> (*mut sys::ggml_tensor, *mut sys::ggml_cgraph, Context) {
    let mut context = Context::new(2);
    let input = context.matrix(sys::GGML_TYPE_F32, tokens, problem.inputs);
    let x = &problem.x[..tokens * problem.inputs];
    // SAFETY: the context has room for these; `input` has the bytes of `x`.
    unsafe {
        let y = sys::ggml_mul_mat(context.context, weights, input);
        let graph = sys::ggml_new_graph(context.context);
        sys::ggml_build_forward_expand(graph, y);
        context.allocate(sys::ggml_backend_cpu_buffer_type());
        sys::ggml_backend_tensor_set(input, x.as_ptr().cast(), 0, size_of_val(x));
        (y, graph, context)
    }
}

impl Work for Peer<'_> {
    fn set_rows(&mut self, rows: usize) {
        (self.y, self.graph, self._activations) = graph(self.problem, self.copies[0], rows);
    }

    fn call(&mut self, copy: usize) -> Seconds {
        // SAFETY: all tensors are alive and allocated; the copies differ in their data alone.
        let (status, seconds) = unsafe {
            (*self.y).src[0] = self.copies[copy];
            let start = ThreadTime::now();
            let status = sys::ggml_backend_graph_compute(self.backend, self.graph);
            (status, start.elapsed().as_secs_f64())
        };
        assert_eq!(status, sys::GGML_STATUS_SUCCESS);
        [seconds; 2]
    }

    fn outputs(&mut self) -> Vec<f32> {
        let mut last = vec![0.0_f32; self.problem.outputs];
        let bytes = size_of_val(&last[..]);
        // SAFETY: the output is `[tokens, outputs]` in floats.
        unsafe {
            let start = sys::ggml_nbytes(self.y) - bytes;
            sys::ggml_backend_tensor_get(self.y, last.as_mut_ptr().cast(), start, bytes);
        }
        last
    }
}
