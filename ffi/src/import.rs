//! Tensors in other people's formats, packed.

use core::hash::Hash;

use core_crate::interop::Import;
use core_crate::layout::{BlobHead, BlobRows, Written};
use core_crate::{Error, Layout, WeightSpec};

use super::describe::{Description, describe, description, store};
use super::error::{Failure, Result, guard, hbl_error};
use super::format::format;
use super::handle::{Prepared, Seal, open, prepare};
use super::memory::{Reads, Regions, Writes, check_pointer};
use super::product::hbl_range;
use super::status::hbl_status;
use super::weights::hbl_weight_spec;

/// A bit of the `flags` of hbl_tensor: `weight_scale` is given, as the formats of Hugging Face's `bitnet` need it, and no
/// other takes it.
pub const HBL_TENSOR_WEIGHT_SCALE: u32 = 1;

/// A tensor of N outputs (rows) and K inputs in an hbl_format; a GGUF file states K first. Start from HBL_TENSOR_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_tensor {
    /// sizeof(hbl_tensor).
    pub struct_size: usize,
    /// 0 or HBL_TENSOR_WEIGHT_SCALE.
    pub flags: u32,
    /// An hbl_format; 0 is none.
    pub format: u32,
    /// N, at least 1.
    pub outputs: usize,
    /// K, at least 1.
    pub inputs: usize,
    /// Its bytes.
    pub bytes: *const u8,
    /// What hbl_format_tensor_len says.
    pub bytes_len: usize,
    /// The scale that the format keeps in another tensor, as it is stored there.
    pub weight_scale: f32,
    /// 0.
    pub reserved: u32,
}
description!(hbl_tensor, "HBL_TENSOR_INIT", HBL_TENSOR_WEIGHT_SCALE);

impl hbl_tensor {
    /// The tensor, its bytes declared as read.
    ///
    /// # Safety
    /// The bytes obey the header's rules during `'a`.
    unsafe fn import<'a>(&self, reads: &Reads<impl Regions>) -> Result<Import<'a>> {
        if self.reserved != 0 {
            return Err(Failure::Reserved { argument: "tensor" });
        }
        let bytes = reads.buffer("bytes of the tensor", self.bytes, self.bytes_len)?;
        // SAFETY: as promised.
        let bytes = unsafe { bytes.slice() };
        let import = Import::new(format(self.format)?, self.outputs, self.inputs, bytes)?;
        if self.flags & HBL_TENSOR_WEIGHT_SCALE == 0 {
            return Ok(import);
        }
        Ok(import.with_weight_scale(self.weight_scale)?)
    }
}

/// Shape and format of the packed weights, with the coarsest scaling that holds the tensor's scales exactly: by tensor, by
/// row, or by group as the format has them. Reads every scale, and the weights where scales differ. Weights that are all 0
/// fit any scale. `spec` is a description that was initialised: its fields are written as far as its struct_size reaches.
///
/// Fails as hbl_format_tensor_len does; with HBL_STATUS_LENGTH, HBL_STATUS_SCALE (not finite), HBL_STATUS_WEIGHT_SCALE
/// (not given where it is needed, or given where it is not) or HBL_STATUS_VALUE (layout).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_import_spec(
    tensor: *const hbl_tensor,
    layout: u32,
    spec: *mut hbl_weight_spec,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let tensor = describe("tensor", tensor)?;
            let accepted = describe("spec", spec)?;
            let (writes, _) = Writes::new().and("spec", spec.cast::<u8>(), accepted.struct_size)?;
            let import = tensor.import(&writes.reads())?;
            let found = import.spec(Layout::try_from(layout)?, import.scaling()?)?;
            store(spec, &accepted, hbl_weight_spec::of(&found));
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The K weights -1, 0, 1 of a row.
///
/// Fails as hbl_format_tensor_len does; with HBL_STATUS_RANGE, HBL_STATUS_LENGTH, HBL_STATUS_WEIGHT_SCALE or
/// HBL_STATUS_CODE (a code 3 of the formats of two bits; then `weights` may be written in part).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_import_row(
    tensor: *const hbl_tensor,
    output: usize,
    weights: *mut i8,
    weights_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, weights) = Writes::new().and("weights", weights, weights_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let import = describe("tensor", tensor)?.import(&writes.reads())?;
            import.row(output, weights.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The scale of a weight, as it is stored, finite or not.
///
/// Fails as hbl_format_tensor_len does; with HBL_STATUS_RANGE, HBL_STATUS_LENGTH or HBL_STATUS_WEIGHT_SCALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_import_scale(
    tensor: *const hbl_tensor,
    output: usize,
    input: usize,
    scale: *mut f32,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, out) = Writes::new().and("scale", scale, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(describe("tensor", tensor)?.import(&writes.reads())?.scale(output, input)?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Packs a tensor into a blob, exactly or not at all: with the spec of hbl_import_spec, or one of the same shape with
/// another layout or a finer scaling.
///
/// Fails as hbl_import_spec and hbl_weights_packed_len do; with HBL_STATUS_LENGTH. Also with HBL_STATUS_CODE (a code 3 of the
/// formats of two bits), HBL_STATUS_SCALE (not finite, or not an f16 where the blob stores those) or
/// HBL_STATUS_SCALE_DIFFERS (weights that would share a scale have different ones): then the blob may be written in part, but
/// does not open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_import_pack(
    tensor: *const hbl_tensor,
    spec: *const hbl_weight_spec,
    blob: *mut u8,
    blob_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, blob) = Writes::new().and("blob", blob, blob_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let spec = describe("spec", spec)?.check()?;
            describe("tensor", tensor)?.import(&writes.reads())?.pack(&spec, blob.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// What hbl_import_pack_rows leaves of a part, for hbl_import_finish. A handle; it points to nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_part {
    /// The library's own.
    pub opaque: [u64; 16],
}

impl Prepared for Written {
    type Opaque = hbl_part;
    const MAKER: &'static str = "hbl_import_pack_rows";
    const MAGIC: u64 = u64::from_le_bytes(*b"hblprt.1");

    fn fingerprint(&self, seal: &mut Seal) {
        self.hash(seal);
    }
}

/// Packs a range of a tensor's outputs, so that threads share the work: each with a range of its own, all with the same
/// `spec` and `blob`, of which each call writes its own bytes only. Ranges start and end at multiples of
/// hbl_product_preferred_outputs(), or at N. When all of them are packed, hbl_import_finish makes them a blob.
///
/// Fails as hbl_import_pack does; with HBL_STATUS_RANGE or HBL_STATUS_MULTIPLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_import_pack_rows(
    tensor: *const hbl_tensor,
    spec: *const hbl_weight_spec,
    outputs: hbl_range,
    blob: *mut u8,
    blob_len: usize,
    part: *mut hbl_part,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let spec = describe("spec", spec)?.check()?;
            check_blob(&spec, blob, blob_len)?;
            let outputs = outputs.within("outputs", spec.outputs())?;
            let [scales, codes] = spec.rows_bytes(&outputs)?;
            let (writes, scales) =
                Writes::new().and("blob", blob.wrapping_add(scales.start), scales.len())?;
            let (writes, codes) = writes.and("blob", blob.wrapping_add(codes.start), codes.len())?;
            let (writes, _) = writes.and("part", part, 1)?;
            let import = describe("tensor", tensor)?.import(&writes.reads())?;
            let mut rows = BlobRows::new(&spec, outputs, scales.buffer(), codes.buffer())?;
            import.push_rows(&mut rows)?;
            prepare(part, rows.finish()?);
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Makes a blob of the parts that hbl_import_pack_rows packed, given in the order of their outputs: writes its header and
/// the scale that all share.
///
/// Fails as hbl_weights_packed_len does; with HBL_STATUS_LENGTH (also if outputs are missing), HBL_STATUS_RANGE (parts that do
/// not follow each other), HBL_STATUS_ZERO_SIZE (no parts), HBL_STATUS_SCALE_DIFFERS or HBL_STATUS_HANDLE. On HBL_STATUS_LENGTH
/// for missing outputs the blob's first bytes are zero, so that it does not open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_import_finish(
    spec: *const hbl_weight_spec,
    parts: *const hbl_part,
    part_count: usize,
    blob: *mut u8,
    blob_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let spec = describe("spec", spec)?.check()?;
            check_blob(&spec, blob, blob_len)?;
            let [header, scales] = spec.head_bytes();
            let (writes, header) = Writes::new().and("blob", blob, header.len())?;
            let (writes, scales) = writes.and("blob", blob.wrapping_add(scales.start), scales.len())?;
            let parts = writes.reads().buffer("parts", parts, part_count)?.slice();
            let (first, others) = parts.split_first().ok_or(Error::Zero { argument: "parts" })?;
            let mut written = *open::<Written>("parts", first)?;
            for part in others {
                written = written.join(*open::<Written>("parts", part)?)?;
            }
            BlobHead::new(&spec, header.buffer(), scales.buffer())?.finish(&written)?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Whether a blob, of which only parts are used, is all there.
fn check_blob(spec: &WeightSpec, blob: *mut u8, blob_len: usize) -> Result<()> {
    check_pointer::<u8>("blob", blob.addr())?;
    let expected = spec.packed_len();
    if blob_len == expected {
        return Ok(());
    }
    Err(Error::Length { argument: "blob", expected, actual: blob_len }.into())
}
