//! One error type for all contracts.

use core::fmt;

use crate::error::Error;

/// Why a contract is refused: `item` is the key or word at fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContractError<'a> {
    /// The key, line or word.
    pub item: &'a str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a contract's item.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Problem {
    /// It is none that this version knows.
    Unknown,
    /// It is not there, but needed.
    Missing,
    /// It is there twice, or two of it apply.
    Twice,
    /// It has another type, or does not have the parts that it should.
    Form,
    /// Its value is none that this version knows, or contradicts the others.
    Value,
    /// It asks for something that [`Transform`](crate::Transform) does not do.
    Unsupported,
    /// The transform cannot be made, or not for this row.
    Transform(Error),
}

impl fmt::Display for ContractError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = self.item;
        match self.problem {
            Problem::Unknown => write!(f, "{item}: unknown"),
            Problem::Missing => write!(f, "{item}: missing"),
            Problem::Twice => write!(f, "{item}: more than one"),
            Problem::Form => write!(f, "{item}: not of the form it should have"),
            Problem::Value => write!(f, "{item}: this value is not known, or contradicts others"),
            Problem::Unsupported => write!(f, "{item}: not supported"),
            Problem::Transform(error) => write!(f, "{item}: {error}"),
        }
    }
}

impl core::error::Error for ContractError<'_> {}

pub(super) const fn refuse<T>(item: &str, problem: Problem) -> Result<T, ContractError<'_>> {
    Err(ContractError { item, problem })
}
