//! The buffer type: ternary matrices are packed in it, everything else lies in it as it is.

use core::ffi::{c_char, c_void};
use core::ptr::{self, NonNull};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use hbitlinear::Layout;

use crate::abi::{Buffer, BufferFunctions, Tensor};
use crate::guard::{guarded, instance};
use crate::matrix::{Form, Matrix};
use crate::memory::{ALIGNMENT, Arena, Pages};

/// What a buffer of ours has as its context.
pub(crate) struct Store {
    /// Declared before the pages: dropped first.
    matrices: RwLock<BTreeMap<usize, Arc<Matrix>>>,
    arena: Arc<Arena>,
    /// The tensors' own places.
    pages: Pages,
}

impl Store {
    /// The matrix of a tensor, made if it is not there yet. `None` if the tensor is no ternary matrix within this buffer.
    pub(crate) fn matrix(&self, tensor: &Tensor) -> Option<Arc<Matrix>> {
        let form = Form::of(tensor)?;
        let data = NonNull::new(tensor.data.cast::<u8>())?;
        let at = data.addr().get();
        let read = self.matrices.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(matrix) = read.get(&at).filter(|matrix| matrix.form == form) {
            return Some(Arc::clone(matrix));
        }
        drop(read);
        self.contains(at, form.len).then_some(())?;
        let mut matrices = self.matrices.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        forget(&mut matrices, at, form.len);
        // SAFETY: within the pages, which outlive the matrices; the host gives each tensor a place of its own.
        let matrix = Arc::new(unsafe { Matrix::new(form, data, &self.arena, layout()) });
        matrices.insert(at, Arc::clone(&matrix));
        Some(matrix)
    }

    fn contains(&self, at: usize, len: usize) -> bool {
        let start = self.pages.start().addr().get();
        at >= start && at.checked_add(len).is_some_and(|end| end <= start + self.pages.len())
    }

    /// The matrix that a view, or a tensor that is no whole one, lies in, and where in it.
    fn around(&self, tensor: &Tensor) -> Option<(Arc<Matrix>, usize)> {
        if tensor.view_src.is_null() {
            return self.matrix(tensor).map(|matrix| (matrix, 0));
        }
        // SAFETY: a view's source is a tensor that lives as long.
        let whole = unsafe { &*tensor.view_src };
        self.matrix(whole).map(|matrix| (matrix, tensor.view_offs))
    }

    /// Forgets matrices that lay where other bytes are written now.
    fn overwritten(&self, at: usize, len: usize) {
        let read = self.matrices.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = read.range(..at + len).next_back();
        let touched = before.is_some_and(|(&start, matrix)| start + matrix.form.len > at);
        drop(read);
        if touched {
            forget(&mut self.matrices.write().unwrap_or_else(|poisoned| poisoned.into_inner()), at, len);
        }
    }
}

fn forget(matrices: &mut BTreeMap<usize, Arc<Matrix>>, at: usize, len: usize) {
    matrices.retain(|&start, matrix| start + matrix.form.len <= at || start >= at + len);
}

/// Two bits for every type, unless the environment says otherwise.
fn layout() -> Layout {
    instance().settings.layout.unwrap_or(Layout::TwoBit)
}

/// The store of a buffer of ours.
///
/// # Safety
/// `buffer` is null or a buffer that lives during `'a`.
pub(crate) unsafe fn store_of<'a>(buffer: *mut Buffer) -> Option<&'a Store> {
    // SAFETY: promised.
    let buffer = unsafe { buffer.as_ref() }?;
    if buffer.buffer_type != instance().buffer_type || buffer.context.is_null() {
        return None;
    }
    // SAFETY: buffers of this type with a context are made by `alloc_buffer`.
    Some(unsafe { &*buffer.context.cast::<Store>() })
}

pub(crate) unsafe extern "C" fn get_name(_: *mut c_void) -> *const c_char {
    c"hbitlinear".as_ptr()
}

pub(crate) unsafe extern "C" fn get_alignment(_: *mut c_void) -> usize {
    ALIGNMENT
}

/// The bytes are in the host's memory, but not in ggml's layout, so: no.
pub(crate) unsafe extern "C" fn is_host(_: *mut c_void) -> bool {
    false
}

pub(crate) unsafe extern "C" fn alloc_buffer(buffer_type: *mut c_void, size: usize) -> *mut Buffer {
    guarded(ptr::null_mut(), || {
        let Some(pages) = Pages::new(size) else { return ptr::null_mut() };
        let store = Box::new(Store { matrices: RwLock::default(), arena: Arc::default(), pages });
        let functions = BufferFunctions {
            free_buffer,
            get_base,
            init_tensor: None,
            memset_tensor,
            set_tensor,
            get_tensor,
            set_tensor_2d: None,
            get_tensor_2d: None,
            cpy_tensor: None,
            clear,
            reset: None,
        };
        // SAFETY: the functions are for the context that goes with them.
        unsafe {
            let context = Box::into_raw(store).cast();
            (instance().host.ggml_backend_buffer_init)(buffer_type, functions, context, size)
        }
    })
}

unsafe extern "C" fn free_buffer(buffer: *mut Buffer) {
    guarded((), || {
        // SAFETY: made by `alloc_buffer`, freed once.
        drop(unsafe { Box::from_raw((*buffer).context.cast::<Store>()) });
    });
}

/// # Safety
/// A buffer that `alloc_buffer` made.
unsafe fn store<'a>(buffer: *mut Buffer) -> &'a Store {
    // SAFETY: promised.
    unsafe { &*(*buffer).context.cast::<Store>() }
}

unsafe extern "C" fn get_base(buffer: *mut Buffer) -> *mut c_void {
    // SAFETY: a buffer of ours.
    unsafe { store(buffer) }.pages.start().as_ptr().cast()
}

unsafe extern "C" fn set_tensor(
    buffer: *mut Buffer,
    tensor: *mut Tensor,
    data: *const c_void,
    offset: usize,
    size: usize,
) {
    guarded((), || {
        // SAFETY: a buffer of ours, a tensor in it, and `size` bytes.
        let (store, tensor, bytes) =
            unsafe { (store(buffer), &*tensor, core::slice::from_raw_parts(data.cast::<u8>(), size)) };
        match store.around(tensor) {
            Some((matrix, 0)) if offset == 0 && size == matrix.form.len => matrix.set(bytes),
            Some((matrix, start)) => matrix.set_part(start + offset, bytes),
            None => {
                let to = tensor.data.wrapping_byte_add(offset);
                store.overwritten(to.addr(), size);
                // SAFETY: the host keeps within the tensor.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.cast(), size) };
            }
        }
    });
}

unsafe extern "C" fn memset_tensor(
    buffer: *mut Buffer,
    tensor: *mut Tensor,
    value: u8,
    offset: usize,
    size: usize,
) {
    guarded((), || {
        // SAFETY: a buffer of ours and a tensor in it.
        let (store, tensor) = unsafe { (store(buffer), &*tensor) };
        match store.around(tensor) {
            Some((matrix, start)) => matrix.set_part(start + offset, &vec![value; size]),
            None => {
                let to = tensor.data.wrapping_byte_add(offset);
                store.overwritten(to.addr(), size);
                // SAFETY: the host keeps within the tensor.
                unsafe { ptr::write_bytes(to.cast::<u8>(), value, size) };
            }
        }
    });
}

unsafe extern "C" fn get_tensor(
    buffer: *mut Buffer,
    tensor: *const Tensor,
    data: *mut c_void,
    offset: usize,
    size: usize,
) {
    guarded((), || {
        // SAFETY: a buffer of ours, a tensor in it, and room for `size` bytes.
        unsafe {
            let (store, tensor) = (store(buffer), &*tensor);
            match store.around(tensor) {
                Some((matrix, start)) => matrix.get(start + offset, data, size),
                None => {
                    ptr::copy_nonoverlapping(tensor.data.byte_add(offset).cast::<u8>(), data.cast(), size)
                }
            }
        }
    });
}

unsafe extern "C" fn clear(buffer: *mut Buffer, value: u8) {
    guarded((), || {
        // SAFETY: a buffer of ours.
        let store = unsafe { store(buffer) };
        let mut matrices = store.matrices.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        matrices.clear();
        // SAFETY: all of the pages, which the host leaves alone meanwhile.
        unsafe { ptr::write_bytes(store.pages.start().as_ptr(), value, store.pages.len()) };
    });
}
