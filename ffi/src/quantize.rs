//! Stage 2: activations to int8 or int4.

use core_crate::{Activations, ActivationsMut, Bits, NonFinite, Quantizer, Rule};

use super::backend::backend;
use super::describe::{Description, describe, description};
use super::error::{Failure, Result, guard, hbl_error};
use super::input::{row_names, strided};
use super::memory::{And, Nothing, Readable, Reads, Regions, Writable, Writes};
use super::status::hbl_status;

/// How a token is quantised: q = clamp(round_half_even(x * factor)). A value of q stands for q * scale.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_rule {
    /// int8 by the row's largest magnitude g: factor 127 / (g + epsilon), scale g / 127.
    HBL_RULE_INT8_ABSMAX = 0,
    /// int4 by the row's mean magnitude b: factor sqrt(7) / (b + epsilon), scale b / sqrt(7); saturates on purpose.
    HBL_RULE_INT4_ABSMEAN = 1,
    /// int4 by the row's largest magnitude g: factor 7 / (g + epsilon), scale g / 7.
    HBL_RULE_INT4_ABSMAX = 2,
}

/// A bit of the `flags` of hbl_quantize and hbl_stages: a row with a NaN, an infinity or an overflow is no error. It gets
/// the scale NaN and zeros for values, so that its outputs are NaN and no other row's are.
pub const HBL_SPOIL_NON_FINITE: u32 = 1;

/// Quantised activations of M tokens, contiguous and row-major: what hbl_quantize and hbl_stages_quantize write, and what
/// hbl_product_f32 reads. int8 is one byte a value, K bytes a row; int4 is two values a byte, the even one in the low
/// nibble, ceil(K / 2) bytes a row; the spare nibble of an odd row is written as 0 and ignored when read. Start from
/// HBL_ACTIVATIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_activations {
    /// sizeof(hbl_activations).
    pub struct_size: usize,
    /// 0.
    pub flags: u32,
    /// 4 or 8.
    pub bits: u32,
    /// M, the number of tokens: `scales` and `sums` hold one element for each.
    pub tokens: usize,
    /// K, the number of values of a token.
    pub inputs: usize,
    /// Rows of bytes.
    pub values: *mut u8,
    /// Bytes of `values`: M * hbl_row_bytes(bits, K).
    pub values_len: usize,
    /// The scale of each token.
    pub scales: *mut f32,
    /// The integer sum of each token's values; products rely on it.
    pub sums: *mut i32,
}
description!(hbl_activations, "HBL_ACTIVATIONS_INIT", 0);

/// Activations that were declared as read.
pub(crate) struct ReadActivations {
    bits: Bits,
    inputs: usize,
    values: Readable<u8>,
    scales: Readable<f32>,
    sums: Readable<i32>,
}

/// The list of values, scales and sums.
type WritesActivations = Writes<And<And<And<Nothing>>>>;

/// Activations that were declared as written.
pub(crate) struct WrittenActivations {
    pub(crate) tokens: usize,
    pub(crate) inputs: usize,
    bits: Bits,
    values: Writable<u8>,
    scales: Writable<f32>,
    sums: Writable<i32>,
}

impl hbl_activations {
    /// # Safety
    /// The description is null or a readable one.
    #[inline(always)]
    pub(crate) unsafe fn read(it: *const hbl_activations) -> Result<hbl_activations> {
        // SAFETY: as promised.
        unsafe { describe("activations", it) }
    }

    /// As what the call reads.
    #[inline(always)]
    pub(crate) fn declare(&self, reads: &Reads<impl Regions>) -> Result<ReadActivations> {
        Ok(ReadActivations {
            bits: Bits::try_from(self.bits)?,
            inputs: self.inputs,
            values: reads.buffer("values", self.values, self.values_len)?,
            scales: reads.buffer("scales", self.scales, self.tokens)?,
            sums: reads.buffer("sums", self.sums, self.tokens)?,
        })
    }
}

impl ReadActivations {
    /// # Safety
    /// The buffers are valid for reads during `'a`.
    #[inline(always)]
    pub(crate) unsafe fn borrow<'a>(self) -> Result<Activations<'a>> {
        let ReadActivations { bits, inputs, values, scales, sums } = self;
        // SAFETY: as promised.
        Ok(unsafe { Activations::new(bits, inputs, values.slice(), scales.slice(), sums.slice()) }?)
    }
}

impl WrittenActivations {
    /// # Safety
    /// The description is null or a readable one.
    #[inline(always)]
    pub(crate) unsafe fn declare(
        it: *const hbl_activations,
    ) -> Result<(WritesActivations, WrittenActivations)> {
        // SAFETY: as promised.
        let it = unsafe { hbl_activations::read(it) }?;
        let bits = Bits::try_from(it.bits)?;
        let (writes, values) = Writes::new().and("values", it.values, it.values_len)?;
        let (writes, scales) = writes.and("scales", it.scales, it.tokens)?;
        let (writes, sums) = writes.and("sums", it.sums, it.tokens)?;
        let (tokens, inputs) = (it.tokens, it.inputs);
        Ok((writes, WrittenActivations { tokens, inputs, bits, values, scales, sums }))
    }

    /// # Safety
    /// The buffers are valid for writes during `'a`, and nothing else uses them meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn borrow<'a>(self) -> Result<ActivationsMut<'a>> {
        let WrittenActivations { bits, inputs, values, scales, sums, .. } = self;
        // SAFETY: as promised.
        Ok(unsafe { ActivationsMut::new(bits, inputs, values.buffer(), scales.buffer(), sums.buffer()) }?)
    }
}

/// The quantiser of its arguments.
#[inline(always)]
pub(crate) fn quantizer(rule: u32, epsilon: f32, flags: u32) -> Result<Quantizer> {
    let unknown = flags & !HBL_SPOIL_NON_FINITE;
    if unknown != 0 {
        return Err(Failure::NewerFlags { argument: "quantiser", flags: unknown });
    }
    let non_finite = if flags & HBL_SPOIL_NON_FINITE == 0 { NonFinite::Refuse } else { NonFinite::Spoil };
    Ok(Quantizer::new(Rule::try_from(rule)?, epsilon)?.with_non_finite(non_finite))
}

/// Bytes of a row of `inputs` values of 4 or 8 bits; 0 for any other number of bits.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_row_bytes(bits: u32, inputs: usize) -> usize {
    Bits::try_from(bits).map_or(0, |bits| bits.row_bytes(inputs))
}

/// Quantises rows of float by an hbl_rule into the buffers of `activations`, whose `bits` must be the rule's: M and K are
/// theirs. The description itself is not written. Rows are `x_stride` floats apart (0 means K: contiguous), within
/// `x_len` floats. `flags` is 0 or HBL_SPOIL_NON_FINITE. hbl_stages_quantize does the same to other elements, behind a
/// norm and a transform.
///
/// Fails with HBL_STATUS_VALUE (rule, bits), HBL_STATUS_NEWER (flags), HBL_STATUS_EPSILON, HBL_STATUS_ZERO_SIZE (K),
/// HBL_STATUS_LENGTH, HBL_STATUS_STRIDE, or HBL_STATUS_NON_FINITE naming the first row with a NaN or an infinity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_quantize(
    backend: u32,
    rule: u32,
    epsilon: f32,
    flags: u32,
    x: *const f32,
    x_len: usize,
    x_stride: usize,
    activations: *mut hbl_activations,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (backend, quantizer) = (self::backend(backend)?, quantizer(rule, epsilon, flags)?);
        // SAFETY: valid by the header's rules.
        unsafe {
            let (writes, room) = WrittenActivations::declare(activations)?;
            let x = strided(&writes.reads(), row_names!("x"), x, x_len, room.tokens, room.inputs, x_stride)?;
            quantizer.forward(backend, x, room.borrow()?)?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

#[cfg(test)]
mod tests {
    use super::hbl_rule::*;
    use super::*;

    #[test]
    fn the_rules_numbers_are_the_cores() {
        let ours = [HBL_RULE_INT8_ABSMAX, HBL_RULE_INT4_ABSMEAN, HBL_RULE_INT4_ABSMAX];
        let cores: Vec<u32> = Rule::ALL.iter().map(|&rule| rule as u32).collect();
        assert_eq!(ours.map(|rule| rule as u32).as_slice(), cores);
    }
}
