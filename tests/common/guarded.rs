//! Slices that end, or begin, exactly at a page that must not be touched.

use core::ops::{Deref, DerefMut};

use region::{Allocation, Protection};

/// Which end of the slice lies at a guard page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The byte before the slice is not accessible.
    Start,
    /// The byte behind the slice is not accessible.
    End,
}

impl Edge {
    pub(crate) const BOTH: [Edge; 2] = [Edge::Start, Edge::End];
}

/// A slice between two inaccessible pages, touching one of them.
pub(crate) struct Guarded<T> {
    start: *mut T,
    len: usize,
    _pages: Allocation,
}

impl<T: Copy> Guarded<T> {
    pub(crate) fn new(edge: Edge, content: &[T]) -> Guarded<T> {
        let page = region::page::size();
        let bytes = size_of_val(content);
        let room = bytes.next_multiple_of(page);
        let mut pages = region::alloc(room + 2 * page, Protection::NONE).expect("pages to guard");
        let first = pages.as_mut_ptr::<u8>().wrapping_add(page);
        if room > 0 {
            // SAFETY: the pages between the guards are ours, and nothing refers to them yet.
            unsafe { region::protect(first, room, Protection::READ_WRITE).expect("pages to use") };
        }
        let offset = if edge == Edge::End { room - bytes } else { 0 };
        let start = first.wrapping_add(offset).cast::<T>();
        // SAFETY: `bytes` bytes from `start` lie between the guards; both ends are multiples of T's alignment
        // away from a page's border.
        unsafe { core::ptr::copy_nonoverlapping(content.as_ptr(), start, content.len()) };
        Guarded { start, len: content.len(), _pages: pages }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `new` filled the elements, and the pages live as long as `self`.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.len) }
    }
}
