//! What tables, indices and sums have in common, and the instruction sets with them.

use crate::layout::two_bit::BLOCK_COLUMNS;

/// Vectors of a quad.
pub(super) const QUAD: usize = 4;

/// Lookups of a block.
pub(crate) const BLOCK_LOOKUPS: usize = BLOCK_COLUMNS / 2;

/// Lookups that a byte takes, and what it starts from: 7 · 16 up and down.
pub(crate) const BYTE_LOOKUPS: usize = 7;
pub(super) const BYTE_START: i32 = 112;

/// What bytes start from where `ByteVector::make_group_tables` says how many lookups they take.
pub(crate) const KEPT_START: usize = 128;

/// What an instruction set makes tables with (`ByteVector::make_tables`): of a nibble's two vectors of columns, then their
/// negatives, for each of a nibble's four bytes, where each entry takes its two terms from; 128 and more is 0.
pub(crate) const PICK_TERMS: [[[u8; 16]; 2]; 4] = {
    let mut pick = [[[128; 16]; 2]; 4];
    let mut i = 0;
    while i < 64 {
        let (j, entry) = (i / 16, i % 16);
        let mut field = 0;
        while field < 2 {
            match entry >> (2 * field) & 3 {
                0 => pick[j][field][entry] = (8 + 4 * field + j) as u8,
                2 => pick[j][field][entry] = (4 * field + j) as u8,
                _ => {}
            }
            field += 1;
        }
        i += 1;
    }
    pick
};
