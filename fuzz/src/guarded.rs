//! Memory whose end is an inaccessible page, so that what reads or writes one byte too far does not survive.

use region::{Allocation, Protection};

/// What bytes in front of a buffer hold.
const PAINT: u8 = 0xE7;

/// Space for one buffer at a time, which ends where the page begins.
pub struct GuardedBuffer {
    pages: Allocation,
    /// Bytes in front of the page.
    len: usize,
}

impl GuardedBuffer {
    /// Space for so many bytes.
    ///
    /// # Panics
    /// Where the system has no memory.
    #[must_use]
    pub fn new(bytes: usize) -> GuardedBuffer {
        let page = region::page::size();
        let len = (bytes + 64).next_multiple_of(page);
        let mut pages = region::alloc(len + page, Protection::NONE).expect("pages");
        // SAFETY: the pages are ours, and nothing refers to them yet.
        unsafe { region::protect(pages.as_ptr::<u8>(), len, Protection::READ_WRITE).expect("pages to use") };
        // SAFETY: just made accessible.
        unsafe { pages.as_mut_ptr::<u8>().write_bytes(PAINT, len) };
        GuardedBuffer { pages, len }
    }

    /// The bytes, copied to the end of the room, and there the start of them.
    ///
    /// # Panics
    /// If there are too many.
    pub fn put(&mut self, bytes: &[u8]) -> *mut u8 {
        assert!(bytes.len() + 64 <= self.len, "a buffer of {} bytes in a room of {}", bytes.len(), self.len);
        let start = self.start(bytes.len());
        // SAFETY: the room is as long, and the start 64 bytes into it at least.
        unsafe {
            start.sub(64).write_bytes(PAINT, 64);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
        }
        start
    }

    /// Where a buffer of so many bytes starts.
    pub fn start(&mut self, bytes: usize) -> *mut u8 {
        self.pages.as_mut_ptr::<u8>().wrapping_add(self.len - bytes)
    }

    /// The last so many bytes.
    #[must_use]
    pub fn bytes(&mut self, bytes: usize) -> &[u8] {
        // SAFETY: the room is as long, and written.
        unsafe { core::slice::from_raw_parts(self.start(bytes), bytes) }
    }

    /// Whether nothing was written in front of a buffer of so many bytes.
    #[must_use]
    pub fn is_whole(&mut self, bytes: usize) -> bool {
        self.bytes(bytes + 64)[..64].iter().all(|&byte| byte == PAINT)
    }
}
