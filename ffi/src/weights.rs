//! Ternary weights: made, packed, opened, unpacked.

use core_crate::weights::{self, Layout, Scaling, WeightSpec, Weights};
use core_crate::{Error, Result};

use crate::backend::backend;
use crate::error::{guard, hbl_error, hbl_status};
use crate::memory::{Caller, read};

/// How codes are packed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_layout {
    /// Two bits a weight.
    HBL_LAYOUT_T2 = 2,
    /// Five weights to a byte: 1.6 bits each.
    HBL_LAYOUT_T5 = 5,
}

/// How many scales a weight matrix has.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_scaling {
    /// One.
    HBL_SCALING_TENSOR = 0,
    /// One for each of the N rows.
    HBL_SCALING_ROW = 1,
    /// One for each run of 64 columns of each row; the last run may be shorter.
    HBL_SCALING_GROUP_64 = 64,
    /// The same with 128 columns.
    HBL_SCALING_GROUP_128 = 128,
    /// The same with 256 columns.
    HBL_SCALING_GROUP_256 = 256,
    /// Runs of 64 columns, their scales stored as f16: each must be one, as those of the published formats with groups
    /// are. Half the bytes, and the same results.
    HBL_SCALING_GROUP_64_F16 = 0x10040,
    /// The same with 128 columns.
    HBL_SCALING_GROUP_128_F16 = 0x10080,
    /// The same with 256 columns.
    HBL_SCALING_GROUP_256_F16 = 0x10100,
}

/// What an hbl_scaling adds to the columns of a group whose scales are f16.
const F16: u32 = 0x10000;

/// Shape and format of a weight matrix `[N, K]`: N outputs, K inputs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_weight_spec {
    /// N, at least 1.
    pub rows: usize,
    /// K, at least 1.
    pub columns: usize,
    /// An hbl_layout.
    pub layout: u32,
    /// An hbl_scaling.
    pub scaling: u32,
}

/// Packed weights, opened: where the blob is. Made by hbl_weights_open or hbl_weights_open_verified; the blob must live,
/// unchanged, as long as it is used. Every function that takes one checks the blob's header again.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_weights {
    /// The blob, of any alignment.
    pub blob: *const u8,
    /// Its length in bytes.
    pub blob_len: usize,
}

impl hbl_weight_spec {
    fn check(self) -> Result<WeightSpec> {
        let layout = match self.layout {
            2 => Layout::T2,
            5 => Layout::T5,
            other => return Err(Error::Value { argument: "layout", value: other as usize }),
        };
        let scaling = match self.scaling {
            0 => Scaling::Tensor,
            1 => Scaling::Row,
            group if group & F16 != 0 => Scaling::GroupF16((group - F16) as usize),
            group => Scaling::Group(group as usize),
        };
        WeightSpec::new(self.rows, self.columns, layout, scaling)
    }

    fn of(spec: &WeightSpec) -> hbl_weight_spec {
        let scaling = match spec.scaling() {
            Scaling::Tensor => 0,
            Scaling::Row => 1,
            Scaling::Group(columns) => columns as u32,
            Scaling::GroupF16(columns) => F16 + columns as u32,
        };
        hbl_weight_spec { rows: spec.rows(), columns: spec.columns(), layout: spec.layout() as u32, scaling }
    }
}

impl hbl_weights {
    /// The core's view, the blob declared as read.
    ///
    /// # Safety
    /// The blob is valid for reads during `'a`.
    pub(crate) unsafe fn open<'a>(self, caller: &mut Caller) -> Result<Weights<'a>> {
        let blob = caller.reads("blob", self.blob, self.blob_len)?;
        // SAFETY: as promised.
        Weights::open_verified(unsafe { blob.slice() })
    }
}

/// Ternary weights from trained ones: w = clamp(round_half_even(W / (a + epsilon)), -1, 1) with a = mean |W| over all
/// `weights_len` weights, which is stored in `scale`.
///
/// Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_LENGTH, HBL_STATUS_EPSILON or HBL_STATUS_NON_FINITE (row 0).
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_absmean(
    backend: u32,
    weights: *const f32,
    weights_len: usize,
    epsilon: f32,
    ternary: *mut i8,
    ternary_len: usize,
    scale: *mut f32,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let mut caller = Caller::new();
        let weights = caller.reads("weights", weights, weights_len)?;
        let ternary = caller.writes("ternary", ternary, ternary_len)?;
        let scale = caller.writes("scale", scale, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { scale.set(weights::absmean(backend, weights.slice(), epsilon, ternary.slice())?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// hbl_absmean for each row of `columns` weights on its own; `scales` receives one a for each of its `scales_len` rows.
///
/// Fails as hbl_absmean does; HBL_STATUS_NON_FINITE names the row.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_absmean_rows(
    backend: u32,
    columns: usize,
    weights: *const f32,
    weights_len: usize,
    epsilon: f32,
    ternary: *mut i8,
    ternary_len: usize,
    scales: *mut f32,
    scales_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let mut caller = Caller::new();
        let weights = caller.reads("weights", weights, weights_len)?;
        let ternary = caller.writes("ternary", ternary, ternary_len)?;
        let scales = caller.writes("scales", scales, scales_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            weights::absmean_rows(backend, columns, weights.slice(), epsilon, ternary.slice(), scales.slice())
        }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Checks a spec and gives the bytes of its packed blob and its number of scales: 1, N, or N * ceil(K / group).
///
/// Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_VALUE (layout, scaling).
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_packed_len(
    spec: *const hbl_weight_spec,
    blob_len: *mut usize,
    scales_len: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let mut caller = Caller::new();
        let blob_len = caller.writes("blob_len", blob_len, 1)?;
        let scales_len = caller.writes("scales_len", scales_len, 1)?;
        // SAFETY: valid by the header's rules.
        let spec = unsafe { read("spec", spec) }?.check()?;
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
/// Fails as hbl_weights_packed_len does; with HBL_STATUS_LENGTH, HBL_STATUS_CODE (another weight) or HBL_STATUS_SCALE (not finite,
/// or not an f16 where that is stored).
///
/// # Safety
/// See the rules at the top of the header.
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
        let mut caller = Caller::new();
        // SAFETY: valid by the header's rules.
        let spec = unsafe { read("spec", spec) }?.check()?;
        let ternary = caller.reads("ternary", ternary, ternary_len)?;
        let scales = caller.reads("scales", scales, scales_len)?;
        let blob = caller.writes("blob", blob, blob_len)?;
        // SAFETY: valid by the header's rules.
        unsafe { spec.pack(ternary.slice(), scales.slice(), blob.slice()) }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Opens a blob and checks all of it: header, length, checksums, every scale and every code. Nothing is copied.
///
/// Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION, HBL_STATUS_BLOB_HEADER,
/// HBL_STATUS_BLOB_PAYLOAD, HBL_STATUS_SCALE or HBL_STATUS_CODE.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_open(
    blob: *const u8,
    blob_len: usize,
    weights: *mut hbl_weights,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    let body = || unsafe { open(blob, blob_len, weights, Weights::open) };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Opens a blob that hbl_weights_open accepted before: checks its header and length only, so that a mapped file is not
/// read through. Damage behind the header then gives wrong numbers, never undefined behaviour.
///
/// Fails with HBL_STATUS_BLOB_LENGTH, HBL_STATUS_BLOB_MAGIC, HBL_STATUS_BLOB_VERSION or HBL_STATUS_BLOB_HEADER.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_open_verified(
    blob: *const u8,
    blob_len: usize,
    weights: *mut hbl_weights,
    error: *mut hbl_error,
) -> hbl_status {
    // SAFETY: valid by the header's rules.
    let body = || unsafe { open(blob, blob_len, weights, Weights::open_verified) };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The body of the two openers.
///
/// # Safety
/// The pointers obey the header's rules.
unsafe fn open<'a>(
    blob: *const u8,
    blob_len: usize,
    weights: *mut hbl_weights,
    check: impl FnOnce(&'a [u8]) -> Result<Weights<'a>>,
) -> Result<()> {
    let mut caller = Caller::new();
    let bytes = caller.reads("blob", blob, blob_len)?;
    let out = caller.writes("weights", weights, 1)?;
    // SAFETY: valid as promised.
    unsafe {
        check(bytes.slice())?;
        out.set(hbl_weights { blob, blob_len });
    }
    Ok(())
}

/// Shape and format of opened weights.
///
/// Fails as hbl_weights_open_verified does.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_spec(
    weights: *const hbl_weights,
    spec: *mut hbl_weight_spec,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let mut caller = Caller::new();
        let out = caller.writes("spec", spec, 1)?;
        // SAFETY: valid by the header's rules.
        let weights = unsafe { read("weights", weights)?.open(&mut caller) }?;
        // SAFETY: one element, valid by the header's rules.
        unsafe { out.set(hbl_weight_spec::of(weights.spec())) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The inverse of hbl_weights_pack: `[N, K]` row-major weights -1, 0, 1 and their scales.
///
/// Fails as hbl_weights_open_verified does, or with HBL_STATUS_LENGTH.
///
/// # Safety
/// See the rules at the top of the header.
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
        let mut caller = Caller::new();
        // SAFETY: valid by the header's rules.
        let weights = unsafe { read("weights", weights)?.open(&mut caller) }?;
        let ternary = caller.writes("ternary", ternary, ternary_len)?;
        let scales = caller.writes("scales", scales, scales_len)?;
        let expected = weights.spec().scale_count();
        if scales_len != expected {
            return Err(Error::Length { argument: "scales", expected, actual: scales_len });
        }
        // SAFETY: valid by the header's rules.
        let (ternary, scales) = unsafe { (ternary.slice(), scales.slice()) };
        weights.unpack(ternary)?;
        let groups = weights.spec().groups();
        for (index, scale) in scales.iter_mut().enumerate() {
            *scale = weights.scale(index / groups, index % groups);
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Packs the same matrix in another layout (an hbl_layout). The length of `blob` is what hbl_weights_packed_len says of
/// the weights' spec (hbl_weights_spec) with that layout.
///
/// Fails with HBL_STATUS_VALUE (layout), HBL_STATUS_LENGTH, or as hbl_weights_open_verified.
///
/// # Safety
/// See the rules at the top of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_weights_repack(
    weights: *const hbl_weights,
    layout: u32,
    blob: *mut u8,
    blob_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let mut caller = Caller::new();
        // SAFETY: valid by the header's rules.
        let weights = unsafe { read("weights", weights)?.open(&mut caller) }?;
        let blob = caller.writes("blob", blob, blob_len)?;
        let layout = hbl_weight_spec { layout, ..hbl_weight_spec::of(weights.spec()) }.check()?.layout();
        // SAFETY: valid by the header's rules.
        weights.repack(layout, unsafe { blob.slice() })
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
        for layout in [HBL_LAYOUT_T2, HBL_LAYOUT_T5].map(|layout| layout as u32) {
            for scaling in [
                HBL_SCALING_TENSOR,
                HBL_SCALING_ROW,
                HBL_SCALING_GROUP_64,
                HBL_SCALING_GROUP_128,
                HBL_SCALING_GROUP_256,
                HBL_SCALING_GROUP_64_F16,
                HBL_SCALING_GROUP_128_F16,
                HBL_SCALING_GROUP_256_F16,
            ] {
                let spec = hbl_weight_spec { rows: 3, columns: 300, layout, scaling: scaling as u32 };
                let back = spec.check().map(|spec| hbl_weight_spec::of(&spec));
                assert!(back.is_ok_and(|back| {
                    (back.rows, back.columns, back.layout, back.scaling) == (3, 300, layout, scaling as u32)
                }));
            }
        }
    }
}
