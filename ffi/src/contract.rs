//! Which tensors want which transform and rule, from a text.

use core::ffi::c_char;

use core_crate::interop::contract::Contract;
use core_crate::{Error, Transform};

use super::error::{Failure, guard, hbl_error};
use super::handle::prepare;
use super::memory::{Writes, text};
use super::status::hbl_status;
use super::transform::hbl_transform;

/// What a contract says of a tensor.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum hbl_contract_says {
    /// It does not name the tensor.
    HBL_CONTRACT_NOTHING = 0,
    /// Its input is quantised as it is.
    HBL_CONTRACT_PLAIN = 1,
    /// Its input is transformed and quantised.
    HBL_CONTRACT_TRANSFORMED = 2,
}

use hbl_contract_says::*;

/// Reads a contract, and gives what it says (an hbl_contract_says) of the tensor of that name with K inputs: its transform
/// and its rule (an hbl_rule). `transform` is written with HBL_CONTRACT_TRANSFORMED only, and `rule` unless it is
/// HBL_CONTRACT_NOTHING. Checks the whole text each time. It is UTF-8, `contract_len` bytes of it, such as
///
///     hbitlinear-contract 1
///     # tensor                  transform       rule
///     blk.*.attn_output.weight  paley1:20*128   a4-absmean
///     blk.*.ffn_down.weight     each:256        a4-absmean
///     blk.*.attn_q.weight       none            a8-absmax
///
/// `*` in a name stands for a run of digits; `each:` applies a transform to each block of its length.
///
/// Fails with HBL_STATUS_CONTRACT, whose message names the line or word; or HBL_STATUS_NAME (a tensor's name that is not
/// UTF-8).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_contract_layer(
    contract: *const c_char,
    contract_len: usize,
    tensor: *const c_char,
    inputs: usize,
    says: *mut u32,
    transform: *mut hbl_transform,
    rule: *mut u32,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (writes, says) = Writes::new().and("says", says, 1)?;
        let (writes, _) = writes.and("transform", transform, 1)?;
        let (writes, rule) = writes.and("rule", rule, 1)?;
        let bytes = writes.reads().buffer("contract", contract.cast::<u8>(), contract_len)?;
        // SAFETY: valid by the header's rules; terminated.
        let (bytes, name) = unsafe { (bytes.slice(), text("tensor", tensor)?) };
        let name = name.ok_or(Error::Name { argument: "tensor" })?;
        let contract = core::str::from_utf8(bytes).map_err(|_| Failure::Utf8 { argument: "contract" })?;
        let layer = Contract::parse(contract)?.layer(name, inputs)?;
        // SAFETY: one element each, valid by the header's rules.
        unsafe {
            let Some(layer) = layer else {
                says.set(HBL_CONTRACT_NOTHING as u32);
                return Ok(());
            };
            rule.set(layer.rule as u32);
            if let Some(found) = layer.transform {
                prepare::<Transform<'static>>(transform, found);
            }
            let transformed = layer.transform.is_some();
            says.set(if transformed { HBL_CONTRACT_TRANSFORMED } else { HBL_CONTRACT_PLAIN } as u32);
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
