//! Ternary products with `maddubs`: 8 rows × 4 columns an instruction.
//!
//! Codes are masked in place, not shifted down: the fields of the low nibble are worth 1 and 4, one shift brings the
//! high nibble there. A `maddubs` lane sums two products, so with int8 inputs a lane of the fields worth 1 grows by
//! at most 2·2·128 = 512, of those worth 4 by 2048; each takes two fields of a block. After [`BLOCKS`] blocks they
//! reach at most 8·2·2048 = 32768, and only with the sign that an i16 has room for.

use core::arch::x86_64::*;

use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS};

/// Tokens that share one unpacking: two i16 accumulators each.
pub(super) const TOKEN_TILE: usize = 4;

/// Blocks that a pair of i16 accumulators can take.
const BLOCKS: usize = 8;

/// [`crate::arch::kernels::Kernels::panel_t2`].
#[target_feature(enable = "avx2")]
pub(super) fn panel_t2(panel: &[u8], q: &[i8], q_stride: usize, acc: &mut [[i32; PANEL_ROWS]]) {
    match acc.len() {
        0 => {}
        1 => tokens::<1>(panel, q, q_stride, acc),
        2 => tokens::<2>(panel, q, q_stride, acc),
        3 => tokens::<3>(panel, q, q_stride, acc),
        _ => tokens::<4>(panel, q, q_stride, acc),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn tokens<const T: usize>(panel: &[u8], q: &[i8], q_stride: usize, acc: &mut [[i32; PANEL_ROWS]]) {
    let mask = [_mm256_set1_epi8(0b0011), _mm256_set1_epi8(0b1100)];
    let blocks = panel.len() / BLOCK_BYTES;
    assert!(acc.len() == T && q.len() >= (T - 1) * q_stride + blocks * BLOCK_COLUMNS);
    for half in 0..2 {
        let mut wide = [_mm256_setzero_si256(); T];
        for start in (0..blocks).step_by(BLOCKS) {
            let mut ones = [_mm256_setzero_si256(); T];
            let mut fours = [_mm256_setzero_si256(); T];
            for block in start..blocks.min(start + BLOCKS) {
                // SAFETY: `block` is one of the panel's; a half is 32 bytes.
                let low = unsafe { _mm256_loadu_si256(panel.as_ptr().add(block * 64 + half * 32).cast()) };
                let high = _mm256_srli_epi16::<4>(low);
                let codes = [low, low, high, high];
                for s in 0..4 {
                    let codes = _mm256_and_si256(codes[s], mask[s % 2]);
                    let narrow = if s % 2 == 0 { &mut ones } else { &mut fours };
                    for t in 0..T {
                        // SAFETY: the assertion covers every token's columns.
                        let q = unsafe {
                            q.as_ptr()
                                .add(t * q_stride + block * BLOCK_COLUMNS + 4 * s)
                                .cast::<i32>()
                                .read_unaligned()
                        };
                        let products = _mm256_maddubs_epi16(codes, _mm256_set1_epi32(q));
                        narrow[t] = _mm256_add_epi16(narrow[t], products);
                    }
                }
            }
            for t in 0..T {
                let ones = _mm256_madd_epi16(ones[t], _mm256_set1_epi16(4));
                let fours = _mm256_madd_epi16(fours[t], _mm256_set1_epi16(1));
                wide[t] = _mm256_add_epi32(wide[t], _mm256_add_epi32(ones, fours));
            }
        }
        for (acc, wide) in acc.iter_mut().zip(wide) {
            // SAFETY: half of the 16 sums of a token.
            unsafe {
                let target = acc.as_mut_ptr().add(8 * half).cast::<__m256i>();
                let sum = _mm256_add_epi32(_mm256_loadu_si256(target), _mm256_srai_epi32::<2>(wide));
                _mm256_storeu_si256(target, sum);
            }
        }
    }
}
