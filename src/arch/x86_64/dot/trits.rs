//! `T5` with dots.
//!
//! **One token**, without bringing out a single digit. If x_0 is a byte and x_(s+1) = 3·x_s mod 256, its digits are
//! d_s = (3·x_s − x_(s+1)) / 256. So `256 · Σ d_s·q_s = 3 · Σ x_s·q_s − Σ x_(s+1)·q_s`: two dots and two adds a digit, where
//! bringing it out takes seven operations and a dot. Or, sorted by x, it is `Σ x_s·p_s` with
//!
//! ```text
//! p_0 = 3·q_0,   p_s = 3·q_s − q_(s−1),   p_5 = −q_4
//! ```
//!
//! where p fits in a byte if q is an int4, |p| ≤ 32: six dots a block instead of ten. All these sums may wrap; what is divided fits,
//! see [`MAX_RUN_COLUMNS`](crate::arch::kernels::MAX_RUN_COLUMNS).
//!
//! On a core that starts a 512-bit dot and another such operation a cycle (Zen 4), a block takes ten cycles for its ten
//! dots, and eight for its six and ten adds. Measured in cache, with a rest block for every twelve: 10.4 and 8.2 a block.
//! Looking digits up instead (VBMI: `vpermi2b` of 128 bytes) gained at most a twentieth: 9.8 to 12 cycles, for seven ways of 13
//! to 17 operations, as those tables keep a port of the dots busy.
//!
//! **Two to four tokens of int4** go the same way, with six dots a token and a block and ten adds for all of them, where
//! digits take five and 35 operations: 1.6 times as fast with two tokens, 1.3 with three and 1.1 with four (Zen 4, weights
//! in cache). From five tokens on the dots are what takes the time, and digits need fewer.

use core::arch::x86_64::*;

use crate::arch::kernels::Panels;
use crate::layout::{BLOCK_BYTES, T5_QUARTER_COLUMNS};

use super::{Ahead, Dot, Rows, Sums, add_field, by_rows, end, legs, quarter_offsets};

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `D`; `q` holds `T` values for each column of the panels.
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn several_tokens<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    // SAFETY: the caller's.
    unsafe {
        by_rows!(panels, first => several_rows::<D, S, R, T>(panels, first, q, sums));
    }
}

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`].
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn one_token<D: Dot, S: Sums, const R: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    // SAFETY: the caller's.
    unsafe {
        by_rows!(panels, first => one_token_rows::<D, S, R>(panels, first, q, sums));
    }
}

/// All panels times one token of int4, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], and all values are within −8..=7.
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn one_token_int4<D: Dot, S: Sums, const R: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    // SAFETY: the caller's.
    unsafe {
        by_rows!(panels, first => int4_rows::<D, S, R>(panels, first, q, sums));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `D`; `q` holds `T` values for each column of the panels.
#[inline(always)]
unsafe fn several_rows<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let rows = Rows::new::<D>(panels, 0, first);
    // SAFETY: the pointers stay within the panels and within `q`, as the caller's lengths agree; the caller has
    // the features.
    unsafe {
        let mask = D::splat(0x0303_0303);
        let mut q = q.as_ptr();
        let from = panels.quarters().start;
        for (leg, quarters) in legs(panels.quarters().len(), sums.leg() / T5_QUARTER_COLUMNS) {
            let mut acc = [[D::splat(0); R]; T];
            for (t, acc) in acc.iter_mut().enumerate() {
                *acc = [sums.start(leg, t); R];
            }
            for quarter in quarters {
                let (rest, blocks) = quarter_offsets(from + quarter);
                let shift = ((from + quarter) % 4 * 2) as u32;
                let mut fields = [mask; R];
                for block in 0..3 {
                    let mut trits: [D; R] = rows.load(blocks + block * BLOCK_BYTES);
                    for _ in 0..5 {
                        for (field, trits) in fields.iter_mut().zip(&mut trits) {
                            *field = trits.front_trit().and(mask);
                            *trits = trits.triple();
                        }
                        add_field(fields, q, &mut acc);
                        q = q.add(4 * T);
                    }
                }
                for (field, rest) in fields.iter_mut().zip(rows.load::<D, R>(rest)) {
                    *field = rest.field_at(shift).and(mask);
                }
                add_field(fields, q, &mut acc);
                q = q.add(4 * T);
            }
            end(leg, first, acc, sums);
        }
    }
}

/// `R` vectors of rows from number `first` on, for one token of any activations.
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn one_token_rows<D: Dot, S: Sums, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let rows = Rows::new::<D>(panels, 0, first);
    let ahead = Ahead::new::<D, R>(panels, 0);
    // SAFETY: as above.
    unsafe {
        let mut q = q.as_ptr();
        let from = panels.quarters().start;
        for (leg, quarters) in legs(panels.quarters().len(), sums.leg() / T5_QUARTER_COLUMNS) {
            let mut acc = [[D::splat(0); 2]; R];
            let mut rests: [D; R] = [sums.start(leg, 0); R];
            for quarter in quarters {
                let (_, blocks) = quarter_offsets(from + quarter);
                for block in 0..3 {
                    // All panels' dots of a digit before the next digit's: a panel's own ones wait for each other.
                    let at = blocks + block * BLOCK_BYTES;
                    ahead.fetch::<D, R>(rows, at);
                    let mut trits: [D; R] = rows.load(at);
                    for _ in 0..5 {
                        let x = D::splat(q.cast::<i32>().read_unaligned());
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
                sums.end(leg, first + r, [rest.add(sum)]);
            }
        }
    }
}

/// The same for int4.
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn int4_rows<D: Dot, S: Sums, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let rows = Rows::new::<D>(panels, 0, first);
    let ahead = Ahead::new::<D, R>(panels, 0);
    let mut room = [[0; PAIRED]; PAIRED_QUARTERS];
    let (q, _) = q.as_chunks::<T5_QUARTER_COLUMNS>();
    // SAFETY: as above.
    unsafe {
        let from = panels.quarters().start;
        for (leg, quarters) in legs(panels.quarters().len(), sums.leg() / T5_QUARTER_COLUMNS) {
            let mut acc = [D::splat(0); R];
            let mut rests: [D; R] = [sums.start(leg, 0); R];
            for (_, piece) in legs(quarters.len(), PAIRED_QUARTERS) {
                let piece = quarters.start + piece.start..quarters.start + piece.end;
                pair::<D>(&q[piece.clone()], &mut room);
                for (quarter, p) in piece.zip(&room) {
                    let (_, blocks) = quarter_offsets(from + quarter);
                    let mut p = p.as_ptr();
                    for block in 0..3 {
                        let at = blocks + block * BLOCK_BYTES;
                        ahead.fetch::<D, R>(rows, at);
                        let mut trits: [D; R] = rows.load(at);
                        for s in 0..6 {
                            let x = D::splat(p.cast::<i32>().read_unaligned());
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
                sums.end(leg, first + r, [rest.add(acc.over_256())]);
            }
        }
    }
}

/// All panels times `T` tokens of int4, `R` vectors of rows at once. What the activations are turned into serves all panels.
///
/// # Safety
/// As [`several_tokens`], and all values are within −8..=7.
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn several_tokens_int4<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    let (mut room, mut padded) = ([[0; PAIRED_TOKENS]; PAIRED_QUARTERS], [0; PADDED]);
    for (piece, q) in q.chunks(PAIRED_QUARTERS * T5_QUARTER_COLUMNS * T).enumerate() {
        let quarters = q.chunks_exact(T5_QUARTER_COLUMNS * T);
        let count = quarters.len();
        for (q, p) in quarters.zip(&mut room) {
            pair_tokens::<T>(q, &mut padded, p);
        }
        // SAFETY: the caller's.
        unsafe {
            by_rows!(panels, first => several_int4_rows::<D, S, R, T>(panels, first, piece, &room[..count], sums));
        }
    }
}

/// `R` vectors of rows from number `first` on, for `T` tokens of int4 and a piece of [`PAIRED_QUARTERS`].
///
/// # Safety
/// As [`several_tokens_int4`]; `paired` are the piece's factors.
#[inline(always)]
unsafe fn several_int4_rows<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    piece: usize,
    paired: &[[i8; PAIRED_TOKENS]],
    sums: &mut S,
) {
    let rows = Rows::new::<D>(panels, 0, first);
    let mut quarter = panels.quarters().start + piece * PAIRED_QUARTERS;
    let leg_quarters = (sums.leg() / T5_QUARTER_COLUMNS).min(PAIRED_QUARTERS);
    // SAFETY: as in `several_rows`.
    unsafe {
        let mask = D::splat(0x0303_0303);
        for (leg, paired) in paired.chunks(leg_quarters).enumerate() {
            let leg = piece * PAIRED_QUARTERS / leg_quarters + leg;
            let mut acc = [[D::splat(0); R]; T];
            let mut rests = [[D::splat(0); R]; T];
            for (t, rests) in rests.iter_mut().enumerate() {
                *rests = [sums.start(leg, t); R];
            }
            for p in paired {
                let (rest, blocks) = quarter_offsets(quarter);
                let mut p = p.as_ptr();
                for block in 0..3 {
                    let mut trits: [D; R] = rows.load(blocks + block * BLOCK_BYTES);
                    for s in 0..6 {
                        add_field(trits, p, &mut acc);
                        p = p.add(4 * T);
                        if s < 5 {
                            for trits in &mut trits {
                                *trits = trits.triple();
                            }
                        }
                    }
                }
                let mut fields: [D; R] = rows.load(rest);
                for field in &mut fields {
                    *field = field.field_at((quarter % 4 * 2) as u32).and(mask);
                }
                add_field(fields, p, &mut rests);
                quarter += 1;
            }
            for (acc, rests) in acc.iter_mut().zip(rests) {
                for (acc, rest) in acc.iter_mut().zip(rests) {
                    *acc = rest.add(acc.over_256());
                }
            }
            end(leg, first, acc, sums);
        }
    }
}

/// The four columns of a quarter that are in the rest block.
///
/// # Safety
/// As [`several_rows`]; `q` points to their activations.
#[inline(always)]
unsafe fn add_rests<D: Dot, const R: usize>(
    rows: Rows,
    ahead: Ahead,
    quarter: usize,
    q: *const i8,
    acc: &mut [D; R],
) {
    let (rest, _) = quarter_offsets(quarter);
    // SAFETY: the caller's.
    unsafe {
        if quarter.is_multiple_of(4) {
            ahead.fetch::<D, R>(rows, rest);
        }
        let mask = D::splat(0x0303_0303);
        let x = D::splat(q.cast::<i32>().read_unaligned());
        for (acc, rest) in acc.iter_mut().zip(rows.load::<D, R>(rest)) {
            *acc = acc.dot(rest.field_at((quarter % 4 * 2) as u32).and(mask), x);
        }
    }
}

/// Bytes that a quarter's activations are paired to: six for each five of a block, and the rest's.
pub(in crate::arch::x86_64) const PAIRED: usize = 3 * 24 + 4;

/// Quarters that are paired at a time, in first-level cache.
const PAIRED_QUARTERS: usize = 16;

/// The factors p of the module's text.
///
/// # Safety
/// The CPU has the features of `D`.
#[inline(always)]
unsafe fn pair<D: Dot>(q: &[[i8; T5_QUARTER_COLUMNS]], p: &mut [[i8; PAIRED]; PAIRED_QUARTERS]) {
    for (q, p) in q.iter().zip(p) {
        // SAFETY: the caller's.
        unsafe { D::pair(q, p) };
    }
}

/// Most tokens of [`several_tokens_int4`].
const MAX_PAIRED: usize = 4;

/// Bytes of a quarter's factors of as many tokens, and what a last vector may reach beyond them.
const PAIRED_TOKENS: usize = MAX_PAIRED * PAIRED + 16;

/// Bytes of a quarter's activations with a group of zeros around each block, likewise.
const PADDED: usize = MAX_PAIRED * PAIRED + 16;

/// The factors of `T` tokens. Only zeros are between the blocks of `padded`, before and after.
#[inline(always)]
fn pair_tokens<const T: usize>(q: &[i8], padded: &mut [i8; PADDED], p: &mut [i8; PAIRED_TOKENS]) {
    const { assert!(T <= MAX_PAIRED) };
    for (block, q) in q.chunks_exact(20 * T).enumerate() {
        padded[24 * T * block + 4 * T..][..20 * T].copy_from_slice(q);
    }
    for at in (0..72 * T).step_by(16) {
        let (own, last) = (&padded[at + 4 * T..][..16], &padded[at..][..16]);
        // SAFETY: SSE2, which every x86-64 has; 16 bytes each.
        unsafe {
            let own = _mm_loadu_si128(own.as_ptr().cast());
            let last = _mm_loadu_si128(last.as_ptr().cast());
            let factors = _mm_sub_epi8(_mm_add_epi8(_mm_add_epi8(own, own), own), last);
            _mm_storeu_si128(p[at..][..16].as_mut_ptr().cast(), factors);
        }
    }
    p[72 * T..][..4 * T].copy_from_slice(&q[60 * T..][..4 * T]);
}
