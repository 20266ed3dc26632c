//! What a layer takes: rows of f32 or, with the feature `half`, of the 16-bit floats, which become f32 as a row is read.

use core::marker::PhantomData;

use crate::error::{Error, Result, check_len, checked_size};

/// f32; with the feature `half` also `half::f16` and `half::bf16`. The result equals that of converting first.
pub trait Element: sealed::Sealed + 'static {}

impl<T: sealed::Sealed + 'static> Element for T {}

/// Rows of a layer's input: borrowed, row-major. Contiguous rows come from anything that is a slice; rows that lie apart are
/// [`Input::strided`].
///
/// ```
/// use hbitlinear::Input;
/// let x = [1.0_f32, 2.0, 0.0, 3.0, 4.0];
/// let contiguous = Input::from(&x);
/// let pairs = Input::strided(&x, 2, 3)?; // rows [1, 2] and [3, 4] of two inputs
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, T> {
    start: *const T,
    shape: Shape,
    lifetime: PhantomData<&'a [T]>,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// So many elements, a whole number of rows.
    Contiguous { len: usize },
    /// So many rows, of which the last may end with the buffer.
    Strided { tokens: usize, stride: usize, len: Option<usize> },
}

// SAFETY: a shared view, like `&[T]`.
unsafe impl<T: Sync> Send for Input<'_, T> {}
// SAFETY: a shared view, like `&[T]`.
unsafe impl<T: Sync> Sync for Input<'_, T> {}

impl<'a, T, S: AsRef<[T]> + ?Sized> From<&'a S> for Input<'a, T> {
    fn from(rows: &'a S) -> Input<'a, T> {
        let rows = rows.as_ref();
        Input { start: rows.as_ptr(), shape: Shape::Contiguous { len: rows.len() }, lifetime: PhantomData }
    }
}

impl<'a, T: Element> Input<'a, T> {
    /// `tokens` rows, `stride` elements from one's start to the next one's.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`]. That `stride` is at least a row's length K and that `data` reaches to the end of the last row
    /// is checked where K is known.
    pub fn strided(data: &'a [T], tokens: usize, stride: usize) -> Result<Input<'a, T>> {
        checked_size(tokens, stride, "tokens * stride of x")?;
        let shape = Shape::Strided { tokens, stride, len: Some(data.len()) };
        Ok(Input { start: data.as_ptr(), shape, lifetime: PhantomData })
    }

    /// Rows in raw memory.
    ///
    /// # Safety
    /// For the K that the rows are used with: `start` is aligned, and the elements `t·stride + k` with `t < tokens`,
    /// `k < K` are valid for reads and not written by anybody during `'a`. Elements between rows may be.
    #[must_use]
    pub unsafe fn from_raw(start: *const T, tokens: usize, stride: usize) -> Input<'a, T> {
        Input { start, shape: Shape::Strided { tokens, stride, len: None }, lifetime: PhantomData }
    }

    /// How many rows of `inputs` elements, at least one, it seems to be: [`Input::rows`] checks that.
    pub(crate) fn tokens(&self, inputs: usize) -> usize {
        match self.shape {
            Shape::Contiguous { len } => len / inputs,
            Shape::Strided { tokens, .. } => tokens,
        }
    }

    /// The rows of `inputs` elements for `tokens` tokens, checked.
    pub(crate) fn rows(self, tokens: usize, inputs: usize) -> Result<Rows<'a, T>> {
        let stride = match self.shape {
            Shape::Contiguous { len } => {
                check_len("x", checked_size(tokens, inputs, "tokens * inputs")?, len)?;
                inputs
            }
            Shape::Strided { tokens: actual, stride, len } => {
                check_len("tokens of x", tokens, actual)?;
                if stride < inputs {
                    return Err(Error::Stride { argument: "stride of x", expected: inputs, actual: stride });
                }
                let expected = extent(tokens, inputs, stride)?;
                match len {
                    Some(len) if len < expected => {
                        return Err(Error::Length { argument: "x", expected, actual: len });
                    }
                    _ => stride,
                }
            }
        };
        Ok(Rows { start: self.start, inputs, tokens, stride, lifetime: PhantomData })
    }
}

/// Elements from the first to the end of the last row.
fn extent(tokens: usize, inputs: usize, stride: usize) -> Result<usize> {
    let Some(last) = tokens.checked_sub(1) else { return Ok(0) };
    let overflow = Error::SizeOverflow { argument: "tokens * stride of x" };
    checked_size(last, stride, "tokens * stride of x")?.checked_add(inputs).ok_or(overflow)
}

/// Checked rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    start: *const T,
    inputs: usize,
    tokens: usize,
    stride: usize,
    lifetime: PhantomData<&'a [T]>,
}

impl<'a, T> Rows<'a, T> {
    /// One row.
    pub(crate) fn row(&self, token: usize) -> &'a [T] {
        assert!(token < self.tokens, "stages stay within their input");
        // SAFETY: `Input::rows` checked that the rows lie within the slice, or `Input::from_raw`'s caller promised that they
        // are valid.
        unsafe { core::slice::from_raw_parts(self.start.add(token * self.stride), self.inputs) }
    }
}

pub(crate) mod sealed {
    /// The methods of [`Element`](super::Element), which other crates neither call nor implement.
    pub trait Sealed: Copy {
        /// Floats of a converted row of so many inputs.
        fn converted_len(inputs: usize) -> usize;

        /// A row as f32: itself, or converted, which takes [`Sealed::converted_len`] floats.
        fn to_f32<'a>(row: &'a [Self], converted: &'a mut [f32]) -> &'a [f32];
    }

    impl Sealed for f32 {
        fn converted_len(_: usize) -> usize {
            0
        }

        fn to_f32<'a>(row: &'a [f32], _: &'a mut [f32]) -> &'a [f32] {
            row
        }
    }

    #[cfg(feature = "half")]
    macro_rules! converted {
        ($($float:ty)*) => {$(
            impl Sealed for $float {
                fn converted_len(inputs: usize) -> usize {
                    inputs
                }

                fn to_f32<'a>(row: &'a [$float], converted: &'a mut [f32]) -> &'a [f32] {
                    half::slice::HalfFloatSliceExt::convert_to_f32_slice(row, converted);
                    converted
                }
            }
        )*};
    }
    #[cfg(feature = "half")]
    converted!(half::f16 half::bf16);
}
