//! Quantised activations in memory.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::MAX_INPUTS;
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_nonzero, checked_size};

/// Width of a quantised activation.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bits {
    /// Nibbles, two to a byte: input `2i` in the low, `2i + 1` in the high half of byte `i`.
    Four = 4,
    /// One byte each.
    Eight = 8,
}

impl Bits {
    /// Both.
    pub const ALL: &'static [Bits] = &[Bits::Four, Bits::Eight];

    /// Bytes of a row of `inputs` values.
    #[must_use]
    #[inline]
    pub const fn row_bytes(self, inputs: usize) -> usize {
        match self {
            Bits::Four => inputs.div_ceil(2),
            Bits::Eight => inputs,
        }
    }
}

impl TryFrom<u32> for Bits {
    type Error = Error;

    /// 4 or 8, or [`Error::Value`].
    #[inline]
    fn try_from(number: u32) -> Result<Bits> {
        let found = Self::ALL.iter().copied().find(|&bits| bits as u32 == number);
        found.ok_or(Error::Value { argument: "bits", value: number as usize })
    }
}

impl core::fmt::Display for Bits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "int{}", *self as u8)
    }
}

/// Quantised activations of M tokens: borrowed, contiguous, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Activations<'a> {
    bits: Bits,
    inputs: usize,
    values: &'a [u8],
    scales: &'a [f32],
    sums: &'a [i32],
}

/// Room for the quantised activations of M tokens, which need not be initialised.
#[derive(Debug)]
pub struct ActivationsMut<'a> {
    bits: Bits,
    inputs: usize,
    tokens: usize,
    values: *mut u8,
    scales: *mut f32,
    sums: *mut i32,
    lifetime: PhantomData<&'a mut [u8]>,
}

// SAFETY: an `ActivationsMut` is the only access to its elements, like the slices it is made of.
unsafe impl Send for ActivationsMut<'_> {}

#[inline]
fn check_parts(bits: Bits, inputs: usize, values: usize, scales: usize, sums: usize) -> Result<()> {
    check_nonzero("inputs", inputs)?;
    if inputs > MAX_INPUTS {
        return Err(Error::SizeOverflow { argument: "inputs" });
    }
    check_len("values", checked_size(scales, bits.row_bytes(inputs), "tokens * row bytes")?, values)?;
    check_len("sums", scales, sums)
}

impl<'a> Activations<'a> {
    /// Views the parts: M scales, M integer row sums, and `M · `[`Bits::row_bytes`]`(K)` bytes of values.
    ///
    /// The spare nibble of an odd int4 row is ignored. The sums must be the rows' integer sums: products subtract them.
    /// Scales are taken as they are: one that is not finite gives outputs that are not.
    ///
    /// # Errors
    /// [`Error::Zero`] or [`Error::SizeOverflow`] on `inputs` (K); [`Error::Length`] on the others.
    #[inline]
    pub fn new(
        bits: Bits,
        inputs: usize,
        values: &'a [u8],
        scales: &'a [f32],
        sums: &'a [i32],
    ) -> Result<Activations<'a>> {
        check_parts(bits, inputs, values.len(), scales.len(), sums.len())?;
        Ok(Activations { bits, inputs, values, scales, sums })
    }

    /// Width of the values.
    #[must_use]
    pub const fn bits(&self) -> Bits {
        self.bits
    }

    /// Number of tokens, M.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.scales.len()
    }

    /// Values of a token, K.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// The values' bytes.
    #[must_use]
    pub const fn values(&self) -> &'a [u8] {
        self.values
    }

    /// The scale of each token: a value is `q · scale`.
    #[must_use]
    pub const fn scales(&self) -> &'a [f32] {
        self.scales
    }

    /// The integer sum of each token's values.
    #[must_use]
    pub const fn sums(&self) -> &'a [i32] {
        self.sums
    }

    /// The bytes of one token.
    pub(crate) fn row(&self, token: usize) -> &'a [u8] {
        let bytes = self.bits.row_bytes(self.inputs);
        &self.values[token * bytes..][..bytes]
    }

    /// One value, for checks and reference code; 0 outside the matrix.
    #[must_use]
    pub fn value(&self, token: usize, input: usize) -> i8 {
        if token >= self.tokens() || input >= self.inputs {
            return 0;
        }
        let row = self.row(token);
        match self.bits {
            Bits::Eight => row[input] as i8,
            Bits::Four => ((row[input / 2] >> (input % 2 * 4)) << 4) as i8 >> 4,
        }
    }
}

impl<'a> ActivationsMut<'a> {
    /// Room in the caller's buffers, with the lengths of [`Activations::new`].
    ///
    /// # Errors
    /// As [`Activations::new`].
    #[inline]
    pub fn new(
        bits: Bits,
        inputs: usize,
        values: impl Into<Buffer<'a, u8>>,
        scales: impl Into<Buffer<'a, f32>>,
        sums: impl Into<Buffer<'a, i32>>,
    ) -> Result<ActivationsMut<'a>> {
        let (values, scales, sums) = (values.into(), scales.into(), sums.into());
        check_parts(bits, inputs, values.len(), scales.len(), sums.len())?;
        Ok(ActivationsMut {
            bits,
            inputs,
            tokens: scales.len(),
            values: values.into_uninit().as_mut_ptr().cast(),
            scales: scales.into_uninit().as_mut_ptr().cast(),
            sums: sums.into_uninit().as_mut_ptr().cast(),
            lifetime: PhantomData,
        })
    }

    /// Number of tokens, M.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// Values of a token, K.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of the values.
    #[must_use]
    pub const fn bits(&self) -> Bits {
        self.bits
    }

    /// The room of a token's values.
    pub(crate) fn row(&mut self, token: usize) -> &mut [MaybeUninit<u8>] {
        assert!(token < self.tokens, "stages stay within their room");
        let bytes = self.bits.row_bytes(self.inputs);
        // SAFETY: `new` checked that there are as many bytes for each token, and they are borrowed for 'a.
        unsafe { core::slice::from_raw_parts_mut(self.values.add(token * bytes).cast(), bytes) }
    }

    /// Stores what a token's values are worth.
    pub(crate) fn set(&mut self, token: usize, scale: f32, sum: i32) {
        assert!(token < self.tokens, "stages stay within their room");
        // SAFETY: one element for each token, borrowed for 'a.
        unsafe {
            self.scales.add(token).write(scale);
            self.sums.add(token).write(sum);
        }
    }

    /// Ends the writing.
    ///
    /// # Safety
    /// All values, scales and sums are written.
    pub(crate) unsafe fn assume_written(self) -> Activations<'a> {
        let bytes = self.tokens * self.bits.row_bytes(self.inputs);
        // SAFETY: the lengths that `new` checked; written as promised; borrowed for 'a.
        unsafe {
            Activations {
                bits: self.bits,
                inputs: self.inputs,
                values: core::slice::from_raw_parts(self.values, bytes),
                scales: core::slice::from_raw_parts(self.scales, self.tokens),
                sums: core::slice::from_raw_parts(self.sums, self.tokens),
            }
        }
    }
}
