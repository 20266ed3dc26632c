//! What becomes of sums. A **segment** of columns is summed in integers, in registers; a sink says what the sums begin
//! with and takes them at the end.

use super::rows::place;
use super::vector::IntVector;
use crate::kernels::contract::{GroupBuffers, Groups, MAX_RUN_COLUMNS, Operands, SumKernel};
use crate::layout::PANEL_ROWS;
use crate::layout::five_trit::QUARTER_COLUMNS;

/// `FiveTrit` divides by 256 what has to fit in an i32, `TwoBit` by 4, and sums of int4 by 64.
const _: () = assert!(256 * 2 * 128 * MAX_RUN_COLUMNS <= 1 << 31);

/// Asserts all that kernels trust of their arguments: activations for whole blocks of columns, no more and no less, and
/// sums for each panel and token. [`Panels`](crate::kernels::contract::Panels) are within their bytes by construction.
#[inline(always)]
pub(crate) fn check_lengths(operands: Operands<'_>, column_multiple: usize, sums: usize) {
    let Operands { panels, q, tokens, .. } = operands;
    assert!(tokens > 0 && q.len() == panels.width().next_multiple_of(column_multiple) * tokens);
    assert!(sums == panels.count() * tokens);
}

/// Takes the sums of a segment. One that exists is a proof of [`check_lengths`] with the layout's column multiple.
/// Kernels that prepare activations in pieces end a segment longer than a piece, which is longer than any scale group,
/// in parts.
///
/// Which of the two it is, is asked at the end of a segment, so that there is one kernel for both: as a parameter of the kernel's type
/// it doubled their code.
pub(crate) struct Sink<'a>(Kind<'a>);

enum Kind<'a> {
    /// The contract of a [`SumKernel`]: all columns in one segment, added to integers.
    Whole(&'a mut [[i32; PANEL_ROWS]]),
    /// The contract of a [`GroupKernel`](crate::kernels::contract::GroupKernel): a segment is a scale group. Ending it
    /// where its sums are, in registers, is what makes groups cheap: by a call of the other kernel for each group, one
    /// token took 1.9 times as long with groups of 128 as without, 64 tokens 1.3 times.
    Groups { tokens: usize, groups: Groups<'a>, scaled: &'a mut [[f32; PANEL_ROWS]] },
}

const _: () = assert!(MAX_RUN_COLUMNS.is_multiple_of(QUARTER_COLUMNS));

impl<'a> Sink<'a> {
    /// Of a [`SumKernel`]'s arguments.
    #[inline(always)]
    pub(crate) fn whole(operands: Operands<'_>, sums: &'a mut [[i32; PANEL_ROWS]]) -> Sink<'a> {
        check_lengths(operands, operands.panels.layout().column_multiple, sums.len());
        Sink(Kind::Whole(sums))
    }

    /// Of a [`GroupKernel`](crate::kernels::contract::GroupKernel)'s arguments.
    #[inline(always)]
    pub(crate) fn groups(
        operands: Operands<'_>,
        groups: Groups<'a>,
        scaled: &'a mut [[f32; PANEL_ROWS]],
    ) -> Sink<'a> {
        let Operands { panels, tokens, .. } = operands;
        check_lengths(operands, panels.layout().column_multiple, scaled.len());
        assert!(groups.columns() > 0 && groups.columns().is_multiple_of(QUARTER_COLUMNS));
        // The last of the scales, which are read behind pointers later on; the others begin at lower addresses.
        let last = groups.scale_bytes(panels.count() - 1, panels.width().div_ceil(groups.columns()) - 1);
        assert!(!last.is_empty());
        Sink(Kind::Groups { tokens, groups, scaled })
    }

    /// Columns of a segment, a multiple of [`QUARTER_COLUMNS`] above 0; the last one of the run may have fewer.
    #[inline(always)]
    pub(super) fn segment(&self) -> usize {
        match &self.0 {
            Kind::Whole(_) => MAX_RUN_COLUMNS,
            Kind::Groups { groups, .. } => groups.columns(),
        }
    }

    /// What the accumulators of a token begin with.
    ///
    /// # Safety
    /// The CPU has the features of `V`; the token and the segment are those of the operands that the sink was made for.
    #[inline(always)]
    pub(super) unsafe fn start<V: IntVector>(&self, segment: usize, token: usize) -> V {
        let start = match &self.0 {
            Kind::Whole(_) => 0,
            // Codes are w + 1, so Σ w·q starts from −Σ q.
            Kind::Groups { tokens, groups, .. } => -groups.sums(0, segment, *tokens)[token],
        };
        // SAFETY: the features, as promised.
        unsafe { V::splat(start) }
    }

    /// Takes the sums of a vector of rows for each of the `T` tokens, which are all of them.
    ///
    /// # Safety
    /// As [`Sink::start`], and the vector is one of the panels'.
    #[inline(always)]
    pub(super) unsafe fn end<V: IntVector, const T: usize>(
        &mut self,
        segment: usize,
        vector: usize,
        sums: [V; T],
    ) {
        let (panel, row) = place::<V>(vector);
        match &mut self.0 {
            Kind::Whole(to) => {
                for (to, sums) in to[panel * T..][..T].iter_mut().zip(sums) {
                    let to = to[row..].as_mut_ptr().cast::<u8>();
                    // SAFETY: the features, as promised; a vector's rows are in the panel from its first one on.
                    unsafe { V::load(to).add(sums).store(to) };
                }
            }
            Kind::Groups { groups, scaled, .. } => {
                let scale_type = groups.scale_type();
                // SAFETY: the features, as promised; the constructor checked the ends of scales and sums; a vector's rows are in
                // the panel from its first one on; a fetch ahead may point anywhere.
                unsafe {
                    let scales = groups.scales_at(panel, segment).add(row * scale_type.bytes());
                    // A panel's scales are a few cache lines, too few for the CPU to see a stream in them.
                    V::fetch_far(scales.wrapping_add(groups.ahead()));
                    let scales = V::load_scales(scales, scale_type);
                    let to = scaled.as_mut_ptr().add(panel * T).cast::<f32>().add(row);
                    for (t, sums) in sums.into_iter().enumerate() {
                        sums.add_scaled(scales, to.add(t * PANEL_ROWS));
                    }
                }
            }
        }
    }
}

/// The accumulators that a segment starts with, of `R` vectors of rows.
///
/// # Safety
/// As [`Sink::start`].
#[inline(always)]
pub(super) unsafe fn start_segment<V: IntVector, const R: usize, const T: usize>(
    segment: usize,
    sink: &Sink<'_>,
) -> [[V; R]; T] {
    // SAFETY: as promised to this function.
    unsafe {
        let mut sums = [[V::splat(0); R]; T];
        for (t, sums) in sums.iter_mut().enumerate() {
            *sums = [sink.start::<V>(segment, t); R];
        }
        sums
    }
}

/// Ends a segment of `R` vectors of rows from number `first` on.
///
/// # Safety
/// As [`Sink::end`], for each of the vectors.
#[inline(always)]
pub(super) unsafe fn end_segment<V: IntVector, const R: usize, const T: usize>(
    segment: usize,
    first: usize,
    sums: [[V; R]; T],
    sink: &mut Sink<'_>,
) {
    for r in 0..R {
        let mut tokens = [sums[0][r]; T];
        for (token, sums) in tokens.iter_mut().zip(sums) {
            *token = sums[r];
        }
        // SAFETY: as promised to this function.
        unsafe { sink.end(segment, first + r, tokens) };
    }
}

/// A [`GroupKernel`](crate::kernels::contract::GroupKernel) made of a [`SumKernel`] that cannot end a group itself: a
/// call of it for each group. In vectors of rows by hand, as loops over arrays become gathers and scatters over the
/// tokens.
///
/// # Safety
/// As the kernel, for the columns of each group, and the CPU has the features of `V`.
#[inline(always)]
pub(crate) unsafe fn sums_by_group<V: IntVector>(
    kernel: SumKernel,
    operands: Operands<'_>,
    groups: Groups<'_>,
    buffers: GroupBuffers<'_>,
) {
    let Operands { panels, q, tokens, .. } = operands;
    let GroupBuffers { scratch, sums, scaled } = buffers;
    let width = panels.width();
    let starts = (0..width).step_by(groups.columns());
    for (group, (start, q)) in starts.zip(q.chunks(groups.columns() * tokens)).enumerate() {
        // SAFETY: the features and the kernel's contract, as promised; each group but the last is a multiple of what
        // `q` is padded to. Vectors of rows are within the 16 of scales, sums and products.
        unsafe {
            for sums in sums.chunks_exact_mut(tokens) {
                for (sums, sum) in sums.iter_mut().zip(groups.sums(0, group, tokens)) {
                    for row in (0..PANEL_ROWS).step_by(V::ROWS) {
                        V::splat(-sum).store(sums.as_mut_ptr().add(row).cast());
                    }
                }
            }
            let panels = panels.columns(start..width.min(start + groups.columns()));
            kernel(Operands { panels, q, ..operands }, scratch, sums);
            let panels = sums.chunks_exact(tokens).zip(scaled.chunks_exact_mut(tokens));
            for (panel, (sums, scaled)) in panels.enumerate() {
                for row in (0..PANEL_ROWS).step_by(V::ROWS) {
                    let scales = groups.scale_bytes(panel, group).as_ptr();
                    let scales = scales.add(row * groups.scale_type().bytes());
                    let scales = V::load_scales(scales, groups.scale_type());
                    for (sums, scaled) in sums.iter().zip(&mut *scaled) {
                        let sums = V::load(sums.as_ptr().add(row).cast());
                        sums.add_scaled(scales, scaled.as_mut_ptr().add(row));
                    }
                }
            }
        }
    }
}
