//! The first 64 bytes of a container.

use crate::error::{Error, Result};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;

/// The version that this build writes and reads.
pub const VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"HBLC";

/// What the header says of the file.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) file_len: u64,
    pub(super) index_place: u64,
    pub(super) entries: u32,
    pub(super) index_crc: u32,
}

impl Header {
    pub(super) fn write(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.file_len.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.index_place.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.entries.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.index_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a file that starts with these bytes and ends with them.
    pub(super) fn read(file: &[u8]) -> Result<Header> {
        let Some((bytes, _)) = file.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Error::ContainerLength { expected: HEADER_BYTES as u64, actual: file.len() as u64 });
        };
        if bytes[0..4] != MAGIC {
            return Err(Error::ContainerMagic);
        }
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        if version != VERSION {
            return Err(Error::ContainerVersion { expected: VERSION.into(), actual: version.into() });
        }
        let header = Header {
            file_len: u64_at(bytes, 8),
            index_place: u64_at(bytes, 16),
            entries: u32_at(bytes, 24),
            index_crc: u32_at(bytes, 28),
        };
        // Written back, it is the same: so the checksum is right, and the bytes without a meaning are zero.
        if header.write() != *bytes {
            return Err(Error::ContainerHeader);
        }
        if header.file_len != file.len() as u64 {
            return Err(Error::ContainerLength { expected: header.file_len, actual: file.len() as u64 });
        }
        Ok(header)
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
