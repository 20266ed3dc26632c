//! The caller's memory: checked first, used afterwards.
//!
//! Each function declares first what it writes ([`Writes`]), then what it reads ([`Reads`]). Null, misaligned, oversized
//! and overlapping buffers are refused. What is read becomes a slice, and what is written a [`Buffer`] (it may never have
//! been written before), only when all are declared; so none exists that another one contradicts.
//!
//! The list of what is written is a type, so that its comparisons are written out when a function is compiled: they are
//! most of what a short call costs.

use core::ptr::NonNull;

use core_crate::{Buffer, Error, OutputMut};

use super::error::{Failure, Result};

/// What a call writes, so far.
pub(crate) struct Writes<L = Nothing>(L);

/// All that a call writes; what it reads is compared with it.
pub(crate) struct Reads<L>(L);

/// An empty list.
pub(crate) struct Nothing;

/// A list and one more region.
pub(crate) struct And<L>(L, Region);

/// A list of regions that are written.
pub(crate) trait Regions {
    /// [`Failure::Overlap`] if the region has a byte of one in the list.
    fn keep_apart(&self, region: &Region) -> Result<()>;
}

#[derive(Clone, Copy)]
pub(crate) struct Region {
    argument: &'static str,
    start: usize,
    end: usize,
}

/// A checked buffer that the call reads.
#[derive(Clone, Copy)]
pub(crate) struct Readable<T> {
    start: *const T,
    len: usize,
}

/// A checked buffer that the call writes; it overlaps no other one of the call.
pub(crate) struct Writable<T> {
    start: *mut T,
    len: usize,
}

/// A checked, strided matrix that the call writes.
pub(crate) struct WritableMatrix<T> {
    elements: Writable<T>,
    tokens: usize,
    outputs: usize,
    stride: usize,
}

impl Writes {
    #[inline(always)]
    pub(crate) fn new() -> Writes {
        Writes(Nothing)
    }
}

impl<L: Regions> Writes<L> {
    /// A buffer of `len` elements to write. Null is allowed when it is empty.
    #[inline(always)]
    pub(crate) fn and<T>(
        self,
        argument: &'static str,
        start: *mut T,
        len: usize,
    ) -> Result<(Writes<And<L>>, Writable<T>)> {
        let region = Region::of::<T>(argument, start.addr(), len)?;
        self.0.keep_apart(&region)?;
        Ok((Writes(And(self.0, region)), Writable { start, len }))
    }

    /// A strided matrix to write within a buffer of `len` elements; what is behind its last row may be anything.
    #[inline(always)]
    pub(crate) fn and_matrix<T: Copy>(
        self,
        argument: &'static str,
        start: *mut T,
        len: usize,
        (tokens, outputs): (usize, usize),
        stride: usize,
    ) -> Result<(Writes<And<L>>, WritableMatrix<T>)> {
        let expected = OutputMut::<T>::extent(tokens, outputs, stride)?;
        if len < expected {
            return Err(Error::Length { argument, expected, actual: len }.into());
        }
        let (writes, elements) = self.and(argument, start, expected)?;
        Ok((writes, WritableMatrix { elements, tokens, outputs, stride }))
    }

    /// Ends the list.
    #[inline(always)]
    pub(crate) fn reads(self) -> Reads<L> {
        Reads(self.0)
    }
}

impl<L: Regions> Reads<L> {
    /// A buffer of `len` elements to read. Null is allowed when it is empty.
    #[inline(always)]
    pub(crate) fn buffer<T>(
        &self,
        argument: &'static str,
        start: *const T,
        len: usize,
    ) -> Result<Readable<T>> {
        self.0.keep_apart(&Region::of::<T>(argument, start.addr(), len)?)?;
        Ok(Readable { start, len })
    }

    /// A slice that a handle points to.
    #[inline(always)]
    pub(crate) fn slice<T>(&self, argument: &'static str, slice: &[T]) -> Result<()> {
        let elements = slice.as_ptr_range();
        self.bytes(argument, elements.start.addr(), elements.end.addr())
    }

    /// The bytes between two addresses of what a handle points to.
    #[inline(always)]
    pub(crate) fn bytes(&self, argument: &'static str, start: usize, end: usize) -> Result<()> {
        self.0.keep_apart(&Region { argument, start, end })
    }
}

impl Regions for Nothing {
    #[inline(always)]
    fn keep_apart(&self, _: &Region) -> Result<()> {
        Ok(())
    }
}

impl<L: Regions> Regions for And<L> {
    #[inline(always)]
    fn keep_apart(&self, region: &Region) -> Result<()> {
        self.0.keep_apart(region)?;
        // An empty region has no byte, wherever it is.
        if region.start < self.1.end && self.1.start < region.end {
            return Err(Failure::Overlap { first: self.1.argument, second: region.argument });
        }
        Ok(())
    }
}

impl Region {
    #[inline(always)]
    fn of<T>(argument: &'static str, start: usize, len: usize) -> Result<Region> {
        if len == 0 {
            return Ok(Region { argument, start: 0, end: 0 });
        }
        check_pointer::<T>(argument, start)?;
        let bytes = len.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
        match bytes.and_then(|bytes| start.checked_add(bytes)) {
            Some(end) => Ok(Region { argument, start, end }),
            None => Err(Error::SizeOverflow { argument }.into()),
        }
    }
}

impl<T> Readable<T> {
    /// Borrows the buffer.
    ///
    /// # Safety
    /// It is initialised and valid for reads of its length during `'a`, as the header's rules ask of the caller.
    #[inline(always)]
    pub(crate) unsafe fn slice<'a>(self) -> &'a [T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: not null, aligned and of representable size as declared; valid as promised.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }

    /// The first element; never null.
    #[inline(always)]
    pub(crate) fn start(self) -> *const T {
        if self.len == 0 { NonNull::dangling().as_ptr() } else { self.start }
    }
}

impl<T: Copy> Writable<T> {
    /// The buffer, whatever it holds.
    ///
    /// # Safety
    /// It is valid for reads and writes of its length during `'a`, and nothing else uses it meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn buffer<'a>(self) -> Buffer<'a, T> {
        let start = if self.len == 0 { NonNull::dangling().as_ptr() } else { self.start };
        // SAFETY: not null, aligned, of representable size and free of overlaps as declared; valid as promised.
        unsafe { Buffer::from_raw(start, self.len) }
    }

    /// The buffer as what the call transforms in place.
    ///
    /// # Safety
    /// As for [`Writable::buffer`], and it is initialised.
    #[inline(always)]
    pub(crate) unsafe fn slice<'a>(self) -> &'a mut [T] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: not null, aligned, of representable size and free of overlaps as declared; valid as promised.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// Stores the result of a function with a single one.
    ///
    /// # Safety
    /// The buffer has room for one element and is valid for writes.
    #[inline(always)]
    pub(crate) unsafe fn set(self, value: T) {
        // SAFETY: as promised; not null and aligned as declared.
        unsafe { self.start.write(value) };
    }
}

impl<T: Copy> WritableMatrix<T> {
    /// The matrix, whatever it holds.
    ///
    /// # Safety
    /// Its elements are valid for reads and writes during `'a`, and nothing else uses them meanwhile; those between its
    /// rows may be in use elsewhere.
    #[inline(always)]
    pub(crate) unsafe fn view<'a>(self) -> OutputMut<'a, T> {
        let start = if self.elements.len == 0 { NonNull::dangling().as_ptr() } else { self.elements.start };
        // SAFETY: `Caller::writes_matrix` accepted the sizes; the elements are valid as promised.
        unsafe { OutputMut::from_raw(start, self.tokens, self.outputs, self.stride) }
    }
}

/// A NUL-terminated string that the caller passes; `None` if it is not UTF-8, which no name is.
///
/// # Safety
/// The pointer is null or points to a NUL-terminated string that outlives `'a`.
pub(crate) unsafe fn text<'a>(
    argument: &'static str,
    start: *const core::ffi::c_char,
) -> Result<Option<&'a str>> {
    check_pointer::<core::ffi::c_char>(argument, start.addr())?;
    // SAFETY: not null; terminated as promised.
    Ok(unsafe { core::ffi::CStr::from_ptr(start) }.to_str().ok())
}

/// Whether a pointer can be one to a `T`.
#[inline(always)]
pub(crate) fn check_pointer<T>(argument: &'static str, start: usize) -> Result<()> {
    if start == 0 {
        return Err(Failure::Null { argument });
    }
    if !start.is_multiple_of(align_of::<T>()) {
        return Err(Failure::Misaligned { argument, alignment: align_of::<T>() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: *mut f32 = core::ptr::without_provenance_mut(0x1000);

    fn offset(bytes: usize) -> *mut f32 {
        BASE.wrapping_byte_add(bytes)
    }

    #[test]
    fn a_written_buffer_overlaps_no_other() {
        let overlap = Err(Failure::Overlap { first: "a", second: "b" });
        for (start, len, expected) in [
            (12, 4, overlap),
            (16, 4, Ok(())),
            (0, 4, overlap),
            (0, 0, Ok(())),
            (4, 1, overlap),
            (4, 0, Ok(())),
        ] {
            let list = || Writes::new().and("a", BASE, 4).map(|(writes, _)| writes);
            let written = list().and_then(|writes| writes.and("b", offset(start), len).map(drop));
            assert_eq!(written, expected, "{start}, {len}");
            let third = list().and_then(|writes| writes.and("c", offset(64), 1));
            let read = third.and_then(|(writes, _)| writes.reads().buffer("b", offset(start), len).map(drop));
            assert_eq!(read, expected, "{start}, {len}");
        }
        let reads = Writes::new().reads();
        assert!(reads.buffer("a", BASE, 4).is_ok() && reads.buffer("b", offset(4), 4).is_ok());
        let list = Writes::new().and("a", BASE, 4).map(|(writes, _)| writes.reads());
        let read = list.and_then(|reads| reads.slice("b", &[0_u8; 4]));
        assert_eq!(read, Ok(()));
    }

    #[test]
    fn pointers_and_sizes_are_checked() {
        let overflow = Some(Failure::Core(Error::SizeOverflow { argument: "a" }));
        let refused = |start: *mut f32, len| Writes::new().and("a", start, len).err();
        assert_eq!(refused(core::ptr::null_mut(), 1), Some(Failure::Null { argument: "a" }));
        assert_eq!(refused(core::ptr::null_mut(), 0), None);
        assert_eq!(refused(offset(2), 1), Some(Failure::Misaligned { argument: "a", alignment: 4 }));
        assert_eq!(refused(BASE, usize::MAX / 2), overflow);
        assert_eq!(refused(BASE, isize::MAX as usize / 4), None);
        assert_eq!(refused(core::ptr::without_provenance_mut(usize::MAX - 3), 1), overflow);
    }
}
