//! `TwoBit` lane by lane: the four fields of a block are brought out, six operations, and multiplied with each token's
//! activations: eight `smlal` of int8, or four `mla` and one sum of pairs of int4.

use super::{blocks, start};
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::multiply_add::{Int4, Int8, Width, add_fields, sixteen_as_fours, widen};
use crate::kernels::ternary::rows::{Rows, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::LaneVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// All panels times one token of any activations, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens_int8`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token_int8<V: LaneVector, const R: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    // SAFETY: as promised to this function.
    unsafe { several_tokens_int8::<V, R, 1>(operands, sink) };
}

/// All panels times one token of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens_int4`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token_int4<V: LaneVector, const R: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    // SAFETY: as promised to this function.
    unsafe { several_tokens_int4::<V, R, 1>(operands, sink) };
}

/// All panels times `T` tokens of any activations, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `TwoBit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens_int8<V: LaneVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => int8_rows::<V, R, T>(panels, first, q, sink));
    }
}

/// All panels times `T` tokens of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens_int8`], and all values are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn several_tokens_int4<V: LaneVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => int4_rows::<V, R, T>(panels, first, q, sink));
    }
}

/// # Safety
/// As [`rows`].
#[inline(always)]
unsafe fn int8_rows<V: LaneVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    // SAFETY: as promised to this function.
    unsafe { rows::<V, Int8, R, T>(panels, first, q, sink) };
}

/// # Safety
/// As [`rows`], and all values are within −8..=7.
#[inline(always)]
unsafe fn int4_rows<V: LaneVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    // SAFETY: as promised to this function.
    unsafe { rows::<V, Int4, R, T>(panels, first, q, sink) };
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds `T` values of the width for each
/// column of their blocks.
#[inline(always)]
unsafe fn rows<V: LaneVector, W: Width, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let codes = Rows::new::<V>(panels, start(panels), first);
    debug_assert!(q.len() / BLOCK_COLUMNS == blocks(panels, 0).len() / BLOCK_BYTES * T);
    // SAFETY: the features, as promised; as many blocks are read as `q` has activations for.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut at = 0;
        for (segment, q) in q.chunks(sink.segment().saturating_mul(T)).enumerate() {
            let mut wide = start_segment::<V, R, T>(segment, sink);
            for q in q.chunks(W::TERMS / 4 * BLOCK_COLUMNS * T) {
                let mut narrow = [[W::zero::<V>(); R]; T];
                for q in q.chunks_exact(BLOCK_COLUMNS * T) {
                    let mut fields = [[mask; 4]; R];
                    for (fields, codes) in fields.iter_mut().zip(codes.load::<V, R>(at)) {
                        let high = codes.next_nibble();
                        *fields = [
                            codes.and(mask),
                            codes.next_field().and(mask),
                            high.and(mask),
                            high.next_field().and(mask),
                        ];
                    }
                    if T == 1 {
                        let x = sixteen_as_fours::<V>(q.as_ptr());
                        for (narrow, fields) in narrow[0].iter_mut().zip(fields) {
                            *narrow = W::add(*narrow, fields, x);
                        }
                    } else {
                        add_fields::<V, W, R, T, 4>(fields, q.as_ptr(), &mut narrow);
                    }
                    at += BLOCK_BYTES;
                }
                widen::<V, W, R, T>(&mut wide, narrow);
            }
            end_segment(segment, first, wide, sink);
        }
    }
}
