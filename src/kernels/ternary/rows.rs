//! How kernels walk panels: in vectors of rows, some of them side by side, and in segments of columns.

use core::ops::Range;

use super::vector::{DotVector, IntVector};
use crate::kernels::contract::Panels;
use crate::layout::PANEL_ROWS;

/// How many vectors of rows the panels have.
#[inline(always)]
pub(super) fn vectors<V: IntVector>(panels: Panels<'_>) -> usize {
    panels.count() * (PANEL_ROWS / V::ROWS)
}

/// Panel and first row of a vector of rows.
#[inline(always)]
pub(super) fn place<V: IntVector>(vector: usize) -> (usize, usize) {
    let parts = PANEL_ROWS / V::ROWS;
    (vector / parts, vector % parts * V::ROWS)
}

/// Where the codes of neighbouring vectors of rows are. Not a pointer each: eight do not fit in the registers.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    first: *const u8,
    stride: usize,
}

impl Rows {
    /// From vector `first` on; `start` is the byte of a panel that offsets count from.
    #[inline(always)]
    pub(super) fn new<V: IntVector>(panels: Panels<'_>, start: usize, first: usize) -> Rows {
        let rows = Rows { first: panels.codes().as_ptr().wrapping_add(start), stride: panels.panel(0).len() };
        Rows { first: rows.vector::<V>(first), ..rows }
    }

    /// The first codes of the vector of that number from the first one on.
    #[inline(always)]
    pub(super) fn vector<V: IntVector>(self, number: usize) -> *const u8 {
        let (panel, row) = place::<V>(number);
        self.first.wrapping_add(panel * self.stride + row * 4)
    }

    /// The vectors from that number on, which begins a panel or a part of one.
    #[inline(always)]
    pub(super) fn from<V: IntVector>(self, number: usize) -> Rows {
        Rows { first: self.vector::<V>(number), ..self }
    }

    /// The same of `R` vectors.
    #[inline(always)]
    pub(super) fn pointers<V: IntVector, const R: usize>(self) -> [*const u8; R] {
        let mut pointers = [self.first; R];
        for (r, pointer) in pointers.iter_mut().enumerate() {
            *pointer = self.vector::<V>(r);
        }
        pointers
    }

    /// The codes of `R` vectors, at an offset.
    ///
    /// # Safety
    /// They are in the panels, and the CPU has the features of `V`.
    #[inline(always)]
    pub(super) unsafe fn load<V: IntVector, const R: usize>(self, at: usize) -> [V; R] {
        // SAFETY: in the panels, as promised, and so are the features.
        unsafe {
            let mut codes = [V::splat(0); R];
            for (r, codes) in codes.iter_mut().enumerate() {
                *codes = V::load(self.vector::<V>(r).wrapping_add(at));
            }
            codes
        }
    }
}

impl Rows {
    /// The same of bytes of five trits, as dots take them.
    ///
    /// # Safety
    /// As [`Rows::load`].
    #[inline(always)]
    pub(super) unsafe fn load_trits<V: DotVector, const R: usize>(self, at: usize) -> [V; R] {
        // SAFETY: as promised.
        unsafe {
            let mut codes = [V::splat(0); R];
            for (r, codes) in codes.iter_mut().enumerate() {
                *codes = V::load_trits(self.vector::<V>(r).wrapping_add(at));
            }
            codes
        }
    }
}

/// Calls a kernel of `R` vectors of rows for all vectors of the panels: `R` at once, and singly what is left.
macro_rules! by_rows {
    ($panels:expr, $first:ident => $kernel:ident::<$vector:ty, $rows:ident $(, $tokens:ident)?>($($argument:expr),*)) => {{
        let vectors = $crate::kernels::ternary::rows::vectors::<$vector>($panels);
        let whole = vectors / $rows * $rows;
        for $first in (0..whole).step_by($rows) {
            $kernel::<$vector, $rows $(, $tokens)?>($($argument),*);
        }
        for $first in whole..vectors {
            $kernel::<$vector, 1 $(, $tokens)?>($($argument),*);
        }
    }};
}
pub(super) use by_rows;

/// The segments of a run, numbered; in bytes, quarters, or whatever `total` counts.
pub(super) struct Segments {
    next: usize,
    index: usize,
    total: usize,
    length: usize,
}

impl Segments {
    #[inline(always)]
    pub(super) fn new(total: usize, length: usize) -> Segments {
        Segments { next: 0, index: 0, total, length }
    }
}

impl Iterator for Segments {
    type Item = (usize, Range<usize>);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, Range<usize>)> {
        if self.next >= self.total {
            return None;
        }
        let range = self.next..self.total.min(self.next + self.length);
        let index = self.index;
        self.next = range.end;
        self.index += 1;
        Some((index, range))
    }
}

/// Bytes that a walk of few panels fetches ahead of each vector of rows, to second-level cache.
const FAR_AHEAD: usize = 2048;

/// What a walk fetches ahead of its `R` vectors of rows: so many bytes on in their panels and, behind the end, the start in the
/// panel that takes its place. What follows in memory is the next panel of this walk, which is read already.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// Bytes on.
    distance: usize,
    /// Where the end is.
    end: usize,
    /// Bytes from the end to the start in the panel that takes the place.
    skip: usize,
}

impl Ahead {
    /// [`FAR_AHEAD`] of `R` vectors of rows; `start` is the byte of a panel that offsets count from.
    #[inline(always)]
    pub(super) fn new<V: IntVector, const R: usize>(panels: Panels<'_>, start: usize) -> Ahead {
        let panel = panels.panel(0).len();
        let neighbours = (R * V::ROWS / PANEL_ROWS).max(1);
        Ahead { distance: FAR_AHEAD, end: panel - start, skip: (neighbours - 1) * panel }
    }

    /// So many bytes ahead of a part of so many panels side by side, which is between these offsets.
    #[inline(always)]
    pub(super) fn of_part(
        panels: Panels<'_>,
        part: Range<usize>,
        neighbours: usize,
        distance: usize,
    ) -> Ahead {
        let skip = (neighbours * panels.panel(0).len()).wrapping_sub(part.len());
        Ahead { distance, end: part.end, skip }
    }

    /// Fetches for the bytes at an offset of each vector, once for those of a cache line.
    ///
    /// # Safety
    /// The CPU has the features of `V`.
    #[inline(always)]
    pub(super) unsafe fn fetch<V: IntVector, const R: usize>(self, rows: Rows, at: usize) {
        // SAFETY: the features, as promised; a fetch may point anywhere.
        unsafe {
            let ahead = self.offset::<V>(at);
            for r in (0..R).step_by((PANEL_ROWS / V::ROWS).min(R)) {
                V::fetch_far(rows.vector::<V>(r).wrapping_add(ahead));
            }
        }
    }

    /// Where what is fetched for an offset is.
    ///
    /// # Safety
    /// The CPU has the features of `V`.
    #[inline(always)]
    pub(super) unsafe fn offset<V: IntVector>(self, at: usize) -> usize {
        let ahead = at + self.distance;
        let ahead = if ahead < self.end { ahead } else { ahead.wrapping_add(self.skip) };
        // Hidden from the compiler, which adds its parts to every pointer otherwise and runs out of registers.
        // SAFETY: the features, as promised.
        unsafe { V::opaque(ahead) }
    }
}
