//! The memory of a call, and what must hold after it.

use core::cell::RefCell;
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hbitlinear_fuzz::guarded::{Edge, GuardedBuffer};

use super::input::{Odd, Wrong};
use super::library::error::hbl_error;
use super::library::status::{hbl_status, hbl_status_text};

/// Bytes of the largest buffer, a workspace.
const ROOM: usize = 3 << 19;

/// Calls that were made, and those of them that were refused.
pub(super) static CALLS: AtomicU64 = AtomicU64::new(0);
pub(super) static REFUSED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ROOMS: RefCell<Vec<GuardedBuffer>> = RefCell::new((0..8).map(|_| GuardedBuffer::new(ROOM)).collect());
}

/// With memory for the buffers of one call at a time.
pub(super) fn with_rooms(run: impl FnOnce(&mut Vec<GuardedBuffer>)) {
    ROOMS.with_borrow_mut(run);
}

/// A description, and after it as much again: its struct_size may be anything up to that.
#[repr(C)]
pub(super) struct Described<T> {
    pub(super) it: T,
    pub(super) after: [u8; 128],
}

impl<T> Described<T> {
    /// With its size, or a wrong one. `struct_size` comes first in each.
    pub(super) fn new(it: T, wrong: &mut Wrong) -> Described<T> {
        let mut described = Described { it, after: [0; 128] };
        let right = size_of::<T>();
        let size = match wrong.next().map(usize::from) {
            None => right,
            Some(number @ 0..64) => number,
            Some(number @ 64..128) => right - 8 * (number % 8).min(right / 8 - 2),
            Some(number @ 128..192) => right + 8 * (number % 16),
            Some(number @ 192..240) => {
                described.after[number % 16] = 1;
                right + 16
            }
            Some(number) => usize::MAX - number,
        };
        // SAFETY: a description begins with its size.
        unsafe { (&raw mut described.it).cast::<usize>().write(size) };
        described
    }
}

/// The buffers of one call.
pub(super) struct Buffers<'r> {
    pub(super) rooms: &'r mut [GuardedBuffer],
    pub(super) odd: Option<(u8, Odd)>,
    /// A bit for each buffer: whether it begins at a page that must not be touched, or ends there.
    pub(super) edges: u8,
    pub(super) used: Vec<Used>,
}

pub(super) struct Used {
    pub(super) start: *mut u8,
    pub(super) bytes: usize,
    pub(super) element: usize,
    pub(super) content: Vec<u8>,
    pub(super) kind: Kind,
    /// As the call is told.
    pub(super) claimed: (usize, usize),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Read,
    Written,
    Workspace,
}

impl Buffers<'_> {
    pub(super) fn add<T: Copy>(&mut self, kind: Kind, content: &[T]) -> usize {
        let index = self.used.len();
        // SAFETY: numbers, seen as bytes.
        let content =
            unsafe { core::slice::from_raw_parts(content.as_ptr().cast::<u8>(), size_of_val(content)) };
        let start = self.rooms[index].put(content, self.edge(index));
        let (bytes, element, content) = (content.len(), size_of::<T>(), content.to_vec());
        let claimed = (start.expose_provenance(), bytes / element);
        self.used.push(Used { start, bytes, element, content, kind, claimed });
        index
    }

    /// Bytes that are only scratch.
    pub(super) fn workspace(&mut self, bytes: usize) -> usize {
        let bytes = bytes.min(ROOM - 4096);
        let index = self.used.len();
        let start = self.rooms[index].place(bytes, self.edge(index));
        let used = Used {
            start,
            bytes,
            element: 1,
            content: Vec::new(),
            kind: Kind::Workspace,
            claimed: (start.expose_provenance(), bytes),
        };
        self.used.push(used);
        index
    }

    fn edge(&self, index: usize) -> Edge {
        if self.edges >> index & 1 == 1 { Edge::Start } else { Edge::End }
    }

    /// Makes one buffer odd, when all are there.
    pub(super) fn spoil(&mut self) {
        let Some((index, odd)) = self.odd else { return };
        if self.used.is_empty() {
            return;
        }
        let index = usize::from(index) % self.used.len();
        let (start, len) = self.used[index].claimed;
        self.used[index].claimed = match odd {
            Odd::Null => (0, len),
            // One byte less, and one byte on.
            Odd::Misaligned if len > 0 && self.used[index].element > 1 => (start + 1, len - 1),
            Odd::Misaligned => (start, len),
            // It still begins or ends at the page.
            Odd::Shorter(by) => {
                let by = usize::from(by.saturating_sub(200).max(1)).min(len);
                let moved = if self.edge(index) == Edge::Start { 0 } else { by * self.used[index].element };
                (start + moved, len - by)
            }
            Odd::Alias(other) => {
                let other = &self.used[usize::from(other) % self.used.len()];
                let element = self.used[index].element;
                let len = (other.bytes / element).min(len);
                (other.start.addr() + other.bytes - len * element, len)
            }
        };
    }

    pub(super) fn ptr<T>(&self, index: usize) -> *mut T {
        core::ptr::with_exposed_provenance_mut(self.used[index].claimed.0)
    }

    pub(super) fn len(&self, index: usize) -> usize {
        self.used[index].claimed.1
    }

    /// What a buffer holds.
    pub(super) fn get<T: Copy>(&mut self, index: usize) -> Vec<T> {
        let Used { start, bytes, .. } = self.used[index];
        // SAFETY: whole elements, written when they were put there; the end of a page is aligned.
        unsafe { core::slice::from_raw_parts(start.cast::<T>(), bytes / size_of::<T>()) }.to_vec()
    }

    /// Nothing was written that must not be.
    pub(super) fn check(&mut self, ok: bool) {
        for (index, used) in self.used.iter().enumerate() {
            if used.kind == Kind::Workspace {
                continue;
            }
            assert!(self.rooms[index].is_whole(used.bytes), "something was written beside buffer {index}");
            if used.kind == Kind::Read || !ok {
                assert!(self.rooms[index].bytes(used.bytes) == used.content, "buffer {index} was written");
            }
        }
    }
}

/// Calls, and checks what the status says of the error, and the buffers of the status.
pub(super) fn call(
    buffers: &mut Buffers<'_>,
    silent: bool,
    call: impl FnOnce(&Buffers<'_>, *mut hbl_error) -> hbl_status,
) -> bool {
    let ok = status(buffers, silent, call) == 0;
    buffers.check(ok);
    ok
}

/// The same for a call that may have written in part when it fails like that: it says so.
pub(super) fn call_that_may_stop(
    buffers: &mut Buffers<'_>,
    silent: bool,
    stops: &[hbl_status],
    call: impl FnOnce(&Buffers<'_>, *mut hbl_error) -> hbl_status,
) -> bool {
    let status = status(buffers, silent, call);
    buffers.check(status == 0 || stops.contains(&status));
    status == 0
}

fn status(
    buffers: &mut Buffers<'_>,
    silent: bool,
    call: impl FnOnce(&Buffers<'_>, *mut hbl_error) -> hbl_status,
) -> hbl_status {
    buffers.spoil();
    // SAFETY: numbers and bytes.
    let mut error: hbl_error = unsafe { core::mem::zeroed() };
    error.status = -1;
    let status = call(buffers, if silent { core::ptr::null_mut() } else { &mut error });
    CALLS.fetch_add(1, Relaxed);
    REFUSED.fetch_add(u64::from(status != 0), Relaxed);
    assert!((0..=40).contains(&status) && status != 24, "status {status}");
    if !silent {
        assert_eq!((error.status, error.reserved), (status, 0));
        // SAFETY: terminated.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr().cast::<c_char>()) };
        let message = message.to_str().expect("UTF-8");
        assert_eq!(message.is_empty(), status == 0, "{message}");
    }
    // SAFETY: a static string.
    assert!(!unsafe { CStr::from_ptr(hbl_status_text(status)) }.is_empty());
    status
}
