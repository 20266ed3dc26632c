//! Sums over codes with vectors: scores of a quantised query, and weighted sums of values.
//!
//! Codes are u8, what they are multiplied by is s8: the query's odd integers, or the two bytes of a tile's weights. As the
//! value of a code k is `2k − n`, a sum is twice that of the codes less n times that of the integers, which is one number for
//! a query or a tile.
//!
//! Running sums of pairs are i16. In scores a product is at most n · 15, so that they are widened after as many groups as
//! 2¹⁵ holds: 19 of 3 bits (608 elements), 36 of 4 (288), 4 of 8 (16). In sums of values a product is at most n · 128, and the
//! eight pairs of a tile fit to the end with 3 and 4 bits (8 · 2 · 15 · 128 = 30 720); of 8 bits not even one does, and they
//! are widened to i16 first and multiplied by both bytes of a weight at once.
//!
//! What binds is arithmetic. In AVX2, 8 elements of the values of 32 tokens at 4 bits are 12 operations to unpack, 32 to multiply
//! and add, and 8 to end with, of which a core starts four a cycle at best; f16 values are 96, a conversion, a product and a sum
//! for each token. Scores are 7 operations for 64 products. What comes once for each tile, 32 weights to integers, was a third of
//! the time of the sums until its own sum was taken in f32 lanes: of integers the compiler added each lane by itself.
//!
//! Measured, a head of 128 and 4 096 tokens, on a Xeon with AMX (Sapphire Rapids) with nothing else running: the whole of
//! attention with 4-bit states against f16 ones of the same backend, and with 128 heads against only reading as many bytes
//! (`benches/scorecard`):
//!
//! | backend | time of f16 over that of 4 bits, one head in cache | the same, 128 heads | reading over 4 bits, 128 heads |
//! |---|---|---|---|
//! | `avx2` | 2.88 | 4.21 | 0.62 |
//! | `avxvnni` | 3.40 | 4.77 | 0.70 |
//! | `avx512` | 2.74 | 4.05 | 0.62 |
//! | `avx512vnni` | 3.26 | 4.25 | 0.61 |

use core::ops::Range;

use super::formats::{Dots, Format};
use super::{TileWeights, Tiles, Tokens, portable};
use crate::kernels::ternary::vector::{ByteVector, IntVector};
use crate::layout::ScaleType;
use crate::layout::states::TILE_TOKENS;

/// Most vectors of a tile's tokens.
const MAX_VECTORS: usize = 8;

/// So many tiles of values ahead are asked for: a tile is read in several rows at a time, of which no prefetcher of a CPU makes
/// anything.
const AHEAD: usize = 2;

/// The four integers at a place in every lane.
#[inline(always)]
unsafe fn splat<V: IntVector>(integers: *const i8) -> V {
    // SAFETY: four bytes, as the caller promises, and the features.
    unsafe { V::splat(integers.cast::<i32>().read_unaligned()) }
}

/// See [`AttentionKernels::integer_scores`](super::AttentionKernels::integer_scores).
#[inline(always)]
pub(crate) unsafe fn scores<D: Dots, F: Format>(
    keys: Tiles<'_>,
    gammas: &[f32],
    query: &[i8],
    factor: f32,
    scores: &mut [f32],
) {
    let vectors = TILE_TOKENS / D::V::ROWS;
    let groups = keys.head_size.div_ceil(F::DEPTHS);
    assert!(query.len() >= groups * F::DEPTHS, "padded by the stage");
    let run = if D::WIDE { groups } else { i16::MAX as usize / (F::LEVELS as usize * 30 * F::QUADS) };
    let mut sum = 0;
    for &odd in query {
        sum += i32::from(odd);
    }
    let correction = F::LEVELS * sum;
    let dwords = 4 * TILE_TOKENS;
    let tiles = keys.bytes.chunks_exact(groups * F::DWORDS * dwords);
    for ((tile, gammas), scores) in
        tiles.zip(gammas.as_chunks::<TILE_TOKENS>().0).zip(scores.as_chunks_mut::<TILE_TOKENS>().0)
    {
        let mut sums = [0_i32; TILE_TOKENS];
        // SAFETY: the module's contract; a tile has `groups` groups, and the query as many.
        unsafe {
            let mut totals = [D::V::splat(0); MAX_VECTORS];
            let mut group = 0;
            while group < groups {
                let end = groups.min(group + run);
                let mut partial = [[D::V::splat(0); MAX_VECTORS]; 2];
                while group < end {
                    let at = tile.as_ptr().add(group * F::DWORDS * dwords);
                    let integers = query.as_ptr().add(group * F::DEPTHS);
                    for j in 0..vectors {
                        let quads = F::quads::<D::V>(at.add(4 * j * D::V::ROWS), dwords);
                        for i in 0..F::QUADS {
                            let sum = &mut partial[i % D::CHAINS][j];
                            *sum = D::add(*sum, quads[i], splat(integers.add(4 * i)));
                        }
                    }
                    group += 1;
                }
                for j in 0..vectors {
                    totals[j] = totals[j].add(D::total(partial[0][j]));
                    if D::CHAINS == 2 {
                        totals[j] = totals[j].add(D::total(partial[1][j]));
                    }
                }
            }
            for j in 0..vectors {
                totals[j].store(sums.as_mut_ptr().add(j * D::V::ROWS).cast());
            }
        }
        for t in 0..TILE_TOKENS {
            scores[t] = (2 * sums[t] - correction) as f32 * (gammas[t] * factor);
        }
    }
}

/// See [`AttentionKernels::integer_values`](super::AttentionKernels::integer_values). `BLOCK` vectors of elements share the
/// loads of the weights.
#[inline(always)]
pub(crate) unsafe fn values<D: Dots, F: Format, const BLOCK: usize>(
    values: Tiles<'_>,
    tokens: Tokens<'_>,
    inputs: Range<usize>,
    out: &mut [f32],
) {
    let rows = D::V::ROWS;
    let bytes = values.bits.tile_bytes(values.head_size, TILE_TOKENS);
    let mut weights = TileWeights::ZERO;
    for tile in 0..tokens.weights.len().div_ceil(TILE_TOKENS) {
        tokens.tile(tile, F::LEVELS as u8, &mut weights);
        let values = Tiles { bytes: &values.bytes[tile * bytes..][..bytes], ..values };
        let at = values.bytes.as_ptr();
        let mut done = 0;
        // SAFETY: the module's contract; lanes before the head's size have their dwords in the tile, and elements before the
        // range's end their floats in `out`.
        unsafe {
            while done + BLOCK * rows <= out.len() {
                let from = at.add(4 * (inputs.start + done));
                block::<D, F, BLOCK>(from, 4 * values.head_size, &weights, out.as_mut_ptr().add(done));
                done += BLOCK * rows;
            }
            while done + rows <= out.len() {
                let from = at.add(4 * (inputs.start + done));
                block::<D, F, 1>(from, 4 * values.head_size, &weights, out.as_mut_ptr().add(done));
                done += rows;
            }
        }
        if done < out.len() {
            portable::tile_of_integers(values, inputs.start + done..inputs.end, &weights, &mut out[done..]);
        }
    }
}

/// The elements of `BLOCK` vectors.
#[inline(always)]
unsafe fn block<D: Dots, F: Format, const BLOCK: usize>(
    from: *const u8,
    stride: usize,
    weights: &TileWeights,
    out: *mut f32,
) {
    // SAFETY: as the caller promises: the features, `BLOCK` vectors at each of the tile's dwords, and as many floats.
    unsafe {
        let zero = D::V::splat(0);
        let bytes = TILE_TOKENS / F::DEPTHS * F::DWORDS * stride;
        let (mut high, mut low) = ([zero; BLOCK], [zero; BLOCK]);
        for group in 0..TILE_TOKENS / F::DEPTHS {
            for j in 0..BLOCK {
                let at = from.add(group * F::DWORDS * stride + 4 * j * D::V::ROWS);
                if (4 * j * D::V::ROWS).is_multiple_of(64) {
                    for dword in 0..F::DWORDS {
                        D::V::fetch_near(at.wrapping_add(AHEAD * bytes + dword * stride));
                    }
                }
                if !D::WIDE && F::LEVELS == 255 {
                    let words = weights.words.as_ptr().add(group * F::DEPTHS).cast::<i8>();
                    let codes = D::V::load(at);
                    let (even, odd) = (codes.and(D::V::splat(0x00ff_00ff)), codes.down_a_byte());
                    high[j] = high[j].add(even.times_i16(splat(words)));
                    low[j] = low[j].add(odd.times_i16(splat(words.add(4))));
                    continue;
                }
                let quads = F::quads::<D::V>(at, stride);
                for i in 0..F::QUADS {
                    let t = group * F::DEPTHS + 4 * i;
                    high[j] = D::add(high[j], quads[i], splat(weights.high.as_ptr().add(t)));
                    low[j] = D::add(low[j], quads[i], splat(weights.low.as_ptr().add(t)));
                }
            }
        }
        let correction = D::V::splat(weights.sum);
        let scales = [weights.scale; 16];
        let scales = D::V::load_scales(scales.as_ptr().cast(), ScaleType::F32);
        for j in 0..BLOCK {
            let twice = if !D::WIDE && F::LEVELS == 255 {
                let sum = high[j].add(low[j]);
                sum.add(sum)
            } else {
                D::join_twice(high[j], low[j])
            };
            twice.sub(correction).add_scaled(scales, out.add(j * D::V::ROWS));
        }
    }
}
