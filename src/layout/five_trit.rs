//! `FiveTrit`: five weights (trits) to a byte, 1.625 bits each.
//!
//! The panels of [`two_bit`], and bytes of the same order; columns come in **chunks** of
//! [`CHUNK_COLUMNS`] = 256 and those in four **quarters** of [`QUARTER_COLUMNS`] = 64, so that every scale group is a whole
//! number of quarters:
//!
//! ```text
//! chunk    = rest block, quarter 0, 1, 2, 3        64 + 4 · 192 bytes; the last chunk of a row ends with its
//! quarter  = three blocks of 20 columns            last quarter, so a row is padded to a multiple of 64 columns
//! byte 4·r + j of block b   holds   codes c_s of row r, columns 20·b + 4·s + j of the quarter, s < 5
//! rest block                is a `TwoBit` block whose field s holds the columns 60 to 63 of quarter s
//! ```
//!
//! The five codes are `n = Σ c_s · 3^(4−s)`, stored as `⌈n · 256 / 243⌉`: a fraction of 256 whose base-3 digits are
//! the codes. Tripling modulo 256 brings the next digit to the front, and what a tripling carries out of the byte is
//! the digit. Bytes that are no such number are refused.

use super::codes::{Codes, Damage, SEGMENT, Segment};
use super::{BLOCK_BYTES, trits, two_bit};

/// Columns of a five-trit block.
pub const BLOCK_COLUMNS: usize = 20;

/// Columns of a quarter: three five-trit blocks and one field of the rest block.
pub const QUARTER_COLUMNS: usize = 64;

/// Bytes of the five-trit blocks of a quarter.
pub const QUARTER_BYTES: usize = 3 * BLOCK_BYTES;

/// Columns of a chunk.
pub const CHUNK_COLUMNS: usize = 4 * QUARTER_COLUMNS;

/// Bytes of a whole chunk.
pub const CHUNK_BYTES: usize = BLOCK_BYTES + 4 * QUARTER_BYTES;

/// A five-trit byte of zero weights.
pub(super) const ZERO_WEIGHTS: u8 = 0x80;

pub(super) const CODES: Codes = Codes {
    column_multiple: QUARTER_COLUMNS,
    panel_bytes: |columns| {
        columns.div_ceil(CHUNK_COLUMNS) * BLOCK_BYTES + columns.div_ceil(QUARTER_COLUMNS) * QUARTER_BYTES
    },
    code,
    write,
    read,
    clear,
    // The rest block has a field for every quarter of its chunk, the missing ones too.
    padding_end: |columns| columns.next_multiple_of(CHUNK_COLUMNS),
    holds: |columns, column| {
        column < columns.next_multiple_of(QUARTER_COLUMNS) || column % QUARTER_COLUMNS >= 3 * BLOCK_COLUMNS
    },
    damage,
};

/// Offsets of a quarter's rest block and five-trit blocks within its panel.
#[inline(always)]
pub(crate) const fn quarter_offsets(quarter: usize) -> (usize, usize) {
    let chunk = quarter / 4 * CHUNK_BYTES;
    (chunk, chunk + BLOCK_BYTES + quarter % 4 * QUARTER_BYTES)
}

/// Where a code is within a panel.
enum Place {
    /// A code of the `TwoBit` block that starts there.
    Rest { block: usize, column: usize },
    /// A digit of a byte, the most significant first.
    Trit { byte: usize, digit: usize },
}

const fn place(row: usize, column: usize) -> Place {
    let quarter = column / QUARTER_COLUMNS;
    let (rest, blocks) = quarter_offsets(quarter);
    let within = column % QUARTER_COLUMNS;
    let block = within / BLOCK_COLUMNS;
    if block == QUARTER_BYTES / BLOCK_BYTES {
        return Place::Rest { block: rest, column: 4 * (quarter % 4) + within % 4 };
    }
    let byte = blocks + block * BLOCK_BYTES + 4 * row + within % 4;
    Place::Trit { byte, digit: within % BLOCK_COLUMNS / 4 }
}

fn code(panel: &[u8], row: usize, column: usize) -> u8 {
    match place(row, column) {
        Place::Rest { block, column } => two_bit::read(&panel[block..], row, column),
        Place::Trit { byte, digit } => trits::digit(panel[byte], digit),
    }
}

/// Bytes that a row has in the five-trit blocks of a chunk: four in each.
const ROW_BYTES: usize = 4 * (CHUNK_BYTES / BLOCK_BYTES - 1);

// A segment is a chunk.
const _: () = assert!(SEGMENT == CHUNK_COLUMNS);

/// Bytes of a chunk that starts there: the last one of a panel may be shorter.
const fn chunk_bytes(first: usize) -> usize {
    first / CHUNK_COLUMNS * CHUNK_BYTES
}

/// Where in a segment the columns are that digit `s` of a row's bytes holds, four for each five-trit block.
#[inline(always)]
const fn digit_columns(block: usize, digit: usize) -> usize {
    block / 3 * QUARTER_COLUMNS + block % 3 * BLOCK_COLUMNS + 4 * digit
}

/// Where in a segment the columns are that a field of the rest block holds.
#[inline(always)]
const fn rest_columns(quarter: usize) -> usize {
    quarter * QUARTER_COLUMNS + 3 * BLOCK_COLUMNS
}

#[inline(always)]
fn four(codes: &Segment, at: usize) -> [u8; 4] {
    [codes[at], codes[at + 1], codes[at + 2], codes[at + 3]]
}

fn write(panel: &mut [u8], row: usize, first: usize, codes: &Segment) {
    let (rest, blocks) = panel[chunk_bytes(first)..].split_at_mut(BLOCK_BYTES);
    let fields = core::array::from_fn(|quarter| u32::from_le_bytes(four(codes, rest_columns(quarter))));
    *two_bit::row_of(rest, row) = two_bit::join(fields).to_le_bytes();

    let mut numbers = [0u8; ROW_BYTES];
    for digit in 0..5 {
        let mut digits = [0; ROW_BYTES];
        for (block, digits) in digits.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *digits = four(codes, digit_columns(block, digit));
        }
        trits::append(&mut numbers, &digits);
    }
    let bytes = trits::bytes(numbers);
    for (block, bytes) in blocks.chunks_exact_mut(BLOCK_BYTES).zip(bytes.as_chunks::<4>().0) {
        *two_bit::row_of(block, row) = *bytes;
    }
}

fn read(panel: &[u8], row: usize, first: usize, codes: &mut Segment) {
    let (rest, blocks) = panel[chunk_bytes(first)..].split_at(BLOCK_BYTES);
    let mut fractions = [ZERO_WEIGHTS; ROW_BYTES];
    for (bytes, block) in fractions.as_chunks_mut::<4>().0.iter_mut().zip(blocks.chunks_exact(BLOCK_BYTES)) {
        *bytes = block.as_chunks::<4>().0[row];
    }
    for digit in 0..5 {
        let digits = trits::take_first(&mut fractions);
        for (block, digits) in digits.as_chunks::<4>().0.iter().enumerate() {
            codes[digit_columns(block, digit)..][..4].copy_from_slice(digits);
        }
    }
    let fields = two_bit::split(u32::from_le_bytes(rest.as_chunks::<4>().0[row]));
    for (quarter, field) in fields.into_iter().enumerate() {
        codes[rest_columns(quarter)..][..4].copy_from_slice(&field.to_le_bytes());
    }
}

fn clear(panel: &mut [u8], columns: usize) {
    panel.fill(ZERO_WEIGHTS);
    for chunk in 0..columns.div_ceil(CHUNK_COLUMNS) {
        panel[chunk * CHUNK_BYTES..][..BLOCK_BYTES].fill(two_bit::ZERO_WEIGHTS);
    }
}

fn damage(panel: &[u8]) -> Option<Damage> {
    panel.iter().enumerate().find_map(|(index, &byte)| {
        let (chunk, within) = (index / CHUNK_BYTES, index % CHUNK_BYTES);
        let (row, lane) = (index % BLOCK_BYTES / 4, index % 4);
        let quarter = |quarter| chunk * CHUNK_COLUMNS + quarter * QUARTER_COLUMNS;
        if within < BLOCK_BYTES {
            let field = two_bit::field_of_three(byte)?;
            return Some(Damage { row, column: quarter(field) + 3 * BLOCK_COLUMNS + lane });
        }
        let block = within / BLOCK_BYTES - 1;
        let column = quarter(block / 3) + block % 3 * BLOCK_COLUMNS + lane;
        (!trits::is_canonical(byte)).then_some(Damage { row, column })
    })
}
