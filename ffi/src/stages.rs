//! What happens to a layer's input before its product: norm, Hadamard, quantise.

use core_crate::{Error, InputStages};

use super::backend::backend;
use super::describe::{Description, describe, description};
use super::error::{Failure, Result, guard, hbl_error};
use super::input::{Rows, hbl_input};
use super::memory::{Reads, Regions, Writes};
use super::norm::norm;
use super::quantize::{HBL_SPOIL_NON_FINITE, WrittenActivations, hbl_activations, quantizer};
use super::status::hbl_status;
use super::transform::{hbl_transform, transform};

/// Which norm the stages start with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_norm {
    /// None.
    HBL_NORM_NONE = 0,
    /// RMSNorm.
    HBL_NORM_RMS = 1,
}

/// What a row of K inputs goes through before the product: the norm if there is one, the transform if there is one, the
/// quantiser. With a transform it is the first half of the paper's H-BitLinear (W_o, W_down), without one that of
/// BitLinear (W_qkv, W_up, W_gate). Layers with a common input share it, and what it computes. All it points to must live
/// as long as it is used. Start from HBL_STAGES_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_stages {
    /// sizeof(hbl_stages).
    pub struct_size: usize,
    /// 0 or HBL_SPOIL_NON_FINITE.
    pub flags: u32,
    /// An hbl_rule.
    pub rule: u32,
    /// K, at least 1.
    pub inputs: usize,
    /// NULL, or a transform whose rows are K long.
    pub transform: *const hbl_transform,
    /// NULL, or the norm's gain for each of the K inputs.
    pub norm_weight: *const f32,
    /// 0 or K.
    pub norm_weight_len: usize,
    /// An hbl_norm. The other three norm fields are not looked at without one.
    pub norm: u32,
    /// The norm's epsilon, such as 1e-5.
    pub norm_epsilon: f32,
    /// The quantiser's epsilon, such as 1e-5.
    pub quantizer_epsilon: f32,
    /// 0.
    pub reserved: u32,
}
description!(hbl_stages, "HBL_STAGES_INIT", HBL_SPOIL_NON_FINITE);

impl hbl_stages {
    /// # Safety
    /// The description is null or a readable one.
    #[inline(always)]
    pub(crate) unsafe fn read(it: *const hbl_stages) -> Result<hbl_stages> {
        // SAFETY: as promised.
        let it = unsafe { describe("stages", it) }?;
        if it.reserved != 0 {
            return Err(Failure::Reserved { argument: "stages" });
        }
        Ok(it)
    }

    /// The core's stages, their buffers declared as read.
    ///
    /// # Safety
    /// What the description points to is valid for reads during `'a`.
    pub(crate) unsafe fn open<'a>(&self, reads: &Reads<impl Regions>) -> Result<InputStages<'a>> {
        let quantizer = quantizer(self.rule, self.quantizer_epsilon, self.flags)?;
        let mut stages = InputStages::new(self.inputs, quantizer)?;
        // SAFETY: as promised.
        unsafe {
            match self.norm {
                0 => {}
                1 => {
                    let norm = norm(reads, self.norm_weight, self.norm_weight_len, self.norm_epsilon)?;
                    stages = stages.with_norm(norm)?;
                }
                other => return Err(Error::Value { argument: "norm", value: other as usize }.into()),
            }
            if !self.transform.is_null() {
                stages = stages.with_transform(*transform(reads, self.transform)?)?;
            }
        }
        Ok(stages)
    }
}

/// Checks stages and gives the bytes of workspace for hbl_stages_quantize of any number of rows.
///
/// Fails with HBL_STATUS_VALUE (norm, rule), HBL_STATUS_EPSILON, HBL_STATUS_ZERO_SIZE or HBL_STATUS_SIZE_OVERFLOW (K),
/// HBL_STATUS_LENGTH (of the norm's weight), HBL_STATUS_NON_FINITE (in it), HBL_STATUS_TRANSFORM_LENGTH (a transform of
/// another length than K) or HBL_STATUS_HANDLE (the transform).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_stages_workspace_len(
    stages: *const hbl_stages,
    bytes: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, out) = Writes::new().and("bytes", bytes, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(hbl_stages::read(stages)?.open(&writes.reads())?.workspace_len()?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The first phase of a layer: any rows of the input to quantised activations. A thread passes its own rows of `x`, an
/// hbl_activations over its own part of the buffers, and its own workspace.
///
/// Fails as hbl_stages_workspace_len does; with HBL_STATUS_LENGTH (x, or M or K of the activations), HBL_STATUS_STRIDE,
/// HBL_STATUS_VALUE (`bits` is not the rule's, or the element), HBL_STATUS_WORKSPACE, HBL_STATUS_UNKNOWN_BACKEND,
/// HBL_STATUS_BACKEND_UNAVAILABLE, or HBL_STATUS_NON_FINITE naming the first row of `x` with a NaN, an infinity or an
/// overflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_stages_quantize(
    backend: u32,
    stages: *const hbl_stages,
    x: *const hbl_input,
    activations: *mut hbl_activations,
    workspace: *mut u8,
    workspace_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let (writes, room) = WrittenActivations::declare(activations)?;
            let (writes, workspace) = writes.and("workspace", workspace, workspace_len)?;
            let reads = writes.reads();
            let description = hbl_stages::read(stages)?;
            let x = hbl_input::read(x)?.declare(&reads, description.inputs)?;
            let stages = description.open(&reads)?;
            let (room, workspace) = (room.borrow()?, workspace.buffer());
            match x {
                Rows::F32(x) => stages.quantize(backend, x, room, workspace)?,
                Rows::F16(x) => stages.quantize(backend, x, room, workspace)?,
                Rows::BF16(x) => stages.quantize(backend, x, room, workspace)?,
            };
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
