//! Runs of bytes that hold a code of two bits each for as many weights, and then the next code: how most formats of two bits
//! order theirs; and the codes of a byte in order.

/// Where in a byte the first, second, third and fourth code are.
pub(super) type Shifts = [u32; 4];

pub(super) const LOWEST_FIRST: Shifts = [0, 2, 4, 6];
pub(super) const HIGHEST_FIRST: Shifts = [6, 4, 2, 0];

/// The codes of `BYTES` bytes: all first ones, then all second ones.
#[inline(always)]
pub(super) fn split<const BYTES: usize>(bytes: &[u8], codes: &mut [u8], shifts: Shifts) {
    // A copy, which the codes written cannot change.
    let bytes: [u8; BYTES] = *bytes.first_chunk().expect("a run of bytes");
    for (codes, shift) in codes.as_chunks_mut::<BYTES>().0.iter_mut().zip(shifts) {
        for (code, byte) in codes.iter_mut().zip(bytes) {
            *code = byte >> shift & 3;
        }
    }
}

/// The inverse.
#[inline(always)]
pub(super) fn join<const BYTES: usize>(codes: &[u8], bytes: &mut [u8], shifts: Shifts) {
    let mut joined = [0u8; BYTES];
    for (codes, shift) in codes.as_chunks::<BYTES>().0.iter().zip(shifts) {
        for (byte, code) in joined.iter_mut().zip(codes) {
            *byte |= code << shift;
        }
    }
    *bytes.first_chunk_mut().expect("a run of bytes") = joined;
}

/// The codes of bytes in order, the first lowest in its byte.
#[inline(always)]
pub(super) fn split_in_order(bytes: &[u8], codes: &mut [u8]) {
    for (codes, &byte) in codes.as_chunks_mut::<4>().0.iter_mut().zip(bytes) {
        let halves = (u32::from(byte) | u32::from(byte) << 12) & 0x000f_000f;
        *codes = ((halves | halves << 6) & 0x0303_0303).to_le_bytes();
    }
}

/// The inverse.
#[inline(always)]
pub(super) fn join_in_order(codes: &[u8], bytes: &mut [u8]) {
    for (codes, byte) in codes.as_chunks::<4>().0.iter().zip(bytes) {
        let codes = u32::from_le_bytes(*codes);
        let halves = (codes | codes >> 6) & 0x000f_000f;
        *byte = (halves | halves >> 12) as u8;
    }
}
