//! One token of int4 with `maddubs`, without bringing out a single digit.
//!
//! If y_0 is a byte and y_(s+1) = 3·y_s mod 256, its digits are d_s = (3·y_s − y_(s+1)) / 256. So 256 · Σ d_s·q_s is a sum of
//! bytes times activations, Σ y_s·p_s with
//!
//! ```text
//! p_0 = 3·q_0,   p_s = 3·q_s − q_(s−1),   p_5 = −q_4
//! ```
//!
//! For int4 |p| ≤ 32, so that `maddubs` does not saturate: 2 · 255 · 32 < 2¹⁵. Its sums may wrap: from 128 · 256 − 256 · Σ q
//! on they come to 256 · (128 + Σ w·q) of a block's columns, two bytes to a lane: at most 256 · 10 · 8 from the middle in magnitude,
//! which a u16 holds. That is six `maddubs` and six adds, ten adds to triple, a shift and an add to the sums of Σ w·q, which
//! an i16 holds for a piece: 24 operations for 5 · 32 products, where digits take 29. The recoded activations serve all
//! panels of the call. Two tokens would take 38 where digits take 39.

use super::quarter::{NARROW_QUARTERS, Quarter};
use super::quarters;
use super::recoded::{RECODED_BLOCK, RECODED_QUARTER};
use crate::kernels::contract::Operands;
use crate::kernels::ternary::maddubs::{add_products, splat_four, widen};
use crate::kernels::ternary::one_token::{Pieces, all_panels};
use crate::kernels::ternary::rows::Rows;
use crate::kernels::ternary::sinks::Sink;
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::{CHUNK_BYTES, QUARTER_BYTES, QUARTER_COLUMNS, quarter_offsets};

/// Quarters whose activations are recoded at a time, on the stack.
const RECODED_QUARTERS: usize = 64;

/// A quarter's recoded activations, and the sum of those of its blocks.
#[derive(Clone, Copy)]
struct Recoded {
    factors: [u8; RECODED_QUARTER],
    total: i32,
}

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
    let pieces = Recoding { run: quarters(panels).start };
    let mut room = [Recoded { factors: [0; RECODED_QUARTER], total: 0 }; RECODED_QUARTERS];
    let (q, _) = q.as_chunks::<QUARTER_COLUMNS>();
    for (part, q) in q.chunks(RECODED_QUARTERS).enumerate() {
        // SAFETY: as promised; the sink's constructor checked the lengths.
        unsafe {
            for (recoded, q) in room.iter_mut().zip(q) {
                recoded.total = V::recode(q, &mut recoded.factors);
            }
            let steps = (part * RECODED_QUARTERS, &room[..q.len()]);
            all_panels::<V, _, R>(&pieces, panels, 0, steps, sink);
        }
    }
}

/// Activations recoded, no digit brought out. The run starts with that quarter of its panels.
struct Recoding {
    run: usize,
}

impl Pieces for Recoding {
    type Step = Recoded;
    const STEP_COLUMNS: usize = QUARTER_COLUMNS;
    const PIECE_STEPS: usize = NARROW_QUARTERS;
    const PIECE_BYTES: usize = CHUNK_BYTES;

    #[inline(always)]
    fn offset(&self, first: usize) -> usize {
        quarter_offsets(self.run + first).0
    }

    #[inline(always)]
    unsafe fn piece<V: ByteVector, const R: usize>(
        &self,
        rows: Rows,
        ahead: usize,
        first: usize,
        steps: &[Recoded],
    ) -> [V; R] {
        // SAFETY: as promised; what is read of a recoded quarter is within it.
        unsafe {
            let mut sums = [V::splat(0); R];
            let mut quarter = Quarter::new(self.run + first);
            let next = rows.vector::<V>(0).wrapping_add(ahead);
            for step in steps.iter().enumerate() {
                add_recoded(rows, &mut quarter, next, step, &mut sums);
            }
            let bias = -3 * 128 * steps.len() as i32;
            let bias = V::splat(bias << 16 | bias & 0xffff);
            let mut wide = [[V::splat(0); R]];
            for sum in &mut sums {
                *sum = sum.add_i16(bias);
            }
            widen(&mut wide, [sums]);
            wide[0]
        }
    }

    #[inline(always)]
    fn total(steps: &[Recoded]) -> i32 {
        let mut total = 0;
        for step in steps {
            total += step.total;
        }
        total
    }

    #[inline(always)]
    unsafe fn end<V: ByteVector>(sums: V, total: V) -> V {
        // SAFETY: the features, as promised.
        unsafe { sums.add(total) }
    }
}

/// Adds the sums of a quarter of a piece, and fetches the same one of the next.
///
/// # Safety
/// The CPU has the features of `V`; the quarter is in the panels of the vectors of rows.
#[inline(always)]
unsafe fn add_recoded<V: ByteVector, const R: usize>(
    rows: Rows,
    quarter: &mut Quarter,
    next: *const u8,
    (number, step): (usize, &Recoded),
    sums: &mut [V; R],
) {
    // SAFETY: as promised; what is read of a recoded quarter is within it, and a fetch may point anywhere.
    unsafe {
        let factors = step.factors.as_ptr().cast::<i8>();
        let next = next.wrapping_add(BLOCK_BYTES + number * QUARTER_BYTES);
        if number == 0 {
            V::fetch_near(next.wrapping_sub(BLOCK_BYTES));
        }
        for block in 0..3 {
            V::fetch_near(next.wrapping_add(block * BLOCK_BYTES));
            let mut trits: [V; R] = rows.load(quarter.blocks + block * BLOCK_BYTES);
            let p = factors.add(block * RECODED_BLOCK);
            let mut narrow = [[splat_four(p.add(RECODED_BLOCK - 4)); R]];
            for s in 0..6 {
                add_products(trits, p.add(4 * s), &mut narrow);
                for trits in &mut trits {
                    *trits = trits.triple();
                }
            }
            for (sum, narrow) in sums.iter_mut().zip(narrow[0]) {
                *sum = sum.add_i16(narrow.down_a_byte()).pin();
            }
        }
        let rest = quarter.rest_field::<V, R>(rows);
        add_products(rest, factors.add(3 * RECODED_BLOCK), core::array::from_mut(sums));
        quarter.next();
    }
}
