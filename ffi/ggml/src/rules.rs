//! What a tensor's input goes through before the product: int8 by the row's largest magnitude, or what the contract says.

use core::ffi::{CStr, c_char};
use std::sync::Mutex;

use hbitlinear::interop::contract::Contract;
use hbitlinear::{InputStages, NonFinite, Quantizer, Rule};

/// As public BitNet code has it.
const EPSILON: f32 = 1e-5;

/// The stages before a product, and a number that is the same for equal ones.
#[derive(Clone, Copy)]
pub(crate) struct InputRule {
    pub(crate) stages: InputStages<'static>,
    pub(crate) identity: usize,
}

/// The rule for a tensor of that name with rows of K.
pub(crate) fn rule_of(
    contract: Option<&Contract<'static>>,
    name: &str,
    inputs: usize,
) -> Result<InputRule, String> {
    let named = match contract {
        Some(contract) => contract.layer(name, inputs).map_err(|error| format!("{name}: {error}"))?,
        None => None,
    };
    let rule = named.map_or(Rule::Int8AbsMax, |layer| layer.rule);
    let transform = named.and_then(|layer| layer.transform);
    let stages = || {
        let quantizer = Quantizer::new(rule, EPSILON)?.with_non_finite(NonFinite::Spoil);
        let stages = InputStages::new(inputs, quantizer)?;
        transform.map_or(Ok(stages), |transform| stages.with_transform(transform))
    };
    let stages = stages().map_err(|error| format!("{name}: {error}"))?;
    Ok(InputRule { stages, identity: identity_of(format!("{inputs} {rule} {transform:?}")) })
}

fn identity_of(description: String) -> usize {
    static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    known.iter().position(|old| *old == description).unwrap_or_else(|| {
        known.push(description);
        known.len() - 1
    })
}

/// The name of a tensor; empty if it is no UTF-8.
pub(crate) fn name_of(name: &[c_char; 64]) -> &str {
    // SAFETY: bytes, whatever their sign.
    let bytes: &[u8; 64] = unsafe { &*core::ptr::from_ref(name).cast() };
    CStr::from_bytes_until_nul(bytes).ok().and_then(|name| name.to_str().ok()).unwrap_or_default()
}
