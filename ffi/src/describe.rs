//! Descriptions: structs of the caller's that say how large they are, so that they can grow.
//!
//! A description starts with `struct_size` and `flags`. A smaller one was compiled against an older header: the fields
//! it lacks are zero, which is every field's default. A larger one comes from a newer header: it is taken if it uses
//! nothing of what this library does not know.

use core::mem::MaybeUninit;

use super::error::{Failure, Result};
use super::memory::check_pointer;

/// A struct that grows at its end.
///
/// # Safety
/// It is `repr(C)`, starts with `struct_size: usize` and `flags: u32`, has no padding, and any bytes are a value of it.
pub(crate) unsafe trait Description: Copy {
    /// Its initialiser's name.
    const INITIALISER: &'static str;
    /// The bits of `flags` that mean something.
    const FLAGS: u32;

    fn struct_size(&self) -> usize;

    fn flags(&self) -> u32;
}

/// Writes out what [`Description`] asks for.
macro_rules! description {
    ($name:ident, $initialiser:literal, $flags:expr) => {
        // SAFETY: a `repr(C)` struct of numbers and raw pointers, as its fields below the name show.
        unsafe impl Description for $name {
            const INITIALISER: &'static str = $initialiser;
            const FLAGS: u32 = $flags;

            fn struct_size(&self) -> usize {
                self.struct_size
            }

            fn flags(&self) -> u32 {
                self.flags
            }
        }
    };
}
pub(crate) use description;

/// The least `struct_size`: that of a description which has nothing but `struct_size` and `flags`.
const LEAST: usize = (size_of::<usize>() + size_of::<u32>()).next_multiple_of(align_of::<usize>());

/// Copies a description that the caller passes by pointer, the fields it lacks as zero.
///
/// # Safety
/// The pointer is null or points to as many bytes as its `struct_size` says.
#[inline(always)]
pub(crate) unsafe fn describe<T: Description>(argument: &'static str, start: *const T) -> Result<T> {
    check_pointer::<T>(argument, start.addr())?;
    // SAFETY: not null and aligned; every description starts with its size.
    let size = unsafe { start.cast::<usize>().read() };
    let it = if size == size_of::<T>() {
        // SAFETY: it is as large as the type, and any bytes are a value.
        unsafe { start.read() }
    } else {
        // SAFETY: as promised.
        unsafe { resize(argument, start, size) }?
    };
    let unknown = it.flags() & !T::FLAGS;
    if unknown != 0 {
        return Err(Failure::NewerFlags { argument, flags: unknown });
    }
    Ok(it)
}

/// A description of another size than this library's.
///
/// # Safety
/// The pointer points to `size` bytes.
#[cold]
unsafe fn resize<T: Description>(argument: &'static str, start: *const T, size: usize) -> Result<T> {
    let known = size_of::<T>();
    if size < LEAST || !size.is_multiple_of(align_of::<usize>()) || isize::try_from(size).is_err() {
        return Err(Failure::StructSize { argument, initialiser: T::INITIALISER, actual: size });
    }
    for at in known..size {
        // SAFETY: within the bytes that `struct_size` promises.
        if unsafe { start.cast::<u8>().add(at).read() } != 0 {
            return Err(Failure::NewerFields { argument, known, actual: size });
        }
    }
    let mut it = MaybeUninit::<T>::zeroed();
    // SAFETY: the shorter of the two sizes; any bytes, zeros included, are a value.
    unsafe {
        let target = it.as_mut_ptr().cast::<u8>();
        core::ptr::copy_nonoverlapping(start.cast::<u8>(), target, size.min(known));
        Ok(it.assume_init())
    }
}

/// Stores a result in a description that [`describe`] accepted, as far as the caller's struct reaches.
///
/// # Safety
/// The pointer is the one that was accepted as `accepted`, and valid for writes.
pub(crate) unsafe fn store<T: Description>(to: *mut T, accepted: &T, value: T) {
    let size = accepted.struct_size();
    let behind = size_of::<usize>()..size.min(size_of::<T>());
    // SAFETY: within both structs; `struct_size` stays the caller's.
    unsafe {
        let source = (&raw const value).cast::<u8>().add(behind.start);
        let target = to.cast::<u8>().add(behind.start);
        core::ptr::copy_nonoverlapping(source, target, behind.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Sample {
        struct_size: usize,
        flags: u32,
        number: u32,
        last: usize,
    }
    description!(Sample, "SAMPLE_INIT", 1);

    const SIZE: usize = size_of::<Sample>();

    fn read(struct_size: usize, flags: u32, tail: usize) -> Result<Sample> {
        let larger = [
            Sample { struct_size, flags, number: 7, last: 8 },
            Sample { struct_size: 0, flags: 0, number: 0, last: tail },
        ];
        // SAFETY: there are at least `struct_size` bytes, up to twice a sample's.
        unsafe { describe("sample", larger.as_ptr()) }
    }

    #[test]
    fn sizes_say_which_fields_there_are() {
        let whole = Sample { struct_size: SIZE, flags: 1, number: 7, last: 8 };
        assert_eq!(read(SIZE, 1, 9), Ok(whole));
        assert_eq!(read(LEAST, 0, 9), Ok(Sample { struct_size: LEAST, flags: 0, last: 0, ..whole }));
        assert_eq!(read(2 * SIZE, 1, 0), Ok(Sample { struct_size: 2 * SIZE, ..whole }));
        let newer = Failure::NewerFields { argument: "sample", known: SIZE, actual: 2 * SIZE };
        assert_eq!(read(2 * SIZE, 1, 1), Err(newer));
        // What is behind the struct is nobody's business.
        assert_eq!(read(2 * SIZE - size_of::<usize>(), 1, 1).map(|it| it.number), Ok(7));
        for none in [0, 1, LEAST - 1, LEAST + 1, SIZE + 1, usize::MAX, isize::MAX as usize + 1] {
            let refused =
                Failure::StructSize { argument: "sample", initialiser: "SAMPLE_INIT", actual: none };
            assert_eq!(read(none, 0, 0), Err(refused));
        }
        assert_eq!(read(SIZE, 6, 0), Err(Failure::NewerFlags { argument: "sample", flags: 6 }));
    }

    #[test]
    fn results_stay_within_the_callers_struct() {
        let value = Sample { struct_size: 1, flags: 1, number: 2, last: 3 };
        for (size, expected) in [(SIZE, 3), (LEAST, 8), (2 * SIZE, 3)] {
            let mut target = Sample { struct_size: size, flags: 0, number: 7, last: 8 };
            let accepted = target;
            // SAFETY: the target is no shorter than what is stored.
            unsafe { store(&mut target, &accepted, value) };
            assert_eq!((target.struct_size, target.number, target.last), (size, 2, expected));
        }
    }
}
