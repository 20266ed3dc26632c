//! Recoded int4 activations. With them, `FiveTrit` bytes are multiplied without bringing out a digit; what
//! they hold is said in [`dot_u8s8`](super::dot_u8s8) and [`recoding`](super::recoding).

use crate::layout::five_trit::{BLOCK_COLUMNS, QUARTER_COLUMNS};

/// Factors of a quarter's activations: six fours for each five of a block, and the rest's four.
pub(crate) const QUARTER_FACTORS: usize = 3 * (BLOCK_COLUMNS + 4) + 4;

/// For `maddubs`, bytes of a block's activations: the factors, six fours, and then two u16, what two lanes start from:
/// 128 · 256 less 256 times the activations that they take.
pub(crate) const RECODED_BLOCK: usize = BLOCK_COLUMNS + 8;

/// The same of a quarter: three blocks, and the four activations of the rest.
pub(crate) const RECODED_QUARTER: usize = 3 * RECODED_BLOCK + 4;

/// [`ByteVector::recode`](crate::kernels::ternary::vector::ByteVector::recode) one by one, for any CPU.
#[inline(always)]
pub(crate) fn recode(q: &[i8; QUARTER_COLUMNS], recoded: &mut [u8; RECODED_QUARTER]) -> i32 {
    let (blocks, rest) = q.split_at(3 * BLOCK_COLUMNS);
    let mut total = [0_i16; 2];
    for (block, q) in blocks.chunks_exact(BLOCK_COLUMNS).enumerate() {
        let recoded = &mut recoded[block * RECODED_BLOCK..][..RECODED_BLOCK];
        for (i, recoded) in recoded[..BLOCK_COLUMNS + 4].iter_mut().enumerate() {
            let own = if i < BLOCK_COLUMNS { q[i] } else { 0 };
            let last = if i < 4 { 0 } else { q[i - 4] };
            *recoded = (3 * own - last) as u8;
        }
        let mut lanes = [0_i16; 2];
        for (i, &q) in q.iter().enumerate() {
            lanes[i / 2 % 2] += i16::from(q);
        }
        for (lane, start) in recoded[BLOCK_COLUMNS + 4..].chunks_exact_mut(2).enumerate() {
            start.copy_from_slice(&((128 - lanes[lane]) << 8).to_le_bytes());
            total[lane] += lanes[lane];
        }
    }
    for (recoded, &q) in recoded[3 * RECODED_BLOCK..].iter_mut().zip(rest) {
        *recoded = q as u8;
    }
    i32::from(total[0]) + i32::from(total[1])
}
