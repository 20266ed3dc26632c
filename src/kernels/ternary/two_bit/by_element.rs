//! `TwoBit` with dots by element, for CPUs of which many run instructions in order: one token. As with
//! [`dot_u8s8`](super::dot_u8s8) a block of a vector of rows is a shift, four masks and four dots, but all fields of `R` vectors
//! are masked before the first dot. A dot takes four cycles on a Cortex-A55, and what comes between dots waits for them there;
//! and two blocks are a turn of the loop, so that the loads of the second are under way in time.

pub(crate) use super::dot_u8s8::several_tokens;

use super::{blocks, start};
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::rows::{Rows, Segments, by_rows};
use crate::kernels::ternary::sinks::Sink;
use crate::kernels::ternary::vector::DotVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: DotVector, const R: usize>(operands: Operands<'_>, sink: &mut Sink<'_>) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => one_token_rows::<V, R>(panels, first, q, sink));
    }
}

/// `R` vectors of rows from number `first` on.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds a value for each column of their
/// blocks.
#[inline(always)]
unsafe fn one_token_rows<V: DotVector, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, start(panels), first);
    let segment_bytes = sink.segment() / BLOCK_COLUMNS * BLOCK_BYTES;
    // SAFETY: the features, as promised; codes are within the run's blocks, of which `q` has as many activations.
    unsafe {
        let mut q = q.as_ptr();
        for (segment, bytes) in Segments::new(blocks(panels, 0).len(), segment_bytes) {
            let mut sums = [[sink.start(segment, 0), V::splat(0)]; R];
            let whole = bytes.start + bytes.len() / (2 * BLOCK_BYTES) * (2 * BLOCK_BYTES);
            for at in (bytes.start..whole).step_by(2 * BLOCK_BYTES) {
                add_block(rows, at, q, &mut sums);
                add_block(rows, at + BLOCK_BYTES, q.add(BLOCK_COLUMNS), &mut sums);
                q = q.add(2 * BLOCK_COLUMNS);
            }
            if whole < bytes.end {
                add_block(rows, whole, q, &mut sums);
                q = q.add(BLOCK_COLUMNS);
            }
            for (r, [ones, fours]) in sums.into_iter().enumerate() {
                sink.end(segment, first + r, [ones.add(fours.quarter())]);
            }
        }
    }
}

/// A block of the rows.
///
/// # Safety
/// As [`one_token_rows`]; the block is there, and its activations are at `q`.
#[inline(always)]
unsafe fn add_block<V: DotVector, const R: usize>(
    rows: Rows,
    at: usize,
    q: *const i8,
    sums: &mut [[V; 2]; R],
) {
    // SAFETY: as promised.
    unsafe {
        let masks = [V::splat(0x0303_0303), V::splat(0x0c0c_0c0c)];
        let x = V::sixteen(q);
        let mut fields = [[V::splat(0); 4]; R];
        for (fields, low) in fields.iter_mut().zip(rows.load::<V, R>(at)) {
            let high = low.next_nibble();
            *fields = [low.and(masks[0]), low.and(masks[1]), high.and(masks[0]), high.and(masks[1])];
        }
        for (sums, fields) in sums.iter_mut().zip(fields) {
            sums[0] = sums[0].dot_four::<0>(fields[0], x);
        }
        for (sums, fields) in sums.iter_mut().zip(fields) {
            sums[1] = sums[1].dot_four::<1>(fields[1], x);
        }
        for (sums, fields) in sums.iter_mut().zip(fields) {
            sums[0] = sums[0].dot_four::<2>(fields[2], x);
        }
        for (sums, fields) in sums.iter_mut().zip(fields) {
            sums[1] = sums[1].dot_four::<3>(fields[3], x);
        }
    }
}
