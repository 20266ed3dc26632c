//! Carving typed, aligned pieces out of the caller's scratch bytes.

use crate::error::{Error, Result};

/// Alignment of every piece: a cache line, and the widest vector.
const ALIGN: usize = 64;

/// Types of which every bit pattern is a value.
///
/// # Safety
/// The type has no padding and no invalid bit patterns, and its alignment is at most [`ALIGN`].
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: plain numbers.
unsafe impl Plain for u8 {}
// SAFETY: plain numbers.
unsafe impl Plain for i8 {}
// SAFETY: plain numbers.
unsafe impl Plain for i32 {}
// SAFETY: plain numbers.
unsafe impl Plain for f32 {}
// SAFETY: plain numbers.
unsafe impl Plain for f64 {}
// SAFETY: an array has its element's properties.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Adds up the pieces of a workspace; pair with [`Workspace`], in the same order.
#[derive(Clone, Copy)]
pub(crate) struct Size(usize);

impl Size {
    /// Room to align the first piece.
    pub(crate) const EMPTY: Size = Size(ALIGN - 1);

    /// One more piece of `count` elements.
    pub(crate) fn and<T: Plain>(self, count: usize) -> Result<Size> {
        let overflow = Error::SizeOverflow { argument: "bytes of workspace" };
        let bytes = count.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_next_multiple_of(ALIGN));
        bytes.and_then(|bytes| self.0.checked_add(bytes)).map(Size).ok_or(overflow)
    }

    /// One more piece, of raw bytes that a callee sizes.
    pub(crate) fn bytes(self) -> usize {
        self.0
    }
}

/// What is left of the caller's workspace.
pub(crate) struct Workspace<'a> {
    rest: &'a mut [u8],
}

impl<'a> Workspace<'a> {
    /// [`Error::Workspace`] unless `bytes` is as long as `size` says.
    pub(crate) fn new(bytes: &'a mut [u8], size: Size) -> Result<Workspace<'a>> {
        if bytes.len() < size.0 {
            return Err(Error::Workspace { expected: size.0, actual: bytes.len() });
        }
        let padding = bytes.as_ptr().align_offset(ALIGN);
        Ok(Workspace { rest: &mut bytes[padding..] })
    }

    /// The next piece: `count` elements, whatever bits they hold.
    pub(crate) fn take<T: Plain>(&mut self, count: usize) -> &'a mut [T] {
        let bytes = (count * size_of::<T>()).next_multiple_of(ALIGN);
        let (piece, rest) = core::mem::take(&mut self.rest).split_at_mut(bytes);
        self.rest = rest;
        // SAFETY: the piece starts at a multiple of ALIGN, has the bytes, and every bit pattern is a `T`.
        unsafe { core::slice::from_raw_parts_mut(piece.as_mut_ptr().cast(), count) }
    }
}
