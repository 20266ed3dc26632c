//! Packed codes to tiles: row `i` of a tile holds the codes of 16 outputs and columns 4i to 4i + 3.

use core::arch::x86_64::*;

use super::COLUMNS;
use crate::arch::kernels::Panels;
use crate::arch::x86_64::dot::{Dot, quarter_offsets};
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, T5_BLOCK_COLUMNS, T5_QUARTER_COLUMNS};

/// Bytes of a `T2` tile's blocks.
const T2_TILE: usize = COLUMNS / BLOCK_COLUMNS * BLOCK_BYTES;

/// Bytes that are fetched ahead of each panel.
const AHEAD: usize = 512;

const _: () = assert!(T5_QUARTER_COLUMNS == COLUMNS);

/// A layout of codes.
///
/// # Safety
/// `unpack` writes a whole tile at `to`. The CPU has AVX-512 BW; the tile begins within the run, and `to` is aligned.
pub(super) unsafe trait Unpack {
    /// The codes of a panel's tile `tile`, counted from the start of the run. Columns beyond the run get any bytes,
    /// because their activations are zero.
    unsafe fn unpack(panels: Panels<'_>, panel: usize, tile: usize, to: *mut __m512i);
}

pub(super) struct T2;
pub(super) struct T5;

// SAFETY: 4 rows for each of the tile's 4 blocks.
unsafe impl Unpack for T2 {
    #[inline(always)]
    unsafe fn unpack(panels: Panels<'_>, panel: usize, tile: usize, to: *mut __m512i) {
        let codes = &panels.t2(panel)[tile * T2_TILE..];
        // SAFETY: the caller's; blocks are read where the slice has them, and a fetch ahead may point anywhere.
        unsafe {
            let mask = _mm512_set1_epi8(3);
            let from = codes.as_ptr();
            for block in 0..COLUMNS / BLOCK_COLUMNS {
                let at = from.wrapping_add(block * BLOCK_BYTES);
                _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD).cast());
                let mut fields = if (block + 1) * BLOCK_BYTES <= codes.len() {
                    <__m512i as Dot>::load(at)
                } else {
                    _mm512_setzero_si512()
                };
                for field in 0..4 {
                    _mm512_store_si512(to.add(4 * block + field), _mm512_and_si512(fields, mask));
                    fields = fields.next_field();
                }
            }
        }
    }
}

// SAFETY: 5 rows for each of the quarter's 3 blocks and one of the rest block.
unsafe impl Unpack for T5 {
    #[inline(always)]
    unsafe fn unpack(panels: Panels<'_>, panel: usize, tile: usize, to: *mut __m512i) {
        let quarter = panels.quarters().start + tile;
        let (rest, blocks) = quarter_offsets(quarter);
        let codes = &panels.whole(panel)[..blocks + 3 * BLOCK_BYTES];
        // SAFETY: the caller's; the slice ends with the quarter, and a fetch ahead may point anywhere.
        unsafe {
            let mask = _mm512_set1_epi8(3);
            for block in 0..3 {
                let at = codes.as_ptr().add(blocks + block * BLOCK_BYTES);
                _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD).cast());
                let mut trits = <__m512i as Dot>::load(at);
                for digit in 0..T5_BLOCK_COLUMNS / 4 {
                    let row = to.add(T5_BLOCK_COLUMNS / 4 * block + digit);
                    _mm512_store_si512(row, _mm512_and_si512(trits.front_trit(), mask));
                    trits = trits.triple();
                }
            }
            let field = <__m512i as Dot>::load(codes.as_ptr().add(rest)).field_at((quarter % 4 * 2) as u32);
            _mm512_store_si512(to.add(15), _mm512_and_si512(field, mask));
        }
    }
}
