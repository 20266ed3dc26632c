//! The caller's memory: checked first, borrowed afterwards.
//!
//! Each function declares its buffers to one [`Caller`], which refuses null, misaligned, oversized and overlapping
//! ones. What is written becomes a slice only when all are declared; so no slice exists that another one contradicts.

use core::ptr::NonNull;

use core_crate::{Error, OutputMut, Result};

/// Most buffers of one function: `hbl_layer_forward` with three matrices.
const MAX_BUFFERS: usize = 16;

/// The buffers of one call so far.
pub(crate) struct Caller {
    regions: [Option<Region>; MAX_BUFFERS],
    count: usize,
}

#[derive(Clone, Copy)]
struct Region {
    argument: &'static str,
    start: usize,
    end: usize,
    written: bool,
}

/// A checked buffer that the call reads.
pub(crate) struct Input<T> {
    start: *const T,
    len: usize,
}

/// A checked buffer that the call writes; it overlaps no other one of the call.
pub(crate) struct Output<T> {
    start: *mut T,
    len: usize,
}

/// A checked, strided matrix that the call writes.
pub(crate) struct Matrix<T> {
    elements: Output<T>,
    tokens: usize,
    outputs: usize,
    stride: usize,
}

impl Caller {
    pub(crate) fn new() -> Caller {
        Caller { regions: [None; MAX_BUFFERS], count: 0 }
    }

    /// A buffer of `len` elements to read. Null is allowed when it is empty.
    pub(crate) fn reads<T>(
        &mut self,
        argument: &'static str,
        start: *const T,
        len: usize,
    ) -> Result<Input<T>> {
        self.declare::<T>(argument, start.addr(), len, false)?;
        Ok(Input { start, len })
    }

    /// A buffer of `len` elements to write. Null is allowed when it is empty.
    pub(crate) fn writes<T>(
        &mut self,
        argument: &'static str,
        start: *mut T,
        len: usize,
    ) -> Result<Output<T>> {
        self.declare::<T>(argument, start.addr(), len, true)?;
        Ok(Output { start, len })
    }

    /// A strided matrix to write within a buffer of `len` elements; what is behind its last row may be anything.
    pub(crate) fn writes_matrix<T: Copy>(
        &mut self,
        argument: &'static str,
        start: *mut T,
        len: usize,
        (tokens, outputs): (usize, usize),
        stride: usize,
    ) -> Result<Matrix<T>> {
        let expected = OutputMut::<T>::extent(tokens, outputs, stride)?;
        if len < expected {
            return Err(Error::Length { argument, expected, actual: len });
        }
        Ok(Matrix { elements: self.writes(argument, start, expected)?, tokens, outputs, stride })
    }

    fn declare<T>(&mut self, argument: &'static str, start: usize, len: usize, written: bool) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        check_pointer::<T>(argument, start)?;
        let overflow = Error::SizeOverflow { argument };
        let bytes = len.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
        let end = start.checked_add(bytes.ok_or(overflow)?).ok_or(overflow)?;
        let region = Region { argument, start, end, written };
        for other in self.regions.iter().flatten() {
            if (written || other.written) && region.start < other.end && other.start < region.end {
                return Err(Error::Overlap { first: other.argument, second: argument });
            }
        }
        self.regions[self.count] = Some(region);
        self.count += 1;
        Ok(())
    }
}

impl<T> Input<T> {
    /// Borrows the buffer.
    ///
    /// # Safety
    /// It is valid for reads of its length during `'a`, as the header's rules ask of the caller.
    pub(crate) unsafe fn slice<'a>(self) -> &'a [T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: not null, aligned and of representable size as declared; valid as promised.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T> Output<T> {
    /// Borrows the buffer.
    ///
    /// # Safety
    /// It is valid for reads and writes of its length during `'a`, and nothing else uses it meanwhile.
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
    pub(crate) unsafe fn set(self, value: T) {
        // SAFETY: as promised; not null and aligned as declared.
        unsafe { self.start.write(value) };
    }
}

impl<T: Copy> Matrix<T> {
    /// Borrows the matrix.
    ///
    /// # Safety
    /// Its elements are valid for writes during `'a`, and nothing else uses them meanwhile; those between its rows may
    /// be in use elsewhere.
    pub(crate) unsafe fn view<'a>(self) -> OutputMut<'a, T> {
        let start = if self.elements.len == 0 { NonNull::dangling().as_ptr() } else { self.elements.start };
        // SAFETY: `Caller::writes_matrix` accepted the sizes; the elements are valid as promised.
        unsafe { OutputMut::from_raw(start, self.tokens, self.outputs, self.stride) }
    }
}

/// Copies a description that the caller passes by pointer.
///
/// # Safety
/// The pointer is null or points to a `T`.
pub(crate) unsafe fn read<T: Copy>(argument: &'static str, start: *const T) -> Result<T> {
    check_pointer::<T>(argument, start.addr())?;
    // SAFETY: not null and aligned; valid as promised.
    Ok(unsafe { *start })
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

fn check_pointer<T>(argument: &'static str, start: usize) -> Result<()> {
    if start == 0 {
        return Err(Error::Null { argument });
    }
    if !start.is_multiple_of(align_of::<T>()) {
        return Err(Error::Misaligned { argument, alignment: align_of::<T>() });
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
        for (first_written, second_written, start, accepted) in [
            (false, false, 12, true),
            (true, false, 12, false),
            (false, true, 12, false),
            (true, true, 12, false),
            (true, true, 16, true),
            (true, true, 0, false),
        ] {
            let mut caller = Caller::new();
            let _ = caller.declare::<f32>("a", BASE.addr(), 4, first_written);
            let second = caller.declare::<f32>("b", offset(start).addr(), 4, second_written);
            let expected = if accepted { Ok(()) } else { Err(Error::Overlap { first: "a", second: "b" }) };
            assert_eq!(second, expected, "{first_written} {second_written} {start}");
        }
    }

    #[test]
    fn pointers_and_sizes_are_checked() {
        let refused = |start: *mut f32, len| Caller::new().writes("a", start, len).err();
        assert_eq!(refused(core::ptr::null_mut(), 1), Some(Error::Null { argument: "a" }));
        assert_eq!(refused(core::ptr::null_mut(), 0), None);
        assert_eq!(refused(offset(2), 1), Some(Error::Misaligned { argument: "a", alignment: 4 }));
        assert_eq!(refused(BASE, usize::MAX / 2), Some(Error::SizeOverflow { argument: "a" }));
        assert_eq!(refused(BASE, isize::MAX as usize / 4), None);
        assert_eq!(
            refused(core::ptr::without_provenance_mut(usize::MAX - 3), 1),
            Some(Error::SizeOverflow { argument: "a" })
        );
    }
}
