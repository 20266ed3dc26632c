//! Five base-3 digits in a byte, as [`five_trit`](super::five_trit) and several public formats store them: a number below
//! 243 as a fraction of 256, rounded up, so that tripling brings one digit after the other to the front.
//!
//! The functions have no branch and no table, so that loops over them become vectors.

/// ⌈number · 256 / 243⌉, for a number below 243; some byte for others, which damaged weights give.
#[inline(always)]
const fn byte(number: u8) -> u8 {
    // number + ⌈number · 13 / 243⌉; 4316 / 2²⁰ is 1/243, near enough for every number.
    let dividend = number as u16 * 13 + 242;
    number.wrapping_add((((dividend as u32 * 4316) >> 16) as u16 >> 4) as u8)
}

/// The most significant digit.
#[inline(always)]
fn first(byte: u8) -> u8 {
    // ⌊byte · 3 / 256⌋
    byte.saturating_sub(85).min(1) + byte.saturating_sub(170).min(1)
}

/// Brings the next digit to the front.
#[inline(always)]
const fn shift(byte: u8) -> u8 {
    byte.wrapping_mul(3)
}

/// The most significant digits of some bytes, which are left with the next ones in front. (`array::map` is not unrolled into
/// vectors.)
#[inline(always)]
pub(crate) fn take_first<const N: usize>(bytes: &mut [u8; N]) -> [u8; N] {
    let mut digits = [0; N];
    for (digit, byte) in digits.iter_mut().zip(bytes) {
        (*digit, *byte) = (first(*byte), shift(*byte));
    }
    digits
}

/// Appends a digit to each number.
#[inline(always)]
pub(crate) fn append<const N: usize>(numbers: &mut [u8; N], digits: &[u8; N]) {
    for (number, digit) in numbers.iter_mut().zip(digits) {
        *number = number.wrapping_mul(3).wrapping_add(*digit);
    }
}

/// [`byte`] of each number.
#[inline(always)]
pub(crate) fn bytes<const N: usize>(mut numbers: [u8; N]) -> [u8; N] {
    for number in &mut numbers {
        *number = byte(*number);
    }
    numbers
}

/// One digit; 0 is the most significant.
pub(super) fn digit(byte: u8, digit: usize) -> u8 {
    first((0..digit).fold(byte, |byte, _| shift(byte)))
}

/// Whether [`byte`] gives it.
pub(super) const fn is_canonical(byte: u8) -> bool {
    CANONICAL[byte as usize]
}

const CANONICAL: [bool; 256] = {
    let mut canonical = [false; 256];
    let mut number = 0;
    while number < 243 {
        canonical[byte(number) as usize] = true;
        number += 1;
    }
    canonical
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number() {
        for number in 0..243_u32 {
            let byte = byte(number as u8);
            assert_eq!(u32::from(byte), (number * 256).div_ceil(243));
            let digits = (0..5).fold(0, |sum, at| 3 * sum + u32::from(digit(byte, at)));
            assert_eq!(digits, number);
            assert!(is_canonical(byte));
        }
        assert_eq!((0..=255).filter(|&byte| is_canonical(byte)).count(), 243);
    }

    /// As damaged weights give them: some byte, and no panic.
    #[test]
    fn numbers_that_are_too_large() {
        assert_eq!(bytes([243, 244, 255]), [0, 2, 13]);
    }

    #[test]
    fn every_byte() {
        for byte in 0..=255_u8 {
            assert_eq!(u32::from(first(byte)), (u32::from(byte) * 3) >> 8);
        }
    }
}
