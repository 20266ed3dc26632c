//! RMSNorm, and stage 2: activations to int8 or int4.

use core_crate::norm::RmsNorm;
use core_crate::quantize::{Activations, ActivationsMut, Bits, Quantizer, Rule};
use core_crate::{Error, Result};

use crate::backend::backend;
use crate::error::{guard, hbl_error, hbl_status};
use crate::memory::{Caller, Input, Output, read};

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

/// Quantised activations of M tokens, contiguous and row-major: what hbl_quantize writes and hbl_product_f32 reads.
/// int8 is one byte a value, K bytes a row; int4 is two values a byte, the even one in the low nibble, ceil(K / 2) bytes
/// a row; the spare nibble of an odd row is written as 0 and ignored when read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_activations {
    /// 4 or 8.
    pub bits: u32,
    /// Explicit padding; set it to 0.
    pub reserved: u32,
    /// M, the number of tokens: `scales` and `sums` hold one element for each.
    pub tokens: usize,
    /// K, the number of values of a token.
    pub features: usize,
    /// Rows of bytes.
    pub values: *mut u8,
    /// Bytes of `values`: M * hbl_row_bytes(bits, K).
    pub values_len: usize,
    /// The scale of each token.
    pub scales: *mut f32,
    /// The integer sum of each token's values; products rely on it.
    pub sums: *mut i32,
}

struct Parts<V, S, I> {
    bits: Bits,
    features: usize,
    values: V,
    scales: S,
    sums: I,
}

/// Activations that were declared as read.
pub(crate) struct Read(Parts<Input<u8>, Input<f32>, Input<i32>>);

/// Activations that were declared as written.
pub(crate) struct Written(Parts<Output<u8>, Output<f32>, Output<i32>>);

impl Read {
    /// # Safety
    /// The description is null or a readable one.
    pub(crate) unsafe fn declare(caller: &mut Caller, it: *const hbl_activations) -> Result<Read> {
        // SAFETY: as promised.
        let it = unsafe { read("activations", it) }?;
        Ok(Read(Parts {
            bits: bits(it.bits)?,
            features: it.features,
            values: caller.reads("values", it.values, it.values_len)?,
            scales: caller.reads("scales", it.scales, it.tokens)?,
            sums: caller.reads("sums", it.sums, it.tokens)?,
        }))
    }

    /// # Safety
    /// The buffers are valid for reads during `'a`.
    pub(crate) unsafe fn borrow<'a>(self) -> Result<Activations<'a>> {
        let Parts { bits, features, values, scales, sums } = self.0;
        // SAFETY: as promised.
        unsafe { Activations::new(bits, features, values.slice(), scales.slice(), sums.slice()) }
    }
}

impl Written {
    /// # Safety
    /// The description is null or a readable one.
    pub(crate) unsafe fn declare(caller: &mut Caller, it: *const hbl_activations) -> Result<Written> {
        // SAFETY: as promised.
        let it = unsafe { read("activations", it) }?;
        Ok(Written(Parts {
            bits: bits(it.bits)?,
            features: it.features,
            values: caller.writes("values", it.values, it.values_len)?,
            scales: caller.writes("scales", it.scales, it.tokens)?,
            sums: caller.writes("sums", it.sums, it.tokens)?,
        }))
    }

    /// # Safety
    /// The buffers are valid for writes during `'a`, and nothing else uses them meanwhile.
    pub(crate) unsafe fn borrow<'a>(self) -> Result<ActivationsMut<'a>> {
        let Parts { bits, features, values, scales, sums } = self.0;
        // SAFETY: as promised.
        unsafe { ActivationsMut::new(bits, features, values.slice(), scales.slice(), sums.slice()) }
    }
}

fn bits(number: u32) -> Result<Bits> {
    match number {
        4 => Ok(Bits::Four),
        8 => Ok(Bits::Eight),
        other => Err(Error::Value { argument: "bits", value: other as usize }),
    }
}

/// The rule and epsilon of an argument.
pub(crate) fn quantizer(rule: u32, epsilon: f32) -> Result<Quantizer> {
    let known = Rule::ALL.into_iter().find(|&known| known as u32 == rule);
    Quantizer::new(known.ok_or(Error::Value { argument: "rule", value: rule as usize })?, epsilon)
}

/// Bytes of a row of `features` values of 4 or 8 bits; 0 for any other number of bits.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_row_bytes(bits: u32, features: usize) -> usize {
    self::bits(bits).map_or(0, |bits| bits.row_bytes(features))
}

/// RMSNorm of rows of K = `features` floats: y = x / sqrt(mean(x^2) + epsilon) * weight. `x` and `y` are `[M, K]`,
/// row-major, M = `x_len` / K; `weight` is K long, or NULL with `weight_len` 0 for none. `x` and `y` must not overlap.
///
/// Fails with HBL_STATUS_ZERO_SIZE (K), HBL_STATUS_LENGTH, HBL_STATUS_EPSILON, or HBL_STATUS_NON_FINITE naming the first
/// row of `x` with a NaN or an infinity.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_rms_norm(
    backend: u32,
    features: usize,
    weight: *const f32,
    weight_len: usize,
    epsilon: f32,
    x: *const f32,
    x_len: usize,
    y: *mut f32,
    y_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let mut caller = Caller::new();
        // SAFETY: valid by the header's rules.
        let norm = unsafe { norm(&mut caller, weight, weight_len, epsilon) }?;
        let x = caller.reads("x", x, x_len)?;
        let y = caller.writes("y", y, y_len)?;
        // SAFETY: valid by the header's rules.
        unsafe { norm.forward(backend, features, x.slice(), y.slice()) }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The norm of its arguments, its weight declared as read.
///
/// # Safety
/// The weight is valid for reads during `'a`.
pub(crate) unsafe fn norm<'a>(
    caller: &mut Caller,
    weight: *const f32,
    weight_len: usize,
    epsilon: f32,
) -> Result<RmsNorm<'a>> {
    if weight.is_null() && weight_len == 0 {
        return RmsNorm::new(None, epsilon);
    }
    let weight = caller.reads("norm weight", weight, weight_len)?;
    // SAFETY: as promised.
    RmsNorm::new(Some(unsafe { weight.slice() }), epsilon)
}

/// Quantises each row of `x` (`[M, K]`, row-major) by an hbl_rule into the buffers of `activations`, whose `bits` must be
/// the rule's. The description itself is not written.
///
/// Fails with HBL_STATUS_VALUE (rule, bits), HBL_STATUS_EPSILON, HBL_STATUS_ZERO_SIZE (K), HBL_STATUS_LENGTH, or
/// HBL_STATUS_NON_FINITE naming the first row with a NaN or an infinity.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_quantize(
    backend: u32,
    rule: u32,
    epsilon: f32,
    x: *const f32,
    x_len: usize,
    activations: *const hbl_activations,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (backend, quantizer) = (self::backend(backend)?, quantizer(rule, epsilon)?);
        let mut caller = Caller::new();
        let x = caller.reads("x", x, x_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let room = Written::declare(&mut caller, activations)?;
            quantizer.forward(backend, x.slice(), &mut room.borrow()?)
        }
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
        assert_eq!(ours.map(|rule| rule as u32), Rule::ALL.map(|rule| rule as u32));
    }
}
