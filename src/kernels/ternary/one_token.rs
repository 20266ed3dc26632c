//! One token with `maddubs`: panels side by side, a **piece** of each at a time, so that the sums of one are in registers, while
//! the next piece of the panel is fetched as [`Ahead`] says. What a piece is and adds up to, a layout says.

use super::rows::{Ahead, Rows};
use super::sinks::Sink;
use super::vector::ByteVector;
use crate::kernels::contract::Panels;
use crate::layout::PANEL_ROWS;

/// Panels that are read side by side: eight of them, as far from each other as panels often are, a multiple of 4096 bytes, fill
/// all ways of the same sets of a first-level cache.
const SIDE_BY_SIDE: usize = 4;

/// Pieces that are fetched ahead of the one in work.
const PIECES_AHEAD: usize = 2;

/// Most vectors of a panel's rows.
const MOST_PARTS: usize = 4;

/// A layout's way to multiply pieces of panels with one token.
pub(super) trait Pieces {
    /// The activations of a step of columns, as the way wants them.
    type Step;
    /// Columns of a step; all segments are whole steps.
    const STEP_COLUMNS: usize;
    /// Most steps of a piece.
    const PIECE_STEPS: usize;
    /// Bytes of a panel's piece of so many steps.
    const PIECE_BYTES: usize;

    /// Where a piece is in its panel, by its first step; the run's first one is number 0.
    fn offset(&self, first: usize) -> usize;

    /// The sums of the steps of a piece, of `R` vectors of rows of a panel. The piece to fetch is `ahead` bytes on from where
    /// offsets count.
    ///
    /// # Safety
    /// The CPU has the features of `V`; the steps are in the panels, and the vectors in one of them.
    unsafe fn piece<V: ByteVector, const R: usize>(
        &self,
        rows: Rows,
        ahead: usize,
        first: usize,
        steps: &[Self::Step],
    ) -> [V; R];

    /// What the sums of all pieces of these steps leave out.
    fn total(steps: &[Self::Step]) -> i32;

    /// The sum of codes times activations, of the sums of all pieces and what they leave out.
    ///
    /// # Safety
    /// The CPU has the features of `V`.
    unsafe fn end<V: ByteVector>(sums: V, total: V) -> V;
}

/// Some steps of all panels, from a segment's beginning on; `R`, the vectors of rows at once in registers, divides a panel's.
/// `start` is the byte of a panel that offsets count from.
///
/// # Safety
/// The CPU has the features of `V`; the steps are in the panels, and the sink is made for them.
#[inline(always)]
pub(super) unsafe fn all_panels<V: ByteVector, P: Pieces, const R: usize>(
    pieces: &P,
    panels: Panels<'_>,
    start: usize,
    (first_step, steps): (usize, &[P::Step]),
    sink: &mut Sink<'_>,
) {
    const { assert!((PANEL_ROWS / V::ROWS).is_multiple_of(R) && PANEL_ROWS / V::ROWS <= MOST_PARTS) };
    let parts = PANEL_ROWS / V::ROWS;
    let segment_steps = sink.segment() / P::STEP_COLUMNS;
    let at = pieces.offset(first_step);
    let part = at..at + steps.len().div_ceil(P::PIECE_STEPS) * P::PIECE_BYTES;
    for panel in (0..panels.count()).step_by(SIDE_BY_SIDE) {
        let count = SIDE_BY_SIDE.min(panels.count() - panel);
        let (first, vectors) = (panel * parts, count * parts);
        let rows = Rows::new::<V>(panels, start, first);
        let ahead = Ahead::of_part(panels, part.clone(), count, PIECES_AHEAD * P::PIECE_BYTES);
        for (segment, steps) in steps.chunks(segment_steps).enumerate() {
            let from = first_step + segment * segment_steps;
            // SAFETY: as promised.
            unsafe {
                let mut wide = [V::splat(0); SIDE_BY_SIDE * MOST_PARTS];
                for (piece, steps) in steps.chunks(P::PIECE_STEPS).enumerate() {
                    let from = from + piece * P::PIECE_STEPS;
                    let ahead = ahead.offset::<V>(pieces.offset(from));
                    for vector in (0..vectors).step_by(R) {
                        let rows = rows.from::<V>(vector);
                        let sums = pieces.piece::<V, R>(rows, ahead, from, steps);
                        for (wide, sum) in wide[vector..][..R].iter_mut().zip(sums) {
                            *wide = wide.add(sum);
                        }
                    }
                }
                let (segment, total) = (from / segment_steps, V::splat(P::total(steps)));
                for (vector, &wide) in wide[..vectors].iter().enumerate() {
                    let sum = P::end(wide, total);
                    sink.end(segment, first + vector, [sink.start::<V>(segment, 0).add(sum)]);
                }
            }
        }
    }
}
