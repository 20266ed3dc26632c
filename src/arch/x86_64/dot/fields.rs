//! `T2` with dots.
//!
//! **One token**: the fields of a nibble are masked where they are, worth 1 and 4, and have an accumulator each: a shift,
//! four masks and four dots a block.

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use crate::arch::kernels::Panels;
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS};

use super::{Ahead, Dot, Rows, Sums, add_field, by_rows, end, legs};

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
    let rows = Rows::new::<D>(panels, panels.t2_start(), first);
    // SAFETY: the pointers stay within the panels and within `q`, as the caller's lengths agree; the caller has
    // the features.
    unsafe {
        let mask = D::splat(0x0303_0303);
        let mut q = q.as_ptr();
        for (leg, bytes) in legs(panels.t2(0).len(), sums.leg() / BLOCK_COLUMNS * BLOCK_BYTES) {
            let mut acc = [[D::splat(0); R]; T];
            for (t, acc) in acc.iter_mut().enumerate() {
                *acc = [sums.start(leg, t); R];
            }
            for at in bytes.step_by(BLOCK_BYTES) {
                let mut fields: [D; R] = rows.load(at);
                for _ in 0..4 {
                    add_field(fields.map(|field| field.and(mask)), q, &mut acc);
                    fields = fields.map(|field| field.next_field());
                    q = q.add(4 * T);
                }
            }
            end(leg, first, acc, sums);
        }
    }
}

/// Bytes that one token's walk fetches ahead to first-level cache, of what [`Ahead`] has fetched to the second one. (`T5`,
/// whose blocks take longer, has no use for it.)
const NEAR: usize = 256;

/// `R` vectors of rows from number `first` on, for one token.
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
    let rows = Rows::new::<D>(panels, panels.t2_start(), first);
    let ahead = Ahead::new::<D, R>(panels, panels.t2_start());
    // SAFETY: as above.
    unsafe {
        let masks = [D::splat(0x0303_0303), D::splat(0x0c0c_0c0c)];
        let mut q = q.as_ptr();
        for (leg, bytes) in legs(panels.t2(0).len(), sums.leg() / BLOCK_COLUMNS * BLOCK_BYTES) {
            let mut acc = [[sums.start(leg, 0), D::splat(0)]; R];
            for at in bytes.step_by(BLOCK_BYTES) {
                let x: [D; 4] =
                    core::array::from_fn(|s| D::splat(q.add(4 * s).cast::<i32>().read_unaligned()));
                q = q.add(BLOCK_COLUMNS);
                ahead.fetch::<D, R>(rows, at);
                for (r, acc) in acc.iter_mut().enumerate() {
                    let codes = rows.vector::<D>(r).wrapping_add(at);
                    _mm_prefetch::<_MM_HINT_T0>(codes.wrapping_add(NEAR).cast());
                    let low = D::load(codes);
                    let high = low.next_nibble();
                    for (s, x) in x.into_iter().enumerate() {
                        let field = if s < 2 { low } else { high }.and(masks[s % 2]);
                        acc[s % 2] = acc[s % 2].dot(field, x);
                    }
                }
            }
            for (r, [ones, fours]) in acc.into_iter().enumerate() {
                sums.end(leg, first + r, [ones.add(fours.quarter())]);
            }
        }
    }
}
