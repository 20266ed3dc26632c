//! One token of int4 with `maddubs`, without bringing down a single field.
//!
//! With the fields c_0 to c_3 of a byte, and y_s what its fields up to number s are, Σ 4^t·c_t over t ≤ s, the field is
//! c_s = (y_s − y_(s−1)) / 4^s. So Σ c_s·q_s is a sum of bytes times activations, Σ y_s·p_s / 4^s with
//!
//! ```text
//! p_s = q_s − q_(s+1) / 4,   p_3 = q_3
//! ```
//!
//! of which the first three are stored times 4: then the sums of y_0 to y_2 count 16, 4 and 1, and those of y_3, the byte itself, 1:
//! 64 times what is wanted. For int4 |4·p| ≤ 40, so that an i16 takes the products of a piece with y_2, at most 42, and with y_3, at
//! most 170. That is three ands, four `maddubs` and four adds: 11 operations for 4 · 32 products, where fields masked in
//! place take 13. On a Zen 3, AVX2, in cache, 104 GMAC/s where those make 94, 10 to 13 % more for four shapes, from memory 1 to 8 %;
//! with SSE4.1 5 to 10 %. The recoded activations serve all panels of the call.
//!
//! Eight of the operations are `maddubs` and adds, and whatever avoids these needs rows of one column side by side, while a panel
//! has four columns of a row there. Tried, against 118 GMAC/s of fields in place on a Zen 4, and without counting work on the
//! activations:
//!
//! - tables as in [`int4_lookup`](crate::kernels::ternary::int4_lookup), four vectors of rows brought in order for one
//!   token alone: 108, and with the indices stored as there 75;
//! - `psignb` with field − 1 and byte sums, which three blocks fit: 91.

use core::mem::MaybeUninit;

use super::piece::{Blocks, Fields, PIECE_BLOCKS};
use super::{blocks, start};
use crate::kernels::contract::Operands;
use crate::kernels::ternary::one_token::all_panels;
use crate::kernels::ternary::sinks::Sink;
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// A block's activations, recoded.
type Recoded = [i8; BLOCK_COLUMNS];

/// Blocks whose activations are recoded at a time, on the stack.
const RECODED_BLOCKS: usize = 1024;

const _: () = assert!(PIECE_BLOCKS * 2 * 42 * 40 < 1 << 15 && PIECE_BLOCKS * 2 * 170 * 8 < 1 << 15);

/// All panels times one token of int4, `R` vectors of rows at once in registers; `R` divides a panel's.
///
/// # Safety
/// As [`maddubs::one_token`](super::maddubs::one_token), and all values are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn one_token_int4<V: ByteVector, const R: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    let (q, _) = q.as_chunks();
    debug_assert!(q.len() == blocks(panels, 0).len() / BLOCK_BYTES);
    let mut room = [const { MaybeUninit::<Recoded>::uninit() }; RECODED_BLOCKS];
    for (part, q) in q.chunks(RECODED_BLOCKS).enumerate() {
        for (recoded, q) in room.iter_mut().zip(q) {
            recoded.write(recode(q));
        }
        // SAFETY: so many were just written. Beyond that, as promised; the sink's constructor checked the lengths.
        unsafe {
            let recoded = core::slice::from_raw_parts(room.as_ptr().cast::<Recoded>(), q.len());
            all_panels::<V, _, R>(
                &Blocks::<Prefixes, 4>::NEW,
                panels,
                start(panels),
                (part * RECODED_BLOCKS, recoded),
                sink,
            );
        }
    }
}

/// Of the fields' activations, four of each.
#[inline(always)]
fn recode(q: &[i8; BLOCK_COLUMNS]) -> Recoded {
    let mut next = [0; BLOCK_COLUMNS];
    next[..BLOCK_COLUMNS - 4].copy_from_slice(&q[4..]);
    let mut recoded = [0; BLOCK_COLUMNS];
    for (recoded, (q, next)) in recoded.iter_mut().zip(q.iter().zip(next)) {
        let twice = q.wrapping_add(*q);
        *recoded = twice.wrapping_add(twice).wrapping_sub(next);
    }
    recoded[BLOCK_COLUMNS - 4..].copy_from_slice(&q[BLOCK_COLUMNS - 4..]);
    recoded
}

/// The fields up to one of a byte.
struct Prefixes;

impl Fields<4> for Prefixes {
    const SUM_OF: [usize; 4] = [0, 1, 2, 3];
    const FACTORS: [u16; 4] = [16, 4, 1, 1];
    const QUARTERS: u32 = 3;

    #[inline(always)]
    unsafe fn field<V: ByteVector>(codes: V, s: usize) -> V {
        // SAFETY: the features, as promised.
        unsafe {
            match s {
                0 => codes.and(V::splat(0x0303_0303)),
                1 => codes.and(V::splat(0x0f0f_0f0f)),
                2 => codes.and(V::splat(0x3f3f_3f3f)),
                _ => codes,
            }
        }
    }
}
