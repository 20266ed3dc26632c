//! Bytes of weight blobs, edited on purpose.

use super::data::Random;
use super::owned::{OwnedWeights, formats};

/// Bytes of a blob's header.
pub(crate) const HEADER: usize = 64;

/// A small matrix in every format: two panels, several blocks, and more than one group of every length but the longest.
pub(crate) fn small_blobs() -> Vec<OwnedWeights> {
    let mut random = Random::new(3);
    formats().map(|format| OwnedWeights::random(17, 70, format, &mut random)).collect()
}

/// Makes the header's checksum right again.
pub(crate) fn seal_header(blob: &mut [u8]) {
    let crc = crc32fast::hash(&blob[..60]);
    blob[60..64].copy_from_slice(&crc.to_le_bytes());
}

/// Makes both checksums right again.
pub(crate) fn reseal(blob: &mut [u8]) {
    let crc = crc32fast::hash(&blob[HEADER..]);
    blob[40..44].copy_from_slice(&crc.to_le_bytes());
    seal_header(blob);
}
