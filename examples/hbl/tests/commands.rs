//! Each command: what it prints, and its exit codes.

mod common;

use std::fs;

use common::{Gguf, Random, expect, folder, json, tensor};
use hbitlinear::interop::Format;
use npyz::WriterBuilder;

const OUTPUTS: usize = 24;
const INPUTS: usize = 1536;

fn model() -> Gguf {
    let (bytes, _) = tensor(Format::Tq2_0, OUTPUTS, INPUTS, &Random(1).ternary(OUTPUTS * INPUTS), false);
    Gguf::default()
        .text("general.architecture", "bitnet-b1.58")
        .ternary("blk.0.ffn_down.weight", Format::Tq2_0, OUTPUTS, INPUTS, bytes)
        .tensor("blk.0.attn_norm.weight", &[4], 0, vec![0; 16])
}

fn prism(transform: &str) -> Gguf {
    model()
        .int("prism.hadamard.version", 1)
        .int("prism.hadamard.block_size", 512)
        .text("prism.hadamard.transform", transform)
        .text("prism.hadamard.axis", "input-last-dimension")
        .text("prism.hadamard.sign_mode", "identity")
        .texts("prism.hadamard.weight_names", &["blk.0.ffn_down.weight"])
}

const SYLVESTER: &str = "normalized-sylvester-walsh-hadamard";

#[test]
fn inspect() {
    let folder = folder();
    model().write(folder.path(), "m.gguf");
    let report = json(0, folder.path(), &["inspect", "m.gguf"]);
    let tensor = &report["tensors"][0];
    assert_eq!(
        (&tensor["type"], &tensor["outputs"], &tensor["inputs"]),
        (&"tq2_0".into(), &OUTPUTS.into(), &INPUTS.into())
    );
    let shares: f64 =
        tensor["share"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{tensor}");
    let ternary = Random(1).ternary(OUTPUTS * INPUTS);
    let zeros = ternary.iter().filter(|&&weight| weight == 0).count() as f64 / ternary.len() as f64;
    assert_eq!(tensor["share"][1], zeros);
    assert_eq!(tensor["scales"]["least"], 0.5);
    let fits = tensor["transforms_that_fit"].as_array().expect("a list");
    assert!(fits.contains(&"paley1:12*128".into()) && fits.contains(&"each:512".into()), "{fits:?}");
    assert!(report["warning"].as_str().is_some_and(|warning| warning.contains("BitNet v2")), "no contract");
    assert_eq!(report["about"]["general.architecture"], "bitnet-b1.58");
    let (out, _) = expect(0, folder.path(), &["inspect", "m.gguf"]);
    assert!(out.contains("blk.0.ffn_down.weight") && out.contains("warning"), "{out}");
    let quick = json(0, folder.path(), &["inspect", "m.gguf", "--quick"]);
    assert!(quick["tensors"][0].get("share").is_none() && quick["tensors"][0]["inputs"] == INPUTS);
}

#[test]
fn rotation_contracts() {
    let folder = folder();
    prism(SYLVESTER).write(folder.path(), "m.gguf");
    expect(0, folder.path(), &["convert", "m.gguf", "m.hbl"]);
    for file in ["m.gguf", "m.hbl"] {
        let report = json(0, folder.path(), &["inspect", file]);
        assert!(report["warning"].is_null());
        let tensors = report["tensors"].as_array().expect("a list");
        let tensor =
            tensors.iter().find(|tensor| tensor["name"] == "blk.0.ffn_down.weight").expect("it is there");
        assert_eq!(tensor["contract"], "input transformed, 3 blocks of 512", "{file}");
        let report = json(0, folder.path(), &["run", file, "blk.0.ffn_down.weight"]);
        assert_eq!(report["transform"], 512, "{file}");
        let (_, error) =
            expect(1, folder.path(), &["run", file, "blk.0.ffn_down.weight", "--transform", "each:256"]);
        assert!(error.contains("contract"), "{error}");
    }
    // What is not known is refused by name, and nothing is written.
    prism("another").write(folder.path(), "odd.gguf");
    let (_, error) = expect(1, folder.path(), &["convert", "odd.gguf", "odd.hbl"]);
    assert!(error.contains("prism.hadamard.transform") && !folder.path().join("odd.hbl").exists(), "{error}");
    let report = json(1, folder.path(), &["inspect", "odd.gguf"]);
    assert!(
        report["contract"]["refused"].as_str().is_some_and(|text| text.contains("prism.hadamard.transform"))
    );

    model().write(folder.path(), "plain.gguf");
    let contract = "hbitlinear-contract 1\nblk.*.ffn_down.weight paley1:12*128 a4-absmean\n";
    fs::write(folder.path().join("contract.txt"), contract).expect("room");
    expect(0, folder.path(), &["convert", "plain.gguf", "v2.hbl", "--contract", "contract.txt"]);
    let report = json(0, folder.path(), &["run", "v2.hbl", "blk.0.ffn_down.weight"]);
    assert_eq!((&report["transform"], &report["rule"]), (&1536.into(), &"a4-absmean".into()));
    let (_, error) =
        expect(1, folder.path(), &["run", "v2.hbl", "blk.0.ffn_down.weight", "--rule", "a8-absmax"]);
    assert!(error.contains("a4-absmean"), "{error}");
    fs::write(folder.path().join("contract.txt"), "hbitlinear-contract 1\nx walsh:3*8 a4-absmean")
        .expect("room");
    let (_, error) =
        expect(1, folder.path(), &["convert", "plain.gguf", "no.hbl", "--contract", "contract.txt"]);
    assert!(error.contains("walsh:3*8"), "{error}");
}

#[test]
fn run() {
    let folder = folder();
    model().write(folder.path(), "m.gguf");
    expect(0, folder.path(), &["convert", "m.gguf", "m.hbl", "--layout", "five-trit"]);
    let report = json(0, folder.path(), &["run", "m.hbl", "blk.0.ffn_down.weight"]);
    assert_eq!((&report["from_the_map"], &report["ok"]), (&true.into(), &true.into()), "{report}");
    assert!(report["relative"].as_f64().is_some_and(|difference| difference < 1e-5), "{report}");

    let x: Vec<f32> = (0..2 * INPUTS).map(|at| (at % 251) as f32 - 125.0).collect();
    let mut file = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[2, INPUTS as u64])
        .writer(&mut file)
        .begin_nd()
        .expect("a header");
    writer.extend(&x).expect("values");
    writer.finish().expect("an end");
    fs::write(folder.path().join("x.npy"), file).expect("room");
    let mut outputs = Vec::new();
    for file in ["m.hbl", "m.gguf"] {
        let arguments =
            ["run", file, "blk.0.ffn_down.weight", "--x", "x.npy", "--out", "y.npy", "--rule", "a4-absmax"];
        let report = json(0, folder.path(), &arguments);
        assert_eq!(report["tokens"], 2);
        let bytes = fs::read(folder.path().join("y.npy")).expect("it was written");
        let array = npyz::NpyFile::new(&bytes[..]).expect("npy");
        assert_eq!(array.shape(), [2, OUTPUTS as u64]);
        outputs.push(array.into_vec::<f32>().expect("f32"));
    }
    assert_eq!(outputs[0], outputs[1], "the same bits from the map and packed in memory");
    assert!(outputs[0].iter().any(|&y| y != 0.0));

    let (_, error) = expect(1, folder.path(), &["run", "m.hbl", "blk.1.ffn_down.weight"]);
    assert!(error.contains("no tensor blk.1.ffn_down.weight"), "{error}");
    let (_, error) = expect(1, folder.path(), &["run", "m.hbl", "blk.0.attn_norm.weight"]);
    assert!(error.contains("not ternary"), "{error}");
    let (_, error) =
        expect(1, folder.path(), &["run", "m.hbl", "blk.0.ffn_down.weight", "--transform", "paley1:12*64"]);
    assert!(error.contains("each:512"), "it says what fits: {error}");
}

#[test]
fn bench() {
    let folder = folder();
    model().write(folder.path(), "m.gguf");
    let report = json(0, folder.path(), &["bench", "m.gguf", "--rounds", "1"]);
    assert_eq!(
        (&report["tensor"], report["results"].as_array().map(Vec::len)),
        (&"blk.0.ffn_down.weight".into(), Some(4))
    );
    assert!(report["memory_read_gb_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{report}");
}

#[test]
fn exit_codes_of_usage() {
    let folder = folder();
    model().write(folder.path(), "m.gguf");
    for arguments in [
        &["convert", "m.gguf"][..],
        &["convert", "m.gguf", "m.bin"],
        &["convert", "m.gguf", "m.hbl", "--layout", "three-bit"],
        &["inspect", "m.gguf", "--i2s", "mips"],
        &["inspect", "m.gguf", "--threads", "0"],
        &["run", "m.gguf", "x", "--rule", "a5"],
        &["frobnicate"],
        &[],
    ] {
        expect(2, folder.path(), arguments);
    }
    expect(1, folder.path(), &["inspect", "not-there.gguf"]);
    expect(0, folder.path(), &["--help"]);
    expect(1, folder.path(), &["convert", "m.gguf", "m.safetensors"]);
}
