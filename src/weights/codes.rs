//! Reading and writing single codes of a panel, in each layout of [`crate::layout`].

use super::Layout;
use crate::layout::{
    BLOCK_BYTES, BLOCK_COLUMNS, T5_BLOCK_COLUMNS, T5_GROUP_BYTES, T5_GROUP_COLUMNS, T5_QUARTER_BYTES,
    T5_QUARTER_COLUMNS, ZERO_WEIGHTS_BYTE, ZERO_WEIGHTS_TRITS,
};

/// Where a code is within a panel.
enum Place {
    /// Two bits of a byte.
    Bits { byte: usize, shift: usize },
    /// A digit of a byte, the most significant first.
    Trit { byte: usize, digit: u32 },
}

impl Layout {
    pub(super) fn from_number(number: u8) -> Option<Layout> {
        [Layout::T2, Layout::T5].into_iter().find(|&layout| layout as u8 == number)
    }

    /// Columns that a panel's rows are padded to a multiple of.
    pub(crate) const fn column_multiple(self) -> usize {
        match self {
            Layout::T2 => BLOCK_COLUMNS,
            Layout::T5 => T5_QUARTER_COLUMNS,
        }
    }

    /// Bytes of a panel.
    pub(super) const fn panel_bytes(self, columns: usize) -> usize {
        match self {
            Layout::T2 => columns.div_ceil(BLOCK_COLUMNS) * BLOCK_BYTES,
            Layout::T5 => {
                columns.div_ceil(T5_GROUP_COLUMNS) * BLOCK_BYTES
                    + columns.div_ceil(T5_QUARTER_COLUMNS) * T5_QUARTER_BYTES
            }
        }
    }

    const fn place(self, row: usize, column: usize) -> Place {
        match self {
            Layout::T2 => bits(column / BLOCK_COLUMNS * BLOCK_BYTES, row, column % BLOCK_COLUMNS),
            Layout::T5 => {
                let group = column / T5_GROUP_COLUMNS * T5_GROUP_BYTES;
                let quarter = column % T5_GROUP_COLUMNS / T5_QUARTER_COLUMNS;
                let within = column % T5_QUARTER_COLUMNS;
                let block = within / T5_BLOCK_COLUMNS;
                if block == T5_QUARTER_BYTES / BLOCK_BYTES {
                    return bits(group, row, 4 * quarter + within % 4);
                }
                let byte = group + BLOCK_BYTES + quarter * T5_QUARTER_BYTES + block * BLOCK_BYTES;
                Place::Trit {
                    byte: byte + 4 * row + within % 4,
                    digit: (within % T5_BLOCK_COLUMNS / 4) as u32,
                }
            }
        }
    }

    /// One code of a panel; 0 to 2 unless its byte is damaged.
    pub(super) fn code(self, panel: &[u8], row: usize, column: usize) -> u8 {
        match self.place(row, column) {
            Place::Bits { byte, shift } => panel[byte] >> shift & 3,
            Place::Trit { byte, digit } => digit_of(panel[byte], digit),
        }
    }

    /// Replaces one code of a panel.
    pub(super) fn set_code(self, panel: &mut [u8], row: usize, column: usize, code: u8) {
        match self.place(row, column) {
            Place::Bits { byte, shift } => panel[byte] = panel[byte] & !(3 << shift) | code << shift,
            Place::Trit { byte, digit } => {
                let mut digits: [u8; 5] = core::array::from_fn(|digit| digit_of(panel[byte], digit as u32));
                digits[digit as usize] = code;
                panel[byte] = trits_byte(digits);
            }
        }
    }

    /// Fills a panel of `columns` with zero weights.
    pub(super) fn fill(self, panel: &mut [u8], columns: usize) {
        match self {
            Layout::T2 => panel.fill(ZERO_WEIGHTS_BYTE),
            Layout::T5 => {
                panel.fill(ZERO_WEIGHTS_TRITS);
                for group in 0..columns.div_ceil(T5_GROUP_COLUMNS) {
                    panel[group * T5_GROUP_BYTES..][..BLOCK_BYTES].fill(ZERO_WEIGHTS_BYTE);
                }
            }
        }
    }

    /// Columns of a row that hold codes but no weights.
    pub(super) fn padding(self, columns: usize) -> impl Iterator<Item = usize> + Clone {
        let end = columns.next_multiple_of(self.column_multiple());
        // The rest block has a field for every quarter of its group, the missing ones too.
        let rest = match self {
            Layout::T2 => end..end,
            Layout::T5 => end..end.next_multiple_of(T5_GROUP_COLUMNS),
        };
        (columns..end).chain(rest.filter(|column| column % T5_QUARTER_COLUMNS >= 3 * T5_BLOCK_COLUMNS))
    }

    /// Row and column of the first byte of a panel that no writer produces.
    pub(super) fn damage(self, panel: &[u8]) -> Option<(usize, usize)> {
        panel.iter().enumerate().find_map(|(index, &byte)| {
            let (row, lane) = (index % BLOCK_BYTES / 4, index % 4);
            // A code 3 has both bits of its field set.
            let threes = byte & byte >> 1 & 0b01_01_01_01;
            let field = threes.trailing_zeros() as usize / 2;
            match self {
                Layout::T2 => {
                    (threes != 0).then(|| (row, index / BLOCK_BYTES * BLOCK_COLUMNS + 4 * field + lane))
                }
                Layout::T5 => {
                    let (group, within) = (index / T5_GROUP_BYTES, index % T5_GROUP_BYTES);
                    let quarter = |quarter| group * T5_GROUP_COLUMNS + quarter * T5_QUARTER_COLUMNS;
                    if within < BLOCK_BYTES {
                        let column = quarter(field) + T5_QUARTER_COLUMNS - 4 + lane;
                        return (threes != 0).then_some((row, column));
                    }
                    let block = within / BLOCK_BYTES - 1;
                    let column = quarter(block / 3) + block % 3 * T5_BLOCK_COLUMNS + lane;
                    (!IS_TRITS[byte as usize]).then_some((row, column))
                }
            }
        })
    }
}

const fn bits(block: usize, row: usize, within: usize) -> Place {
    Place::Bits { byte: block + 4 * row + within % 4, shift: within / 4 * 2 }
}

/// A digit of a five-trit byte: the byte is a fraction of 256 whose base-3 digits follow the point.
const fn digit_of(byte: u8, digit: u32) -> u8 {
    let fraction = byte as u32 * 3_u32.pow(digit) % 256;
    (fraction * 3 / 256) as u8
}

/// The byte of five codes: their base-3 number as a fraction, rounded up so that no digit falls short.
fn trits_byte(digits: [u8; 5]) -> u8 {
    let number = digits.into_iter().fold(0, |number, digit| 3 * number + u32::from(digit));
    fraction(number)
}

const fn fraction(number: u32) -> u8 {
    (number * 256).div_ceil(243) as u8
}

/// Which bytes hold five trits.
const IS_TRITS: [bool; 256] = {
    let mut is = [false; 256];
    let mut number = 0;
    while number < 243 {
        is[fraction(number) as usize] = true;
        number += 1;
    }
    is
};
