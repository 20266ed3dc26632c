//! Large pages for what every token reads from end to end: a page of 4 KiB ends a CPU's prefetching, and its place is looked up
//! anew.

use core::mem::MaybeUninit;

/// Bytes of a large page on x86-64 and most of aarch64.
pub(crate) const LARGE_PAGE: usize = 1 << 21;

/// An empty vector with room for so many elements, in large pages if the system gives them.
#[must_use]
pub fn large_vec<T>(capacity: usize) -> Vec<T> {
    let mut values = Vec::with_capacity(capacity);
    ask(values.spare_capacity_mut());
    values
}

/// Asks the same for memory that was not touched yet.
pub(crate) fn ask_for_large_pages(memory: &mut [u8]) {
    let (start, len) = (memory.as_mut_ptr(), memory.len());
    // SAFETY: the same bytes, and nothing is written to them.
    ask(unsafe { core::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), len) });
}

#[cfg(target_os = "linux")]
fn ask<T>(memory: &mut [MaybeUninit<T>]) {
    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<u8>();
    let padding = start.align_offset(LARGE_PAGE);
    if padding >= bytes {
        return;
    }
    // Whole pages: those that are not large stay as they are. It is advice, so that nothing is lost if it is not taken.
    let whole = (bytes - padding) / LARGE_PAGE * LARGE_PAGE;
    // SAFETY: the range lies within the memory, which is borrowed, begins on a page's border, and keeps its content.
    unsafe { libc::madvise(start.add(padding).cast(), whole, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask<T>(_: &mut [MaybeUninit<T>]) {}
