//! `prism.hadamard`, the rotation contract in the metadata of Ternary-Bonsai's GGUF files: from descriptions of its loader
//! (PrismML's llama.cpp, 2026) and of published files.

use super::error::{ContractError, Problem, refuse};
use crate::error::Error;
use crate::stages::Transform;

/// A value of GGUF metadata, of any of its integer widths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A string.
    Text(&'a str),
    /// An array of strings.
    Texts(&'a [&'a str]),
    /// An array of integers.
    Ints(&'a [i64]),
    /// An array of integers that all fit in an i8, narrowed: what signs are wanted as.
    Signs(&'a [i8]),
}

/// What the contract says of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    Plain,
    /// Its input is transformed: [`Transform::forward`], then the product.
    Rotated,
    /// Its rows, once looked up, are transformed back: [`Transform::transpose`].
    Inverse,
}

/// The contract of a file.
///
/// | key, after `prism.hadamard.` | type | values |
/// |---|---|---|
/// | `version` | integer | 1; 2 with `tied_output` |
/// | `block_size` | integer | a power of two, which divides each tensor's K |
/// | `transform` | string | `normalized-sylvester-walsh-hadamard` |
/// | `axis` | string | `input-last-dimension` |
/// | `sign_mode` | string | `identity`, or `explicit` with the next two |
/// | `sign_widths` | integers | K of each sign vector |
/// | `sign_values` | integers | ±1: the vectors, one after the other |
/// | `weight_names` | strings | tensors whose input is transformed |
/// | `inverse_weight_names` | strings | tensors whose rows are, when looked up; optional |
/// | `gdn_v_grouped` | boolean | inputs of `ssm_out` are in another order; optional |
/// | `tied_output` | boolean | true, and only in version 2: the looked-up tensor is also the output's |
///
/// ```
/// use hbitlinear::interop::contract::{Prism, Role, Value};
/// let metadata = [
///     ("general.architecture", Value::Text("qwen3")),
///     ("prism.hadamard.version", Value::Int(1)),
///     ("prism.hadamard.block_size", Value::Int(2)),
///     ("prism.hadamard.transform", Value::Text("normalized-sylvester-walsh-hadamard")),
///     ("prism.hadamard.axis", Value::Text("input-last-dimension")),
///     ("prism.hadamard.sign_mode", Value::Text("explicit")),
///     ("prism.hadamard.sign_widths", Value::Ints(&[4, 6])),
///     ("prism.hadamard.sign_values", Value::Signs(&[1, 1, 1, 1, -1, 1, 1, 1, -1, -1])),
///     ("prism.hadamard.weight_names", Value::Texts(&["blk.0.ffn_down.weight"])),
/// ];
/// let prism = Prism::parse(metadata)?.expect("the keys are there");
/// let (role, transform) = prism.tensor("blk.0.ffn_down.weight", 6)?;
/// assert_eq!(role, Role::Rotated);
/// assert_eq!(transform.and_then(|t| t.signs()), Some(&[-1, 1, 1, 1, -1, -1][..]));
/// # Ok::<(), hbitlinear::interop::contract::ContractError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Prism<'a> {
    block: usize,
    /// Unless all signs are 1.
    signs: Option<SignVectors<'a>>,
    rotated: &'a [&'a str],
    inverse: &'a [&'a str],
    gdn_v_grouped: bool,
    tied_output: bool,
}

/// Their lengths, and all of them.
type SignVectors<'a> = (&'a [i64], &'a [i8]);

const PREFIX: &str = "prism.hadamard.";

macro_rules! keys {
    ($( $constant:ident = $name:literal; )+) => {
        $( const $constant: &str = concat!("prism.hadamard.", $name); )+
        const KEYS: &[&str] = &[$( $constant ),+];
    };
}

keys! {
    VERSION = "version";
    BLOCK_SIZE = "block_size";
    TRANSFORM = "transform";
    AXIS = "axis";
    SIGN_MODE = "sign_mode";
    SIGN_WIDTHS = "sign_widths";
    SIGN_VALUES = "sign_values";
    WEIGHT_NAMES = "weight_names";
    INVERSE_NAMES = "inverse_weight_names";
    GDN_V_GROUPED = "gdn_v_grouped";
    TIED_OUTPUT = "tied_output";
}

/// The values that were found, in the order of [`KEYS`].
struct Found<'a>([Option<Value<'a>>; KEYS.len()]);

impl<'a> Found<'a> {
    fn find(pairs: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Result<Found<'a>, ContractError<'a>> {
        let mut values = [None; KEYS.len()];
        for (key, value) in pairs {
            if !key.starts_with(PREFIX) {
                continue;
            }
            let Some(at) = KEYS.iter().position(|&known| known == key) else {
                return refuse(key, Problem::Unknown);
            };
            if values[at].replace(value).is_some() {
                return refuse(key, Problem::Twice);
            }
        }
        Ok(Found(values))
    }

    fn optional<T>(
        &self,
        key: &'static str,
        form: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, ContractError<'a>> {
        let value = KEYS.iter().position(|&known| known == key).and_then(|at| self.0[at]);
        let wrong = ContractError { item: key, problem: Problem::Form };
        value.map(|value| form(value).ok_or(wrong)).transpose()
    }

    fn required<T>(
        &self,
        key: &'static str,
        form: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<T, ContractError<'a>> {
        self.optional(key, form)?.ok_or(ContractError { item: key, problem: Problem::Missing })
    }

    /// A text that has one value.
    fn expect(&self, key: &'static str, expected: &str) -> Result<(), ContractError<'a>> {
        if self.required(key, text)? == expected { Ok(()) } else { refuse(key, Problem::Value) }
    }

    fn signs(&self, block: usize) -> Result<Option<SignVectors<'a>>, ContractError<'a>> {
        let widths = self.optional(SIGN_WIDTHS, ints)?;
        let values = self.optional(SIGN_VALUES, signs)?;
        match self.required(SIGN_MODE, text)? {
            "identity" if widths.is_some() => refuse(SIGN_WIDTHS, Problem::Value),
            "identity" if values.is_some() => refuse(SIGN_VALUES, Problem::Value),
            "identity" => Ok(None),
            "explicit" => {
                let widths = widths.ok_or(ContractError { item: SIGN_WIDTHS, problem: Problem::Missing })?;
                let values = values.ok_or(ContractError { item: SIGN_VALUES, problem: Problem::Missing })?;
                let mut sum = 0_usize;
                for (at, &width) in widths.iter().enumerate() {
                    let len =
                        usize::try_from(width).ok().filter(|&len| len != 0 && len.is_multiple_of(block));
                    let total = len.and_then(|len| sum.checked_add(len));
                    let total = total.filter(|&total| total <= values.len());
                    sum = total.ok_or(ContractError { item: SIGN_WIDTHS, problem: Problem::Value })?;
                    if widths[..at].contains(&width) {
                        return refuse(SIGN_WIDTHS, Problem::Twice);
                    }
                }
                if sum != values.len()
                    || widths.is_empty()
                    || values.iter().any(|&sign| sign != 1 && sign != -1)
                {
                    return refuse(SIGN_VALUES, Problem::Value);
                }
                Ok(Some((widths, values)))
            }
            _ => refuse(SIGN_MODE, Problem::Value),
        }
    }
}

const fn int(value: Value<'_>) -> Option<i64> {
    if let Value::Int(int) = value { Some(int) } else { None }
}

const fn boolean(value: Value<'_>) -> Option<bool> {
    if let Value::Bool(boolean) = value { Some(boolean) } else { None }
}

const fn text(value: Value<'_>) -> Option<&str> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

/// An empty array may have come as one of any type.
const fn texts<'a>(value: Value<'a>) -> Option<&'a [&'a str]> {
    match value {
        Value::Texts(texts) => Some(texts),
        Value::Ints([]) | Value::Signs([]) => Some(&[]),
        _ => None,
    }
}

const fn ints(value: Value<'_>) -> Option<&[i64]> {
    if let Value::Ints(ints) = value { Some(ints) } else { None }
}

const fn signs(value: Value<'_>) -> Option<&[i8]> {
    if let Value::Signs(signs) = value { Some(signs) } else { None }
}

impl<'a> Prism<'a> {
    /// The contract among a file's metadata, of which other keys are passed over; `None` if it has none.
    ///
    /// # Errors
    /// Names the key: [`Problem::Unknown`], [`Problem::Twice`], [`Problem::Missing`], [`Problem::Form`] if the type is another,
    /// [`Problem::Value`].
    pub fn parse(
        metadata: impl IntoIterator<Item = (&'a str, Value<'a>)>,
    ) -> Result<Option<Prism<'a>>, ContractError<'a>> {
        let found = Found::find(metadata)?;
        if found.0.iter().all(Option::is_none) {
            return Ok(None);
        }
        let tied_output = found.optional(TIED_OUTPUT, boolean)?;
        match (found.required(VERSION, int)?, tied_output) {
            (1, None) | (2, Some(true)) => {}
            (2, None) => return refuse(TIED_OUTPUT, Problem::Missing),
            (1 | 2, _) => return refuse(TIED_OUTPUT, Problem::Value),
            _ => return refuse(VERSION, Problem::Value),
        }
        found.expect(TRANSFORM, "normalized-sylvester-walsh-hadamard")?;
        found.expect(AXIS, "input-last-dimension")?;
        let block =
            usize::try_from(found.required(BLOCK_SIZE, int)?).ok().filter(|block| block.is_power_of_two());
        let block = block.ok_or(ContractError { item: BLOCK_SIZE, problem: Problem::Value })?;
        Ok(Some(Prism {
            block,
            signs: found.signs(block)?,
            rotated: found.required(WEIGHT_NAMES, texts)?,
            inverse: found.optional(INVERSE_NAMES, texts)?.unwrap_or(&[]),
            gdn_v_grouped: found.optional(GDN_V_GROUPED, boolean)?.unwrap_or(false),
            tied_output: tied_output.unwrap_or(false),
        }))
    }

    /// Whether the looked-up tensor is also the output's weight, with its input transformed: [`Transform::forward`] of what
    /// [`Prism::tensor`] gives for it.
    #[must_use]
    pub const fn tied_output(&self) -> bool {
        self.tied_output
    }

    /// The tensors whose input is transformed.
    #[must_use]
    pub const fn rotated(&self) -> &'a [&'a str] {
        self.rotated
    }

    /// The tensors whose rows are transformed back when they are looked up.
    #[must_use]
    pub const fn inverse(&self) -> &'a [&'a str] {
        self.inverse
    }

    /// What the contract says of a tensor with K inputs, and the transform, unless [`Role::Plain`].
    ///
    /// # Errors
    /// [`Problem::Twice`] if both lists name it; [`Problem::Transform`] of `block_size` if K is no multiple of that;
    /// [`Problem::Missing`] of `sign_widths` if there are no signs for K; [`Problem::Unsupported`] of `gdn_v_grouped` for an
    /// `ssm_out`, whose inputs would have to be put in another order first.
    pub fn tensor(
        &self,
        name: &'a str,
        inputs: usize,
    ) -> Result<(Role, Option<Transform<'a>>), ContractError<'a>> {
        let role = match (self.rotated.contains(&name), self.inverse.contains(&name)) {
            (false, false) => return Ok((Role::Plain, None)),
            (true, false) => Role::Rotated,
            (false, true) => Role::Inverse,
            (true, true) => return refuse(name, Problem::Twice),
        };
        if self.gdn_v_grouped && name.ends_with("ssm_out.weight") {
            return refuse(GDN_V_GROUPED, Problem::Unsupported);
        }
        if inputs == 0 || !inputs.is_multiple_of(self.block) {
            let error = Error::TransformLength { block: self.block, actual: inputs };
            return refuse(BLOCK_SIZE, Problem::Transform(error));
        }
        let transform =
            Transform::sylvester(self.block).and_then(|block| block.with_blocks(inputs / self.block));
        let transform = match self.signs {
            None => transform,
            Some((widths, signs)) => {
                let Some(at) = widths.iter().position(|&width| width as usize == inputs) else {
                    return refuse(SIGN_WIDTHS, Problem::Missing);
                };
                // The widths were summed up: each fits, and so does the sum.
                let start: usize = widths[..at].iter().map(|&width| width as usize).sum();
                transform.and_then(|transform| transform.with_signs(&signs[start..start + inputs]))
            }
        };
        match transform {
            Ok(transform) => Ok((role, Some(transform))),
            Err(error) => refuse(BLOCK_SIZE, Problem::Transform(error)),
        }
    }
}
