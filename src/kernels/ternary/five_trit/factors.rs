//! The factors of [`dot_u8s8`](super::dot_u8s8) for int4 activations, made once for all panels of a call.

use super::recoded::QUARTER_FACTORS;
use crate::kernels::ternary::vector::IntVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::BLOCK_COLUMNS;

/// Quarters whose factors are made at a time, in first-level cache.
pub(super) const FACTOR_QUARTERS: usize = 16;

/// Most tokens whose factors are made together.
const FACTOR_TOKENS: usize = 4;

/// Factors of a quarter of as many tokens, or what they are made of, with room for what a last vector may reach beyond
/// them: of 16 rows, it has 64 bytes.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct TileFactors(
    pub(super) [i8; (FACTOR_TOKENS * QUARTER_FACTORS + BLOCK_BYTES).next_multiple_of(64)],
);

impl TileFactors {
    pub(super) const ZEROS: TileFactors = TileFactors([0; size_of::<TileFactors>()]);
}

/// Columns of a block with four zeros before it.
const PADDED_BLOCK: usize = BLOCK_COLUMNS + 4;

/// The blocks of a quarter's activations of `T` tokens, each behind four zeros of each token; only these and the end of
/// `padded` are left as they are.
#[inline(always)]
pub(super) fn pad_blocks<const T: usize>(q: &[i8], padded: &mut TileFactors) {
    for (block, q) in q.chunks_exact(BLOCK_COLUMNS * T).enumerate() {
        padded.0[PADDED_BLOCK * T * block + 4 * T..][..BLOCK_COLUMNS * T].copy_from_slice(q);
    }
}

/// The factors p for `T` tokens, of a quarter and its padded blocks.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn tile_factors<V: IntVector, const T: usize>(
    q: &[i8],
    padded: &TileFactors,
    factors: &mut TileFactors,
) {
    const { assert!(T <= FACTOR_TOKENS) };
    for at in (0..3 * PADDED_BLOCK * T).step_by(4 * V::ROWS) {
        // SAFETY: the features, as promised; the last vector begins below the factors of the blocks, and a vector and
        // four columns behind these are within both arrays.
        unsafe {
            let last = V::load(padded.0.as_ptr().add(at).cast());
            let own = V::load(padded.0.as_ptr().add(at + 4 * T).cast());
            own.triple().sub_i8(last).store(factors.0.as_mut_ptr().add(at).cast());
        }
    }
    factors.0[3 * PADDED_BLOCK * T..][..4 * T].copy_from_slice(&q[3 * BLOCK_COLUMNS * T..][..4 * T]);
}
