//! Runs of bytes that hold a digit of base 3 each for as many weights, and then the next digit: how TQ1_0 and PTQ1_0 order
//! theirs.

use crate::layout::trits;

/// The codes of `BYTES` bytes: all first digits, then all second ones, as many as there are codes for.
#[inline(always)]
pub(super) fn decode<const BYTES: usize>(bytes: &[u8], codes: &mut [u8]) {
    let mut fractions: [u8; BYTES] = *bytes.first_chunk().expect("a run of bytes");
    for codes in codes.as_chunks_mut::<BYTES>().0 {
        *codes = trits::take_first(&mut fractions);
    }
}

/// The inverse. Digits that there are no codes for are 0.
#[inline(always)]
pub(super) fn encode<const BYTES: usize>(codes: &[u8], bytes: &mut [u8]) {
    let mut numbers = [0u8; BYTES];
    let (digits, _) = codes.as_chunks::<BYTES>();
    for digit in 0..5 {
        trits::append(&mut numbers, digits.get(digit).unwrap_or(&[0; BYTES]));
    }
    *bytes.first_chunk_mut().expect("a run of bytes") = trits::bytes(numbers);
}
