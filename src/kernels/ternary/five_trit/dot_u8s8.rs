//! `FiveTrit` with dots.
//!
//! **One token**, without bringing out a single digit. If x_0 is a byte and x_(s+1) = 3·x_s mod 256, its digits are d_s
//! = (3·x_s − x_(s+1)) / 256. So `256 · Σ d_s·q_s = 3 · Σ x_s·q_s − Σ x_(s+1)·q_s`: two dots and two adds a digit,
//! where bringing it out takes seven operations and a dot. Or, sorted by x, it is `Σ x_s·p_s` with
//!
//! ```text
//! p_0 = 3·q_0,   p_s = 3·q_s − q_(s−1),   p_5 = −q_4
//! ```
//!
//! where p fits in a byte if q is an int4, |p| ≤ 32: six dots a block instead of ten. All these sums may wrap; what is
//! divided fits, see [`MAX_RUN_COLUMNS`](crate::kernels::contract::MAX_RUN_COLUMNS).
//!
//! Where a dot takes bytes as signed (`sdot`), x is loaded as x − 128, which tripling keeps up: then the digits are d − 1,
//! the weights, and `Σ q` is added in the end.
//!
//! On a core that starts a 512-bit dot and another such operation a cycle (Zen 4), a block takes ten cycles for its ten
//! dots, and eight for its six and ten adds. Measured in cache, with a rest block for every twelve: 10.4 and 8.2 a
//! block. Looking digits up instead (VBMI: `vpermi2b` of 128 bytes) gained at most a twentieth: 9.8 to 12 cycles, for
//! seven ways of 13 to 17 operations, as those tables keep a port of the dots busy.
//!
//! **Several tokens of int8** have digits brought out two by two ([`nine`](super::nine)), with five dots a token and a block and 19
//! operations for all of them. One by one these were 35: with 512 bits on a Sapphire Rapids four tokens make 184 GMAC/s where
//! they made 150, five 203 for 168. The first way, ten dots a token and ten adds, made 150 for 168 with three tokens, and
//! 128 for 125 with two; with two tokens and 256 bits 97 for 100.
//!
//! **Two to four tokens of int4** go the second way of one, with six dots a token and a block and ten adds for all of them,
//! where digits take five and 19 operations: 198 where digits make 184, with four tokens on a Sapphire Rapids. From five tokens
//! on the dots are what takes the time, and digits need fewer.

use super::factors::{FACTOR_QUARTERS, TileFactors, pad_blocks, tile_factors};
use super::quarters;
use super::recoded::QUARTER_FACTORS;
use crate::kernels::contract::{MAX_RUN_COLUMNS, Operands, Panels};
use crate::kernels::ternary::rows::{Ahead, Rows, Segments, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::{DotVector, FactorVector};
use crate::layout::five_trit::{BLOCK_COLUMNS, QUARTER_COLUMNS, quarter_offsets};
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `FiveTrit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: DotVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => several_rows::<V, R, T>(panels, first, q, sink));
    }
}

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: DotVector, const R: usize>(operands: Operands<'_>, sink: &mut Sink<'_>) {
    let Operands { panels, q, .. } = operands;
    let mut totals = [0; MAX_RUN_COLUMNS / QUARTER_COLUMNS];
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        let totals = if V::SIGNED {
            for (q, total) in q.as_chunks::<QUARTER_COLUMNS>().0.iter().zip(&mut totals) {
                [*total] = trit_totals::<V, 1>(q);
            }
            &totals[..]
        } else {
            &[]
        };
        by_rows!(panels, first => one_token_rows::<V, R>(panels, first, q, totals, sink));
    }
}

/// All panels times one token of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one, and all values are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn one_token_int4<V: FactorVector, const R: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => int4_rows::<V, R>(panels, first, q, sink));
    }
}

/// All panels times one token of int4, `R` vectors of rows at once, with factors that serve all panels: for vectors of few
/// rows.
///
/// # Safety
/// As [`one_token_int4`].
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
#[inline(always)]
pub(crate) unsafe fn one_token_int4_shared<V: DotVector, const R: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    // SAFETY: as promised to this function.
    unsafe { several_tokens_int4::<V, R, 1>(operands, sink) };
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds `T` values for each column of
/// their quarters.
#[inline(always)]
unsafe fn several_rows<V: DotVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, 0, first);
    // SAFETY: the features, as promised; codes are within the run's quarters, and sixteen fields of each are as many
    // activations as `q` has.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut q = q.as_ptr();
        let from = quarters(panels).start;
        for (segment, quarters) in Segments::new(quarters(panels).len(), sink.segment() / QUARTER_COLUMNS) {
            let mut acc = start_segment::<V, R, T>(segment, sink);
            for quarter in quarters {
                let (rest, blocks) = quarter_offsets(from + quarter);
                let shift = ((from + quarter) % 4 * 2) as u32;
                let mut fields = [mask; R];
                for block in 0..3 {
                    let mut digits = [[mask; 5]; R];
                    for (digits, trits) in
                        digits.iter_mut().zip(rows.load::<V, R>(blocks + block * BLOCK_BYTES))
                    {
                        *digits = trits.trits();
                    }
                    for s in 0..5 {
                        for (field, digits) in fields.iter_mut().zip(digits) {
                            *field = digits[s];
                        }
                        V::add_dots(fields, q, &mut acc);
                        q = q.add(4 * T);
                    }
                }
                for (field, rest) in fields.iter_mut().zip(rows.load::<V, R>(rest)) {
                    *field = rest.field_at(shift).and(mask);
                }
                V::add_dots(fields, q, &mut acc);
                q = q.add(4 * T);
            }
            end_segment(segment, first, acc, sink);
        }
    }
}

/// `R` vectors of rows from number `first` on, for one token of any activations. If the dots are signed, `totals` are those
/// of the quarters.
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn one_token_rows<V: DotVector, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    totals: &[i32],
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, 0, first);
    let ahead = Ahead::new::<V, R>(panels, 0);
    // SAFETY: as in `several_rows`; a fetch ahead may point anywhere.
    unsafe {
        let mut q = q.as_ptr();
        let from = quarters(panels).start;
        for (segment, quarters) in Segments::new(quarters(panels).len(), sink.segment() / QUARTER_COLUMNS) {
            let mut acc = [[V::splat(0); 2]; R];
            let mut rests: [V; R] = [sink.start(segment, 0); R];
            let total = if V::SIGNED { totals[quarters.clone()].iter().sum() } else { 0 };
            for quarter in quarters {
                let (_, blocks) = quarter_offsets(from + quarter);
                for block in 0..3 {
                    // All panels' dots of a digit before the next digit's: a panel's own ones wait for each other.
                    let at = blocks + block * BLOCK_BYTES;
                    ahead.fetch::<V, R>(rows, at);
                    let mut trits: [V; R] = rows.load_trits(at);
                    for _ in 0..5 {
                        let x = V::splat(q.cast::<i32>().read_unaligned());
                        q = q.add(4);
                        for (acc, trits) in acc.iter_mut().zip(&mut trits) {
                            acc[0] = acc[0].dot(*trits, x);
                            *trits = trits.triple();
                            acc[1] = acc[1].dot(*trits, x);
                        }
                    }
                }
                add_rests(rows, ahead, from + quarter, q, &mut rests);
                q = q.add(4);
            }
            for (r, ([whole, next], rest)) in acc.into_iter().zip(rests).enumerate() {
                let sum = whole.add(whole).add(whole).sub(next).over_256();
                let sum = if V::SIGNED { sum.add(V::splat(total)) } else { sum };
                sink.end(segment, first + r, [rest.add(sum)]);
            }
        }
    }
}

/// The same for int4.
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn int4_rows<V: FactorVector, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    const { assert!(!V::SIGNED) };
    let rows = Rows::new::<V>(panels, 0, first);
    let ahead = Ahead::new::<V, R>(panels, 0);
    let mut factors = [[0; QUARTER_FACTORS]; FACTOR_QUARTERS];
    let (q, _) = q.as_chunks::<QUARTER_COLUMNS>();
    // SAFETY: as in `several_rows`; a fetch ahead may point anywhere.
    unsafe {
        let from = quarters(panels).start;
        for (segment, quarters) in Segments::new(quarters(panels).len(), sink.segment() / QUARTER_COLUMNS) {
            let mut acc = [V::splat(0); R];
            let mut rests: [V; R] = [sink.start(segment, 0); R];
            for (_, piece) in Segments::new(quarters.len(), FACTOR_QUARTERS) {
                let piece = quarters.start + piece.start..quarters.start + piece.end;
                for (q, factors) in q[piece.clone()].iter().zip(&mut factors) {
                    V::digit_factors(q, factors);
                }
                for (quarter, p) in piece.zip(&factors) {
                    let (_, blocks) = quarter_offsets(from + quarter);
                    let mut p = p.as_ptr();
                    for block in 0..3 {
                        let at = blocks + block * BLOCK_BYTES;
                        ahead.fetch::<V, R>(rows, at);
                        let mut trits: [V; R] = rows.load(at);
                        for s in 0..6 {
                            let x = V::splat(p.cast::<i32>().read_unaligned());
                            p = p.add(4);
                            for (acc, trits) in acc.iter_mut().zip(&mut trits) {
                                *acc = acc.dot(*trits, x);
                                if s < 5 {
                                    *trits = trits.triple();
                                }
                            }
                        }
                    }
                    add_rests(rows, ahead, from + quarter, p, &mut rests);
                }
            }
            for (r, (acc, rest)) in acc.into_iter().zip(rests).enumerate() {
                sink.end(segment, first + r, [rest.add(acc.over_256())]);
            }
        }
    }
}

/// All panels times `T` tokens of int4, `R` vectors of rows at once. The activations' factors serve all panels.
///
/// # Safety
/// As [`several_tokens`], and all values are within −8..=7.
#[inline(always)]
pub(crate) unsafe fn several_tokens_int4<V: DotVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    let mut padded = [TileFactors::ZEROS; FACTOR_QUARTERS];
    let mut factors = [TileFactors::ZEROS; FACTOR_QUARTERS];
    let mut totals = [[0; T]; FACTOR_QUARTERS];
    for (piece, q) in q.chunks(FACTOR_QUARTERS * QUARTER_COLUMNS * T).enumerate() {
        let quarters = q.chunks_exact(QUARTER_COLUMNS * T);
        let count = quarters.len();
        // All of the piece, as a load that spans several stores waits for them to end.
        for (q, padded) in quarters.clone().zip(&mut padded) {
            pad_blocks::<T>(q, padded);
        }
        // SAFETY: as promised; the sink's constructor checked the lengths.
        unsafe {
            for ((q, padded), factors) in quarters.zip(&padded).zip(&mut factors) {
                tile_factors::<V, T>(q, padded, factors);
            }
            if V::SIGNED {
                for (q, totals) in q.chunks_exact(QUARTER_COLUMNS * T).zip(&mut totals) {
                    *totals = trit_totals::<V, T>(q);
                }
            }
            let factors = (&factors[..count], &totals[..count]);
            by_rows!(panels, first => several_int4_rows::<V, R, T>(panels, first, piece, factors, sink));
        }
    }
}

/// `R` vectors of rows from number `first` on, for `T` tokens of int4 and a piece of [`FACTOR_QUARTERS`].
///
/// # Safety
/// As [`several_rows`], but for activations: `factors` and, if the dots are signed, `totals` are those of the piece, which
/// begins within the run.
#[inline(always)]
unsafe fn several_int4_rows<V: DotVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    piece: usize,
    (factors, totals): (&[TileFactors], &[[i32; T]]),
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, 0, first);
    let mut quarter = quarters(panels).start + piece * FACTOR_QUARTERS;
    let segment_quarters = (sink.segment() / QUARTER_COLUMNS).min(FACTOR_QUARTERS);
    // SAFETY: as in `several_rows`.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let segments = factors.chunks(segment_quarters).zip(totals.chunks(segment_quarters));
        for (segment, (factors, totals)) in segments.enumerate() {
            let segment = piece * FACTOR_QUARTERS / segment_quarters + segment;
            let mut acc = [[V::splat(0); R]; T];
            let mut rests = start_segment::<V, R, T>(segment, sink);
            for p in factors {
                let (rest, blocks) = quarter_offsets(quarter);
                let mut p = p.0.as_ptr();
                for block in 0..3 {
                    let mut trits: [V; R] = rows.load_trits(blocks + block * BLOCK_BYTES);
                    for s in 0..6 {
                        V::add_dots(trits, p, &mut acc);
                        p = p.add(4 * T);
                        if s < 5 {
                            for trits in &mut trits {
                                *trits = trits.triple();
                            }
                        }
                    }
                }
                let mut fields: [V; R] = rows.load(rest);
                for field in &mut fields {
                    *field = field.field_at((quarter % 4 * 2) as u32).and(mask);
                }
                V::add_dots(fields, p, &mut rests);
                quarter += 1;
            }
            for (t, (acc, rests)) in acc.iter_mut().zip(rests).enumerate() {
                let mut total = V::splat(0);
                if V::SIGNED {
                    for totals in totals {
                        total = total.add(V::splat(totals[t]));
                    }
                }
                for (acc, rest) in acc.iter_mut().zip(rests) {
                    *acc = rest.add(acc.over_256());
                    if V::SIGNED {
                        *acc = acc.add(total);
                    }
                }
            }
            end_segment(segment, first, acc, sink);
        }
    }
}

/// What signed dots leave out, of a quarter of `T` tokens: the sum of its activations but for the rest's.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn trit_totals<V: DotVector, const T: usize>(q: &[i8]) -> [i32; T] {
    let (columns, mut totals) = (&q[..3 * BLOCK_COLUMNS * T], [0; T]);
    // SAFETY: the features, as promised; a vector has no more lanes than a panel rows.
    unsafe {
        let mut sums = [[V::splat(0); 1]; T];
        for four in columns.chunks_exact(4 * T) {
            V::add_dots([V::splat(0x0101_0101)], four.as_ptr(), &mut sums);
        }
        for (total, [sum]) in totals.iter_mut().zip(sums) {
            let mut lanes = [0; PANEL_ROWS];
            sum.store(lanes.as_mut_ptr().cast());
            *total = lanes[0];
        }
    }
    totals
}

/// The four columns of a quarter that are in the rest block.
///
/// # Safety
/// As [`several_rows`], and the quarter is one of the run's; `q` points to the four activations.
#[inline(always)]
unsafe fn add_rests<V: DotVector, const R: usize>(
    rows: Rows,
    ahead: Ahead,
    quarter: usize,
    q: *const i8,
    acc: &mut [V; R],
) {
    let (rest, _) = quarter_offsets(quarter);
    // SAFETY: the features and `q`, as promised; the rest block is within the panels, as its quarter is.
    unsafe {
        if quarter.is_multiple_of(4) {
            ahead.fetch::<V, R>(rows, rest);
        }
        let mask = V::splat(0x0303_0303);
        let x = V::splat(q.cast::<i32>().read_unaligned());
        for (acc, rest) in acc.iter_mut().zip(rows.load::<V, R>(rest)) {
            *acc = acc.dot(rest.field_at((quarter % 4 * 2) as u32).and(mask), x);
        }
    }
}
