//! Rotation contracts: any text and any metadata are parsed or refused by name, and what is said of a tensor fits its rows.

#![no_main]

use hbitlinear::interop::contract::{Contract, ContractError, Prism, Role, Value};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    any: &'a str,
    lines: Vec<Line<'a>>,
    metadata: Vec<(u8, Meta<'a>)>,
    /// Else the keys that are missing are given.
    bare: bool,
    tensor: &'a str,
    inputs: u16,
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Line<'a> {
    name: &'a str,
    transform: u8,
    word: &'a str,
    rule: u8,
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Meta<'a> {
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Texts(Vec<&'a str>),
    Ints(Vec<i64>),
    Signs(Vec<i8>),
}

const KEYS: [&str; 13] = [
    "version",
    "block_size",
    "transform",
    "axis",
    "sign_mode",
    "sign_widths",
    "sign_values",
    "weight_names",
    "inverse_weight_names",
    "gdn_v_grouped",
    "tied_output",
    "unheard_of",
    "",
];

fuzz_target!(|input: Input| {
    let inputs = usize::from(input.inputs);
    text(input.any, input.tensor, inputs);
    let mut lines = String::from("hbitlinear-contract 1\n");
    for line in input.lines.iter().take(8) {
        let transform = match line.transform % 6 {
            0 => "none".into(),
            1 => (1 << (line.transform / 6 % 12)).to_string(),
            2 => format!("each:{}", 1 << (line.transform / 6 % 12)),
            3 => format!("paley1:12*{}", 1 << (line.transform / 6 % 6)),
            _ => line.word.to_owned(),
        };
        let rules = ["a8-absmax", "a4-absmean", "a4-absmax", line.word];
        let rule = rules[usize::from(line.rule) % rules.len()];
        lines += &format!("{} {transform} {rule}\n", line.name);
    }
    text(&lines, input.tensor, inputs);
    prism(&input, inputs);
});

fn text(text: &str, tensor: &str, inputs: usize) {
    let contract = match Contract::parse(text) {
        Ok(contract) => contract,
        Err(error) => return refused(&error),
    };
    match contract.layer(tensor, inputs) {
        Ok(Some(layer)) => assert!(layer.transform.is_none_or(|it| it.row_len() == inputs)),
        Ok(None) => {}
        Err(error) => refused(&error),
    }
}

fn refused(error: &ContractError<'_>) {
    assert!(error.to_string().contains(error.item));
}

fn prism(input: &Input<'_>, inputs: usize) {
    let mut metadata: Vec<(String, Value<'_>)> = Vec::new();
    for (key, value) in input.metadata.iter().take(16) {
        let value = match value {
            Meta::Int(int) => Value::Int(*int),
            Meta::Bool(boolean) => Value::Bool(*boolean),
            Meta::Text(text) => Value::Text(text),
            Meta::Texts(texts) => Value::Texts(texts),
            Meta::Ints(ints) => Value::Ints(ints),
            Meta::Signs(signs) => Value::Signs(signs),
        };
        metadata.push((key_of(KEYS[usize::from(*key) % KEYS.len()]), value));
    }
    let names = [input.tensor];
    if !input.bare {
        let defaults = [
            ("version", Value::Int(1)),
            ("block_size", Value::Int(4)),
            ("transform", Value::Text("normalized-sylvester-walsh-hadamard")),
            ("axis", Value::Text("input-last-dimension")),
            ("sign_mode", Value::Text("identity")),
            ("weight_names", Value::Texts(&names)),
        ];
        for (name, value) in defaults {
            if !metadata.iter().any(|(key, _)| *key == key_of(name)) {
                metadata.push((key_of(name), value));
            }
        }
    }
    let prism = match Prism::parse(metadata.iter().map(|(key, value)| (key.as_str(), *value))) {
        Ok(Some(prism)) => prism,
        Ok(None) => return assert!(metadata.iter().all(|(key, _)| !key.starts_with("prism.hadamard."))),
        Err(error) => return refused(&error),
    };
    for name in prism.rotated().iter().chain(prism.inverse()).chain([&input.tensor]) {
        match prism.tensor(name, inputs) {
            Ok((Role::Plain, transform)) => assert!(transform.is_none()),
            Ok((_, transform)) => assert_eq!(transform.map(|it| it.row_len()), Some(inputs)),
            Err(error) => refused(&error),
        }
    }
}

/// The empty one is another's key.
fn key_of(name: &str) -> String {
    if name.is_empty() { "general.name".into() } else { format!("prism.hadamard.{name}") }
}
