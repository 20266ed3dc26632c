//! What layers take: rows of f32, f16 or bf16.

use core::ffi::c_void;

use core_crate::{Element, Error, Input};
use half::{bf16, f16};

use super::describe::{Description, describe, description};
use super::error::Result;
use super::memory::{Reads, Regions};

/// The type of an input's elements.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_element {
    /// float.
    HBL_ELEMENT_F32 = 0,
    /// IEEE 754 half precision: its 16 bits, as a uint16_t.
    HBL_ELEMENT_F16 = 1,
    /// bfloat16, the upper half of a float: its 16 bits, as a uint16_t.
    HBL_ELEMENT_BF16 = 2,
}

/// Rows of a layer's input, `[M, K]`, rows `stride` elements apart. K is that of the stages that take it. The result is
/// that of converting the elements to float first. Start from HBL_INPUT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_input {
    /// sizeof(hbl_input).
    pub struct_size: usize,
    /// 0.
    pub flags: u32,
    /// An hbl_element.
    pub element: u32,
    /// The first element, aligned for its type.
    pub data: *const c_void,
    /// Elements from `data` to the end of the buffer: at least (M - 1) * stride + K.
    pub len: usize,
    /// M, the number of rows.
    pub tokens: usize,
    /// Elements from the start of a row to that of the next one, at least K. 0 means K: contiguous.
    pub stride: usize,
}
description!(hbl_input, "HBL_INPUT_INIT", 0);

/// Rows that were declared as read.
pub(crate) enum Rows<'a> {
    F32(Input<'a, f32>),
    F16(Input<'a, f16>),
    BF16(Input<'a, bf16>),
}

impl hbl_input {
    /// # Safety
    /// The description is null or a readable one.
    #[inline(always)]
    pub(crate) unsafe fn read(it: *const hbl_input) -> Result<hbl_input> {
        // SAFETY: as promised.
        unsafe { describe("input", it) }
    }

    /// The rows of `inputs` elements.
    ///
    /// # Safety
    /// The data is valid for reads during `'a`.
    #[inline(always)]
    pub(crate) unsafe fn declare<'a>(&self, reads: &Reads<impl Regions>, inputs: usize) -> Result<Rows<'a>> {
        // SAFETY: as promised.
        unsafe {
            Ok(match self.element {
                0 => Rows::F32(rows(reads, self, inputs)?),
                1 => Rows::F16(rows(reads, self, inputs)?),
                2 => Rows::BF16(rows(reads, self, inputs)?),
                other => {
                    return Err(Error::Value { argument: "element of x", value: other as usize }.into());
                }
            })
        }
    }
}

/// Rows of one type.
///
/// # Safety
/// The data is valid for reads during `'a`.
#[inline(always)]
unsafe fn rows<'a, T: Element>(
    reads: &Reads<impl Regions>,
    it: &hbl_input,
    inputs: usize,
) -> Result<Input<'a, T>> {
    // SAFETY: as promised.
    unsafe { strided(reads, row_names!("x"), it.data.cast(), it.len, it.tokens, inputs, it.stride) }
}

/// What errors call rows that have a stride.
#[derive(Clone, Copy)]
pub(crate) struct RowNames {
    pub(crate) rows: &'static str,
    pub(crate) stride: &'static str,
    pub(crate) extent: &'static str,
}

/// The [`RowNames`] of an argument.
macro_rules! row_names {
    ($name:literal) => {
        super::input::RowNames {
            rows: $name,
            stride: concat!("stride of ", $name),
            extent: concat!("tokens * stride of ", $name),
        }
    };
}
pub(crate) use row_names;

/// Rows of `inputs` elements, `stride` apart (0: contiguous), within a buffer of `len` elements.
///
/// # Safety
/// The rows are valid for reads during `'a`.
#[inline(always)]
pub(crate) unsafe fn strided<'a, T: Element>(
    reads: &Reads<impl Regions>,
    names: RowNames,
    start: *const T,
    len: usize,
    tokens: usize,
    inputs: usize,
    stride: usize,
) -> Result<Input<'a, T>> {
    let stride = if stride == 0 { inputs } else { stride };
    if stride < inputs {
        return Err(Error::Stride { argument: names.stride, expected: inputs, actual: stride }.into());
    }
    let overflow = Error::SizeOverflow { argument: names.extent };
    let expected = match tokens.checked_sub(1) {
        None => 0,
        Some(last) => last.checked_mul(stride).and_then(|last| last.checked_add(inputs)).ok_or(overflow)?,
    };
    if len < expected {
        return Err(Error::Length { argument: names.rows, expected, actual: len }.into());
    }
    let x = reads.buffer(names.rows, start, expected)?;
    // SAFETY: not null and aligned as declared; valid as promised.
    Ok(unsafe { Input::from_raw(x.start(), tokens, stride) })
}
