//! `T2` with `maddubs`.
//!
//! **Several tokens**: the fields of `R` vectors of rows are masked and shifted down one by one, and each is multiplied
//! with four columns of `T` tokens (`maddubs` and an add), whose broadcast serves `R` of them: 2 + 2 · T operations and a
//! load a field for T · 32 products. A Zen 4 core starts two `maddubs` a cycle, and three to four operations with loads,
//! so that 6 tokens make 142 GMAC/s of the 177 that `maddubs` and an add alone make there.
//!
//! **One token**: the fields of a nibble are masked in place, worth 1 and 4, and have an accumulator each; one shift
//! brings the high nibble down: 13 operations for 4 · 32 products. Those worth 4 reach four times as much, so these
//! i16 take [`BLOCKS_ALONE`] blocks. One panel at a time, fetched [`AHEAD`] bytes ahead: the shared Zen 4 it was measured
//! on reads two streams more slowly than one. From memory 55 GMAC/s in the median with 512 bytes, 50 without, 44 with two
//! panels; in cache 119 all three.
//!
//! **One token of int4** is no faster. Eight of the 13 operations are `maddubs` and adds, and whatever avoids these needs
//! rows of one column side by side, while a panel has four columns of a row there. Tried, against 118 GMAC/s in cache and
//! without counting work on the activations:
//!
//! - the fields as differences of byte & 3, & 15, & 63 and all of it, 11 operations and one accumulator less: 122,
//!   and slower once the activations are turned for 32 panels (107);
//! - tables as in [`tables`](super::tables), four vectors of rows brought in order for one token alone: 108, and with the
//!   indices stored as there 75;
//! - `psignb` with field − 1 and byte sums, which three blocks fit: 91.

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use super::{Bytes, add_field, splat, start, widen};
use crate::arch::kernels::Panels;
use crate::arch::x86_64::dot::{Sums, by_rows, codes, end};
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS};

/// Blocks that an i16 accumulator takes.
const BLOCKS: usize = 16;

/// The same where two fields of a block count four times.
const BLOCKS_ALONE: usize = 8;

/// Bytes that a single token's walk fetches ahead of each vector of rows.
pub(super) const AHEAD: usize = 512;

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; `q` holds a value for each column of the panels.
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn one_token<V: Bytes, S: Sums, const R: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    // SAFETY: the caller's.
    unsafe {
        by_rows!(panels, first => one_token_rows::<V, S, R>(panels, first, q, sums));
    }
}

/// `R` vectors of rows from number `first` on.
///
/// # Safety
/// As [`one_token`].
#[inline(always)]
unsafe fn one_token_rows<V: Bytes, S: Sums, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let codes = codes::<V, R>(|panel| panels.t2(panel), first);
    // SAFETY: the pointers stay within the panels and within `q`, as the caller's lengths agree; a fetch ahead may
    // point anywhere.
    unsafe {
        let masks = [V::splat(0x0303_0303), V::splat(0x0c0c_0c0c)];
        let (ones, fours) = (V::splat(0x0001_0001), V::splat(0x0004_0004));
        let mut at = 0;
        for (leg, q) in q.chunks(sums.leg()).enumerate() {
            let mut wide = [V::splat(0); R];
            for q in q.chunks(BLOCKS_ALONE * BLOCK_COLUMNS) {
                let mut narrow = [[V::splat(0); 2]; R];
                for q in q.chunks_exact(BLOCK_COLUMNS) {
                    let q = q.as_ptr();
                    let x = [splat::<V>(q), splat(q.add(4)), splat(q.add(8)), splat(q.add(12))];
                    for r in 0..R {
                        let from = codes[r].add(at);
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
                        let low = V::load(from);
                        let high = low.next_nibble();
                        for (s, x) in x.into_iter().enumerate() {
                            let field = if s < 2 { low } else { high }.and(masks[s % 2]);
                            narrow[r][s % 2] = narrow[r][s % 2].add_i16(field.times(x));
                        }
                    }
                    at += BLOCK_BYTES;
                }
                for (wide, [first, second]) in wide.iter_mut().zip(narrow) {
                    *wide = wide.add(first.times_i16(fours)).add(second.times_i16(ones));
                }
            }
            for (r, wide) in wide.into_iter().enumerate() {
                sums.end(leg, first + r, [sums.start::<V>(leg, 0).add(wide.quarter())]);
            }
        }
    }
}

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// As [`one_token`], with `T` values a column.
#[inline(always)]
pub(in crate::arch::x86_64) unsafe fn several_tokens<V: Bytes, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    // SAFETY: the caller's.
    unsafe {
        by_rows!(panels, first => several_rows::<V, S, R, T>(panels, first, q, sums));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// As [`several_tokens`].
#[inline(always)]
unsafe fn several_rows<V: Bytes, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let codes = codes::<V, R>(|panel| panels.t2(panel), first);
    // SAFETY: as above.
    unsafe {
        let mask = V::splat(0x0303_0303);
        let mut at = 0;
        for (leg, q) in q.chunks(sums.leg().saturating_mul(T)).enumerate() {
            let mut wide = start::<V, S, R, T>(leg, sums);
            for q in q.chunks(BLOCKS * BLOCK_COLUMNS * T) {
                let mut narrow = [[V::splat(0); R]; T];
                for q in q.chunks_exact(BLOCK_COLUMNS * T) {
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
                        add_field(field, q.as_ptr().add(4 * s * T), &mut narrow);
                    }
                    at += BLOCK_BYTES;
                }
                widen(&mut wide, narrow);
            }
            end(leg, first, wide, sums);
        }
    }
}
