//! Carving typed, aligned pieces out of the caller's workspace, which need not be initialised.

use core::mem::MaybeUninit;

use crate::buffer::{Buffer, init};
use crate::error::{Error, Result};
use crate::kernels::contract::Scratch;

/// Alignment of every piece: a cache line, and the widest vector.
const ALIGN: usize = 64;

/// Adds up the pieces of a workspace; pair with [`Workspace`], in the same order.
#[derive(Clone, Copy)]
pub(crate) struct Size(usize);

impl Size {
    /// Room to align the first piece.
    pub(crate) const EMPTY: Size = Size(ALIGN - 1);

    /// One more piece of `count` elements.
    pub(crate) fn and<T>(self, count: usize) -> Result<Size> {
        let overflow = Error::SizeOverflow { argument: "bytes of workspace" };
        let bytes = count.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_next_multiple_of(ALIGN));
        bytes.and_then(|bytes| self.0.checked_add(bytes)).map(Size).ok_or(overflow)
    }

    /// All pieces so far.
    pub(crate) fn bytes(self) -> usize {
        self.0
    }
}

/// What is left of the caller's workspace.
pub(crate) struct Workspace<'a> {
    rest: &'a mut [MaybeUninit<u8>],
}

impl<'a> Workspace<'a> {
    /// [`Error::Workspace`] unless the buffer is as long as `size` says.
    pub(crate) fn new(buffer: Buffer<'a, u8>, size: Size) -> Result<Workspace<'a>> {
        let bytes = buffer.into_uninit();
        if bytes.len() < size.0 {
            return Err(Error::Workspace { expected: size.0, actual: bytes.len() });
        }
        let padding = bytes.as_ptr().align_offset(ALIGN);
        Ok(Workspace { rest: &mut bytes[padding..] })
    }

    /// The next piece: `count` elements to be written.
    pub(crate) fn take<T: Copy>(&mut self, count: usize) -> &'a mut [MaybeUninit<T>] {
        const { assert!(align_of::<T>() <= ALIGN) };
        let bytes = (count * size_of::<T>()).next_multiple_of(ALIGN);
        let (piece, rest) = core::mem::take(&mut self.rest).split_at_mut(bytes);
        self.rest = rest;
        // SAFETY: the piece starts at a multiple of ALIGN and has the bytes; uninitialised elements may hold anything.
        unsafe { core::slice::from_raw_parts_mut(piece.as_mut_ptr().cast(), count) }
    }

    /// The next piece, every element set.
    pub(crate) fn take_filled<T: Copy>(&mut self, count: usize, value: T) -> &'a mut [T] {
        self.take_start_filled(count, count, value)
    }

    /// The next piece, of `capacity` elements, and of it the first `len`, every one set.
    pub(crate) fn take_start_filled<T: Copy>(
        &mut self,
        capacity: usize,
        len: usize,
        value: T,
    ) -> &'a mut [T] {
        let piece = &mut self.take(capacity)[..len];
        piece.fill(MaybeUninit::new(value));
        // SAFETY: just written.
        unsafe { init(piece) }
    }

    /// The next piece, as scratch of a kernel.
    pub(crate) fn take_scratch(&mut self) -> &'a mut Scratch {
        const { assert!(align_of::<Scratch>() <= ALIGN && size_of::<Scratch>().is_multiple_of(ALIGN)) };
        let bytes: &mut [MaybeUninit<u8>] = self.take(size_of::<Scratch>());
        // SAFETY: aligned and as long; it holds uninitialised bytes only.
        unsafe { &mut *bytes.as_mut_ptr().cast() }
    }

    /// The rest, for a function that carves it up itself.
    pub(crate) fn into_rest(self) -> Buffer<'a, u8> {
        Buffer::uninit(self.rest)
    }
}
