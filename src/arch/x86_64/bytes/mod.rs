//! Ternary products on CPUs without a dot instruction, in vectors of bytes.
//!
//! - [`fields`]: codes times activations with `maddubs`, for every width of activation.
//! - [`trits`]: the same for `T5`, and a way around its digits for one token of int4.
//! - [`tables`]: several tokens of int4, by looking two codes' sum up.
//!
//! A lane of `maddubs` sums two products, at most 2 · 2 · 128 = 512 in magnitude. So an i16 takes 64 of them: 64 · 512 is
//! one more than it holds upwards, but only −128 reaches it, which goes downwards.

pub(super) mod fields;
mod instantiate;
pub(super) mod tables;
pub(super) mod trits;

pub(super) use instantiate::product;

use super::dot::{Dot, Sums};
use crate::arch::kernels::Panels;
use crate::layout::PANEL_ROWS;

/// [`Dot`] in vectors of bytes, pairs of which are i16 lanes too, and without [`Dot::dot`]: the CPU lacks it.
///
/// # Safety
/// As there.
pub(super) unsafe trait Bytes: Dot {
    unsafe fn add_i8(self, other: Self) -> Self;
    unsafe fn add_i16(self, other: Self) -> Self;
    /// i16 lanes times 256.
    unsafe fn up_a_byte(self) -> Self;
    /// u16 lanes divided by 256.
    unsafe fn down_a_byte(self) -> Self;
    /// The digit at the front of every byte, ⌊3 · (byte + 128 modulo 256) / 256⌋.
    unsafe fn flipped_trit(self) -> Self;
    /// `maddubs`: u8 codes times s8 activations, two neighbours added to an i16, which saturates.
    unsafe fn times(self, q: Self) -> Self;
    /// `madd`: i16 lanes times others, two neighbours added to an i32.
    unsafe fn times_i16(self, other: Self) -> Self;

    /// 16 bytes in every 128-bit lane.
    unsafe fn table(from: *const u8) -> Self;
    /// `pshufb`: the byte of the table, in each 128-bit lane, that each index says.
    unsafe fn lookup(self, indices: Self) -> Self;
    /// Takes 32-bit lanes, within 128 bits, of four vectors that hold a0 b1 c2 d3, d0 a1 b2 c3, c0 d1 a2 b3 and b0 c1 d2
    /// a3, and gives a0 to a3 of the four vectors and so on.
    unsafe fn unskew(vectors: [Self; 4]) -> [Self; 4];
    /// Adds to i32 sums of four vectors of rows: to the even rows the lower byte sums, `pairs` − 256 · `upper`, to the odd
    /// ones `upper`, both in i16 and plus `start`; `total` to all. A 128-bit lane holds four rows of each vector.
    unsafe fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]);
}

/// Four activations, or two i16, in every lane.
///
/// # Safety
/// Four bytes there, and the features of `V`.
#[inline(always)]
unsafe fn splat<V: Bytes>(q: *const i8) -> V {
    // SAFETY: the caller's.
    unsafe { V::splat(q.cast::<i32>().read_unaligned()) }
}

/// How many vectors of rows the panels have.
#[inline(always)]
fn vectors<V: Bytes>(panels: Panels<'_>) -> usize {
    panels.count() * (PANEL_ROWS / V::ROWS)
}

/// Adds i16 accumulators to i32 ones.
///
/// # Safety
/// The features of `V`.
#[inline(always)]
unsafe fn widen<V: Bytes, const R: usize, const T: usize>(wide: &mut [[V; R]; T], narrow: [[V; R]; T]) {
    for (wide, narrow) in wide.iter_mut().zip(narrow) {
        for (wide, narrow) in wide.iter_mut().zip(narrow) {
            // SAFETY: the caller's.
            *wide = unsafe { wide.add(narrow.times_i16(V::splat(0x0001_0001))) };
        }
    }
}

/// Four columns of every vector of rows and token.
///
/// # Safety
/// The features of `V`, and four values for each token.
#[inline(always)]
unsafe fn add_field<V: Bytes, const R: usize, const T: usize>(
    codes: [V; R],
    q: *const i8,
    narrow: &mut [[V; R]; T],
) {
    for (t, narrow) in narrow.iter_mut().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let x = splat::<V>(q.add(4 * t));
            for (narrow, codes) in narrow.iter_mut().zip(codes) {
                *narrow = narrow.add_i16(codes.times(x));
            }
        }
    }
}

/// What a leg's sums begin with.
///
/// # Safety
/// As [`Sums::start`].
#[inline(always)]
unsafe fn start<V: Bytes, S: Sums, const R: usize, const T: usize>(leg: usize, sums: &S) -> [[V; R]; T] {
    // SAFETY: the caller's.
    unsafe {
        let mut wide = [[V::splat(0); R]; T];
        for (t, wide) in wide.iter_mut().enumerate() {
            *wide = [sums.start::<V>(leg, t); R];
        }
        wide
    }
}
