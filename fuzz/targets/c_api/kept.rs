//! A cache that outlives the calls on it.

use core_crate::{Buffer, Cache, CacheSpec};

use super::library::attention::{hbl_cache, hbl_cache_len};

/// Memory of a cache, whose places depend on where in 64 bytes it begins.
#[derive(Clone, Copy, PartialEq)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

/// A cache in memory that stays, and the core's own of the same tokens.
pub(super) struct Kept {
    pub(super) handle: hbl_cache,
    pub(super) memory: Vec<Line>,
    pub(super) spec: CacheSpec,
    pub(super) same: Vec<Line>,
    pub(super) len: usize,
}

impl Kept {
    pub(super) fn core(&mut self) -> Cache<'_> {
        // SAFETY: so many bytes at least, that a cache of this shape and so many tokens left there.
        unsafe {
            let memory = Buffer::from_raw(self.same.as_mut_ptr().cast(), self.spec.bytes_len());
            self.spec.resume(memory, self.len).expect("its own memory")
        }
    }

    pub(super) fn check(&self) {
        let mut len = 77;
        // SAFETY: an initialised handle, whose memory is there.
        assert_eq!(unsafe { hbl_cache_len(&self.handle, &mut len, core::ptr::null_mut()) }, 0);
        assert_eq!(len, self.len);
    }
}
