//! Ternary weights: packed, opened, unpacked.

use core_crate::{Error, GroupLen, Layout, Scaling, WeightSpec, Weights};

use super::describe::{Description, describe, description, store};
use super::error::{Result, guard, hbl_error};
use super::handle::{Prepared, Seal, open, prepare};
use super::memory::{Reads, Regions, Writes};
use super::status::hbl_status;

/// How codes are packed. The numbers are those of the blob's header.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_layout {
    /// Two bits a weight. The faster one wherever memory is not what limits.
    HBL_LAYOUT_TWO_BIT = 2,
    /// Five weights (trits) a byte, 1.625 bits each. The faster one for few tokens and weights that no cache holds.
    HBL_LAYOUT_FIVE_TRIT = 5,
}

/// How many scales a weight matrix has. The numbers are those of the blob's header.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_scaling {
    /// One.
    HBL_SCALING_TENSOR = 0,
    /// One for each of the N outputs.
    HBL_SCALING_ROW = 1,
    /// One for each run of `group` inputs of each output; the last run may be shorter.
    HBL_SCALING_GROUP = 2,
    /// The same, stored as f16: each scale must be one, as those of the published formats with groups are. Half the bytes,
    /// and the same results.
    HBL_SCALING_GROUP_F16 = 3,
}

/// Bytes of a blob's header: what hbl_weights_blob_len looks at.
pub const HBL_BLOB_HEADER_SIZE: usize = 64;

/// Shape and format of a weight matrix `[N, K]`: N outputs, K inputs. Start from HBL_WEIGHT_SPEC_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_weight_spec {
    /// sizeof(hbl_weight_spec).
    pub struct_size: usize,
    /// 0.
    pub flags: u32,
    /// An hbl_layout.
    pub layout: u32,
    /// N, at least 1.
    pub outputs: usize,
    /// K, at least 1.
    pub inputs: usize,
    /// An hbl_scaling.
    pub scaling: u32,
    /// Inputs that share a scale: 64, 128 or 256 where the scaling is by group, else 0.
    pub group: u32,
}
description!(hbl_weight_spec, "HBL_WEIGHT_SPEC_INIT", 0);

/// Packed weights, opened. A handle, made by hbl_weights_open or hbl_weights_open_verified: the header is checked then, not
/// at each use. The blob must live, unchanged, as long as the handle is used. It may be copied, and there is nothing to
/// free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_weights {
    /// The library's own.
    pub opaque: [u64; 32],
}

impl Prepared for Weights<'static> {
    type Opaque = hbl_weights;
    const MAKER: &'static str = "hbl_weights_open or hbl_weights_open_verified";
    const MAGIC: u64 = u64::from_le_bytes(*b"hblwei.1");

    #[inline(always)]
    fn fingerprint(&self, seal: &mut Seal) {
        let (scales, codes) = self.parts();
        let (scaling, group) = numbers(self.spec().scaling());
        seal.slice(scales);
        seal.slice(codes);
        seal.add(self.outputs());
        seal.add(self.inputs());
        seal.add((scaling << 24 | group << 8 | self.spec().layout() as u32) as usize);
    }
}

/// Opens a handle. Its blob is to be declared as read ([`reads_blob`]) before it is used.
///
/// # Safety
/// The pointer obeys the header's rules during `'a`.
#[inline(always)]
pub(crate) unsafe fn weights<'a>(it: *const hbl_weights) -> Result<&'a Weights<'static>> {
    // SAFETY: as promised.
    unsafe { open("weights", it) }
}

/// Declares the blob of opened weights as read.
#[inline(always)]
pub(crate) fn reads_blob(reads: &Reads<impl Regions>, weights: &Weights<'_>) -> Result<()> {
    let (scales, codes) = weights.parts();
    reads.bytes("blob", scales.as_ptr().addr() - HBL_BLOB_HEADER_SIZE, codes.as_ptr_range().end.addr())
}

/// An hbl_scaling and a group.
#[inline(always)]
const fn numbers(scaling: Scaling) -> (u32, u32) {
    match scaling {
        Scaling::Tensor => (0, 0),
        Scaling::Row => (1, 0),
        Scaling::Group(group) => (2, group as u32),
        Scaling::GroupF16(group) => (3, group as u32),
    }
}

impl hbl_weight_spec {
    pub(crate) fn check(&self) -> Result<WeightSpec> {
        let layout = Layout::try_from(self.layout)?;
        let group = || GroupLen::try_from(self.group as usize);
        let scaling = match (self.scaling, self.group) {
            (0, 0) => Scaling::Tensor,
            (1, 0) => Scaling::Row,
            (2, _) => Scaling::Group(group()?),
            (3, _) => Scaling::GroupF16(group()?),
            (0 | 1, other) => {
                return Err(Error::Value { argument: "scale group", value: other as usize }.into());
            }
            (other, _) => return Err(Error::Value { argument: "scaling", value: other as usize }.into()),
        };
        Ok(WeightSpec::new(self.outputs, self.inputs, layout, scaling)?)
    }

    pub(crate) fn of(spec: &WeightSpec) -> hbl_weight_spec {
        let (scaling, group) = numbers(spec.scaling());
        hbl_weight_spec {
            struct_size: size_of::<hbl_weight_spec>(),
            flags: 0,
            layout: spec.layout() as u32,
            outputs: spec.outputs(),
            inputs: spec.inputs(),
            scaling,
            group,
        }
    }
}

/// Checks a spec and gives the bytes of its packed blob and its number of scales: 1, N, or N * ceil(K / group).
///
/// Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_VALUE (layout, scaling, group).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_packed_len(
    spec: *const hbl_weight_spec,
    blob_len: *mut usize,
    scales_len: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, blob_len) = Writes::new().and("blob_len", blob_len, 1)?;
        let (_, scales_len) = writes.and("scales_len", scales_len, 1)?;
        // SAFETY: valid by the header's rules.
        let spec = unsafe { describe("spec", spec) }?.check()?;
        // SAFETY: one element each, valid by the header's rules.
        unsafe {
            blob_len.set(spec.packed_len());
            scales_len.set(spec.scale_count());
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Packs `[N, K]` row-major weights -1, 0, 1 and their scales (`[N, groups]`, row-major) into `blob`: plain bytes, the
/// same on every machine, to be kept in a file or sent.
///
/// Fails as hbl_weights_packed_len does; with HBL_STATUS_LENGTH, HBL_STATUS_CODE (another weight) or HBL_STATUS_SCALE
/// (not finite, or not an f16 where that is stored).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_pack(
    spec: *const hbl_weight_spec,
    ternary: *const i8,
    ternary_len: usize,
    scales: *const f32,
    scales_len: usize,
    blob: *mut u8,
    blob_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        let spec = unsafe { describe("spec", spec) }?.check()?;
        let (writes, blob) = Writes::new().and("blob", blob, blob_len)?;
        let reads = writes.reads();
        let ternary = reads.buffer("ternary", ternary, ternary_len)?;
        let scales = reads.buffer("scales", scales, scales_len)?;
        // SAFETY: valid by the header's rules.
        unsafe { spec.pack(ternary.slice(), scales.slice(), blob.buffer())? };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The length of the blob that starts with these bytes, of which the first HBL_BLOB_HEADER_SIZE are looked at: how much
/// of a file to read or map.
///
/// Fails with HBL_STATUS_BLOB_LENGTH (fewer bytes than a header), HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION or
/// HBL_STATUS_BLOB_HEADER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_blob_len(
    start: *const u8,
    start_len: usize,
    blob_len: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, out) = Writes::new().and("blob_len", blob_len, 1)?;
        let start = writes.reads().buffer("start", start, start_len)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(Weights::blob_len(start.slice())?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Opens a blob and checks all of it: header, length, checksums, every scale and every code. Nothing is copied.
///
/// Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION, HBL_STATUS_BLOB_HEADER,
/// HBL_STATUS_BLOB_PAYLOAD, HBL_STATUS_SCALE or HBL_STATUS_CODE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_open(
    blob: *const u8,
    blob_len: usize,
    weights: *mut hbl_weights,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    unsafe { guard(error, || open_blob(blob, blob_len, weights, Weights::open)) }
}

/// Opens a blob that hbl_weights_open accepted before: checks its header and length only, so that a mapped file is not
/// read through. Damage behind the header then gives wrong numbers, never undefined behaviour.
///
/// Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION or HBL_STATUS_BLOB_HEADER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_open_verified(
    blob: *const u8,
    blob_len: usize,
    weights: *mut hbl_weights,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    unsafe { guard(error, || open_blob(blob, blob_len, weights, Weights::open_verified)) }
}

/// The body of the two openers.
///
/// # Safety
/// The pointers obey the header's rules.
unsafe fn open_blob(
    blob: *const u8,
    blob_len: usize,
    weights: *mut hbl_weights,
    check: impl FnOnce(&'static [u8]) -> core_crate::Result<Weights<'static>>,
) -> Result<()> {
    let (writes, _) = Writes::new().and("weights", weights, 1)?;
    let blob = writes.reads().buffer("blob", blob, blob_len)?;
    // SAFETY: valid as promised, the blob as long as the handle is used.
    unsafe {
        prepare(weights, check(blob.slice())?);
    }
    Ok(())
}

/// Shape and format of opened weights. `spec` is a description that was initialised: its fields are written as far as its
/// struct_size reaches.
///
/// Fails with HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_spec(
    weights: *const hbl_weights,
    spec: *mut hbl_weight_spec,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let accepted = describe("spec", spec)?;
            let (writes, _) = Writes::new().and("spec", spec.cast::<u8>(), accepted.struct_size)?;
            let weights = self::weights(weights)?;
            reads_blob(&writes.reads(), weights)?;
            store(spec, &accepted, hbl_weight_spec::of(weights.spec()));
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The inverse of hbl_weights_pack: `[N, K]` row-major weights -1, 0, 1 and their scales.
///
/// Fails with HBL_STATUS_LENGTH or HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_unpack(
    weights: *const hbl_weights,
    ternary: *mut i8,
    ternary_len: usize,
    scales: *mut f32,
    scales_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, ternary) = Writes::new().and("ternary", ternary, ternary_len)?;
        let (writes, scales) = writes.and("scales", scales, scales_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let weights = self::weights(weights)?;
            reads_blob(&writes.reads(), weights)?;
            weights.unpack(ternary.buffer(), scales.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Packs the same matrix in another layout (an hbl_layout). The length of `blob` is what hbl_weights_packed_len says of
/// the weights' spec (hbl_weights_spec) with that layout.
///
/// Fails with HBL_STATUS_VALUE (layout), HBL_STATUS_LENGTH, HBL_STATUS_HANDLE, or HBL_STATUS_CODE or HBL_STATUS_SCALE
/// (weights of a damaged blob that hbl_weights_open_verified opened).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_repack(
    weights: *const hbl_weights,
    layout: u32,
    blob: *mut u8,
    blob_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, out) = Writes::new().and("blob to write", blob, blob_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let weights = self::weights(weights)?;
            reads_blob(&writes.reads(), weights)?;
            weights.repack(Layout::try_from(layout)?, out.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

#[cfg(test)]
mod tests {
    use super::hbl_layout::*;
    use super::hbl_scaling::*;
    use super::*;

    #[test]
    fn specs_round_trip() {
        let layouts = [HBL_LAYOUT_TWO_BIT, HBL_LAYOUT_FIVE_TRIT].map(|layout| layout as u32);
        assert_eq!(layouts.as_slice(), Layout::ALL.iter().map(|&layout| layout as u32).collect::<Vec<_>>());
        for layout in layouts {
            for &scaling in Scaling::ALL {
                let spec = WeightSpec::new(3, 300, Layout::ALL[0], scaling);
                let Ok(spec) = spec.and_then(|spec| spec.with_layout(Layout::try_from(layout)?)) else {
                    panic!("{layout} {scaling:?}");
                };
                assert_eq!(hbl_weight_spec::of(&spec).check(), Ok(spec));
            }
        }
        let scalings = [HBL_SCALING_TENSOR, HBL_SCALING_ROW, HBL_SCALING_GROUP, HBL_SCALING_GROUP_F16];
        let cores = [0, 1, 2, 5].map(|index: usize| numbers(Scaling::ALL[index]).0);
        assert_eq!(scalings.map(|scaling| scaling as u32), cores);
    }
}
