//! Memory of the caller's that is only written, or written before it is read: it need not be initialised.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

/// A run of `T` to write to: results, packed weights, workspace. Made from anything that is a mutable slice, or from
/// memory that was never written:
///
/// ```
/// use hbitlinear::{Buffer, Layout, Scaling, WeightSpec};
/// let spec = WeightSpec::new(1, 3, Layout::TwoBit, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1, 0, -1], &[0.5], &mut blob)?;
///
/// let mut raw = Vec::with_capacity(spec.packed_len());
/// spec.pack(&[1, 0, -1], &[0.5], Buffer::uninit(&mut raw.spare_capacity_mut()[..spec.packed_len()]))?;
/// // SAFETY: packing succeeded, so every byte is written.
/// unsafe { raw.set_len(spec.packed_len()) };
/// assert_eq!(raw, blob);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Debug)]
pub struct Buffer<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: a `Buffer` is the only access to its elements, like `&mut [T]`.
unsafe impl<T: Send> Send for Buffer<'_, T> {}

impl<'a, T: Copy> Buffer<'a, T> {
    /// Memory that may never have been written. After a success the elements that the function documents are.
    #[must_use]
    pub fn uninit(elements: &'a mut [MaybeUninit<T>]) -> Buffer<'a, T> {
        Buffer { start: elements.as_mut_ptr().cast(), len: elements.len(), lifetime: PhantomData }
    }

    /// Raw memory.
    ///
    /// # Safety
    /// `start` is not null, aligned, and valid for writes of `len` elements (and for reads of what was written), and
    /// nothing else accesses them, during `'a`.
    #[must_use]
    pub unsafe fn from_raw(start: *mut T, len: usize) -> Buffer<'a, T> {
        Buffer { start, len, lifetime: PhantomData }
    }

    /// Elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same memory for a shorter time.
    #[must_use]
    pub fn reborrow(&mut self) -> Buffer<'_, T> {
        Buffer { start: self.start, len: self.len, lifetime: PhantomData }
    }

    /// The first `at` elements, of which there are as many, and the others.
    pub(crate) fn split_at(self, at: usize) -> (Buffer<'a, T>, Buffer<'a, T>) {
        let (left, right) = self.into_uninit().split_at_mut(at);
        (Buffer::uninit(left), Buffer::uninit(right))
    }

    /// The elements, written or not. Only written ones may be stored: the memory may be somebody's `&mut [T]`.
    pub(crate) fn into_uninit(self) -> &'a mut [MaybeUninit<T>] {
        // SAFETY: valid and borrowed for 'a by the constructors; `MaybeUninit` asks for no content.
        unsafe { core::slice::from_raw_parts_mut(self.start.cast(), self.len) }
    }

    /// Writes every element, in order.
    pub(crate) fn fill_with(self, mut value: impl FnMut(usize) -> T) -> &'a mut [T] {
        let elements = self.into_uninit();
        for (index, element) in elements.iter_mut().enumerate() {
            element.write(value(index));
        }
        // SAFETY: just written.
        unsafe { init(elements) }
    }
}

impl<'a, T, B: AsMut<[T]> + ?Sized> From<&'a mut B> for Buffer<'a, T> {
    fn from(elements: &'a mut B) -> Buffer<'a, T> {
        let elements = elements.as_mut();
        Buffer { start: elements.as_mut_ptr(), len: elements.len(), lifetime: PhantomData }
    }
}

/// Elements that are written.
///
/// # Safety
/// They are.
pub(crate) unsafe fn init<T>(elements: &mut [MaybeUninit<T>]) -> &mut [T] {
    // SAFETY: one layout; initialised as promised.
    unsafe { core::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), elements.len()) }
}

/// Elements as memory to be written; only written elements may be stored.
pub(crate) fn uninit<T>(elements: &mut [T]) -> &mut [MaybeUninit<T>] {
    // SAFETY: one layout; a `MaybeUninit` holds any value.
    unsafe { core::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), elements.len()) }
}
