//! The digests.

use core::ffi::{CStr, c_char};

use core_crate::conformance::{Failure, Grid, Group, digest, memory_len};

use super::backend::backend;
use super::error::{Failure as Refusal, guard, hbl_error};
use super::memory::Writes;
use super::status::hbl_status;

/// `grid` of hbl_conformance_digest: all inputs, under a second for a desktop's CPU.
pub const HBL_GRID_FULL: u32 = 0;

/// `grid` of hbl_conformance_digest: few enough for microcontrollers.
pub const HBL_GRID_REDUCED: u32 = 1;

const _: () = assert!(HBL_GRID_FULL == Grid::Full as u32 && HBL_GRID_REDUCED == Grid::Reduced as u32);

/// Bytes of a group's name, the NUL included.
const NAME_SIZE: usize = 32;

static NAMES: [[u8; NAME_SIZE]; Group::ALL.len()] = {
    let mut names = [[0; NAME_SIZE]; Group::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        let name = Group::ALL[index].name().as_bytes();
        assert!(name.len() < NAME_SIZE);
        names[index].split_at_mut(name.len()).0.copy_from_slice(name);
        index += 1;
    }
    names
};

/// The name of a conformance group, such as "transform", or NULL from the first number on that no group has. A static
/// string.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_conformance_name(group: u32) -> *const c_char {
    let name = NAMES.get(group as usize).and_then(|name| CStr::from_bytes_until_nul(name).ok());
    name.map_or(core::ptr::null(), CStr::as_ptr)
}

/// Bytes of workspace for hbl_conformance_digest of any group of that grid.
///
/// Fails with HBL_STATUS_VALUE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_conformance_workspace_len(
    grid: u32,
    len: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("len", len, 1)?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(memory_len(Grid::try_from(grid)?)) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Computes what the group is about, from inputs that are made in `workspace`, and hashes what comes out: `digest` receives the
/// 64-bit FNV-1a, `expected` the number that it is on every machine and with every backend. Where the two differ, the
/// library does not compute the bits it documents there.
///
/// Fails with HBL_STATUS_VALUE for an unknown group or grid, HBL_STATUS_UNKNOWN_BACKEND, HBL_STATUS_BACKEND_UNAVAILABLE, or
/// HBL_STATUS_WORKSPACE below hbl_conformance_workspace_len.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_conformance_digest(
    backend: u32,
    group: u32,
    grid: u32,
    workspace: *mut u8,
    workspace_len: usize,
    digest: *mut u64,
    expected: *mut u64,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let mut backend = self::backend(backend)?;
        let (group, grid) = (Group::try_from(group)?, Grid::try_from(grid)?);
        let (writes, out) = Writes::new().and("digest", digest, 1)?;
        let (writes, out_expected) = writes.and("expected", expected, 1)?;
        let (_, workspace) = writes.and("workspace", workspace, workspace_len)?;
        // SAFETY: valid by the header's rules.
        let number = unsafe { self::digest(&mut backend, group, grid, workspace.buffer()) };
        let number = number.map_err(|failure| match failure {
            Failure::Refused(error) => Refusal::Core(error),
            // A backend has all stages.
            _ => Refusal::Core(core_crate::Error::Missing { argument: "stage" }),
        })?;
        // SAFETY: one element each, valid by the header's rules.
        unsafe {
            out.set(number);
            out_expected.set(group.expected(grid));
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
