//! `TwoBit` with `maddubs`.
//!
//! **Several tokens**: the fields of `R` vectors of rows are masked and shifted down one by one, and each is multiplied
//! with four columns of `T` tokens (`maddubs` and an add), whose broadcast serves `R` of them: 2 + 2 · T operations and
//! a load a field for T · 32 products. A Zen 4 core starts two `maddubs` a cycle, and three to four operations with
//! loads, so that 6 tokens make 142 GMAC/s of the 177 that `maddubs` and an add alone make there.
//! Of a block that is 7 + 8 · T operations, which any kernel has that multiplies fields with `maddubs`: 4 tokens take 39 for
//! 512 products, at most 150 GMAC/s where a Sapphire Rapids starts 11.5 G of them a second, and make 122 to 124 there, 2
//! make 115, 6 make 134. Fields masked [in place](super::in_place) are 5 + 8 · T and twice the accumulators: 2 tokens gained 0 to
//! 4 %, 4 and 5 tokens 1 to 5 %, 3 and 6 lost 6 to 18 % to spills. Codes are fetched ahead as [`Ahead`] says: 2560 × 6912
//! weights, more than second-level cache, make 114, 122, 117, 129 and 132 GMAC/s with 2 to 6 tokens of int8 where they made 89,
//! 84, 115, 124 and 127, and 400 MB of weights 70 and 91 with 2 and 4 tokens where they made 37 and 51; in cache it costs
//! up to 3 %. Columns in pieces, so that activations stay in first-level cache, lost up to 14 % with 6912 columns.
//!
//! One token is elsewhere: [`in_place`](super::in_place), and [`recoding`](super::recoding) for int4.

pub(crate) use super::in_place::one_token;
pub(crate) use super::recoding::one_token_int4;
use super::start;
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::maddubs::{add_products, widen};
use crate::kernels::ternary::rows::{Ahead, Rows, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// Blocks that an i16 accumulator takes.
const NARROW_BLOCKS: usize = 16;

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `TwoBit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: ByteVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => several_rows::<V, R, T>(panels, first, q, sink));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds `T` values for each column of
/// their blocks.
#[inline(always)]
unsafe fn several_rows<V: ByteVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, start(panels), first);
    let (codes, ahead) = (rows.pointers::<V, R>(), Ahead::new::<V, R>(panels, start(panels)));
    // SAFETY: the features, as promised; as many blocks are read as `q` has activations for; a fetch ahead may point
    // anywhere.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut at = 0;
        for (segment, q) in q.chunks(sink.segment().saturating_mul(T)).enumerate() {
            let mut wide = start_segment::<V, R, T>(segment, sink);
            for q in q.chunks(NARROW_BLOCKS * BLOCK_COLUMNS * T) {
                let mut narrow = [[V::splat(0); R]; T];
                for q in q.chunks_exact(BLOCK_COLUMNS * T) {
                    ahead.fetch::<V, R>(rows, at);
                    let mut fields = [mask; R];
                    for (fields, codes) in fields.iter_mut().zip(codes) {
                        *fields = V::load(codes.add(at));
                    }
                    for s in 0..4 {
                        let mut field = fields;
                        for (field, fields) in field.iter_mut().zip(&mut fields) {
                            *field = fields.and(mask);
                            *fields = fields.next_field();
                        }
                        add_products(field, q.as_ptr().add(4 * s * T), &mut narrow);
                    }
                    at += BLOCK_BYTES;
                }
                widen(&mut wide, narrow);
            }
            end_segment(segment, first, wide, sink);
        }
    }
}
