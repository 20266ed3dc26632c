//! Ternary products with `maddubs`: 8 rows × 4 columns an instruction.
//!
//! A lane sums two products, at most 2 · 2 · 128 = 512 in magnitude. So an i16 takes 64 of them, [`BLOCKS`] blocks:
//! 64 · 512 is one more than an i16 holds upwards, but only −128 reaches it, which goes downwards.
//!
//! **Several tokens**: the four fields of a block's half are shifted down (3 shifts, 4 masks) and each is multiplied
//! with four columns of `T` tokens (`maddubs` and an add): 7 of 7 + 8·T operations are not products. Two `maddubs`
//! and two other operations start each cycle (Zen 4), so T = 6 can reach 87 % of the peak.
//!
//! **One token**: the fields of a nibble are masked in place, worth 1 and 4, and have an accumulator each; one shift
//! brings the high nibble down. That is 1 shift and 4 masks. Those worth 4 reach four times as much, so these i16
//! take [`BLOCKS_ALONE`] blocks.

use core::arch::x86_64::*;

use crate::arch::kernels::{Groups, Panels, Product};
use crate::arch::scalar;
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS, T5_QUARTER_COLUMNS};

pub(super) const PRODUCT: Product =
    Product { token_tile: MAX_TILE, t2, t5, t2_groups, t5_groups, ..scalar::KERNELS.product };

/// Most tokens of a tile.
const MAX_TILE: usize = 6;

/// Blocks that an i16 accumulator takes.
const BLOCKS: usize = 16;

/// The same where two fields of a block count four times.
const BLOCKS_ALONE: usize = 8;

/// The portable folding, compiled for 256-bit vectors.
macro_rules! by_group {
    ($name:ident = $kernel:ident) => {
        #[target_feature(enable = "avx2")]
        fn $name(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            scratch: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            // SAFETY: this function has the kernel's features.
            unsafe { scalar::by_group($kernel, panels, q, tokens, groups, scratch, scaled) }
        }
    };
}

by_group!(t2_groups = t2);
by_group!(t5_groups = t5);

#[target_feature(enable = "avx2")]
fn t2(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
    match tokens {
        1 => alone(panels, q, sums),
        2 => tile::<2>(panels, q, sums),
        3 => tile::<3>(panels, q, sums),
        4 => tile::<4>(panels, q, sums),
        5 => tile::<5>(panels, q, sums),
        _ => tile::<6>(panels, q, sums),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn alone(panels: Panels<'_>, q: &[i8], sums: &mut [[i32; PANEL_ROWS]]) {
    let masks = [_mm256_set1_epi8(0b0011), _mm256_set1_epi8(0b1100)];
    for (panel, sums) in sums.iter_mut().enumerate() {
        let codes = panels.t2(panel);
        let mut wide = [_mm256_setzero_si256(); 2];
        let chunks = codes.chunks(BLOCKS_ALONE * BLOCK_BYTES).zip(q.chunks(BLOCKS_ALONE * BLOCK_COLUMNS));
        for (codes, q) in chunks {
            let mut narrow = [[_mm256_setzero_si256(); 2]; 2];
            for (block, q) in codes.chunks_exact(BLOCK_BYTES).zip(q.chunks_exact(BLOCK_COLUMNS)) {
                let x: [__m256i; 4] = core::array::from_fn(|s| splat(&q[4 * s..]));
                for (half, narrow) in block.chunks_exact(BLOCK_BYTES / 2).zip(&mut narrow) {
                    let low = load(half);
                    let high = _mm256_srli_epi16::<4>(low);
                    for (s, x) in x.into_iter().enumerate() {
                        let field = _mm256_and_si256(if s < 2 { low } else { high }, masks[s % 2]);
                        let products = _mm256_maddubs_epi16(field, x);
                        narrow[s % 2] = _mm256_add_epi16(narrow[s % 2], products);
                    }
                }
            }
            for (wide, [ones, fours]) in wide.iter_mut().zip(narrow) {
                let ones = _mm256_madd_epi16(ones, _mm256_set1_epi16(4));
                let fours = _mm256_madd_epi16(fours, _mm256_set1_epi16(1));
                *wide = _mm256_add_epi32(*wide, _mm256_add_epi32(ones, fours));
            }
        }
        for (sums, wide) in sums.chunks_exact_mut(8).zip(wide) {
            add(sums, _mm256_srai_epi32::<2>(wide));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn tile<const T: usize>(panels: Panels<'_>, q: &[i8], sums: &mut [[i32; PANEL_ROWS]]) {
    let mask = _mm256_set1_epi8(3);
    for (panel, sums) in sums.chunks_exact_mut(T).enumerate() {
        let codes = panels.t2(panel);
        for half in 0..2 {
            let mut wide = [_mm256_setzero_si256(); T];
            let chunks = codes.chunks(BLOCKS * BLOCK_BYTES).zip(q.chunks(BLOCKS * BLOCK_COLUMNS * T));
            for (codes, q) in chunks {
                let mut narrow = [_mm256_setzero_si256(); T];
                for (block, q) in codes.chunks_exact(BLOCK_BYTES).zip(q.chunks_exact(BLOCK_COLUMNS * T)) {
                    let mut fields = load(&block[half * BLOCK_BYTES / 2..]);
                    for q in q.chunks_exact(4 * T) {
                        let codes = _mm256_and_si256(fields, mask);
                        fields = _mm256_srli_epi16::<2>(fields);
                        for (t, narrow) in narrow.iter_mut().enumerate() {
                            let products = _mm256_maddubs_epi16(codes, splat(&q[4 * t..]));
                            *narrow = _mm256_add_epi16(*narrow, products);
                        }
                    }
                }
                for (wide, narrow) in wide.iter_mut().zip(narrow) {
                    *wide = _mm256_add_epi32(*wide, _mm256_madd_epi16(narrow, _mm256_set1_epi16(1)));
                }
            }
            for (sums, wide) in sums.iter_mut().zip(wide) {
                add(&mut sums[8 * half..][..8], wide);
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn t5(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
    match tokens {
        1 => tile_t5::<1>(panels, q, sums),
        2 => tile_t5::<2>(panels, q, sums),
        3 => tile_t5::<3>(panels, q, sums),
        4 => tile_t5::<4>(panels, q, sums),
        5 => tile_t5::<5>(panels, q, sums),
        _ => tile_t5::<6>(panels, q, sums),
    }
}

/// Seven operations bring a digit out: ⌊3x / 256⌋ is the upper two bits of ⌊3x / 4⌋ = x − ⌈⌈x / 2⌉ / 2⌉. A quarter has
/// 16 fields, four blocks' worth.
#[inline]
#[target_feature(enable = "avx2")]
fn tile_t5<const T: usize>(panels: Panels<'_>, q: &[i8], sums: &mut [[i32; PANEL_ROWS]]) {
    let (mask, zero) = (_mm256_set1_epi8(3), _mm256_setzero_si256());
    for (panel, sums) in sums.chunks_exact_mut(T).enumerate() {
        let codes = panels.whole(panel);
        for half in 0..2 {
            let at = half * BLOCK_BYTES / 2;
            let mut wide = [zero; T];
            let mut narrow = [zero; T];
            let end = panels.quarters().end;
            for (quarter, q) in panels.quarters().zip(q.chunks_exact(T5_QUARTER_COLUMNS * T)) {
                let (rest, blocks, field) = scalar::t5_quarter(codes, quarter);
                let mut q = q.chunks_exact(4 * T);
                let mut add = |codes: __m256i| {
                    let codes = _mm256_and_si256(codes, mask);
                    let q = q.next().unwrap_or(&[0; 4 * MAX_TILE]);
                    for (t, narrow) in narrow.iter_mut().enumerate() {
                        *narrow = _mm256_add_epi16(*narrow, _mm256_maddubs_epi16(codes, splat(&q[4 * t..])));
                    }
                };
                for block in blocks.chunks_exact(BLOCK_BYTES) {
                    let mut trits = load(&block[at..]);
                    for _ in 0..5 {
                        let quarter = _mm256_avg_epu8(_mm256_avg_epu8(trits, zero), zero);
                        add(_mm256_srli_epi16::<6>(_mm256_sub_epi8(trits, quarter)));
                        trits = _mm256_add_epi8(double(trits), trits);
                    }
                }
                add(_mm256_srl_epi16(load(&rest[at..]), _mm_cvtsi32_si128(2 * field as i32)));
                if quarter % 4 == 3 || quarter + 1 == end {
                    for (wide, narrow) in wide.iter_mut().zip(&mut narrow) {
                        *wide = _mm256_add_epi32(*wide, _mm256_madd_epi16(*narrow, _mm256_set1_epi16(1)));
                        *narrow = zero;
                    }
                }
            }
            for (sums, wide) in sums.iter_mut().zip(wide) {
                add(&mut sums[8 * half..][..8], wide);
            }
        }
    }
}

/// Every byte doubled. In assembly because the compiler sees through x + x + x and multiplies, with five instructions.
#[inline]
#[target_feature(enable = "avx2")]
fn double(x: __m256i) -> __m256i {
    let double;
    // SAFETY: one AVX2 instruction on registers.
    unsafe {
        core::arch::asm!("vpaddb {}, {x}, {x}", out(ymm_reg) double, x = in(ymm_reg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    double
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8]) -> __m256i {
    debug_assert!(bytes.len() >= 32);
    // SAFETY: callers pass half a block or more.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Four activations in every lane.
#[inline]
#[target_feature(enable = "avx2")]
fn splat(q: &[i8]) -> __m256i {
    debug_assert!(q.len() >= 4);
    // SAFETY: callers pass four or more.
    _mm256_set1_epi32(unsafe { q.as_ptr().cast::<i32>().read_unaligned() })
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(sums: &mut [i32], terms: __m256i) {
    debug_assert!(sums.len() == 8);
    // SAFETY: callers pass eight sums.
    unsafe {
        let sum = _mm256_add_epi32(_mm256_loadu_si256(sums.as_ptr().cast()), terms);
        _mm256_storeu_si256(sums.as_mut_ptr().cast(), sum);
    }
}
