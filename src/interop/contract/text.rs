//! The contract that is a text of ours.

use core::str::FromStr;

use super::error::{ContractError, Problem, refuse};
use crate::error::Error;
use crate::stages::{Rule, Transform};

/// What a layer does to its input.
#[derive(Clone, Copy, Debug)]
pub struct LayerInput {
    /// The transform of a row, if there is one.
    pub transform: Option<Transform<'static>>,
    /// How the row is quantised.
    pub rule: Rule,
}

/// A text that says which tensors' inputs are transformed and quantised in which way; in a file of its own or as the value
/// of the GGUF key [`Contract::KEY`]:
///
/// ```text
/// hbitlinear-contract 1
/// # tensor                  transform       rule
/// blk.*.attn_output.weight  paley1:20*128   a4-absmean
/// blk.*.ffn_down.weight     each:256        a4-absmean
/// blk.*.attn_q.weight       none            a8-absmax
/// ```
///
/// The first line is the version. Each other line that is not empty and does not begin with `#` is three words: a tensor's
/// name, where `*` stands for a run of digits; `none`, the name of a transform ([`Transform::named`]) of the whole row, or
/// `each:` and the name of one that is applied to each block of that length; a rule's name ([`Rule::name`]).
///
/// ```
/// use hbitlinear::interop::contract::Contract;
/// use hbitlinear::Rule;
/// let contract = Contract::parse("hbitlinear-contract 1\nblk.*.ffn_down.weight each:256 a4-absmean")?;
/// let input = contract.layer("blk.7.ffn_down.weight", 6912)?.expect("a line for it");
/// assert_eq!((input.transform.map(|t| t.blocks()), input.rule), (Some(27), Rule::Int4AbsMean));
/// assert!(contract.layer("output.weight", 6912)?.is_none());
/// # Ok::<(), hbitlinear::interop::contract::ContractError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Contract<'a> {
    lines: &'a str,
}

/// The words of a line.
#[derive(Clone, Copy)]
struct Line<'a> {
    pattern: &'a str,
    transform: &'a str,
    rule: Rule,
}

impl<'a> Contract<'a> {
    /// The GGUF key whose value is such a text.
    pub const KEY: &'static str = "hbitlinear.contract";

    /// Checks every line.
    ///
    /// # Errors
    /// [`Problem::Missing`] without the first line, [`Problem::Value`] for another version, [`Problem::Form`] for a line that
    /// is not three words, [`Problem::Unknown`] for a rule, [`Problem::Transform`] for a transform.
    pub fn parse(text: &'a str) -> Result<Contract<'a>, ContractError<'a>> {
        const FIRST: &str = "hbitlinear-contract";
        let (first, lines) = text.split_once('\n').unwrap_or((text, ""));
        match first.trim().split_once(' ') {
            Some((FIRST, "1")) => {}
            Some((FIRST, version)) => return refuse(version, Problem::Value),
            _ => return refuse(FIRST, Problem::Missing),
        }
        let contract = Contract { lines };
        for line in contract.lines() {
            line?.transform()?;
        }
        Ok(contract)
    }

    fn lines(&self) -> impl Iterator<Item = Result<Line<'a>, ContractError<'a>>> + use<'a> {
        let lines = self.lines.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Line::parse)
    }

    /// What the layer with that tensor does to its rows of K inputs; `None` if the contract does not name it.
    ///
    /// # Errors
    /// [`Problem::Twice`] if two lines match, [`Problem::Transform`] if the row is no block, or no multiple of one, long.
    pub fn layer(&self, tensor: &str, inputs: usize) -> Result<Option<LayerInput>, ContractError<'a>> {
        let mut found: Option<Line<'a>> = None;
        for line in self.lines() {
            let line = line?;
            if matches(line.pattern, tensor) && found.replace(line).is_some() {
                return refuse(line.pattern, Problem::Twice);
            }
        }
        let Some(line) = found else { return Ok(None) };
        let transform = match line.transform()? {
            None => None,
            Some((transform, each)) => {
                let block = transform.block_len();
                let fits = if each { inputs != 0 && inputs.is_multiple_of(block) } else { inputs == block };
                let length = Problem::Transform(Error::TransformLength { block, actual: inputs });
                let blocks = transform.with_blocks(inputs / block);
                Some(
                    blocks
                        .ok()
                        .filter(|_| fits)
                        .ok_or(ContractError { item: line.transform, problem: length })?,
                )
            }
        };
        Ok(Some(LayerInput { transform, rule: line.rule }))
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Result<Line<'a>, ContractError<'a>> {
        let mut words = line.split_ascii_whitespace();
        let (Some(pattern), Some(transform), Some(rule), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return refuse(line, Problem::Form);
        };
        let rule = Rule::from_str(rule).or(refuse(rule, Problem::Unknown))?;
        Ok(Line { pattern, transform, rule })
    }

    /// The transform, and whether it is applied to each block of a row.
    fn transform(&self) -> Result<Option<(Transform<'static>, bool)>, ContractError<'a>> {
        if self.transform == "none" {
            return Ok(None);
        }
        let each = self.transform.strip_prefix("each:");
        match Transform::named(each.unwrap_or(self.transform)) {
            Ok(transform) => Ok(Some((transform, each.is_some()))),
            Err(error) => refuse(self.transform, Problem::Transform(error)),
        }
    }
}

/// Whether a name is of a pattern, in which `*` stands for one or more digits.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    // More digits may follow in the pattern.
    (1..=digits).any(|digits| matches(after, &rest[digits..]))
}
