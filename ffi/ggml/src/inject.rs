//! The way *inject*: our buffer type put among the extra buffer types of the host's CPU backend, as its own repacked weights
//! are. No splits, no copies, the host's threads and its barrier.
//!
//! This is no interface: it reaches into private symbols and C++ objects of libggml-cpu, which any release may change. So it is
//! taken by a variable alone, for versions of ggml whose sources were read, and every symbol must be there.
//!
//! | private thing | what is assumed of it |
//! |---|---|
//! | `ggml_backend_cpu_get_extra_buffer_types()` | a reference to a `std::vector` of pointers, three words in libstdc++ and libc++ |
//! | `ggml::cpu::extra_buffer_type` | virtual: two destructors, `supports_op`, `get_tensor_traits` (Itanium ABI) |
//! | `ggml::cpu::tensor_traits` | virtual: two destructors, `work_size`, `compute_forward` |
//! | `ggml_compute_params` | thread, threads, size and start of the work buffer, pool |
//! | `ggml_barrier`, `ggml_threadpool_chunk_set`, `ggml_threadpool_chunk_add` | the pool's barrier and its queue |

use core::ffi::{c_int, c_void};
use core::ptr;

use crate::abi::{Device, Tensor};
use crate::batch::{Batch, Outcome, Part, Room};
use crate::guard::{guarded, instance, report};
use crate::product::{self, taken};

/// A line of cache, to which parts of the work buffer are aligned.
const LINE: usize = 64;

/// `struct ggml_compute_params`.
#[repr(C)]
struct ComputeParams {
    index: c_int,
    count: c_int,
    work_size: usize,
    work: *mut c_void,
    pool: *mut c_void,
    use_reference: bool,
}

/// The functions that a class has behind its destructors.
#[repr(C)]
struct Table<F> {
    offset_to_top: isize,
    type_info: *const c_void,
    destructors: [unsafe extern "C" fn(*mut c_void); 2],
    functions: F,
}

// SAFETY: constants.
unsafe impl<F> Sync for Table<F> {}

impl<F> Table<F> {
    const fn new(functions: F) -> Table<F> {
        Table { offset_to_top: 0, type_info: ptr::null(), destructors: [never_destroyed; 2], functions }
    }
}

#[repr(C)]
struct ExtraBufferType {
    supports_op: unsafe extern "C" fn(*mut c_void, *mut Device, *const Tensor) -> bool,
    get_tensor_traits: unsafe extern "C" fn(*mut c_void, *const Tensor) -> *const c_void,
}

#[repr(C)]
struct TensorTraits {
    work_size: unsafe extern "C" fn(*mut c_void, c_int, *const Tensor, *mut usize) -> bool,
    compute_forward: unsafe extern "C" fn(*mut c_void, *const ComputeParams, *mut Tensor) -> bool,
}

static EXTRA: Table<ExtraBufferType> = Table::new(ExtraBufferType { supports_op, get_tensor_traits });
static TRAITS: Table<TensorTraits> = Table::new(TensorTraits { work_size, compute_forward });

/// An object without fields: the address of its class's functions, of which the first is a destructor.
#[repr(transparent)]
struct Object(*const c_void);

// SAFETY: a constant.
unsafe impl Sync for Object {}

static EXTRA_OBJECT: Object = Object((&raw const EXTRA.destructors).cast());
static TRAITS_OBJECT: Object = Object((&raw const TRAITS.destructors).cast());

/// The objects are constants that nobody deletes.
unsafe extern "C" fn never_destroyed(_: *mut c_void) {}

/// What the buffer type's context must be.
pub(crate) fn context() -> *mut c_void {
    (&raw const EXTRA_OBJECT).cast_mut().cast()
}

unsafe extern "C" fn supports_op(_: *mut c_void, _: *mut Device, op: *const Tensor) -> bool {
    // SAFETY: the host passes a tensor.
    guarded(false, || product::supports_product(unsafe { &*op }))
}

unsafe extern "C" fn get_tensor_traits(_: *mut c_void, op: *const Tensor) -> *const c_void {
    // SAFETY: the host passes a tensor.
    let ours = guarded(false, || product::supports_product(unsafe { &*op }));
    if ours { (&raw const TRAITS_OBJECT).cast() } else { ptr::null() }
}

/// Where in the work buffer what is.
struct Work {
    scales: usize,
    sums: usize,
    workspaces: usize,
    workspace: usize,
    end: usize,
}

impl Work {
    fn new(tokens: usize, value_bytes: usize, workspace: usize, threads: usize) -> Work {
        let scales = value_bytes.next_multiple_of(LINE);
        let sums = scales + (tokens * size_of::<f32>()).next_multiple_of(LINE);
        let workspaces = sums + (tokens * size_of::<i32>()).next_multiple_of(LINE);
        let workspace = workspace.next_multiple_of(LINE);
        // The buffer itself may start anywhere.
        Work { scales, sums, workspaces, workspace, end: workspaces + threads * workspace + LINE }
    }
}

unsafe extern "C" fn work_size(_: *mut c_void, threads: c_int, op: *const Tensor, size: *mut usize) -> bool {
    guarded(false, || {
        // SAFETY: the host passes a tensor that `get_tensor_traits` accepted.
        let op = unsafe { &*op };
        let Some(rows) = taken(op) else { return false };
        let (tokens, inputs) = (rows.count(), usize::try_from(op_inputs(op)).unwrap_or(0));
        // Before the weights are looked at: int8 values, and what any stages need.
        let workspace = hbitlinear::product_workspace_len().max(inputs * 8 + (8 << 10));
        let work = Work::new(tokens, tokens * inputs, workspace, usize::try_from(threads).unwrap_or(1));
        // SAFETY: the host wants it.
        unsafe { size.write(work.end) };
        true
    })
}

fn op_inputs(op: &Tensor) -> i64 {
    // SAFETY: `taken` found the source.
    unsafe { (*op.src[0]).ne[0] }
}

unsafe extern "C" fn compute_forward(_: *mut c_void, params: *const ComputeParams, op: *mut Tensor) -> bool {
    guarded(true, || {
        // SAFETY: the host passes its parameters, and a tensor that `get_tensor_traits` accepted.
        let (params, op) = unsafe { (&*params, &*op) };
        // SAFETY: the node is allocated, and left alone while all threads compute it.
        let (batch, problem) = match unsafe { Batch::new(op) } {
            Ok(batch) => (batch, None),
            Err(problem) => (None, Some(problem)),
        };
        let (Ok(index), Ok(count)) = (usize::try_from(params.index), usize::try_from(params.count)) else {
            return true;
        };
        if let Some(batch) = batch {
            compute(params, &batch, index, count);
        } else if index == 0
            && let Some(problem) = problem
        {
            report(&problem);
            spoil(op);
        }
        true
    })
}

/// There is no way to say that a product failed, and going on would take the packed bytes for the file's.
fn spoil(op: &Tensor) {
    let len =
        op.ne.iter().try_fold(1, |len: usize, &ne| len.checked_mul(usize::try_from(ne).ok()?)).unwrap_or(0);
    for index in 0..len {
        // SAFETY: the result is contiguous f32.
        unsafe { op.data.cast::<f32>().add(index).write(f32::NAN) };
    }
}

fn compute(params: &ComputeParams, batch: &Batch, index: usize, count: usize) {
    let Some(pool) = instance().pool.as_ref() else { return };
    let outcome = Outcome::default();
    let workspace_len = batch.workspace_len().unwrap_or(usize::MAX);
    let work = Work::new(batch.tokens(), batch.value_bytes(), workspace_len, count);
    let fits = work.end <= params.work_size;
    let base = params.work.cast::<u8>();
    let base = base.wrapping_add(base.align_offset(LINE));
    let room = Room {
        values: base,
        scales: base.wrapping_add(work.scales).cast(),
        sums: base.wrapping_add(work.sums).cast(),
    };
    let workspace = base.wrapping_add(work.workspaces + index * work.workspace);
    let backend = instance().settings.backend;
    let part = Part { batch, backend, room, workspace, workspace_len, index, count };
    if fits {
        // SAFETY: the work buffer has the room.
        outcome.attempt(|| unsafe { part.quantize() });
    }
    // SAFETY: the host's pool, in which all `count` threads come here.
    unsafe {
        if index == 0 {
            (pool.chunk_set)(params.pool, params.count);
        }
        (pool.barrier)(params.pool);
    }
    let first = core::cell::Cell::new(Some(index));
    let next = || {
        let taken = first.take().map(|first| first as c_int);
        // SAFETY: as above.
        let taken = taken.unwrap_or_else(|| unsafe { (pool.chunk_add)(params.pool, 1) });
        usize::try_from(taken).unwrap_or(usize::MAX)
    };
    if fits {
        // SAFETY: behind the barrier. A thread that failed has spoiled nothing that another reads but its own tokens.
        outcome.attempt(|| unsafe { part.multiply(next) });
    }
    let outcome =
        if fits { outcome.into_result() } else { Err("inject: the work buffer is too small".into()) };
    if let Err(problem) = outcome {
        report(&problem);
        batch.spoil();
    }
}
