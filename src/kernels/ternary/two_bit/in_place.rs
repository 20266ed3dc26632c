//! One token of int8 with `maddubs`: the fields of a nibble are masked in place, worth 1 and 4, and have an accumulator each; one
//! shift brings the high nibble down: 13 operations for 4 · 32 products.

use super::piece::{Blocks, Fields, PIECE_BLOCKS};
use super::{blocks, start};
use crate::kernels::contract::Operands;
use crate::kernels::ternary::one_token::all_panels;
use crate::kernels::ternary::sinks::Sink;
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;

// A lane's two products are at most 512 in magnitude of fields worth 1; an accumulator takes two fields of a block, worth 4 at most.
const _: () = assert!(PIECE_BLOCKS * 2 * 4 * 512 <= 1 << 15);

/// All panels times one token, `R` vectors of rows at once in registers; `R` divides a panel's.
///
/// # Safety
/// As [`several_tokens`](super::maddubs::several_tokens), for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: ByteVector, const R: usize>(operands: Operands<'_>, sink: &mut Sink<'_>) {
    let Operands { panels, q, .. } = operands;
    let (q, _) = q.as_chunks();
    debug_assert!(q.len() == blocks(panels, 0).len() / BLOCK_BYTES);
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        all_panels::<V, _, R>(&Blocks::<InPlace, 2>::NEW, panels, start(panels), (0, q), sink);
    }
}

/// Fields masked in place.
struct InPlace;

impl Fields<2> for InPlace {
    const SUM_OF: [usize; 4] = [0, 1, 0, 1];
    const FACTORS: [u16; 2] = [4, 1];
    const QUARTERS: u32 = 1;

    #[inline(always)]
    unsafe fn field<V: ByteVector>(codes: V, s: usize) -> V {
        // SAFETY: the features, as promised.
        unsafe {
            match s {
                0 => codes.and(V::splat(0x0303_0303)),
                1 => codes.and(V::splat(0x0c0c_0c0c)),
                2 => codes.next_nibble().and(V::splat(0x0303_0303)),
                _ => codes.next_nibble().and(V::splat(0x0c0c_0c0c)),
            }
        }
    }
}
