//! Stage 1: orthonormal Hadamard transforms in place, forward and transpose.
//!
//! A [`Transform`] of block length `n = m₁ · m₂ · … · 2^k` is `y = (H_m₁ ⊗ H_m₂ ⊗ … ⊗ H_2^k) x / √n`: the power of
//! two runs along the contiguous inner axis in Sylvester order (arXiv 2504.18415, eq. 3 and 4), the outer
//! factors are [`SignMatrix`]es of a named [`Family`] or the caller's own. The same length does not mean the
//! same transform, so outer factors are always named and nothing is ever padded.
//!
//! **Order of the float operations**, the same on every backend: signs; butterflies in ascending stride; outer
//! factors from the innermost to the outermost, each in groups of four columns or, for the large Paley I matrices, in
//! pairs of rows and columns; one product with `1/√n` (rounded to f32) at the very end.

mod families;
pub(crate) mod folded;
#[cfg(target_arch = "x86_64")]
pub(crate) mod known;
mod matrix;
pub(crate) mod portable;
mod recipes;

pub use families::Family;
pub(crate) use matrix::SignRows;
pub use matrix::{MAX_ORDER, SignMatrix};
use num_traits::Float;

use crate::arch::Backend;
use crate::arch::kernels::Source;
use crate::error::{Error, Result, check_len, check_nonzero, checked_size};

/// Most outer factors of one transform.
pub const MAX_FACTORS: usize = 3;

/// `H`, or its transpose, which is its inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `y = H x`.
    Forward,
    /// `y = Hᵀ x`: undoes the forward transform; also what its gradient needs.
    Transpose,
}

/// A transform of rows: a small `Copy` description, checked when it is made.
///
/// ```
/// use hbitlinear::{Backend, hadamard::{Family, Transform}};
/// let transform = Transform::named("paley1:12*128")?; // H₁₂ ⊗ H₁₂₈, for rows of 1536
/// assert_eq!(transform.row_len(), 1536);
/// let mut row = [1.0; 1536];
/// transform.forward(Backend::best(), &mut row)?;
/// transform.transpose(Backend::best(), &mut row)?;
/// assert!(row.iter().all(|x| (x - 1.0).abs() < 1e-5));
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Transform<'a> {
    factors: [Option<SignMatrix<'a>>; MAX_FACTORS],
    log2: u32,
    block: usize,
    row_len: usize,
    /// 1/√block.
    scale: f64,
    signs: Option<&'a [i8]>,
}

impl<'a> Transform<'a> {
    /// `H_factors[0] ⊗ H_factors[1] ⊗ … ⊗ H_power_of_two` over whole rows of that product's length.
    ///
    /// # Errors
    /// [`Error::Transform`] with more than [`MAX_FACTORS`] factors or if `power_of_two` is not one,
    /// [`Error::SizeOverflow`] if the product of the orders overflows.
    pub fn new(factors: &[SignMatrix<'a>], power_of_two: usize) -> Result<Transform<'a>> {
        if !power_of_two.is_power_of_two() {
            return Err(Error::Transform { what: "the innermost power of two", order: power_of_two });
        }
        if factors.len() > MAX_FACTORS {
            return Err(Error::Transform { what: "the list of outer factors", order: factors.len() });
        }
        let mut block = power_of_two;
        let mut slots = [None; MAX_FACTORS];
        for (slot, factor) in slots.iter_mut().zip(factors) {
            block = checked_size(block, factor.order(), "product of the transform's orders")?;
            *slot = Some(*factor);
        }
        let log2 = power_of_two.trailing_zeros();
        let scale = 1.0 / Float::sqrt(block as f64);
        Ok(Transform { factors: slots, log2, block, row_len: block, scale, signs: None })
    }

    /// The Sylvester transform of `len` points, a power of two (eq. 3 and 4).
    ///
    /// # Errors
    /// [`Error::Transform`] for any other length.
    pub fn sylvester(len: usize) -> Result<Transform<'static>> {
        Transform::new(&[], len)
    }

    /// From a name: outer factors as `family:order`, then a power of two, joined by `*`: `1024`,
    /// `paley1:12*128`, `quarot:20*quarot:20*8`. Families: [`Family::name`].
    ///
    /// # Errors
    /// As [`Transform::new`]; [`Error::Transform`] for an unknown family, order or spelling.
    pub fn named(name: &str) -> Result<Transform<'static>> {
        let spelling = Error::Transform { what: "the transform's name", order: 0 };
        let mut factors = [None; MAX_FACTORS];
        let mut count = 0;
        let mut parts = name.split('*');
        let power = parts.next_back().and_then(|part| part.parse().ok()).ok_or(spelling)?;
        for part in parts {
            let (family, order) = part.split_once(':').ok_or(spelling)?;
            let family = Family::from_name(family).ok_or(spelling)?;
            let order = order.parse().map_err(|_| spelling)?;
            let slot = factors
                .get_mut(count)
                .ok_or(Error::Transform { what: "the list of outer factors", order: MAX_FACTORS + 1 })?;
            *slot = Some(family.matrix(order).ok_or(Error::Transform { what: family.name(), order })?);
            count += 1;
        }
        let mut list = [SignMatrix::from_parts(0, &[], &[]); MAX_FACTORS];
        for (entry, factor) in list.iter_mut().zip(factors.iter().flatten()) {
            *entry = *factor;
        }
        Transform::new(&list[..count], power)
    }

    /// The same transform on each of `count` contiguous blocks of a row.
    ///
    /// # Errors
    /// [`Error::Zero`] or [`Error::SizeOverflow`] on the count; [`Error::Length`] if signs were set before, for
    /// another row length.
    pub fn blocks(self, count: usize) -> Result<Transform<'a>> {
        check_nonzero("blocks", count)?;
        let row_len = checked_size(self.block, count, "blocks * block length")?;
        if let Some(signs) = self.signs {
            check_len("signs", row_len, signs.len())?;
        }
        Ok(Transform { row_len, ..self })
    }

    /// `x' = H (s · x)` with one sign, +1 or −1, per element of the row; the transpose is `s · (Hᵀ x)`.
    ///
    /// # Errors
    /// [`Error::Length`] unless there are [`Transform::row_len`] signs, [`Error::Value`] if one is not ±1
    /// (`value` is its index).
    pub fn with_signs(self, signs: &'a [i8]) -> Result<Transform<'a>> {
        check_len("signs", self.row_len, signs.len())?;
        if let Some(value) = signs.iter().position(|&sign| sign != 1 && sign != -1) {
            return Err(Error::Value { argument: "index of a sign that is not 1 or -1", value });
        }
        Ok(Transform { signs: Some(signs), ..self })
    }

    /// Elements of a row.
    #[must_use]
    pub const fn row_len(&self) -> usize {
        self.row_len
    }

    /// Elements of a block: the length of one Hadamard transform.
    #[must_use]
    pub const fn block_len(&self) -> usize {
        self.block
    }

    /// The outer factors, outermost first.
    pub fn factors(&self) -> impl Iterator<Item = SignMatrix<'a>> + use<'a> {
        self.factors.into_iter().flatten()
    }

    /// The innermost factor, a power of two.
    #[must_use]
    pub const fn power_of_two(&self) -> usize {
        1 << self.log2
    }

    /// `√n · H[i][j]` for indices within a block: the product of the factors' entries, +1 or −1.
    #[must_use]
    pub fn entry(&self, mut i: usize, mut j: usize) -> i8 {
        let power = 1usize << self.log2;
        let parity = (i & j & (power - 1)).count_ones();
        let mut entry = if parity.is_multiple_of(2) { 1 } else { -1 };
        (i, j) = (i >> self.log2, j >> self.log2);
        for factor in self.factors.iter().rev().flatten() {
            entry *= factor.entry(i % factor.order(), j % factor.order());
            (i, j) = (i / factor.order(), j / factor.order());
        }
        entry
    }

    /// The sign vector, if there is one.
    #[must_use]
    pub const fn signs(&self) -> Option<&'a [i8]> {
        self.signs
    }

    /// Transforms every row of `x`, in place. `x` is any number of contiguous rows of [`Transform::row_len`].
    ///
    /// Non-finite elements spread over their block; the quantisers find them.
    ///
    /// # Errors
    /// [`Error::TransformLength`] if `x` is not a whole number of rows long.
    pub fn forward(&self, backend: Backend, x: &mut [f32]) -> Result<()> {
        self.check(x.len())?;
        self.run(backend, Direction::Forward, x);
        Ok(())
    }

    /// Applies the transpose, the inverse of [`Transform::forward`], to every row of `x`, in place.
    ///
    /// # Errors
    /// As [`Transform::forward`].
    pub fn transpose(&self, backend: Backend, x: &mut [f32]) -> Result<()> {
        self.check(x.len())?;
        self.run(backend, Direction::Transpose, x);
        Ok(())
    }

    /// [`Transform::forward`] (or its transpose) in f64, portable code only.
    ///
    /// # Errors
    /// As [`Transform::forward`].
    pub fn apply_f64(&self, direction: Direction, x: &mut [f64]) -> Result<()> {
        self.check(x.len())?;
        for row in x.chunks_exact_mut(self.row_len) {
            self.apply(
                direction,
                row,
                |row, scale| {
                    if direction == Direction::Forward {
                        self.flip_signs(row);
                    }
                    portable::butterflies(row, self.log2, scale);
                },
                portable::sign_columns,
                |scale| scale,
            );
        }
        Ok(())
    }

    /// [`Error::TransformLength`] unless `len` is a whole number of rows.
    pub(crate) fn check(&self, len: usize) -> Result<()> {
        if len == self.row_len || len.is_multiple_of(self.row_len) {
            Ok(())
        } else {
            Err(Error::TransformLength { block: self.row_len, actual: len })
        }
    }

    /// The f32 transform of a checked slice of whole rows.
    fn run(&self, backend: Backend, direction: Direction, mut x: &mut [f32]) {
        // Row by row, so that a row stays in cache for all of its passes; short rows together, to share the cost of
        // the calls (but for signs, which the kernels take for one row).
        const TOGETHER: usize = 4096;
        let rows = if self.signs.is_none() && self.row_len < TOGETHER { TOGETHER / self.row_len } else { 1 };
        while !x.is_empty() {
            let (some, rest) = x.split_at_mut(x.len().min(rows * self.row_len));
            self.row(backend, direction, Source::IN_PLACE, some);
            x = rest;
        }
    }

    /// The f32 transform of one row, which enters from the source (which need not set the transform's signs), or of
    /// several rows in place if there are no signs.
    pub(crate) fn row(&self, backend: Backend, direction: Direction, source: Source<'_>, row: &mut [f32]) {
        let kernels = backend.kernels();
        let signs = if direction == Direction::Forward { self.signs } else { None };
        self.apply(
            direction,
            row,
            // SAFETY: `backend` proves the CPU's features; a row is a multiple of the power of two, and the source's
            // slices are as long as a row.
            |row, scale| unsafe { (kernels.butterflies)(Source { signs, ..source }, row, self.log2, scale) },
            // SAFETY: as above; a row is a multiple of the run that `apply` passes.
            |row, stride, matrix, scale| unsafe { (kernels.sign_columns)(row, stride, matrix, scale) },
            |scale| scale as f32,
        );
    }

    /// One row; `enter` does the signs of the forward direction and the butterflies.
    #[inline]
    fn apply<T: Float>(
        &self,
        direction: Direction,
        row: &mut [T],
        enter: impl FnOnce(&mut [T], T),
        sign_columns: impl Fn(&mut [T], usize, SignRows<'_>, T),
        round: impl Fn(f64) -> T,
    ) {
        let scale = round(self.scale);
        let scale_after = |done: usize| if done == self.block { scale } else { T::one() };
        let mut stride = 1 << self.log2;
        enter(row, scale_after(stride));
        for factor in self.factors.iter().rev().flatten() {
            let next = stride * factor.order();
            sign_columns(row, stride, factor.oriented(direction), scale_after(next));
            stride = next;
        }
        if direction == Direction::Transpose {
            self.flip_signs(row);
        }
    }

    fn flip_signs<T: Float>(&self, row: &mut [T]) {
        let signs = self.signs.unwrap_or_default();
        for (value, _) in row.iter_mut().zip(signs).filter(|&(_, &sign)| sign == -1) {
            *value = -*value;
        }
    }
}
