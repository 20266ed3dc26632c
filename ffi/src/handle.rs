//! Handles: what was checked once, kept in the caller's memory, and used from there.
//!
//! A handle's memory is plain words to C. It holds a value of the core behind a magic number and a seal over what the
//! value points to, so that memory that no function prepared, or that was written to since, is refused.

use core::hash::Hasher;
use core::mem::MaybeUninit;

use super::error::{Failure, Result};
use super::memory::check_pointer;

/// A value of the core that handles keep.
pub(crate) trait Prepared: Copy {
    /// The words that C sees.
    type Opaque;
    /// The function that makes them.
    const MAKER: &'static str;
    /// Which kind of handle it is, and of which form.
    const MAGIC: u64;

    /// Numbers that differ between any two values that are used differently.
    fn fingerprint(&self, seal: &mut Seal);
}

/// A running sum of a value's numbers: two, so that neighbours need not wait for each other.
pub(crate) struct Seal(u64, u64);

impl Seal {
    #[inline(always)]
    pub(crate) fn add(&mut self, number: usize) {
        (self.0, self.1) = (self.1, self.0.rotate_left(7) ^ number as u64);
    }

    #[inline(always)]
    pub(crate) fn bits(&mut self, number: f64) {
        let bits = number.to_bits();
        self.add(bits as usize);
        self.add((bits >> 32) as usize);
    }

    #[inline(always)]
    pub(crate) fn slice<T>(&mut self, slice: &[T]) {
        self.add(slice.as_ptr().addr());
        self.add(slice.len());
    }

    #[inline(always)]
    fn of<T: Prepared>(value: &T) -> u64 {
        let mut seal = Seal(T::MAGIC, !T::MAGIC);
        value.fingerprint(&mut seal);
        seal.0.wrapping_add(seal.1.rotate_left(32))
    }
}

/// For values that say themselves what makes them up.
impl Hasher for Seal {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.add(byte.into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number as usize);
        self.add((number >> 32) as usize);
    }

    /// Handles take the sum as a whole.
    fn finish(&self) -> u64 {
        0
    }
}

#[repr(C)]
struct Handle<T> {
    magic: u64,
    seal: u64,
    value: MaybeUninit<T>,
}

impl<T: Prepared> Handle<T> {
    /// It fits into what C reserves.
    const FITS: () = assert!(
        size_of::<Handle<T>>() <= size_of::<T::Opaque>()
            && align_of::<Handle<T>>() <= align_of::<T::Opaque>()
    );
}

/// Stores a checked value as a handle.
///
/// # Safety
/// `to` is aligned and valid for writes.
pub(crate) unsafe fn prepare<T: Prepared>(to: *mut T::Opaque, value: T) {
    let () = Handle::<T>::FITS;
    let handle = Handle { magic: T::MAGIC, seal: Seal::of(&value), value: MaybeUninit::new(value) };
    // SAFETY: valid as promised, and large enough and aligned as asserted.
    unsafe { to.cast::<Handle<T>>().write(handle) };
}

/// The value of a handle.
///
/// # Safety
/// The pointer is null or points to a handle, or to other initialised memory of its size; nothing writes it during `'a`.
#[inline(always)]
pub(crate) unsafe fn open<'a, T: Prepared>(argument: &'static str, from: *const T::Opaque) -> Result<&'a T> {
    check_pointer::<T::Opaque>(argument, from.addr())?;
    let from = from.cast::<Handle<T>>();
    // SAFETY: valid as promised; the words in front are numbers, whatever they hold. Where they are what `prepare` writes,
    // a value follows.
    unsafe {
        if (*from).magic == T::MAGIC {
            let value = (*from).value.assume_init_ref();
            if (*from).seal == Seal::of(value) {
                return Ok(value);
            }
        }
    }
    Err(Failure::Handle { argument, maker: T::MAKER })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Sample {
        first: usize,
        second: usize,
    }

    impl Prepared for Sample {
        type Opaque = [u64; 6];
        const MAKER: &'static str = "sample_new";
        const MAGIC: u64 = 0x1234;

        fn fingerprint(&self, seal: &mut Seal) {
            seal.add(self.first);
            seal.add(self.second);
        }
    }

    #[test]
    fn only_what_was_prepared_is_opened() {
        let refused = Err(Failure::Handle { argument: "sample", maker: "sample_new" });
        // SAFETY: arrays of initialised words.
        let open = |words: &[u64; 6]| unsafe { super::open::<Sample>("sample", words) }.copied();
        assert_eq!(open(&[0; 6]), refused);
        assert_eq!(open(&[u64::MAX; 6]), refused);
        let mut words = [0; 6];
        let value = Sample { first: 3, second: 3 };
        // SAFETY: the array is ours.
        unsafe { prepare(&mut words, value) };
        assert_eq!(open(&words), Ok(value));
        let copy = words;
        assert_eq!(open(&copy), Ok(value));
        let used = 2 + size_of::<Sample>() / 8;
        for word in 0..used {
            for bit in 0..64 {
                let mut damaged = words;
                damaged[word] ^= 1 << bit;
                assert_eq!(open(&damaged), refused, "word {word}, bit {bit}");
            }
        }
    }
}
