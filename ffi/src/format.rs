//! Other people's byte formats: which there are.

use core::ffi::{CStr, c_char};

use core_crate::Error;
use core_crate::interop::Format;

use super::error::{Result, guard, hbl_error};
use super::memory::{Writes, text};
use super::status::hbl_status;

/// A byte format of ternary weights `[N, K]`. None is 0, so that none is a default: reading a tensor as the wrong one of the
/// same length gives wrong weights and no error. That goes for the two orders of I2_S and the two directions of the scale
/// of Hugging Face's `bitnet`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_format {
    /// llama.cpp's TQ1_0: 54 bytes for 256 weights, of which K is a multiple.
    HBL_FORMAT_TQ1_0 = 1,
    /// llama.cpp's TQ2_0: 66 bytes for 256 weights, of which K is a multiple.
    HBL_FORMAT_TQ2_0 = 2,
    /// llama.cpp's Q2_0: 18 bytes for 64 weights, of which K is a multiple.
    HBL_FORMAT_Q2_0 = 3,
    /// Ternary-Bonsai's PQ2_0: 34 bytes for 128 weights, of which K is a multiple.
    HBL_FORMAT_PQ2_0 = 4,
    /// Ternary-Bonsai's PTQ1_0: 28 bytes for 128 weights, of which K is a multiple.
    HBL_FORMAT_PTQ1_0 = 5,
    /// bitnet.cpp's I2_S as builds for x86 write it: blocks of 128. N * K is a multiple of 128.
    HBL_FORMAT_I2_S_X86 = 6,
    /// bitnet.cpp's I2_S as builds for Arm write it: blocks of 64. N * K is a multiple of 64.
    HBL_FORMAT_I2_S_ARM = 7,
    /// ik_llama.cpp's IQ1_BN: a row of 2 bytes and 13 for 64 weights, of which K is a multiple.
    HBL_FORMAT_IQ1_BN = 8,
    /// ik_llama.cpp's IQ2_BN: a row of 4 bytes and 16 for 64 weights, of which K is a multiple.
    HBL_FORMAT_IQ2_BN = 9,
    /// Hugging Face `bitnet` whose `weight_scale` results are multiplied by (linear_class autobitlinear).
    HBL_FORMAT_HF_BITNET_MULTIPLY = 10,
    /// Hugging Face `bitnet` whose `weight_scale` results are divided by (linear_class bitlinear).
    HBL_FORMAT_HF_BITNET_DIVIDE = 11,
}

use hbl_format::*;

/// Each format and its name.
const FORMATS: [(hbl_format, Format, &CStr); 11] = [
    (HBL_FORMAT_TQ1_0, Format::Tq1_0, c"tq1_0"),
    (HBL_FORMAT_TQ2_0, Format::Tq2_0, c"tq2_0"),
    (HBL_FORMAT_Q2_0, Format::Q2_0, c"q2_0"),
    (HBL_FORMAT_PQ2_0, Format::Pq2_0, c"pq2_0"),
    (HBL_FORMAT_PTQ1_0, Format::Ptq1_0, c"ptq1_0"),
    (HBL_FORMAT_I2_S_X86, Format::I2sX86, c"i2_s-x86"),
    (HBL_FORMAT_I2_S_ARM, Format::I2sArm, c"i2_s-arm"),
    (HBL_FORMAT_IQ1_BN, Format::Iq1Bn, c"iq1_bn"),
    (HBL_FORMAT_IQ2_BN, Format::Iq2Bn, c"iq2_bn"),
    (HBL_FORMAT_HF_BITNET_MULTIPLY, Format::HfMultiply, c"hf-bitnet-multiply"),
    (HBL_FORMAT_HF_BITNET_DIVIDE, Format::HfDivide, c"hf-bitnet-divide"),
];

fn find(number: u32) -> Option<&'static (hbl_format, Format, &'static CStr)> {
    FORMATS.iter().find(|&&(format, ..)| format as u32 == number)
}

/// The format with that number.
pub(crate) fn format(number: u32) -> Result<Format> {
    let found = find(number).ok_or(Error::Value { argument: "format", value: number as usize })?;
    Ok(found.1)
}

/// The name of an hbl_format, such as "tq2_0" (what a container has as the type's name of weights that came from it), or
/// NULL if none has that number. A static string.
#[unsafe(no_mangle)]
pub extern "C" fn hbl_format_name(format: u32) -> *const c_char {
    find(format).map_or(core::ptr::null(), |&(_, _, name)| name.as_ptr())
}

/// The hbl_format with that name.
///
/// Fails with HBL_STATUS_NAME.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_format_from_name(
    name: *const c_char,
    format: *mut u32,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("format", format, 1)?;
        // SAFETY: terminated by the header's rules.
        let name = unsafe { text("name", name) }?;
        let found = FORMATS.iter().find(|(_, format, _)| Some(format.name()) == name);
        let number = found.ok_or(Error::Name { argument: "format" })?.0 as u32;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(number) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Bytes of a tensor of N outputs and K inputs in an hbl_format. A GGUF file states K first.
///
/// Fails with HBL_STATUS_VALUE (format), HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_MULTIPLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_format_tensor_len(
    format: u32,
    outputs: usize,
    inputs: usize,
    tensor_len: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("tensor_len", tensor_len, 1)?;
        let len = self::format(format)?.tensor_len(outputs, inputs)?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(len) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_number_and_name() {
        for (&known, (number, &(format, core, name))) in Format::ALL.iter().zip((1..).zip(&FORMATS)) {
            assert_eq!((format as u32, core), (number, known));
            assert_eq!(name.to_str(), Ok(known.name()));
            assert_eq!(self::format(number), Ok(known));
        }
        assert_eq!(FORMATS.len(), Format::ALL.len());
        assert!(hbl_format_name(0).is_null() && hbl_format_name(12).is_null());
    }
}
