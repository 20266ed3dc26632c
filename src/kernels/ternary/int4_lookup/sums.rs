//! Lookups and their sums: in bytes, then in i16, at last in the caller's i32.

use super::sizes::{BYTE_LOOKUPS, BYTE_START, QUAD};
use crate::kernels::contract::Panels;
use crate::kernels::ternary::rows::{place, vectors};
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::PANEL_ROWS;

/// Tokens whose sums are in registers together, of two quads.
pub(super) const fn token_group<V: ByteVector>() -> usize {
    if V::KEEPS_NARROW { 2 } else { 4 }
}

/// Lookups that are written out.
const UNROLLED: usize = 4;

/// Looks all of `R` quads' indices up for `G` tokens.
///
/// # Safety
/// The CPU has the features of `V`; each of `indices` points to `lookups` vectors, `tables` to `G` tables for each of
/// them, and `narrow` to the sums of `R` quads of `tokens`, of which `G` from there on are added to.
#[inline(always)]
pub(super) unsafe fn add_group<V: ByteVector, const R: usize, const G: usize>(
    indices: [*const V; R],
    lookups: usize,
    tables: *const [u8; 16],
    narrow: *mut [V; 2],
    tokens: usize,
) {
    // SAFETY: the features, indices, tables and sums, as promised.
    unsafe {
        for first in (0..lookups).step_by(BYTE_LOOKUPS) {
            let mut sums = [[V::splat(BYTE_START * 0x0101_0101); R]; G];
            for at in first..lookups.min(first + BYTE_LOOKUPS) {
                add_lookup(indices, tables, at, &mut sums);
            }
            for (g, sums) in sums.into_iter().enumerate() {
                for (r, sum) in sums.into_iter().enumerate() {
                    let narrow = narrow.add(r * tokens + g);
                    narrow.write(flushed(narrow.read(), sum));
                }
            }
        }
    }
}

/// The same with the i16 sums in registers throughout, of tables whose bytes take so many lookups, a multiple of [`UNROLLED`] that
/// divides `lookups`.
///
/// # Safety
/// As [`add_group`].
#[inline(always)]
pub(super) unsafe fn add_kept<V: ByteVector, const R: usize, const G: usize>(
    indices: [*const V; R],
    lookups: usize,
    tables: *const [u8; 16],
    narrow: *mut [V; 2],
    tokens: usize,
    byte_lookups: usize,
) {
    debug_assert!(lookups.is_multiple_of(byte_lookups) && byte_lookups.is_multiple_of(UNROLLED));
    // SAFETY: the features, indices, tables and sums, as promised.
    unsafe {
        let mut kept = [[[V::splat(0); 2]; R]; G];
        for (g, kept) in kept.iter_mut().enumerate() {
            for (r, kept) in kept.iter_mut().enumerate() {
                *kept = narrow.add(r * tokens + g).read();
            }
        }
        for first in (0..lookups).step_by(byte_lookups) {
            let mut sums = [[V::splat(0); R]; G];
            for first in (first..first + byte_lookups).step_by(UNROLLED) {
                for at in 0..UNROLLED {
                    add_lookup(indices, tables, first + at, &mut sums);
                }
            }
            for (kept, sums) in kept.iter_mut().zip(sums) {
                for (kept, sum) in kept.iter_mut().zip(sums) {
                    *kept = flushed(*kept, sum);
                }
            }
        }
        for (g, kept) in kept.into_iter().enumerate() {
            for (r, kept) in kept.into_iter().enumerate() {
                narrow.add(r * tokens + g).write(kept);
            }
        }
    }
}

/// Adds one lookup of `R` quads and `G` tokens to their bytes.
///
/// # Safety
/// As [`add_group`], and there is such a lookup.
#[inline(always)]
unsafe fn add_lookup<V: ByteVector, const R: usize, const G: usize>(
    indices: [*const V; R],
    tables: *const [u8; 16],
    at: usize,
    sums: &mut [[V; R]; G],
) {
    // SAFETY: as promised.
    unsafe {
        for (g, sums) in sums.iter_mut().enumerate() {
            let table = V::table(tables.add(at * G + g).cast());
            for (sum, indices) in sums.iter_mut().zip(indices) {
                *sum = sum.add_i8(table.lookup(indices.add(at).read())).in_turn();
            }
        }
    }
}

/// The i16 sums with those of bytes added.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn flushed<V: ByteVector>([pairs, upper]: [V; 2], bytes: V) -> [V; 2] {
    // SAFETY: the features, as promised.
    unsafe { [pairs.add_i16(bytes), upper.add_i16(bytes.down_a_byte())] }
}

/// Adds the i16 sums, less what those of each group of tokens started from, to the caller's.
///
/// # Safety
/// The CPU has the features of `V`; `sums` has an element for each panel and token.
#[inline(always)]
pub(super) unsafe fn add_to_sums<V: ByteVector>(
    panels: Panels<'_>,
    tokens: usize,
    starts: &[usize],
    totals: &[V::Totals],
    narrow: &[[V; 2]],
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let (sums, mut spare) = (sums.as_mut_ptr().cast::<i32>(), [0; PANEL_ROWS]);
    let spare = spare.as_mut_ptr();
    for (quad, narrow) in narrow.chunks_exact(tokens).enumerate() {
        for (t, (&[pairs, upper], &total)) in narrow.iter().zip(totals).enumerate() {
            let start = i32::from((starts[t / token_group::<V>()] as u16).wrapping_neg());
            let start = start | start << 16;
            let mut to = [spare; QUAD];
            for (i, to) in to.iter_mut().enumerate() {
                let vector = quad * QUAD + i;
                if vector < vectors::<V>(panels) {
                    let (panel, row) = place::<V>(vector);
                    *to = sums.wrapping_add((panel * tokens + t) * PANEL_ROWS + row);
                }
            }
            // SAFETY: the features and sums, as promised; a vector's rows are in its panel, or in the spare one.
            unsafe {
                // The caller's sums are of codes, w + 1.
                let total = V::splat(V::total(total));
                V::add_rows(pairs, upper, V::splat(start), total, to);
            }
        }
    }
}
