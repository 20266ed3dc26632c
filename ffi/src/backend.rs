//! Which instruction set runs.

use core::ffi::{CStr, c_char};

use core_crate::{Backend, BackendId, Error};

use super::error::{Result, guard, hbl_error};
use super::memory::{Writes, text};
use super::status::hbl_status;

/// The `backend` argument that means the best of this CPU, or the one set with hbl_backend_force.
pub const HBL_BACKEND_BEST: u32 = u32::MAX;

/// Bytes of a backend's name, the NUL included.
const NAME_SIZE: usize = 32;

/// The registry's names, NUL-terminated, in its order.
static NAMES: [[u8; NAME_SIZE]; BackendId::ALL.len()] = {
    let mut names = [[0; NAME_SIZE]; BackendId::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        let name = BackendId::ALL[index].name().as_bytes();
        assert!(name.len() < NAME_SIZE);
        names[index].split_at_mut(name.len()).0.copy_from_slice(name);
        index += 1;
    }
    names
};

/// The backend of an argument.
#[inline(always)]
pub(crate) fn backend(number: u32) -> Result<Backend> {
    match number {
        HBL_BACKEND_BEST => Ok(Backend::best()),
        number => Ok(Backend::new(BackendId::try_from(number)?)?),
    }
}

/// Writes the numbers of the backends this CPU can run, in falling order of speed and scalar (0) last, but no more than
/// `capacity` of them; `count` receives how many there are. Numbers are append-only, so they may be stored. `ids` may
/// be NULL if `capacity` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_backend_list(
    ids: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, _) = Writes::new().and("ids", ids, capacity)?;
        let (_, out) = writes.and("count", count, 1)?;
        let mut found = 0;
        for backend in Backend::available() {
            if found < capacity {
                // SAFETY: within the buffer, which is valid by the header's rules.
                unsafe { ids.add(found).write(backend.id() as u32) };
            }
            found += 1;
        }
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(found) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The name of a backend, such as "avx2", or NULL if no backend has that number. A static string. For HBL_BACKEND_BEST,
/// the name of the backend it stands for at the moment.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_backend_name(backend: u32) -> *const c_char {
    let id = match backend {
        HBL_BACKEND_BEST => Ok(Backend::best().id()),
        number => BackendId::try_from(number),
    };
    let at = |id| BackendId::ALL.iter().position(|&other| other == id);
    let name = id.ok().and_then(at).and_then(|index| CStr::from_bytes_until_nul(&NAMES[index]).ok());
    name.map_or(core::ptr::null(), CStr::as_ptr)
}

/// The number of the backend with that name, whether this CPU can run it or not.
///
/// Fails with HBL_STATUS_NAME.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_backend_from_name(
    name: *const c_char,
    backend: *mut u32,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("backend", backend, 1)?;
        // SAFETY: terminated by the header's rules.
        let name = unsafe { text("name", name) }?.ok_or(Error::Name { argument: "backend" })?;
        let id: BackendId = name.parse()?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(id as u32) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The number of the backend that HBL_BACKEND_BEST stands for at the moment.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_backend_best() -> u32 {
    Backend::best().id() as u32
}

/// Whether this CPU can run the backend: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_backend_available(backend: u32) -> i32 {
    self::backend(backend).is_ok().into()
}

/// Makes HBL_BACKEND_BEST stand for this backend from now on, in the whole process. It must be one this CPU can run; all
/// backends compute the same bits. HBL_BACKEND_BEST itself is refused.
///
/// Fails with HBL_STATUS_UNKNOWN_BACKEND or HBL_STATUS_BACKEND_UNAVAILABLE; then nothing changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_backend_force(backend: u32, error: *mut hbl_error) -> hbl_status {
    let body = || {
        Backend::force(BackendId::try_from(backend)?)?;
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Takes the caller's word that this CPU can run the backend, where nobody says so to the library: "dotprod" and "i8mm" on
/// AArch64 outside Linux and Android (Windows, or no operating system), "amx" outside Linux. From then on it is available.
/// What HBL_BACKEND_BEST stands for stays if it was used before; hbl_backend_force changes it. Where the library can ask the
/// CPU or the operating system, their answer stands. A CPU without the instructions, or whose registers the operating
/// system does not save, ends the program at the first call that uses the backend, or gives wrong results.
///
/// Fails with HBL_STATUS_UNKNOWN_BACKEND (HBL_BACKEND_BEST is refused too) or HBL_STATUS_BACKEND_UNAVAILABLE; then nothing
/// changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_backend_assume(backend: u32, error: *mut hbl_error) -> hbl_status {
    let body = || {
        // SAFETY: the caller's word.
        unsafe { Backend::assume(BackendId::try_from(backend)?)? };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_its_name() {
        for &id in BackendId::ALL {
            let name = hbl_backend_name(id as u32);
            // SAFETY: a static string.
            assert_eq!(unsafe { CStr::from_ptr(name) }.to_str(), Ok(id.name()));
        }
        assert!(hbl_backend_name(9999).is_null());
    }
}
