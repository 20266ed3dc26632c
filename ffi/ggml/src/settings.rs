//! What the environment says. A variable that is not understood refuses the backend: a wrong rule would give wrong numbers.

use std::env;
use std::fs;

use hbitlinear::interop::contract::Contract;
use hbitlinear::{Backend, BackendId, Layout};

/// How llama.cpp is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The device's buffer type is ours, its backend's is the CPU's: no copies.
    Split,
    /// Both are ours: outputs are copied. What `test-backend-ops` needs.
    Own,
    /// No device; our buffer type among those of the CPU backend. See [`crate::inject`].
    Inject,
}

pub(crate) struct Settings {
    /// `HBITLINEAR_GGML_WAY`
    pub(crate) way: Way,
    /// The text of the file that `HBITLINEAR_GGML_CONTRACT` names.
    pub(crate) contract: Option<Contract<'static>>,
    /// `HBITLINEAR_GGML_LAYOUT`, for all types.
    pub(crate) layout: Option<Layout>,
    /// `HBITLINEAR_BACKEND`
    pub(crate) backend: Backend,
}

impl Settings {
    pub(crate) fn read() -> Result<Settings, String> {
        let way = match variable("HBITLINEAR_GGML_WAY")?.as_deref() {
            None | Some("split") => Way::Split,
            Some("own") => Way::Own,
            Some("inject") => Way::Inject,
            Some(other) => {
                return Err(format!("HBITLINEAR_GGML_WAY={other}: there are split, own and inject"));
            }
        };
        let layout = match variable("HBITLINEAR_GGML_LAYOUT")?.as_deref() {
            None => None,
            Some("two-bit") => Some(Layout::TwoBit),
            Some("five-trit") => Some(Layout::FiveTrit),
            Some(other) => {
                return Err(format!("HBITLINEAR_GGML_LAYOUT={other}: there are two-bit and five-trit"));
            }
        };
        let backend = match variable("HBITLINEAR_BACKEND")? {
            None => Backend::best(),
            Some(name) => name
                .parse::<BackendId>()
                .and_then(Backend::new)
                .map_err(|error| format!("HBITLINEAR_BACKEND={name}: {error}"))?,
        };
        let contract = match variable("HBITLINEAR_GGML_CONTRACT")? {
            None => None,
            Some(path) => {
                let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
                // For as long as the process: tensors may be asked about until it ends.
                Some(Contract::parse(text.leak()).map_err(|error| format!("{path}: {error}"))?)
            }
        };
        Ok(Settings { way, contract, layout, backend })
    }
}

/// A variable's value; empty is as good as not set.
fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) if !value.is_empty() => Ok(Some(value)),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is no UTF-8")),
        Ok(_) | Err(env::VarError::NotPresent) => Ok(None),
    }
}
