//! Memory of a buffer: zeroed pages, huge ones where the kernel gives them. Tokens read every weight once, and huge pages
//! make that faster.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle};

const HUGE_PAGE: usize = 2 << 20;
const PAGE: usize = 4 << 10;
/// A cache line, and what blobs want.
pub(crate) const ALIGNMENT: usize = 64;
/// What an arena maps at a time, at least: many huge pages, because those at the end may be touched in vain.
const CHUNK: usize = 256 << 20;
/// How far the helper goes ahead: two of a model's larger blobs. What is touched is resident, used or not.
const AHEAD: usize = 8 << 20;
/// The smallest blob for which there is a helper.
const HELP_FROM: usize = 1 << 20;

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
///
/// The kernel clears a huge page when it is first written to, in milliseconds where a virtual machine's host has to find the
/// memory. So a helper writes to the pages that come next while the file is read.
#[derive(Default)]
pub(crate) struct Arena {
    shared: Arc<Shared>,
    helper: OnceLock<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    chunks: Mutex<Chunks>,
    /// Something was taken, a page was touched, or it is the end.
    changed: Condvar,
}

#[derive(Default)]
struct Chunks {
    all: Vec<Pages>,
    /// Of the last one's bytes.
    used: usize,
    /// The last one's bytes whose pages the helper has been at, or left to others.
    touched: usize,
    /// The address of the page that the helper is writing to.
    touching: Option<usize>,
    end: bool,
}

impl Chunks {
    /// The next page for the helper.
    fn next(&mut self) -> Option<NonNull<u8>> {
        let pages = self.all.last()?;
        let at = self.touched.max(self.used.next_multiple_of(HUGE_PAGE));
        if at + HUGE_PAGE > pages.len() || at >= self.used + AHEAD {
            return None;
        }
        self.touched = at + HUGE_PAGE;
        // SAFETY: within the pages.
        let page = unsafe { pages.start().add(at) };
        self.touching = Some(page.addr().get());
        Some(page)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Chunks> {
        self.chunks.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(&self, chunks: MutexGuard<'a, Chunks>) -> MutexGuard<'a, Chunks> {
        self.changed.wait(chunks).unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn touch(&self) {
        let mut chunks = self.lock();
        while !chunks.end {
            let Some(page) = chunks.next() else {
                chunks = self.wait(chunks);
                continue;
            };
            drop(chunks);
            // SAFETY: in pages that live until the helper is joined. Nobody has this one yet, and `take` waits.
            unsafe { page.write_volatile(0) };
            chunks = self.lock();
            chunks.touching = None;
            self.changed.notify_all();
        }
    }
}

impl Arena {
    pub(crate) fn take(&self, len: usize) -> Option<NonNull<u8>> {
        let len = len.checked_next_multiple_of(ALIGNMENT)?;
        if len >= HELP_FROM {
            self.helper.get_or_init(|| self.start());
        }
        let mut chunks = self.shared.lock();
        if chunks.all.last().is_none_or(|pages| pages.len() - chunks.used < len) {
            chunks.all.push(Pages::new(len.max(CHUNK))?);
            (chunks.used, chunks.touched) = (0, 0);
        }
        // SAFETY: within the pages.
        let start = unsafe { chunks.all.last()?.start().add(chunks.used) };
        chunks.used += len;
        self.shared.changed.notify_all();
        let taken = start.addr().get()..start.addr().get() + len;
        while chunks.touching.is_some_and(|page| page < taken.end && page + HUGE_PAGE > taken.start) {
            chunks = self.shared.wait(chunks);
        }
        Some(start)
    }

    /// Without a helper the pages are cleared when they are needed.
    fn start(&self) -> Option<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().name("hbitlinear".into()).spawn(move || shared.touch()).ok()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.shared.lock().end = true;
        self.shared.changed.notify_all();
        // It does not panic, and must be gone before the code is.
        let _ = self.helper.take().flatten().map(JoinHandle::join);
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

#[cfg(test)]
mod tests {
    use super::{ALIGNMENT, Arena, HELP_FROM, HUGE_PAGE};

    /// The helper writes to pages that nobody has, and to no others.
    #[test]
    fn blobs_are_apart_and_left_alone() {
        let (arena, mut blobs) = (Arena::default(), Vec::new());
        for turn in 0..200 {
            let len = if turn % 3 == 0 { HELP_FROM } else { HUGE_PAGE + turn };
            let start = arena.take(len).expect("memory");
            assert!(start.addr().get().is_multiple_of(ALIGNMENT));
            // SAFETY: the blob's own bytes.
            let blob = unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len) };
            assert!(blob.iter().all(|&byte| byte == 0));
            blob.fill(turn as u8 | 1);
            blobs.push(blob);
        }
        for (turn, blob) in blobs.iter().enumerate() {
            assert!(blob.iter().all(|&byte| byte == turn as u8 | 1), "blob {turn}");
        }
    }
}
