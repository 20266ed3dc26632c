//! One token of `TwoBit` with `maddubs`: the blocks of a **piece**, as many as i16 accumulators take, whatever is made of their
//! fields. Panels are read side by side, a piece of each at a time, so that sums of one are in registers
//! ([`one_token`](crate::kernels::ternary::one_token)).
//!
//! From memory, a core that waits for nothing else has to have dozens of lines in flight, and fewer than ten of this loop fit
//! in its reorder buffer, so the fetches must be early and the instructions few. On a Zen 3 (32 KiB of first-level cache, its other
//! hardware thread busy with another guest, which leaves 3.3 instructions a cycle), loops of this kind in assembly read 420 MB of
//! weights of 6912 and of 2560 columns at these parts of the best plain read of the same run, eight panels side by side:
//!
//! | | 6912 | 2560 |
//! |---|---|---|
//! | a loop over blocks, 43 instructions each, fetched 512 bytes ahead to first-level cache and 2048 to second-level | 0.64, 0.65 | 0.56, 0.62 |
//! | 37 instructions, fetched once, 512 bytes ahead | 0.69, 0.74 | 0.64, 0.66 |
//! | the same, two blocks in the loop | 0.80, 0.77 | 0.67, 0.64 |
//! | four | 0.76, 0.74 | 0.66, 0.72 |
//! | **all eight: a piece without a branch**, 33 instructions a block | 0.84, 0.85 | 0.82, 0.83 |
//! | that with all fetches at its end | 0.78, 0.81 | 0.77, 0.76 |
//! | fetched for every second block only, the rest left to the CPU | 0.69, 0.65 | 0.68, 0.71 |
//! | no fetches | 0.65, 0.64 | 0.61, 0.65 |
//!
//! The order within a piece has to be kept for that ([`ByteVector::pin`]); left to itself, LLVM brings the loads of all eight blocks
//! to the front and spills them, 0.7 of the speed of the loop. In cache the piece makes 95 GMAC/s where the loop made 85, and 66 for 51
//! while the neighbour was busier. Field by field for both vectors of rows, as here, it is 2 to 4 % faster than vector by vector, and
//! fields that want three masks have registers for them: 4 instead of 9 to 13 %.
//!
//! There is one distance and number of panels for all CPUs. On the same machine, two runs:
//!
//! | panels, bytes ahead, cache level | 2560 columns | 4096 | 6912 | 14336 |
//! |---|---|---|---|---|
//! | 8, 512, 1 | 0.75, 0.80 | 0.73, 0.81 | 0.77, 0.82 | 0.70, 0.70 |
//! | 8, 1024, 2 | 0.76, 0.78 | 0.74, 0.81 | 0.75, 0.81 | 0.72, 0.69 |
//! | 6, 1024, 1 | 0.77, 0.80 | 0.75, 0.81 | 0.76, 0.82 | 0.74, 0.75 |
//! | 4, 512, 1 | 0.72, 0.76 | 0.77, 0.81 | 0.80, 0.82 | 0.80, 0.79 |
//! | **4, 1024, 1** | 0.74, 0.77 | 0.78, 0.82 | 0.78, 0.84 | 0.78, 0.79 |
//! | 4, 1024, 2 | 0.75, 0.77 | 0.78, 0.86 | 0.76, 0.83 | 0.79, 0.78 |
//! | 4, 1024, 1, not to be kept (`prefetchnta`) | 0.74, 0.77 | 0.77, 0.81 | 0.76, 0.85 | 0.79, 0.82 |
//! | 4, 2048, 2 | 0.75, 0.79 | 0.78, 0.83 | 0.80, 0.81 | 0.78, 0.80 |
//! | 2, 2048, 2 | 0.66, 0.65 | 0.71, 0.72 | 0.68, 0.73 | 0.73, 0.74 |
//!
//! With fields in place this kernel reads them at 0.71 to 0.84, 0.75, 0.79 to 0.83 and 0.80 to 0.91, where the loop over blocks made 0.52 to 0.55, 0.49 to 0.55,
//! 0.61 to 0.72 and 0.52 to 0.66; on two cores at 0.88 to 1.0 for 0.64 to 0.89.
//!
//! Panels of 4096 or 14336 columns lie a multiple of 4096 bytes apart, and eight of them in the same sets of the first-level cache.
//! Pages of 2 MiB raise the speed of one stream from 16 to 20 GB/s, of this walk by a tenth to a quarter, and of many streams by
//! little. On a Sapphire Rapids with AVX2, a loop over blocks in C, fetched 512 bytes ahead to first-level cache and so many to
//! second-level, read 6912 columns at these parts, on one core and on two (the first and the last column are of another run):
//!
//! | panels | to second-level cache 0 | 1024 | 2048 | 4096 | 8192 bytes ahead |
//! |---|---|---|---|---|---|
//! | 1 | 0.56, 0.54 | 0.54, 0.50 | 0.64, 0.60 | 0.72, 0.70 | 0.70, 0.76 |
//! | 2 | 0.65, 0.64 | 0.68, 0.67 | 0.78, 0.75 | 0.78, 0.75 | 0.76, 0.78 |
//! | 4 | 0.78, 0.72 | 0.80, 0.78 | 0.80, 0.83 | 0.79, 0.82 | 0.84, 0.76 |
//! | 8 | 0.84, 0.77 | 0.82, 0.81 | 0.81, 0.84 | 0.82, 0.83 | 0.79, 0.88 |
//!
//! There the distance and the cache made no difference beyond the noise of 5 %, four panels were within 5 % of eight, and a line of every
//! page of the panels to come, so that pages are looked up side by side, cost 5 to 12 %. This walk has not run there, nor on Zen 4.
//!

use core::marker::PhantomData;

use crate::kernels::ternary::maddubs::splat_four;
use crate::kernels::ternary::one_token::Pieces;
use crate::kernels::ternary::rows::Rows;
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::two_bit::BLOCK_COLUMNS;

/// Blocks of a piece.
pub(super) const PIECE_BLOCKS: usize = 8;

/// What is multiplied of bytes of four fields, and into which of `SUMS` i16 accumulators.
pub(super) trait Fields<const SUMS: usize> {
    /// Of each field.
    const SUM_OF: [usize; 4];
    /// What each accumulator counts, in i16.
    const FACTORS: [u16; SUMS];
    /// How often the sum of all is divided by four.
    const QUARTERS: u32;

    /// Number `s` of the codes, to be multiplied with what there is of four activations for it.
    ///
    /// # Safety
    /// The CPU has the features of `V`.
    unsafe fn field<V: ByteVector>(codes: V, s: usize) -> V;
}

/// Blocks with these fields. The accumulators take the products of [`PIECE_BLOCKS`].
pub(super) struct Blocks<F, const SUMS: usize>(PhantomData<F>);

impl<F, const SUMS: usize> Blocks<F, SUMS> {
    pub(super) const NEW: Self = Blocks(PhantomData);
}

impl<F: Fields<SUMS>, const SUMS: usize> Pieces for Blocks<F, SUMS> {
    type Step = [i8; BLOCK_COLUMNS];
    const STEP_COLUMNS: usize = BLOCK_COLUMNS;
    const PIECE_STEPS: usize = PIECE_BLOCKS;
    const PIECE_BYTES: usize = PIECE_BLOCKS * BLOCK_BYTES;

    #[inline(always)]
    fn offset(&self, first: usize) -> usize {
        first * BLOCK_BYTES
    }

    #[inline(always)]
    unsafe fn piece<V: ByteVector, const R: usize>(
        &self,
        rows: Rows,
        ahead: usize,
        first: usize,
        steps: &[[i8; BLOCK_COLUMNS]],
    ) -> [V; R] {
        // SAFETY: as promised; a fetch ahead may point anywhere.
        unsafe {
            let mut narrow = [[V::splat(0); SUMS]; R];
            let (at, next) = (self.offset(first), rows.vector::<V>(0).wrapping_add(ahead));
            match steps {
                [a, b, c, d, e, f, g, h] if V::PINS => {
                    add_block::<V, F, R, SUMS>(rows, at, next, (0, a), &mut narrow);
                    add_block::<V, F, R, SUMS>(rows, at, next, (1, b), &mut narrow);
                    add_block::<V, F, R, SUMS>(rows, at, next, (2, c), &mut narrow);
                    add_block::<V, F, R, SUMS>(rows, at, next, (3, d), &mut narrow);
                    add_block::<V, F, R, SUMS>(rows, at, next, (4, e), &mut narrow);
                    add_block::<V, F, R, SUMS>(rows, at, next, (5, f), &mut narrow);
                    add_block::<V, F, R, SUMS>(rows, at, next, (6, g), &mut narrow);
                    add_block::<V, F, R, SUMS>(rows, at, next, (7, h), &mut narrow);
                }
                _ => {
                    for step in steps.iter().enumerate() {
                        add_block::<V, F, R, SUMS>(rows, at, next, step, &mut narrow);
                    }
                }
            }
            let mut sums = [V::splat(0); R];
            for (sum, narrow) in sums.iter_mut().zip(narrow) {
                for (narrow, factor) in narrow.into_iter().zip(F::FACTORS) {
                    *sum = sum.add(narrow.times_i16(V::splat(i32::from(factor) * 0x0001_0001)));
                }
            }
            sums
        }
    }

    #[inline(always)]
    fn total(_: &[[i8; BLOCK_COLUMNS]]) -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn end<V: ByteVector>(mut sums: V, _: V) -> V {
        for _ in 0..F::QUARTERS {
            // SAFETY: the features, as promised.
            sums = unsafe { sums.quarter() };
        }
        sums
    }
}

/// Adds the products of a block of a piece, and fetches the same one of the next. Field by field: of all activations of a block
/// at once, there are not registers enough for the masks.
///
/// # Safety
/// The CPU has the features of `V`; the block is in the panels of the vectors of rows.
#[inline(always)]
unsafe fn add_block<V: ByteVector, F: Fields<SUMS>, const R: usize, const SUMS: usize>(
    rows: Rows,
    piece: usize,
    next: *const u8,
    (block, q): (usize, &[i8; BLOCK_COLUMNS]),
    narrow: &mut [[V; SUMS]; R],
) {
    // SAFETY: as promised; four activations a field, and a fetch may point anywhere.
    unsafe {
        V::fetch_near(next.wrapping_add(block * BLOCK_BYTES));
        let codes: [V; R] = rows.load(piece + block * BLOCK_BYTES);
        for s in 0..4 {
            let x = splat_four::<V>(q.as_ptr().add(4 * s));
            for (codes, narrow) in codes.into_iter().zip(&mut *narrow) {
                let sum = &mut narrow[F::SUM_OF[s]];
                *sum = sum.add_i16(F::field(codes, s).times(x)).pin();
            }
        }
    }
}
