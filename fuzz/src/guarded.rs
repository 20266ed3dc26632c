//! Memory between inaccessible pages, so that what reads or writes one byte too far does not survive.

use region::{Allocation, Protection};

/// What bytes beside a buffer hold.
const PAINT: u8 = 0xE7;

/// Which side of a buffer touches an inaccessible page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edge {
    /// It begins where the page before it ends.
    Start,
    /// It ends where the page behind it begins.
    End,
}

/// Space for one buffer at a time.
pub struct GuardedBuffer {
    pages: Allocation,
    /// Bytes between the pages.
    len: usize,
    /// Bytes of a page.
    page: usize,
    edge: Edge,
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
        let pages = region::alloc(page + len + page, Protection::NONE).expect("pages");
        let mut room = GuardedBuffer { pages, len, page, edge: Edge::End };
        let first = room.start(len);
        // SAFETY: the pages are ours, and nothing refers to them yet.
        unsafe { region::protect(first, len, Protection::READ_WRITE).expect("pages to use") };
        // SAFETY: just made accessible.
        unsafe { first.write_bytes(PAINT, len) };
        room
    }

    /// The bytes, copied to an edge of the room, and there the start of them.
    ///
    /// # Panics
    /// If there are too many.
    pub fn put(&mut self, bytes: &[u8], edge: Edge) -> *mut u8 {
        let start = self.place(bytes.len(), edge);
        // SAFETY: the room is 64 bytes longer at least, on the side that is not the edge.
        unsafe {
            self.beside(bytes.len()).write_bytes(PAINT, 64);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
        }
        start
    }

    /// Where a buffer of so many bytes starts at an edge. What it holds is left as it is.
    ///
    /// # Panics
    /// If there are too many.
    pub fn place(&mut self, bytes: usize, edge: Edge) -> *mut u8 {
        assert!(bytes + 64 <= self.len, "a buffer of {bytes} bytes in a room of {}", self.len);
        self.edge = edge;
        self.start(bytes)
    }

    /// What a buffer of so many bytes holds.
    #[must_use]
    pub fn bytes(&mut self, bytes: usize) -> &[u8] {
        // SAFETY: the room is as long, and written.
        unsafe { core::slice::from_raw_parts(self.start(bytes), bytes) }
    }

    /// Whether nothing was written beside a buffer of so many bytes, where there is no inaccessible page.
    #[must_use]
    pub fn is_whole(&mut self, bytes: usize) -> bool {
        // SAFETY: the room is as long, and written.
        let beside = unsafe { core::slice::from_raw_parts(self.beside(bytes), 64) };
        beside.iter().all(|&byte| byte == PAINT)
    }

    fn start(&mut self, bytes: usize) -> *mut u8 {
        let offset = if self.edge == Edge::Start { 0 } else { self.len - bytes };
        self.pages.as_mut_ptr::<u8>().wrapping_add(self.page + offset)
    }

    /// The 64 bytes on the other side than the edge.
    fn beside(&mut self, bytes: usize) -> *mut u8 {
        let start = self.start(bytes);
        if self.edge == Edge::Start { start.wrapping_add(bytes) } else { start.wrapping_sub(64) }
    }
}
