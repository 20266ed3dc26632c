//! Where a product writes: a strided matrix that can be cut among threads.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Range;

use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_nonzero, check_range, checked_size};

/// A mutable `[tokens, outputs]` matrix of `T`, rows `stride` elements apart; element `(t, n)` is at `t·stride + n`.
/// Elements between rows are never touched.
///
/// Unlike a slice it can be cut by columns, so that threads write disjoint ranges of outputs:
///
/// ```
/// use hbitlinear::OutputMut;
/// let mut y = [0.0_f32; 6];
/// let whole = OutputMut::rows(&mut y, 3)?;
/// let (left, right) = whole.split_outputs(1)?;
/// assert_eq!((left.outputs(), right.outputs()), (1, 2));
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Debug)]
pub struct OutputMut<'a, T> {
    start: *mut T,
    tokens: usize,
    outputs: usize,
    stride: usize,
    lifetime: PhantomData<&'a mut T>,
}

// SAFETY: an `OutputMut` is the only access to its elements, like `&mut [T]`.
unsafe impl<T: Send> Send for OutputMut<'_, T> {}

impl<'a, T: Copy> OutputMut<'a, T> {
    /// Contiguous rows of `outputs` elements: as many tokens as `data` has room for.
    ///
    /// # Errors
    /// [`Error::Zero`] without outputs; [`Error::Length`] unless `data` is a whole number of rows.
    pub fn rows(data: impl Into<Buffer<'a, T>>, outputs: usize) -> Result<OutputMut<'a, T>> {
        let data = data.into();
        check_nonzero("outputs", outputs)?;
        let tokens = data.len() / outputs;
        check_len("y", tokens * outputs, data.len())?;
        OutputMut::new(data, tokens, outputs, outputs)
    }

    /// A view of `data`, which must reach to the end of the last row.
    ///
    /// # Errors
    /// [`Error::Stride`] if `stride < outputs`; [`Error::SizeOverflow`]; [`Error::Length`] if `data` is too short.
    pub fn new(
        data: impl Into<Buffer<'a, T>>,
        tokens: usize,
        outputs: usize,
        stride: usize,
    ) -> Result<OutputMut<'a, T>> {
        let data = data.into();
        let needed = Self::extent(tokens, outputs, stride)?;
        if data.len() < needed {
            return Err(Error::Length { argument: "y", expected: needed, actual: data.len() });
        }
        // SAFETY: the buffer covers the extent, and is borrowed for 'a.
        Ok(unsafe { Self::from_raw(data.into_uninit().as_mut_ptr().cast(), tokens, outputs, stride) })
    }

    /// Elements from the first to the end of the last row.
    ///
    /// # Errors
    /// [`Error::Stride`] if `stride < outputs`; [`Error::SizeOverflow`].
    pub fn extent(tokens: usize, outputs: usize, stride: usize) -> Result<usize> {
        if stride < outputs {
            return Err(Error::Stride { argument: "stride of y", expected: outputs, actual: stride });
        }
        let Some(last) = tokens.checked_sub(1) else { return Ok(0) };
        let overflow = Error::SizeOverflow { argument: "tokens * stride" };
        checked_size(last, stride, "tokens * stride")?.checked_add(outputs).ok_or(overflow)
    }

    /// A view of raw memory.
    ///
    /// # Safety
    /// [`OutputMut::extent`] accepts the three sizes; the elements `t·stride + n` with `t < tokens`, `n < outputs`
    /// are valid for writes, and nothing else accesses them, during `'a`. They need not be initialised.
    #[must_use]
    pub unsafe fn from_raw(start: *mut T, tokens: usize, outputs: usize, stride: usize) -> OutputMut<'a, T> {
        OutputMut { start, tokens, outputs, stride, lifetime: PhantomData }
    }

    /// M, the number of rows (tokens).
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// N, the number of columns.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// The first `at` columns, and the others.
    ///
    /// # Errors
    /// [`Error::Range`] if there are fewer than `at`.
    pub fn split_outputs(self, at: usize) -> Result<(OutputMut<'a, T>, OutputMut<'a, T>)> {
        check_range("outputs", &(0..at), self.outputs)?;
        // An empty matrix has no element to offset to.
        let offset = if self.tokens == 0 { 0 } else { at };
        // SAFETY: `at ≤ outputs` columns lie within the first row.
        let right = unsafe { self.start.add(offset) };
        Ok((
            OutputMut { outputs: at, ..self },
            OutputMut { start: right, outputs: self.outputs - at, ..self },
        ))
    }

    /// The first `at` rows, and the others.
    ///
    /// # Errors
    /// [`Error::Range`] if there are fewer than `at`.
    pub fn split_tokens(self, at: usize) -> Result<(OutputMut<'a, T>, OutputMut<'a, T>)> {
        check_range("tokens", &(0..at), self.tokens)?;
        // The memory may end with the last row's last element, before a full stride.
        let offset = if at == self.tokens { 0 } else { at * self.stride };
        // SAFETY: row `at` exists, or the offset is 0.
        let below = unsafe { self.start.add(offset) };
        Ok((OutputMut { tokens: at, ..self }, OutputMut { start: below, tokens: self.tokens - at, ..self }))
    }

    /// The same matrix, for another thread.
    ///
    /// # Safety
    /// No element is accessed through both.
    #[cfg(feature = "rayon")]
    pub(crate) unsafe fn again(&self) -> OutputMut<'a, T> {
        OutputMut { ..*self }
    }

    /// Columns of a row, to be written.
    pub(crate) fn part(&mut self, token: usize, columns: Range<usize>) -> &mut [MaybeUninit<T>] {
        assert!(
            token < self.tokens && columns.start <= columns.end && columns.end <= self.outputs,
            "driver stays within its output"
        );
        // SAFETY: asserted to be within the matrix, which this view owns.
        unsafe {
            let first = self.start.add(token * self.stride + columns.start);
            core::slice::from_raw_parts_mut(first.cast(), columns.len())
        }
    }
}
