//! Stage 1: orthonormal Hadamard transforms in place, forward and transpose.
//!
//! A [`Transform`] of block length `n = m₁ · m₂ · … · 2^k` is `y = (H_m₁ ⊗ H_m₂ ⊗ … ⊗ H_2^k) x / √n`: the power of
//! two runs along the contiguous inner axis in Sylvester order (arXiv 2504.18415, eq. 3 and 4), the outer
//! factors are [`SignMatrix`]es of a named [`Family`] or the caller's own. The same length does not mean the
//! same transform, so outer factors are always named and nothing is ever padded.
//!
//! **Order of the float operations**, the same on every backend: signs; butterflies in ascending stride; outer
//! factors from the innermost to the outermost, each in groups of four columns or, for the large Paley I matrices, in
//! pairs of rows and columns, or, for Paley II of order 28 and 36, by two products of half the order; one product with
//! `1/√n` (rounded to f32) at the very end.

use core::mem::MaybeUninit;

use num_traits::Float;

use crate::buffer::{init, uninit};
use crate::error::{Error, Result, check_len, check_nonzero, checked_size};
use crate::kernels::Backend;
use crate::kernels::contract::Prologue;
use crate::kernels::scalar;
use crate::matrices::{Direction, Family, SignMatrix, SignRows};

/// Most outer factors of one transform.
pub const MAX_FACTORS: usize = 3;

/// Floats that go through several factors before the next ones: 16 KiB of a nearest cache's 32.
const NEAR: usize = 4096;

/// A transform of rows: a small `Copy` description, checked when it is made.
///
/// Whoever may choose the factors of a length takes small ones. On a Xeon (Sapphire Rapids), with AVX2 and AVX-512, rows of 7680
/// take 0.54 and 0.75 of the time with `paley1:12*paley1:20*32` that they take with `quarot:60*128`, and rows of 6912 take 0.56
/// and 0.64 of it with `paley1:12*paley2:36*16` instead of `paley1:108*64`. A power of two below the registers' lanes, 8 and 16,
/// costs more than it saves.
///
/// ```
/// use hbitlinear::{Backend, Transform};
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
    /// [`Error::FactorCount`] with more than [`MAX_FACTORS`] factors, [`Error::PowerOfTwo`] if `power_of_two` is not one,
    /// [`Error::SizeOverflow`] if the product of the orders overflows.
    pub fn new(factors: &[SignMatrix<'a>], power_of_two: usize) -> Result<Transform<'a>> {
        let mut slots = [None; MAX_FACTORS];
        for (slot, factor) in slots.iter_mut().zip(factors) {
            *slot = Some(*factor);
        }
        Self::of(slots, factors.len(), power_of_two)
    }

    /// Of the first `count` slots, which may be more than there are.
    fn of(
        factors: [Option<SignMatrix<'a>>; MAX_FACTORS],
        count: usize,
        power_of_two: usize,
    ) -> Result<Transform<'a>> {
        if count > MAX_FACTORS {
            return Err(Error::FactorCount { limit: MAX_FACTORS, actual: count });
        }
        if !power_of_two.is_power_of_two() {
            return Err(Error::PowerOfTwo { value: power_of_two });
        }
        let mut block = power_of_two;
        for factor in factors.iter().flatten() {
            block = checked_size(block, factor.order(), "product of the transform's orders")?;
        }
        let log2 = power_of_two.trailing_zeros();
        let scale = 1.0 / Float::sqrt(block as f64);
        Ok(Transform { factors, log2, block, row_len: block, scale, signs: None })
    }

    /// The Sylvester transform of `len` points, a power of two (eq. 3 and 4).
    ///
    /// # Errors
    /// [`Error::PowerOfTwo`] for any other length.
    pub fn sylvester(len: usize) -> Result<Transform<'static>> {
        Transform::new(&[], len)
    }

    /// From a name: outer factors as `family:order`, then a power of two, joined by `*`: `1024`,
    /// `paley1:12*128`, `quarot:20*quarot:20*8`. Families: [`Family::name`]. Numbers are decimal digits without a sign or
    /// leading zeros.
    ///
    /// # Errors
    /// As [`Transform::new`]; [`Error::TransformName`] for another spelling or an unknown family, [`Error::FamilyOrder`].
    pub fn named(name: &str) -> Result<Transform<'static>> {
        let mut factors = [None; MAX_FACTORS];
        let (mut count, mut at) = (0, 0);
        for part in name.split('*') {
            let spelling = Error::TransformName { at };
            let Some((family, order)) = part.split_once(':') else {
                // The last part, and only that, is the power of two.
                let power = number(part).filter(|_| at + part.len() == name.len()).ok_or(spelling)?;
                return Transform::of(factors, count, power);
            };
            let family: Family = family.parse().map_err(|_| spelling)?;
            let matrix = family.matrix(number(order).ok_or(spelling)?)?;
            if let Some(slot) = factors.get_mut(count) {
                *slot = Some(matrix);
            }
            count += 1;
            at += part.len() + 1;
        }
        Err(Error::TransformName { at: name.len() })
    }

    /// The same transform on each of `count` contiguous blocks of a row.
    ///
    /// # Errors
    /// [`Error::Zero`] or [`Error::SizeOverflow`] on the count; [`Error::Length`] if signs were set before, for
    /// another row length.
    pub fn with_blocks(self, count: usize) -> Result<Transform<'a>> {
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
    /// [`Error::Length`] unless there are [`Transform::row_len`] signs, [`Error::Sign`] if one is not ±1.
    pub fn with_signs(self, signs: &'a [i8]) -> Result<Transform<'a>> {
        check_len("signs", self.row_len, signs.len())?;
        if let Some(index) = signs.iter().position(|&sign| sign != 1 && sign != -1) {
            return Err(Error::Sign { index, value: signs[index] });
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

    /// Blocks of a row.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.row_len / self.block
    }

    /// The outer factors, outermost first.
    pub fn factors(&self) -> impl Iterator<Item = SignMatrix<'a>> + use<'a> {
        self.factors.into_iter().flatten()
    }

    /// The innermost factor, a power of two.
    #[must_use]
    pub const fn power_of_two(&self) -> usize {
        // Of a description in memory that was damaged, the exponent may be anything.
        match 1_usize.checked_shl(self.log2) {
            Some(power) => power,
            None => 0,
        }
    }

    /// What every element is multiplied by at the end, rounded to its type: `1/√n`.
    #[must_use]
    pub const fn scale(&self) -> f64 {
        self.scale
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
            if direction == Direction::Forward {
                self.flip_signs(row);
            }
            scalar::transform::butterflies(row, self.log2, self.scale_after(self.outer_count()));
            self.outer_factors(direction, row, 0..self.outer_count(), scalar::transform::sign_columns);
            if direction == Direction::Transpose {
                self.flip_signs(row);
            }
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
        // One row needs no division, which is 2 to 3 % of the time of 256 points.
        let shares = self.signs.is_none() && self.row_len < TOGETHER && x.len() > self.row_len;
        let rows = if shares { TOGETHER / self.row_len } else { 1 };
        while !x.is_empty() {
            let (some, rest) = x.split_at_mut(x.len().min(rows * self.row_len));
            // SAFETY: in place, on written elements.
            unsafe { self.row(backend, direction, Prologue::IN_PLACE, uninit(some)) };
            x = rest;
        }
    }

    /// The f32 transform of one row, which enters from the prologue (which need not set the transform's signs), or of
    /// several rows in place if there are no signs. Afterwards `row` is written.
    ///
    /// # Safety
    /// The prologue's slices are as long as `row`, which is written if the prologue brings no values.
    pub(crate) unsafe fn row(
        &self,
        backend: Backend,
        direction: Direction,
        prologue: Prologue<'_>,
        row: &mut [MaybeUninit<f32>],
    ) {
        let signs = if direction == Direction::Forward { self.signs } else { None };
        let prologue = Prologue { signs, ..prologue };
        if self.outer_count() == 0 {
            let butterflies = backend.kernels(|kernels| kernels.butterflies);
            // SAFETY: `backend` proves the CPU's features; a row is a multiple of the power of two; the rest is promised.
            unsafe { butterflies(prologue, row, self.log2, self.scale_after(0)) };
        } else {
            // SAFETY: promised.
            unsafe { self.row_of_product(backend, direction, prologue, row) };
        }
        if direction == Direction::Transpose {
            // SAFETY: written just now.
            self.flip_signs(unsafe { init(row) });
        }
    }

    /// Butterflies and outer factors of [`Transform::row`]. Apart, for a short transform would feel the code that it passes by.
    ///
    /// # Safety
    /// As there.
    #[inline(never)]
    unsafe fn row_of_product(
        &self,
        backend: Backend,
        direction: Direction,
        prologue: Prologue<'_>,
        row: &mut [MaybeUninit<f32>],
    ) {
        let butterflies = backend.kernels(|kernels| kernels.butterflies);
        let sign_columns = backend.kernels(|kernels| kernels.sign_columns);
        // The innermost factor may do the last stages.
        let stages_of_columns = backend.kernels(|kernels| kernels.stages_of_columns);
        let power = self.power_of_two();
        let stages = self.factors().last().map_or(0, |innermost| stages_of_columns(innermost.order(), power));
        // SAFETY: `backend` proves the CPU's features; the slices are multiples of what `outer_factors` passes.
        let sign_columns = |x: &mut [f32], stride, matrix: SignRows<'_>, scale| unsafe {
            sign_columns(x, stride, if stride == power { stages } else { 0 }, matrix, scale);
        };
        // All factors but the outermost, for as many of their runs at a time as stay in the nearest cache.
        let outer = self.outer_count();
        let run = (self.block / self.factors[0].map_or(1, |outermost| outermost.order())).max(1);
        let piece = (NEAR / run).max(1) * run;
        // With a single factor there is nothing to gain: butterflies see to it themselves.
        let piece = if outer > 1 { piece } else { row.len().max(1) };
        for at in (0..row.len()).step_by(piece) {
            let range = at..row.len().min(at + piece);
            let part = &mut row[range.clone()];
            // SAFETY: as above, of whole runs; the rest is promised.
            let part = unsafe {
                butterflies(prologue.part(range), part, self.log2 - stages, self.scale_after(outer));
                init(part)
            };
            self.outer_factors(direction, part, 0..outer - 1, sign_columns);
        }
        // SAFETY: written by the kernels.
        let row = unsafe { init(row) };
        self.outer_factors(direction, row, outer - 1..outer, sign_columns);
    }

    /// How many outer factors there are. Without copying them, which a short transform would feel.
    fn outer_count(&self) -> usize {
        self.factors.iter().flatten().count()
    }

    /// Those of the outer factors, counted from the innermost, of a slice of whole runs of them.
    fn outer_factors<T: Float>(
        &self,
        direction: Direction,
        x: &mut [T],
        which: core::ops::Range<usize>,
        sign_columns: impl Fn(&mut [T], usize, SignRows<'_>, T),
    ) {
        let mut left = self.outer_count();
        let mut stride = 1 << self.log2;
        for (i, factor) in self.factors.iter().rev().flatten().enumerate() {
            left -= 1;
            if which.contains(&i) {
                sign_columns(x, stride, factor.oriented(direction), self.scale_after(left));
            }
            stride *= factor.order();
        }
    }

    /// 1/√n behind the last step, and 1 behind one that has so many outer factors after it.
    fn scale_after<T: Float>(&self, left: usize) -> T {
        if left > 0 { T::one() } else { T::from(self.scale).unwrap_or_else(T::nan) }
    }

    fn flip_signs<T: Float>(&self, row: &mut [T]) {
        let signs = self.signs.unwrap_or_default();
        for (value, _) in row.iter_mut().zip(signs).filter(|&(_, &sign)| sign == -1) {
            *value = -*value;
        }
    }
}

impl core::str::FromStr for Transform<'static> {
    type Err = Error;

    /// [`Transform::named`].
    fn from_str(name: &str) -> Result<Transform<'static>> {
        Transform::named(name)
    }
}

/// A number as names spell it: digits, the first one not 0.
fn number(digits: &str) -> Option<usize> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain)
}
