//! A file of packed weights and what belongs to them.

use core::ffi::c_char;

use core_crate::container::{Container, Entry, MAX_DIMENSIONS};
use core_crate::{Error, Weights};

use super::describe::{Description, describe, description, store};
use super::error::{Result, guard, hbl_error};
use super::handle::{Prepared, Seal, open, prepare};
use super::memory::{Reads, Regions, Writes, text};
use super::status::hbl_status;
use super::weights::hbl_weights;

/// A container (a `.hbl` file) that was opened. A handle, made by hbl_container_open; its bytes must live, unchanged, as long
/// as it and what is found in it are used. It may be copied, and there is nothing to free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_container {
    /// The library's own.
    pub opaque: [u64; 16],
}

impl Prepared for Container<'static> {
    type Opaque = hbl_container;
    const MAKER: &'static str = "hbl_container_open";
    const MAGIC: u64 = u64::from_le_bytes(*b"hblcon.1");

    fn fingerprint(&self, seal: &mut Seal) {
        seal.slice(self.bytes());
        for part in self.index_parts() {
            seal.slice(part);
        }
    }
}

/// What an entry's data is. The numbers are those of the file.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_kind {
    /// A weight blob: hbl_container_weights.
    HBL_KIND_WEIGHTS = 1,
    /// A tensor's bytes as they were in the source.
    HBL_KIND_TENSOR = 2,
    /// UTF-8 without a NUL at its end, such as the text for hbl_contract_layer.
    HBL_KIND_TEXT = 3,
    /// The header of the source file.
    HBL_KIND_SOURCE = 4,
}

/// An entry of a container: what the index says of it, and where its data is. Start from HBL_ENTRY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_entry {
    /// sizeof(hbl_entry).
    pub struct_size: usize,
    /// 0.
    pub flags: u32,
    /// An hbl_kind.
    pub kind: u32,
    /// Its number, counted from 0 in the order of the data.
    pub number: usize,
    /// Its name, within the container: UTF-8 that ends with NUL.
    pub name: *const c_char,
    /// What the source calls the data's type, likewise: of weights hbl_format_name() of the format that they came from, or "".
    pub type_name: *const c_char,
    /// Its data, within the container.
    pub data: *const u8,
    /// Bytes of it.
    pub data_len: usize,
    /// The dimensions, outermost first: N and K of weights. Those that there are not are 0.
    pub shape: [u64; 4],
    /// Number of dimensions, at most 4.
    pub dimensions: u32,
    /// CRC-32 of the data, as the index says.
    pub crc: u32,
}
description!(hbl_entry, "HBL_ENTRY_INIT", 0);

const _: () = assert!(MAX_DIMENSIONS == 4);

impl hbl_entry {
    fn of(entry: &Entry<'static>) -> hbl_entry {
        let mut shape = [0; MAX_DIMENSIONS];
        for (slot, dimension) in shape.iter_mut().zip(entry.shape()) {
            *slot = dimension;
        }
        hbl_entry {
            struct_size: size_of::<hbl_entry>(),
            flags: 0,
            kind: entry.kind() as u32,
            number: entry.number(),
            name: entry.c_name().as_ptr(),
            type_name: entry.c_type_name().as_ptr(),
            data: entry.data().as_ptr(),
            data_len: entry.data().len(),
            shape,
            dimensions: entry.shape().len() as u32,
            crc: entry.crc(),
        }
    }
}

/// Opens a container, the bytes of a whole file: checks its header and index and reads nothing else, so that a mapped file
/// of any size opens at once.
///
/// Fails with HBL_STATUS_CONTAINER_LENGTH, HBL_STATUS_CONTAINER_MAGIC, HBL_STATUS_CONTAINER_VERSION,
/// HBL_STATUS_CONTAINER_HEADER, HBL_STATUS_CONTAINER_INDEX or HBL_STATUS_CONTAINER_ENTRY (the message has the entry's number
/// and what was expected of it).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_container_open(
    file: *const u8,
    file_len: usize,
    container: *mut hbl_container,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, _) = Writes::new().and("container", container, 1)?;
        let file = writes.reads().buffer("file", file, file_len)?;
        // SAFETY: valid by the header's rules, the file as long as the handle.
        unsafe { prepare(container, Container::open(file.slice())?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Opens a handle, its bytes declared as read.
///
/// # Safety
/// The pointer obeys the header's rules during `'a`.
unsafe fn container<'a>(
    reads: &Reads<impl Regions>,
    it: *const hbl_container,
) -> Result<&'a Container<'static>> {
    // SAFETY: as promised.
    let it = unsafe { open::<Container<'static>>("container", it) }?;
    reads.slice("file", it.bytes())?;
    Ok(it)
}

/// An entry by its number.
fn numbered(container: &Container<'static>, number: usize) -> Result<Entry<'static>> {
    let limit = container.len();
    let range = Error::Range { argument: "entry", start: number, end: number.saturating_add(1), limit };
    Ok(container.entry(number).ok_or(range)?)
}

/// The number of entries.
///
/// Fails with HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_container_len(
    container: *const hbl_container,
    count: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, out) = Writes::new().and("count", count, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(self::container(&writes.reads(), container)?.len()) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// An entry by its number, from 0 in the order of the data. `entry` is a description that was initialised: its fields are
/// written as far as its struct_size reaches.
///
/// Fails with HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_container_entry(
    container: *const hbl_container,
    number: usize,
    entry: *mut hbl_entry,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    let body = || unsafe { describe_entry(container, entry, |it| numbered(it, number)) };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// An entry by its name. `entry` is as for hbl_container_entry.
///
/// Fails with HBL_STATUS_NAME (no entry has it) or HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_container_find(
    container: *const hbl_container,
    name: *const c_char,
    entry: *mut hbl_entry,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: terminated by the header's rules.
        let name = unsafe { text("name", name) }?;
        let find = |it: &Container<'static>| {
            Ok(name.and_then(|name| it.find(name)).ok_or(Error::Name { argument: "entry" })?)
        };
        // SAFETY: valid by the header's rules.
        unsafe { describe_entry(container, entry, find) }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The body of the two that describe an entry.
///
/// # Safety
/// The pointers obey the header's rules.
unsafe fn describe_entry(
    container: *const hbl_container,
    entry: *mut hbl_entry,
    find: impl FnOnce(&Container<'static>) -> Result<Entry<'static>>,
) -> Result<()> {
    // SAFETY: as promised.
    unsafe {
        let accepted = describe("entry", entry)?;
        let (writes, _) = Writes::new().and("entry", entry.cast::<u8>(), accepted.struct_size)?;
        let found = find(self::container(&writes.reads(), container)?)?;
        store(entry, &accepted, hbl_entry::of(&found));
    }
    Ok(())
}

/// Reads the data of an entry and compares it with the checksum of the index.
///
/// Fails with HBL_STATUS_CONTAINER_ENTRY, HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_container_verify(
    container: *const hbl_container,
    number: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        let container = unsafe { self::container(&Writes::new().reads(), container) }?;
        Ok(numbered(container, number)?.verify()?)
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Opens the weights of an entry and checks all of them, as hbl_weights_open does. Nothing is copied.
///
/// Fails as hbl_weights_open does; with HBL_STATUS_CONTAINER_ENTRY (no weights, or of another shape than the index says),
/// HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_container_weights(
    container: *const hbl_container,
    number: usize,
    weights: *mut hbl_weights,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    let body = || unsafe { entry_weights(container, number, weights, Entry::weights) };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Opens the weights of an entry of a file that is known to be whole: checks their header only, as hbl_weights_open_verified
/// does, so that a mapped file is not read through.
///
/// Fails as hbl_weights_open_verified does; with HBL_STATUS_CONTAINER_ENTRY, HBL_STATUS_RANGE or HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_container_weights_verified(
    container: *const hbl_container,
    number: usize,
    weights: *mut hbl_weights,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    let body = || unsafe { entry_weights(container, number, weights, Entry::weights_unread) };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The body of the two that open weights.
///
/// # Safety
/// The pointers obey the header's rules.
unsafe fn entry_weights(
    container: *const hbl_container,
    number: usize,
    weights: *mut hbl_weights,
    open: impl FnOnce(&Entry<'static>) -> core_crate::Result<Weights<'static>>,
) -> Result<()> {
    let (writes, _) = Writes::new().and("weights", weights, 1)?;
    // SAFETY: as promised, the file as long as the weights' handle is used.
    unsafe {
        let container = self::container(&writes.reads(), container)?;
        prepare(weights, open(&numbered(container, number)?)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use core_crate::container::Kind;

    use super::hbl_kind::*;

    #[test]
    fn the_kinds_numbers_are_the_cores() {
        let ours = [HBL_KIND_WEIGHTS, HBL_KIND_TENSOR, HBL_KIND_TEXT, HBL_KIND_SOURCE];
        let cores: Vec<u32> = Kind::ALL.iter().map(|&kind| kind as u32).collect();
        assert_eq!(ours.map(|kind| kind as u32).as_slice(), cores);
    }
}
