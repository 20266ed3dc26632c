//! Digits two by two, as those of base 9: how vectors with 16-bit multiplications and a byte shuffle have
//! [`IntVector::trits`](crate::kernels::ternary::vector::IntVector::trits).
//!
//! A byte times 256, in 16 bits, is a fraction of 65536 with the same base-3 digits. The upper half of 9 times it is the number
//! of its first two digits, which shuffles split; the upper half of 81 times it that of the first four, and without 9
//! times the other it is the next two; what 81 times it leaves is a fraction that begins with the last digit, the upper half of 3
//! times it. For all bytes that is two unpacks, eight multiplications, three packs, which undo the unpacks, five shuffles and a
//! difference: 19 operations, where one digit after the other takes 28 (two adds of a tripling, two compares, a sum, an
//! absolute value). 9 times it is not the way to the next two: LLVM makes a shift and an add of that multiplication.
//!
//! With dots, where the digits are all that remains beside them, five tokens of int8 made 203 GMAC/s for 168 with 512 bits on a
//! Sapphire Rapids, four 184 for 150, and four 130 for 115 with 256 bits.

/// Of a base-9 digit, its first digit of base 3.
pub(crate) const FIRST: [u8; 16] = [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0];

/// Its second.
pub(crate) const SECOND: [u8; 16] = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0];

/// Nine times it.
pub(crate) const TIMES: [u8; 16] = [0, 9, 18, 27, 36, 45, 54, 63, 72, 0, 0, 0, 0, 0, 0, 0];
