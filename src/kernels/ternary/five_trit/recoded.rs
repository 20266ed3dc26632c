//! Sizes of recoded int4 activations. With them, `FiveTrit` bytes are multiplied without bringing out a digit; what
//! they hold is said in [`dot_u8s8`](super::dot_u8s8) and [`maddubs`](super::maddubs).

use crate::layout::five_trit::BLOCK_COLUMNS;

/// Factors of a quarter's activations: six fours for each five of a block, and the rest's four.
pub(crate) const QUARTER_FACTORS: usize = 3 * (BLOCK_COLUMNS + 4) + 4;

/// For `maddubs`, bytes of a block's activations: the factors, six fours, and then two i16, what two lanes start from:
/// −256 times the activations that they take.
pub(crate) const RECODED_BLOCK: usize = BLOCK_COLUMNS + 8;

/// The same of a quarter: three blocks, of which the third's lanes take the rest's activations too, and these four.
pub(crate) const RECODED_QUARTER: usize = 3 * RECODED_BLOCK + 4;
