//! Memory of a buffer: zeroed pages, huge ones where the kernel gives them. Tokens read every weight once, and huge pages
//! make that faster.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::sync::Mutex;

const HUGE_PAGE: usize = 2 << 20;
const PAGE: usize = 4 << 10;
/// A cache line, and what blobs want.
pub(crate) const ALIGNMENT: usize = 64;
/// What an arena maps at a time, at least: many huge pages.
const CHUNK: usize = 64 << 20;

pub(crate) struct Pages {
    mapping: *mut c_void,
    mapped: usize,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: plain memory; who may use which part of it when is the host's business.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// So many bytes, at least one; `None` if there are none left.
    pub(crate) fn new(len: usize) -> Option<Pages> {
        let len = len.max(1);
        // Small ones need no huge pages, and not the room to align them.
        let huge = len >= HUGE_PAGE;
        let mapped = len.checked_add(if huge { HUGE_PAGE } else { 0 })?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping.
        let mapping = unsafe { libc::mmap(ptr::null_mut(), mapped, access, kind, -1, 0) };
        if mapping == libc::MAP_FAILED {
            return None;
        }
        let offset = if huge { mapping.addr().wrapping_neg() % HUGE_PAGE } else { 0 };
        let start = NonNull::<u8>::new(mapping.wrapping_byte_add(offset).cast())?;
        #[cfg(target_os = "linux")]
        if huge {
            // SAFETY: within the mapping. It is advice: a refusal changes nothing.
            unsafe { libc::madvise(start.as_ptr().cast(), len, libc::MADV_HUGEPAGE) };
        }
        Some(Pages { mapping, mapped, start, len })
    }

    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`.
        unsafe { libc::munmap(self.mapping, self.mapped) };
    }
}

/// Room for blobs, that is given back with the arena alone.
#[derive(Default)]
pub(crate) struct Arena(Mutex<Vec<(Pages, usize)>>);

impl Arena {
    pub(crate) fn take(&self, len: usize) -> Option<NonNull<u8>> {
        let mut chunks = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let len = len.checked_next_multiple_of(ALIGNMENT)?;
        if chunks.last().is_none_or(|(pages, used)| pages.len() - used < len) {
            chunks.push((Pages::new(len.max(CHUNK))?, 0));
        }
        let (pages, used) = chunks.last_mut()?;
        // SAFETY: within the pages.
        let start = unsafe { pages.start().add(*used) };
        *used += len;
        Some(start)
    }
}

/// Gives pages back to the kernel that are read as zeros, or not at all, from now on.
///
/// # Safety
/// The bytes are part of [`Pages`].
pub(crate) unsafe fn release(start: NonNull<u8>, len: usize) {
    let offset = start.addr().get().wrapping_neg() % PAGE;
    let whole = len.saturating_sub(offset) / PAGE * PAGE;
    if whole > 0 {
        // SAFETY: whole pages of a mapping of ours.
        unsafe { libc::madvise(start.as_ptr().wrapping_add(offset).cast(), whole, libc::MADV_DONTNEED) };
    }
}
