//! Rotation contracts: what they mean, by the definition of the transform; and that nothing unknown passes.

use hbitlinear::interop::contract::{Contract, ContractError, Prism, Problem, Role, Value};
use hbitlinear::{Direction, Error, Rule};

const SIGNS: [i8; 16] = [1, -1, -1, 1, 1, 1, -1, 1, /* of 8 */ -1, 1, 1, 1, -1, -1, 1, -1];

fn metadata() -> Vec<(&'static str, Value<'static>)> {
    vec![
        ("general.architecture", Value::Text("qwen3")),
        ("prism.hadamard.version", Value::Int(1)),
        ("prism.hadamard.block_size", Value::Int(4)),
        ("prism.hadamard.transform", Value::Text("normalized-sylvester-walsh-hadamard")),
        ("prism.hadamard.axis", Value::Text("input-last-dimension")),
        ("prism.hadamard.sign_mode", Value::Text("explicit")),
        ("prism.hadamard.sign_widths", Value::Ints(&[4, 12])),
        ("prism.hadamard.sign_values", Value::Signs(&SIGNS)),
        ("prism.hadamard.weight_names", Value::Texts(&["blk.0.ffn_down.weight", "blk.0.ssm_out.weight"])),
        ("prism.hadamard.inverse_weight_names", Value::Texts(&["token_embd.weight"])),
    ]
}

/// The metadata with one key's value replaced, or the key added or removed.
fn with(
    key: &'static str,
    value: Option<Value<'static>>,
) -> Result<Option<Prism<'static>>, ContractError<'static>> {
    let mut pairs: Vec<_> = metadata().into_iter().filter(|&(name, _)| name != key).collect();
    pairs.extend(value.map(|value| (key, value)));
    Prism::parse(pairs)
}

fn refusal<T>(result: Result<T, ContractError<'_>>) -> (String, Problem) {
    let Err(error) = result else { panic!("was not refused") };
    (error.item.trim_start_matches("prism.hadamard.").into(), error.problem)
}

/// y = H (s · x) / 2 in blocks of 4, and back.
#[test]
fn prism_transform() {
    let prism = Prism::parse(metadata()).unwrap().unwrap();
    let (role, transform) = prism.tensor("blk.0.ffn_down.weight", 12).unwrap();
    assert_eq!(role, Role::Rotated);
    let x: Vec<f64> = (0..12).map(|i| f64::from(i * i) - 3.0).collect();
    let mut y = x.clone();
    transform.unwrap().apply_f64(Direction::Forward, &mut y).unwrap();
    for (at, &y) in y.iter().enumerate() {
        let (block, row) = (at / 4 * 4, at % 4);
        let sum: f64 = (0..4)
            .map(|column| {
                let h = if (row & column).count_ones() % 2 == 0 { 0.5 } else { -0.5 };
                h * f64::from(SIGNS[4 + block + column]) * x[block + column]
            })
            .sum();
        assert_eq!(y, sum);
    }
    let (role, transform) = prism.tensor("token_embd.weight", 12).unwrap();
    assert_eq!(role, Role::Inverse);
    transform.unwrap().apply_f64(Direction::Transpose, &mut y).unwrap();
    assert_eq!(y, x);
    assert!(matches!(prism.tensor("output.weight", 12), Ok((Role::Plain, None))));
    assert_eq!(prism.tensor("token_embd.weight", 4).unwrap().1.unwrap().signs(), Some(&SIGNS[..4]));
}

#[test]
fn prism_identity() {
    let mut pairs = metadata();
    pairs.retain(|(key, _)| !key.contains("sign_"));
    pairs.push(("prism.hadamard.sign_mode", Value::Text("identity")));
    let prism = Prism::parse(pairs.clone()).unwrap().unwrap();
    assert_eq!(prism.tensor("blk.0.ffn_down.weight", 400).unwrap().1.unwrap().signs(), None);
    pairs.push(("prism.hadamard.sign_values", Value::Signs(&SIGNS)));
    assert_eq!(refusal(Prism::parse(pairs)), ("sign_values".into(), Problem::Value));
    assert!(Prism::parse([("general.name", Value::Text("other"))]).unwrap().is_none());
}

#[test]
fn prism_refusals() {
    // What an earlier reader passed over.
    let cases = [
        ("version", Some(Value::Int(3)), Problem::Value),
        ("version", Some(Value::Text("1")), Problem::Form),
        ("block_size", Some(Value::Int(12)), Problem::Value),
        ("block_size", Some(Value::Int(-4)), Problem::Value),
        ("block_size", Some(Value::Int(0)), Problem::Value),
        ("transform", Some(Value::Text("hadamard-paley")), Problem::Value),
        ("axis", Some(Value::Text("output-first-dimension")), Problem::Value),
        ("sign_mode", Some(Value::Text("random")), Problem::Value),
        ("sign_widths", Some(Value::Ints(&[4, 10])), Problem::Value),
        ("sign_widths", Some(Value::Ints(&[4, 16])), Problem::Value),
        ("sign_widths", Some(Value::Ints(&[4, i64::MAX])), Problem::Value),
        ("sign_widths", Some(Value::Ints(&[8, 8])), Problem::Twice),
        ("sign_values", Some(Value::Signs(&[1; 20])), Problem::Value),
        ("sign_values", Some(Value::Ints(&[1; 16])), Problem::Form),
        ("weight_names", Some(Value::Text("blk.0.ffn_down.weight")), Problem::Form),
        ("tied_output", Some(Value::Bool(true)), Problem::Value),
        ("sign_seed", Some(Value::Int(1)), Problem::Unknown),
    ];
    let required = [
        "version",
        "block_size",
        "transform",
        "axis",
        "sign_mode",
        "sign_widths",
        "sign_values",
        "weight_names",
    ];
    for (key, value, problem) in cases.into_iter().chain(required.map(|key| (key, None, Problem::Missing))) {
        let name: &'static str = format!("prism.hadamard.{key}").leak();
        assert_eq!(refusal(with(name, value)), (key.into(), problem));
    }
    let signs = [Value::Signs(&[2; 16]), Value::Signs(&[0; 16])];
    for signs in signs {
        assert_eq!(
            refusal(with("prism.hadamard.sign_values", Some(signs))),
            ("sign_values".into(), Problem::Value)
        );
    }
    let twice = metadata().into_iter().chain([("prism.hadamard.axis", Value::Text("input-last-dimension"))]);
    assert_eq!(refusal(Prism::parse(twice)), ("axis".into(), Problem::Twice));
}

#[test]
fn prism_versions() {
    let version_2 = |tied: Option<bool>| {
        let mut pairs = metadata();
        pairs[1].1 = Value::Int(2);
        pairs.extend(tied.map(|tied| ("prism.hadamard.tied_output", Value::Bool(tied))));
        Prism::parse(pairs)
    };
    assert!(version_2(Some(true)).unwrap().unwrap().tied_output());
    assert_eq!(refusal(version_2(None)), ("tied_output".into(), Problem::Missing));
    assert_eq!(refusal(version_2(Some(false))), ("tied_output".into(), Problem::Value));
}

#[test]
fn prism_tensors() {
    let prism = Prism::parse(metadata()).unwrap().unwrap();
    let length = Error::TransformLength { block: 4, actual: 10 };
    let down = "blk.0.ffn_down.weight";
    assert_eq!(refusal(prism.tensor(down, 10)), ("block_size".into(), Problem::Transform(length)));
    assert_eq!(refusal(prism.tensor(down, 8)), ("sign_widths".into(), Problem::Missing));
    assert_eq!(prism.tensor("blk.0.ssm_out.weight", 12).unwrap().0, Role::Rotated);
    let grouped = with("prism.hadamard.gdn_v_grouped", Some(Value::Bool(true))).unwrap().unwrap();
    assert_eq!(
        refusal(grouped.tensor("blk.0.ssm_out.weight", 12)),
        ("gdn_v_grouped".into(), Problem::Unsupported)
    );
    assert_eq!(grouped.tensor(down, 12).unwrap().0, Role::Rotated);
    let both = with("prism.hadamard.inverse_weight_names", Some(Value::Texts(&["blk.0.ffn_down.weight"])));
    assert_eq!(refusal(both.unwrap().unwrap().tensor(down, 12)), (down.into(), Problem::Twice));
}

const TEXT: &str = "hbitlinear-contract 1\r\n\
    # BitNet v2\n\
    blk.*.attn_output.weight paley1:20*128 a4-absmean\n\
    \n\
    blk.*.ffn_down.weight each:256 a4-absmean\n\
    blk.1*.ffn_up.*.weight\tnone a8-absmax\n";

#[test]
fn text() {
    let contract = Contract::parse(TEXT).unwrap();
    let layer = |tensor, inputs| contract.layer(tensor, inputs).unwrap();
    let output = layer("blk.12.attn_output.weight", 2560).unwrap();
    assert_eq!((output.transform.unwrap().block_len(), output.rule), (2560, Rule::Int4AbsMean));
    assert_eq!(layer("blk.0.ffn_down.weight", 6912).unwrap().transform.unwrap().blocks(), 27);
    let up = layer("blk.10.ffn_up.3.weight", 5).unwrap();
    assert!(up.transform.is_none() && up.rule == Rule::Int8AbsMax);
    for other in [
        "blk.1.ffn_up.3.weight",
        "blk..ffn_down.weight",
        "blk.x.ffn_down.weight",
        "blk.0.ffn_down.weight.",
        "",
    ] {
        assert!(layer(other, 256).is_none(), "{other}");
    }
    // The whole row, or each block.
    for (tensor, inputs) in
        [("blk.0.attn_output.weight", 5120), ("blk.0.ffn_down.weight", 6900), ("blk.0.ffn_down.weight", 0)]
    {
        let error = contract.layer(tensor, inputs).unwrap_err();
        assert!(matches!(error.problem, Problem::Transform(Error::TransformLength { .. })), "{error}");
    }
}

#[test]
fn text_refusals() {
    let first = "hbitlinear-contract";
    for (text, item, problem) in [
        ("", first, Problem::Missing),
        ("hbitlinear-contract", first, Problem::Missing),
        ("a none a8-absmax", first, Problem::Missing),
        ("hbitlinear-contract 2\na none a8-absmax", "2", Problem::Value),
        ("hbitlinear-contract 1\na none", "a none", Problem::Form),
        ("hbitlinear-contract 1\na none a8-absmax x", "a none a8-absmax x", Problem::Form),
        ("hbitlinear-contract 1\na none a2", "a2", Problem::Unknown),
    ] {
        assert_eq!(refusal(Contract::parse(text)), (item.into(), problem), "{text}");
    }
    for transform in ["1000", "each:", "each:each:4", "paley9:12*4", "auto"] {
        let text = format!("hbitlinear-contract 1\na {transform} a8-absmax");
        let error = Contract::parse(&text).unwrap_err();
        assert!(error.item == transform && matches!(error.problem, Problem::Transform(_)), "{error}");
    }
    let twice = Contract::parse("hbitlinear-contract 1\nblk.* none a8-absmax\nblk.1 none a8-absmax").unwrap();
    assert_eq!(refusal(twice.layer("blk.1", 4)), ("blk.1".into(), Problem::Twice));
    assert!(twice.layer("blk.2", 4).unwrap().is_some());
}
