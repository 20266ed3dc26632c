//! The 64-byte header of a weight blob.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | magic `HBLW` |
//! | 4..6 | layout version, u16 |
//! | 6 | layout: the number of a [`Layout`] |
//! | 7 | scaling: 0 = per tensor, 1 = per row, 2 = per group, 3 = per group as f16 |
//! | 8..12 | group length, u32; 0 unless scaling is 2 or 3 |
//! | 16..24 | rows N, u64 |
//! | 24..32 | columns K, u64 |
//! | 32..40 | length of the blob in bytes, u64 |
//! | 40..44 | CRC-32 of everything behind the header |
//! | 60..64 | CRC-32 of bytes 0..60 |
//!
//! All little-endian; the bytes not named are zero. The header is followed by the scales (f32 or f16, little-endian: one;
//! or one an output; or, for each panel and group, one a row), zero-padded to a multiple of 64 bytes, and by the codes
//! as [`crate::layout`] describes them. Scales of rows beyond N are zero.

use super::kind::Layout;
use super::panel::{HEADER_BYTES, LAYOUT_VERSION};
use super::scales::{GroupLen, Scaling};
use super::spec::WeightSpec;
use crate::error::{Error, Result};

const MAGIC: [u8; 4] = *b"HBLW";

/// Writes the header, given the checksum of all behind it.
pub(super) fn write(spec: &WeightSpec, header: &mut [u8], payload_crc: u32) {
    let (scaling, group) = match spec.scaling() {
        Scaling::Tensor => (0, 0),
        Scaling::Row => (1, 0),
        Scaling::Group(len) => (2, len as u32),
        Scaling::GroupF16(len) => (3, len as u32),
    };
    header.fill(0);
    header[0..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&LAYOUT_VERSION.to_le_bytes());
    header[6] = spec.layout() as u8;
    header[7] = scaling;
    header[8..12].copy_from_slice(&group.to_le_bytes());
    header[16..24].copy_from_slice(&(spec.outputs() as u64).to_le_bytes());
    header[24..32].copy_from_slice(&(spec.inputs() as u64).to_le_bytes());
    header[32..40].copy_from_slice(&(spec.packed_len() as u64).to_le_bytes());
    header[40..44].copy_from_slice(&payload_crc.to_le_bytes());
    let crc = crc32fast::hash(&header[..60]);
    header[60..64].copy_from_slice(&crc.to_le_bytes());
}

/// Reads and checks the header, whatever follows it.
pub(super) fn read(blob: &[u8]) -> Result<WeightSpec> {
    let Some((header, _)) = blob.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Error::BlobLength { expected: HEADER_BYTES, actual: blob.len() });
    };
    if header[0..4] != MAGIC {
        return Err(Error::BlobMagic);
    }
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version != LAYOUT_VERSION {
        return Err(Error::BlobVersion { expected: LAYOUT_VERSION.into(), actual: version.into() });
    }
    if crc32fast::hash(&header[..60]) != u32_at(header, 60) {
        return Err(Error::BlobHeader);
    }
    // A later version may give them a meaning; that blob must not pass for one of this version.
    if header[12..16].iter().chain(&header[44..60]).any(|&byte| byte != 0) {
        return Err(Error::BlobHeader);
    }
    let size = |at| usize::try_from(u64_at(header, at)).map_err(|_| Error::BlobHeader);
    let layout = Layout::try_from(u32::from(header[6])).map_err(|_| Error::BlobHeader)?;
    let scaling = match (header[7], u32_at(header, 8)) {
        (0, 0) => Scaling::Tensor,
        (1, 0) => Scaling::Row,
        (2, len) => Scaling::Group(group(len)?),
        (3, len) => Scaling::GroupF16(group(len)?),
        _ => return Err(Error::BlobHeader),
    };
    let spec = WeightSpec::new(size(16)?, size(24)?, layout, scaling).map_err(|_| Error::BlobHeader)?;
    if size(32)? != spec.packed_len() {
        return Err(Error::BlobHeader);
    }
    Ok(spec)
}

fn group(len: u32) -> Result<GroupLen> {
    GroupLen::try_from(len as usize).map_err(|_| Error::BlobHeader)
}

/// [`Error::BlobPayload`] unless the payload matches the header's checksum.
pub(super) fn check_payload(blob: &[u8]) -> Result<()> {
    let (header, payload) = blob.split_at(HEADER_BYTES);
    if crc32fast::hash(payload) == u32_at(header, 40) { Ok(()) } else { Err(Error::BlobPayload) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
