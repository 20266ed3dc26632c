//! Ternary products of several tokens on CPUs that multiply small matrices (AArch64's `smmla`): two rows and two tokens of
//! eight columns, 32 products, where a dot has 16.
//!
//! Eight columns of a row are two fields side by side, a `zip` for each two rows. The activations of two tokens are brought
//! into the same order once for all panels of a call, some columns at a time.

use super::sinks::{Sink, end_segment};
use super::vector::MatrixVector;

/// Columns whose activations are in order at a time, in first-level cache. Whole scale groups.
pub(super) const PIECE_COLUMNS: usize = 512;
const _: () = assert!(PIECE_COLUMNS.is_multiple_of(256));

/// Most tokens.
const PAIRED_TOKENS: usize = 8;

/// The activations of a piece: for each eight columns, for each two tokens, eight of the one and eight of the other. An odd
/// token's other is anything.
#[repr(C, align(64))]
pub(super) struct Pairs(pub(super) [i8; PIECE_COLUMNS * PAIRED_TOKENS]);

impl Pairs {
    pub(super) const ZEROS: Pairs = Pairs([0; PIECE_COLUMNS * PAIRED_TOKENS]);
}

/// Brings the activations of up to [`PIECE_COLUMNS`] columns in order, whose fours are side by side for `T` tokens.
#[inline(always)]
pub(super) fn pair_tokens<const T: usize>(q: &[i8], pairs: &mut Pairs) {
    const { assert!(T <= PAIRED_TOKENS) };
    let (fours, _) = q.as_chunks::<4>();
    let (to, _) = pairs.0.as_chunks_mut::<4>();
    for (fours, to) in fours.chunks_exact(2 * T).zip(to.chunks_exact_mut(4 * T.div_ceil(2))) {
        for t in 0..T {
            to[t / 2 * 4 + t % 2 * 2] = fours[t];
            to[t / 2 * 4 + t % 2 * 2 + 1] = fours[T + t];
        }
    }
}

/// Zeros. Of the sums of `T` tokens, the first half is used, rounded up: one of each two tokens.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn accumulators<V: MatrixVector, const R: usize, const T: usize>() -> [[[V; 2]; R]; T] {
    // SAFETY: the features, as promised.
    unsafe { [[[V::splat(0); 2]; R]; T] }
}

/// Adds eight columns of `R` vectors of rows, in two halves each, times the pairs of tokens at `q`; returns where the next
/// pairs are.
///
/// # Safety
/// The CPU has the features of `V`; `q` points to a vector for each two of `T` tokens.
#[inline(always)]
pub(super) unsafe fn add_products<V: MatrixVector, const R: usize, const T: usize>(
    codes: [[V; 2]; R],
    q: *const i8,
    sums: &mut [[[V; 2]; R]; T],
) -> *const i8 {
    // One by one, as nested loops over the sums would stay loops, and the registers memory.
    // SAFETY: as promised to this function.
    unsafe {
        add_pair::<V, R, T, 0>(codes, q, sums);
        add_pair::<V, R, T, 1>(codes, q, sums);
        add_pair::<V, R, T, 2>(codes, q, sums);
        add_pair::<V, R, T, 3>(codes, q, sums);
        q.add(16 * T.div_ceil(2))
    }
}

/// The same for the tokens of pair `P` alone, if there are.
///
/// # Safety
/// As [`add_products`].
#[inline(always)]
unsafe fn add_pair<V: MatrixVector, const R: usize, const T: usize, const P: usize>(
    codes: [[V; 2]; R],
    q: *const i8,
    sums: &mut [[[V; 2]; R]; T],
) {
    const { assert!(T <= PAIRED_TOKENS && PAIRED_TOKENS == 2 * 4) };
    if 2 * P < T {
        // SAFETY: both as promised.
        unsafe {
            let x = V::load(q.add(16 * P).cast());
            for (r, codes) in codes.into_iter().enumerate() {
                sums[P][r][0] = sums[P][r][0].multiply(codes[0], x);
                sums[P][r][1] = sums[P][r][1].multiply(codes[1], x);
            }
        }
    }
}

/// Ends a segment of `R` vectors of rows from number `first` on.
///
/// # Safety
/// As [`Sink::end`], for each of the vectors.
#[inline(always)]
pub(super) unsafe fn end<V: MatrixVector, const R: usize, const T: usize>(
    segment: usize,
    first: usize,
    sums: [[[V; 2]; R]; T],
    sink: &mut Sink<'_>,
) {
    // SAFETY: as promised to this function.
    unsafe {
        let mut tokens = [[V::splat(0); R]; T];
        for pair in 0..T.div_ceil(2) {
            for r in 0..R {
                let [even, odd] = V::by_token(sums[pair][r]);
                tokens[2 * pair][r] = sink.start::<V>(segment, 2 * pair).add(even);
                if 2 * pair + 1 < T {
                    tokens[2 * pair + 1][r] = sink.start::<V>(segment, 2 * pair + 1).add(odd);
                }
            }
        }
        end_segment(segment, first, tokens, sink);
    }
}
