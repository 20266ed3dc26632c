//! `TwoBit`: two bits a weight, four to a byte.
//!
//! Columns (inputs) come in **blocks** of [`BLOCK_COLUMNS`] = 16. A block of a panel is [`BLOCK_BYTES`] = 64 bytes; blocks
//! of a panel follow each other along K. Within a block
//!
//! ```text
//! byte 4·r + j   holds   Σ_s code(row r, column 4·s + j) << 2s      r < 16, j < 4, s < 4
//! ```
//!
//! So each of the four 2-bit fields of a block, masked out, is 64 bytes of 16 rows × 4 consecutive columns:
//!
//! - AVX2: two 32-byte halves of 8 rows; `maddubs` against a broadcast of four activations.
//! - AVX-512 VNNI: one `vpdpbusd` a field against a broadcast of four activations, one i32 lane a row.
//! - AMX: a field is one row of a B tile (16 columns of 4 bytes); four blocks make a tile of 64 inputs.
//! - NEON dotprod: four 16-byte quarters of 4 rows, `sdot` by element; i8mm: `zip` of two fields gives the
//!   2 rows × 8 inputs that `smmla` wants.
//!
//! Rows beyond N and columns beyond K hold code 1 (weight 0).

use super::BLOCK_BYTES;
use super::codes::{Codes, Damage, Segment};

/// Columns of a block: 16 rows × 16 columns × 2 bits are [`BLOCK_BYTES`].
pub const BLOCK_COLUMNS: usize = 16;

/// A byte of four zero weights.
pub(super) const ZERO_WEIGHTS: u8 = 0b01_01_01_01;

pub(super) const CODES: Codes = Codes {
    column_multiple: BLOCK_COLUMNS,
    panel_bytes: |columns| columns.div_ceil(BLOCK_COLUMNS) * BLOCK_BYTES,
    code: |panel, row, column| read(&panel[block(column)..], row, column % BLOCK_COLUMNS),
    write,
    read: read_segment,
    clear: |panel, _| panel.fill(ZERO_WEIGHTS),
    padding_end: |columns| columns.next_multiple_of(BLOCK_COLUMNS),
    holds: |_, _| true,
    damage,
};

const fn block(column: usize) -> usize {
    column / BLOCK_COLUMNS * BLOCK_BYTES
}

/// A code of a block.
pub(super) fn read(block: &[u8], row: usize, column: usize) -> u8 {
    block[4 * row + column % 4] >> (column / 4 * 2) & 3
}

/// The four bytes of a row of a block.
#[inline(always)]
pub(super) fn row_of(block: &mut [u8], row: usize) -> &mut [u8; 4] {
    &mut block.as_chunks_mut::<4>().0[row]
}

/// The bytes of four codes for each field, given as u32s, the first code lowest.
#[inline(always)]
pub(super) const fn join(fields: [u32; 4]) -> u32 {
    fields[0] | fields[1] << 2 | fields[2] << 4 | fields[3] << 6
}

/// The inverse of [`join`].
#[inline(always)]
pub(super) const fn split(bytes: u32) -> [u32; 4] {
    const FIELD: u32 = 0x0303_0303;
    [bytes & FIELD, bytes >> 2 & FIELD, bytes >> 4 & FIELD, bytes >> 6 & FIELD]
}

fn write(panel: &mut [u8], row: usize, first: usize, codes: &Segment) {
    let blocks = panel[block(first)..].chunks_exact_mut(BLOCK_BYTES);
    for (block, codes) in blocks.zip(codes.as_chunks::<BLOCK_COLUMNS>().0) {
        let (fields, _) = codes.as_chunks::<4>();
        let fields = core::array::from_fn(|s| u32::from_le_bytes(fields[s]));
        *row_of(block, row) = join(fields).to_le_bytes();
    }
}

fn read_segment(panel: &[u8], row: usize, first: usize, codes: &mut Segment) {
    let blocks = panel[block(first)..].chunks_exact(BLOCK_BYTES);
    for (block, codes) in blocks.zip(codes.as_chunks_mut::<BLOCK_COLUMNS>().0) {
        let bytes = u32::from_le_bytes(block.as_chunks::<4>().0[row]);
        for (four, field) in codes.as_chunks_mut::<4>().0.iter_mut().zip(split(bytes)) {
            *four = field.to_le_bytes();
        }
    }
}

/// The first field of a byte with a code 3, if there is one: both of its bits are set.
pub(super) fn field_of_three(byte: u8) -> Option<usize> {
    let threes = byte & byte >> 1 & 0b01_01_01_01;
    (threes != 0).then(|| threes.trailing_zeros() as usize / 2)
}

fn damage(panel: &[u8]) -> Option<Damage> {
    panel.iter().enumerate().find_map(|(index, &byte)| {
        let field = field_of_three(byte)?;
        let column = index / BLOCK_BYTES * BLOCK_COLUMNS + 4 * field + index % 4;
        Some(Damage { row: index % BLOCK_BYTES / 4, column })
    })
}
