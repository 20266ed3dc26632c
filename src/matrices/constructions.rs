//! The algebraic constructions behind the named matrices, evaluated at compile time.
//!
//! χ, Q, its border and the order of a field's elements are as in the documentation of the families.

/// How a matrix is written out.
pub(super) enum Construction {
    /// I + S, S the antisymmetric bordered Q.
    Paley1(Field),
    Paley1Transposed(Field),
    /// `[H H; H −H]` of the transposed Paley I matrix.
    Paley1TransposedTwice(Field),
    /// The symmetric bordered Q with each entry replaced by a 2×2 block.
    Paley2(Field),
    /// The same, with the first rows (columns) of all blocks before the second ones.
    Paley2Split(Field),
    /// `[A B C D; −B A −D C; −C D A −B; −D −C B A]` with symmetric circulants A, B, C, D, given by their
    /// first rows: bit j is set where entry j is −1.
    Williamson([u64; 4]),
}

impl Construction {
    /// The sign bits of the matrix, or of its transpose.
    ///
    /// Evaluating [`Construction::negative`] for every entry would take the compiler seconds. Rows are shifted
    /// copies of earlier ones wherever the circulant structure allows, and only what a shift cannot know is
    /// evaluated.
    pub(super) const fn pack<const WORDS: usize>(&self, order: usize, transpose: bool) -> [u32; WORDS] {
        let (words, circulant) = (order.div_ceil(32), self.circulant(order));
        let mut bits = [0; WORDS];
        let mut i = 0;
        while i < order {
            let shifted = circulant.skip(i) != 0;
            if shifted {
                let (row, source) = (i * words, (i - circulant.step) * words);
                bits[row] = bits[source] << circulant.step;
                let mut w = 1;
                while w < words {
                    bits[row + w] =
                        bits[source + w] << circulant.step | bits[source + w - 1] >> (32 - circulant.step);
                    w += 1;
                }
                bits[row + words - 1] &= u32::MAX >> (words * 32 - order);
            }
            let mut j = 0;
            while j < order {
                let skip = if shifted { circulant.skip(j) } else { 0 };
                if skip == 0 {
                    let negative =
                        if transpose { self.negative(order, j, i) } else { self.negative(order, i, j) };
                    let word = &mut bits[i * words + j / 32];
                    *word = *word & !(1 << (j % 32)) | (negative as u32) << (j % 32);
                    j += 1;
                }
                j += skip;
            }
            i += 1;
        }
        bits
    }

    const fn circulant(&self, order: usize) -> Circulant {
        match self {
            Self::Paley1(field) | Self::Paley1Transposed(field) => {
                Circulant { period: order, border: 1, segment: field.p, step: 1 }
            }
            Self::Paley1TransposedTwice(field) | Self::Paley2Split(field) => {
                Circulant { period: order / 2, border: 1, segment: field.p, step: 1 }
            }
            Self::Paley2(field) => Circulant { period: order, border: 2, segment: 2 * field.p, step: 2 },
            Self::Williamson(_) => Circulant { period: order / 4, border: 0, segment: order / 4, step: 1 },
        }
    }

    /// Whether entry (i, j) is −1.
    const fn negative(&self, order: usize, i: usize, j: usize) -> bool {
        match self {
            Self::Paley1(field) => field.paley1(i, j),
            Self::Paley1Transposed(field) => field.paley1(j, i),
            Self::Paley1TransposedTwice(field) => {
                let half = order / 2;
                field.paley1(j % half, i % half) != (i >= half && j >= half)
            }
            Self::Paley2(field) => field.paley2(i / 2, j / 2, i % 2 + j % 2),
            Self::Paley2Split(field) => {
                let half = order / 2;
                field.paley2(i % half, j % half, i / half + j / half)
            }
            Self::Williamson(first_rows) => {
                // A, B, C, D multiply like the quaternions 1, i, j, k: the block index is an exclusive or.
                const SIGN: [[bool; 4]; 4] = [
                    [false, false, false, false],
                    [true, false, true, false],
                    [true, false, false, true],
                    [true, true, false, false],
                ];
                let size = order / 4;
                let (block_i, block_j) = (i / size, j / size);
                let offset = (j % size + size - i % size) % size;
                let bit = first_rows[block_i ^ block_j] >> offset & 1;
                (bit == 1) != SIGN[block_i][block_j]
            }
        }
    }
}

/// Where a matrix is circulant. Its indices fall into periods, a period into a border and segments; within
/// a block of two segments, or of one and the border, entries (i, j) and (i + step, j + step) are equal.
struct Circulant {
    period: usize,
    border: usize,
    segment: usize,
    step: usize,
}

impl Circulant {
    /// 0 in a border and for the first `step` indices of a segment, otherwise the distance to the next segment.
    const fn skip(&self, index: usize) -> usize {
        let index = index % self.period;
        if index < self.border {
            return 0;
        }
        let within = (index - self.border) % self.segment;
        if within < self.step { 0 } else { self.segment - within }
    }
}

/// GF(p) or GF(p²), as far as Paley's constructions need it.
pub(super) struct Field {
    /// The characteristic.
    p: usize,
    /// Whether an element, by index, is a square; long enough for the largest field in use.
    square: [bool; 139],
}

impl Field {
    pub(super) const fn prime(p: usize) -> Self {
        Self::new(p, p)
    }

    /// GF(p)\[t\]/(t² − 2): 2 must not be a square modulo p.
    pub(super) const fn prime_squared(p: usize) -> Self {
        Self::new(p, p * p)
    }

    const fn new(p: usize, q: usize) -> Self {
        let mut square = [false; 139];
        let mut index = 0;
        while index < q {
            let (a, b) = (index % p, index / p);
            square[(a * a + 2 * b * b) % p + p * (2 * a * b % p)] = true;
            index += 1;
        }
        Self { p, square }
    }

    /// Whether χ(y − x) is −1, for elements given by index.
    pub(super) const fn chi_negative(&self, x: usize, y: usize) -> bool {
        let p = self.p;
        let a = (y % p + p - x % p) % p;
        let b = (y / p + p - x / p) % p;
        !self.square[a + p * b]
    }

    /// Whether entry (i, j) of the Paley I matrix is −1.
    const fn paley1(&self, i: usize, j: usize) -> bool {
        if i == 0 {
            false
        } else if j == 0 {
            true
        } else {
            self.chi_negative(i - 1, j - 1)
        }
    }

    /// Whether an entry of block (i, j) of the Paley II matrix is −1; `corner` is 0 for the block's first
    /// diagonal entry, 2 for the last and 1 for the other two.
    const fn paley2(&self, i: usize, j: usize, corner: usize) -> bool {
        if i == j {
            corner != 0
        } else {
            (i != 0 && j != 0 && self.chi_negative(i - 1, j - 1)) != (corner == 2)
        }
    }
}
