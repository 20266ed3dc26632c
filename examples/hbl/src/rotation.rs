//! Which rotation a file asks for, and which would fit.

use hbitlinear::interop::contract::{Contract, Prism, Role};
use hbitlinear::{Family, Rule, Transform};

use crate::file::Result;
use crate::file::metadata::{Owned, Value};
use crate::model::{CONTRACT, Model};

/// The contracts of a file, as they are stored.
#[derive(Debug, Default)]
pub struct Stored<'a> {
    text: Option<String>,
    prism: Vec<(&'a str, Owned<'a>)>,
}

/// The contracts of a file, parsed.
#[derive(Debug)]
pub struct Contracts<'s> {
    text: Option<Contract<'s>>,
    prism: Option<Prism<'s>>,
}

/// What a contract says of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Said<'s> {
    /// Of its input, or of its rows.
    pub role: Role,
    /// The transform, unless plain.
    pub transform: Option<Transform<'s>>,
    /// How its input is quantised, if the contract says.
    pub rule: Option<Rule>,
}

impl<'a> Stored<'a> {
    /// Those of a file, or beside a checkpoint; a text that is given instead takes the place of the file's.
    ///
    /// # Errors
    /// If the container is damaged, or a key has a type that no contract has.
    pub fn of(model: &Model<'a>, given: Option<String>) -> Result<Stored<'a>> {
        let (mut text, mut prism) = (given.or_else(|| model.contract.clone()), Vec::new());
        if text.is_none()
            && let Some(entry) = model.container().and_then(|container| container.find(CONTRACT))
        {
            text = Some(entry.text().map_err(|error| format!("{CONTRACT}: {error}"))?.into());
        }
        for (key, value) in model.metadata()? {
            if key == Contract::KEY && text.is_none() {
                let Value::Text(stored) = value else { return Err(format!("key {key}: expected a string")) };
                text = Some(stored.into());
            }
            if key.starts_with("prism.hadamard.") {
                let value =
                    Owned::of(value).ok_or_else(|| format!("key {key}: a type that no contract has"))?;
                prism.push((key, value));
            }
        }
        Ok(Stored { text, prism })
    }

    /// The text of ours.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Parses them.
    ///
    /// # Errors
    /// Names what is not known.
    pub fn parse(&self) -> Result<Contracts<'_>> {
        let pairs = self.prism.iter().map(|(key, value)| (*key, value.value()));
        Ok(Contracts {
            text: self
                .text
                .as_deref()
                .map(Contract::parse)
                .transpose()
                .map_err(|error| format!("contract: {error}"))?,
            prism: Prism::parse(pairs).map_err(|error| error.to_string())?,
        })
    }
}

impl<'s> Contracts<'s> {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_none() && self.prism.is_none()
    }

    /// What they say of a tensor.
    ///
    /// # Errors
    /// If both do, or its rows are not of a length that is said.
    pub fn tensor(&self, name: &'s str, inputs: usize) -> Result<Said<'s>> {
        let named = |error: &dyn core::fmt::Display| format!("tensor {name}: rotation contract: {error}");
        let prism = self.prism.as_ref().map(|prism| prism.tensor(name, inputs)).transpose();
        let (role, transform) = prism.map_err(|error| named(&error))?.unwrap_or((Role::Plain, None));
        let text = self.text.as_ref().map(|text| text.layer(name, inputs)).transpose();
        let Some(layer) = text.map_err(|error| named(&error))?.flatten() else {
            return Ok(Said { role, transform, rule: None });
        };
        if role != Role::Plain {
            return Err(named(&"prism.hadamard and the contract's text both name it"));
        }
        let role = if layer.transform.is_some() { Role::Rotated } else { Role::Plain };
        Ok(Said { role, transform: layer.transform, rule: Some(layer.rule) })
    }
}

impl Said<'_> {
    /// In words, if anything is said.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let transform = self.transform.map(|transform| {
            let mut name = String::new();
            if transform.blocks() > 1 {
                name += &format!("{} blocks of ", transform.blocks());
            }
            name += &format!("{}", transform.block_len());
            if transform.signs().is_some() {
                name += " with signs";
            }
            let what = if self.role == Role::Inverse { "rows transformed back" } else { "input transformed" };
            format!("{what}, {name}")
        });
        match (transform, self.rule) {
            (None, None) => None,
            (None, Some(rule)) => Some(format!("no transform, {rule}")),
            (Some(transform), None) => Some(transform),
            (Some(transform), Some(rule)) => Some(format!("{transform}, {rule}")),
        }
    }
}

/// Names of the transforms that rows of K fit: of a whole row, and the longest that blocks of it fit.
#[must_use]
pub fn fitting(inputs: usize) -> Vec<String> {
    if inputs == 0 {
        return Vec::new();
    }
    let power = 1 << inputs.trailing_zeros();
    let mut names = Vec::new();
    if power == inputs {
        names.push(inputs.to_string());
    }
    for &family in Family::ALL {
        let orders = family.orders().iter().filter(|&&order| inputs.is_multiple_of(order));
        let single = orders.map(|order| (order, inputs / order)).filter(|(_, rest)| rest.is_power_of_two());
        names.extend(single.map(|(order, rest)| format!("{}:{order}*{rest}", family.name())));
    }
    if power != inputs && power > 1 {
        names.push(format!("each:{power}"));
    }
    names
}

/// The transform that a contract's word names, for rows of K.
///
/// # Errors
/// If there is none of that name, or it does not fit.
pub fn named(word: &str, inputs: usize) -> Result<Option<Transform<'static>>> {
    // The contract's grammar, of which one line is needed.
    let text = format!("hbitlinear-contract 1\n- {word} a8-absmax");
    let contract = Contract::parse(&text).map_err(|error| format!("--transform {error}"))?;
    let layer = contract.layer("-", inputs).map_err(|error| {
        format!("--transform {error}; rows of {inputs} fit {}", fitting(inputs).join(", "))
    })?;
    Ok(layer.and_then(|layer| layer.transform))
}
