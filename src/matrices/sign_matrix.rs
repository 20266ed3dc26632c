//! ±1 matrices as packed sign bits: the outer factors of a transform.

use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, checked_size};

/// Largest order of an outer factor.
pub const MAX_ORDER: usize = 256;

/// `H`, or its transpose, which is its inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `y = H x`.
    Forward,
    /// `y = Hᵀ x`: undoes the forward transform; also what its gradient needs.
    Transpose,
}

/// A ±1 matrix `H` of order `m` with orthogonal rows, `H · Hᵀ = m · I`, and its transpose.
///
/// Get one from [`Family::matrix`](crate::Family::matrix), or bring your own with
/// [`SignMatrix::pack`].
#[derive(Clone, Copy, Debug)]
pub struct SignMatrix<'a> {
    order: usize,
    rows: &'a [u32],
    columns: &'a [u32],
}

impl<'a> SignMatrix<'a> {
    /// From packed bits that are known to be right: bit `j % 32` of word `j / 32` of row `i` is set where
    /// `H[i][j] = −1`; `columns` is the same for the transpose.
    pub(super) const fn from_parts(order: usize, rows: &'a [u32], columns: &'a [u32]) -> Self {
        assert!(rows.len() == order * words_per_row(order) && columns.len() == rows.len());
        SignMatrix { order, rows, columns }
    }

    /// Number of `u32` words that [`SignMatrix::pack`] needs for a matrix of that order.
    ///
    /// # Errors
    /// [`Error::MatrixOrder`] unless `1 ≤ order ≤` [`MAX_ORDER`].
    pub const fn storage_len(order: usize) -> Result<usize> {
        if order == 0 || order > MAX_ORDER {
            return Err(Error::MatrixOrder { limit: MAX_ORDER, actual: order });
        }
        Ok(2 * order * words_per_row(order))
    }

    /// Packs a caller's own matrix, row-major, entries +1 or −1, into `storage`.
    ///
    /// # Errors
    /// [`Error::MatrixOrder`] for an order outside `1..=`[`MAX_ORDER`], [`Error::Length`] if `signs` is not
    /// `order²` or `storage` not [`SignMatrix::storage_len`] long, [`Error::NotHadamard`] naming the first row
    /// that holds another value or is not orthogonal to an earlier one. Then `storage` is untouched.
    ///
    /// ```
    /// use hbitlinear::SignMatrix;
    /// let mut storage = [0; 4];
    /// let h2 = SignMatrix::pack(2, &[1, 1, 1, -1], &mut storage)?;
    /// assert_eq!(h2.entry(1, 1), -1);
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn pack(order: usize, signs: &[i8], storage: impl Into<Buffer<'a, u32>>) -> Result<SignMatrix<'a>> {
        let storage = storage.into();
        let words = Self::storage_len(order)?;
        check_len("signs", checked_size(order, order, "order * order")?, signs.len())?;
        check_len("storage", words, storage.len())?;
        for (row, entries) in signs.chunks_exact(order).enumerate() {
            let is_sign = entries.iter().all(|&entry| entry == 1 || entry == -1);
            let orthogonal = || {
                signs.chunks_exact(order).take(row).all(|other| {
                    entries.iter().zip(other).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>() == 0
                })
            };
            if !is_sign || !orthogonal() {
                return Err(Error::NotHadamard { row });
            }
        }
        let storage = storage.fill_with(|_| 0);
        let words = words_per_row(order);
        let (rows, columns) = storage.split_at_mut(order * words);
        for (index, _) in signs.iter().enumerate().filter(|&(_, &entry)| entry == -1) {
            let (i, j) = (index / order, index % order);
            rows[i * words + j / 32] |= 1 << (j % 32);
            columns[j * words + i / 32] |= 1 << (i % 32);
        }
        Ok(SignMatrix { order, rows, columns })
    }

    /// Views words that [`SignMatrix::pack`] wrote, as [`SignMatrix::row_words`] and [`SignMatrix::column_words`] give
    /// them. Only the lengths are checked: other bits give wrong numbers, never undefined behaviour.
    ///
    /// # Errors
    /// [`Error::MatrixOrder`] for an order outside `1..=`[`MAX_ORDER`], [`Error::Length`] unless both slices have half of
    /// [`SignMatrix::storage_len`] words.
    pub fn from_words(order: usize, rows: &'a [u32], columns: &'a [u32]) -> Result<SignMatrix<'a>> {
        let words = Self::storage_len(order)? / 2;
        check_len("row words of the matrix", words, rows.len())?;
        check_len("column words of the matrix", words, columns.len())?;
        Ok(SignMatrix { order, rows, columns })
    }

    /// The sign bits of `H`: bit `j % 32` of word `j / 32` of row `i` is set where `H[i][j] = −1`.
    #[must_use]
    pub const fn row_words(&self) -> &'a [u32] {
        self.rows
    }

    /// The sign bits of the transpose.
    #[must_use]
    pub const fn column_words(&self) -> &'a [u32] {
        self.columns
    }

    /// The order `m`.
    #[must_use]
    pub const fn order(&self) -> usize {
        self.order
    }

    /// `H[row][column]`, +1 or −1; 0 outside the matrix.
    #[must_use]
    pub fn entry(&self, row: usize, column: usize) -> i8 {
        if row >= self.order || column >= self.order {
            return 0;
        }
        let word = self.rows[row * words_per_row(self.order) + column / 32];
        if word >> (column % 32) & 1 == 1 { -1 } else { 1 }
    }

    /// The rows of `H`, or of `Hᵀ`.
    pub(crate) fn oriented(&self, direction: Direction) -> SignRows<'a> {
        let bits = match direction {
            Direction::Forward => self.rows,
            Direction::Transpose => self.columns,
        };
        SignRows { order: self.order, bits }
    }
}

/// `u32` words of one row of sign bits.
pub(super) const fn words_per_row(order: usize) -> usize {
    order.div_ceil(32)
}

/// A sign matrix in one orientation: what a kernel multiplies by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignRows<'a> {
    order: usize,
    bits: &'a [u32],
}

impl<'a> SignRows<'a> {
    /// From the packed bits of all rows.
    pub(super) const fn from_parts(order: usize, bits: &'a [u32]) -> Self {
        SignRows { order, bits }
    }

    /// The order `m`.
    #[inline(always)]
    pub(crate) fn order(&self) -> usize {
        self.order
    }

    /// Groups of four columns, the last one padded with +1 columns.
    #[inline(always)]
    pub(crate) fn groups(&self) -> usize {
        self.order.div_ceil(4)
    }

    /// The packed sign bits of a row, lowest first; 0 (+1) beyond the order.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        let words = words_per_row(self.order);
        &self.bits[row * words..][..words]
    }

    /// Sign bits of columns `4·group ..` of `row`, lowest first; 0 (+1) beyond the order.
    #[inline(always)]
    pub(crate) fn nibble(&self, row: usize, group: usize) -> usize {
        let word = self.bits[row * words_per_row(self.order) + group / 8];
        (word >> (group % 8 * 4)) as usize & 15
    }
}
