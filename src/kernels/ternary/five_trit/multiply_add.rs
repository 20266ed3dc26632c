//! `FiveTrit` lane by lane.
//!
//! **Digits**: three operations bring one out and one the next to the front; then they are multiplied as fields of `TwoBit`
//! are.
//!
//! **One token of int4**, without bringing out a single digit, by the factors p of [`dot_u8s8`](super::dot_u8s8). Bytes are
//! loaded as x − 128, so that the digits are the weights, and the products go to i16, modulo 2¹⁶: what a lane has of a
//! quarter in the end is 256 times Σ w·q of fifteen columns, 30720 at most. Divided, that is a byte.

use super::factors::{FACTOR_QUARTERS, TileFactors, pad_blocks, tile_factors};
use super::quarters;
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::multiply_add::{Int4, Int8, Width, add_fields, sixteen_as_fours, widen};
use crate::kernels::ternary::rows::{Rows, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::LaneVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::{BLOCK_COLUMNS, QUARTER_COLUMNS, quarter_offsets};

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

/// All panels times `T` tokens of any activations, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `FiveTrit`, the tokens `T`, and the sink is made for these operands.
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
/// column of their quarters.
#[inline(always)]
unsafe fn rows<V: LaneVector, W: Width, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let codes = Rows::new::<V>(panels, 0, first);
    // SAFETY: the features, as promised; as many quarters are read as `q` has activations for.
    unsafe {
        let mut quarter = quarters(panels).start;
        for (segment, q) in q.chunks(sink.segment().saturating_mul(T)).enumerate() {
            let mut wide = start_segment::<V, R, T>(segment, sink);
            for q in q.chunks(W::TERMS / 16 * QUARTER_COLUMNS * T) {
                let mut narrow = [[W::zero::<V>(); R]; T];
                for q in q.chunks_exact(QUARTER_COLUMNS * T) {
                    add_quarter::<V, W, R, T>(codes, quarter, q.as_ptr(), &mut narrow);
                    quarter += 1;
                }
                widen::<V, W, R, T>(&mut wide, narrow);
            }
            end_segment(segment, first, wide, sink);
        }
    }
}

/// Adds a quarter to narrow sums.
///
/// # Safety
/// As [`rows`]; `q` points to the quarter's activations.
#[inline(always)]
unsafe fn add_quarter<V: LaneVector, W: Width, const R: usize, const T: usize>(
    codes: Rows,
    quarter: usize,
    mut q: *const i8,
    narrow: &mut [[W::Narrow<V>; R]; T],
) {
    let (_, blocks) = quarter_offsets(quarter);
    // SAFETY: as promised to this function.
    unsafe {
        for block in 0..3 {
            let mut trits: [V; R] = codes.load(blocks + block * BLOCK_BYTES);
            if W::TOGETHER {
                let mut fields = [[trits[0]; 5]; R];
                for (fields, trits) in fields.iter_mut().zip(trits) {
                    let mut trits = trits;
                    for field in fields {
                        *field = trits.front_trit();
                        trits = trits.triple();
                    }
                }
                add_fields::<V, W, R, T, 5>(fields, q, narrow);
                q = q.add(BLOCK_COLUMNS * T);
            } else {
                for _ in 0..5 {
                    let mut fields = [[trits[0]; 1]; R];
                    for ([field], trits) in fields.iter_mut().zip(&mut trits) {
                        *field = trits.front_trit();
                        *trits = trits.triple();
                    }
                    add_fields::<V, W, R, T, 1>(fields, q, narrow);
                    q = q.add(4 * T);
                }
            }
        }
        add_fields::<V, W, R, T, 1>(rest::<V, R>(codes, quarter), q, narrow);
    }
}

/// The field of a quarter that is in the rest block.
///
/// # Safety
/// As [`rows`], and the quarter is one of the run's.
#[inline(always)]
unsafe fn rest<V: LaneVector, const R: usize>(codes: Rows, quarter: usize) -> [[V; 1]; R] {
    let (rest, _) = quarter_offsets(quarter);
    // SAFETY: the features, as promised; the rest block is within the panels, as its quarter is.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut fields = [[mask; 1]; R];
        for ([field], rest) in fields.iter_mut().zip(codes.load::<V, R>(rest)) {
            *field = rest.field_at((quarter % 4 * 2) as u32).and(mask);
        }
        fields
    }
}

/// Quarters that an i16 takes of two bytes, each up to 120 in magnitude and 16 for the rest.
const NARROW_QUARTERS: usize = 120;
const _: () = assert!(FACTOR_QUARTERS <= NARROW_QUARTERS);

/// All panels times one token of int4, `R` vectors of rows at once. The activations' factors serve all panels.
///
/// # Safety
/// As [`several_tokens_int8`], for one, and all values are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn one_token_int4<V: LaneVector, const R: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    let mut padded = [TileFactors::ZEROS; FACTOR_QUARTERS];
    let mut factors = [TileFactors::ZEROS; FACTOR_QUARTERS];
    let mut totals = [0; FACTOR_QUARTERS];
    for (piece, q) in q.chunks(FACTOR_QUARTERS * QUARTER_COLUMNS).enumerate() {
        let (quarters, _) = q.as_chunks::<QUARTER_COLUMNS>();
        for ((q, padded), total) in quarters.iter().zip(&mut padded).zip(&mut totals) {
            pad_blocks::<1>(q, padded);
            *total = q[..3 * BLOCK_COLUMNS].iter().map(|&q| i32::from(q)).sum();
        }
        // SAFETY: as promised; the sink's constructor checked the lengths.
        unsafe {
            for ((q, padded), factors) in quarters.iter().zip(&padded).zip(&mut factors) {
                tile_factors::<V, 1>(q, padded, factors);
            }
            let factors = (&factors[..quarters.len()], &totals[..quarters.len()]);
            by_rows!(panels, first => factor_rows::<V, R>(panels, first, piece, factors, sink));
        }
    }
}

/// `R` vectors of rows from number `first` on, for one token of int4 and a piece of [`FACTOR_QUARTERS`]: their factors, and
/// the sums of the activations but for the rest's.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and the piece begins within the run.
#[inline(always)]
unsafe fn factor_rows<V: LaneVector, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    piece: usize,
    (factors, totals): (&[TileFactors], &[i32]),
    sink: &mut Sink<'_>,
) {
    let codes = Rows::new::<V>(panels, 0, first);
    let mut quarter = quarters(panels).start + piece * FACTOR_QUARTERS;
    let segment_quarters = (sink.segment() / QUARTER_COLUMNS).min(FACTOR_QUARTERS);
    // SAFETY: as in `rows`; a quarter's factors are four vectors and a half, and half a one of the rest's four.
    unsafe {
        let segments = factors.chunks(segment_quarters).zip(totals.chunks(segment_quarters));
        for (segment, (factors, totals)) in segments.enumerate() {
            let segment = piece * FACTOR_QUARTERS / segment_quarters + segment;
            let mut narrow = [V::splat(0); R];
            for p in factors {
                let (_, blocks) = quarter_offsets(quarter);
                let p = p.0.as_ptr();
                let mut halves = [V::zero_halves(); R];
                for block in 0..3 {
                    let [p0, p1, p2, p3] = sixteen_as_fours::<V>(p.add(24 * block));
                    // The last two of six.
                    let [_, _, p4, p5] = sixteen_as_fours::<V>(p.add(24 * block + 8));
                    for (r, halves) in halves.iter_mut().enumerate() {
                        let from = codes.vector::<V>(r).wrapping_add(blocks + block * BLOCK_BYTES);
                        let mut trits = V::load_flipped(from);
                        *halves = V::add_products(*halves, trits, p0);
                        for p in [p1, p2, p3, p4, p5] {
                            trits = trits.triple();
                            *halves = V::add_products(*halves, trits, p);
                        }
                    }
                }
                let x = V::splat(p.add(72).cast::<i32>().read_unaligned());
                for (r, [rest]) in rest::<V, R>(codes, quarter).into_iter().enumerate() {
                    narrow[r] = Int4::add(narrow[r], [rest], [x]);
                    narrow[r] = narrow[r].add_pairs_i8(V::halves_over_256(halves[r]));
                }
                quarter += 1;
            }
            let begin = sink.start::<V>(segment, 0).add(V::splat(totals.iter().sum()));
            for (r, narrow) in narrow.into_iter().enumerate() {
                sink.end(segment, first + r, [begin.add_pairs_i16(narrow)]);
            }
        }
    }
}
