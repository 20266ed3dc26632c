//! What differs is found and named.

mod common;

use common::{Gguf, Random, expect, folder, json, tensor};
use hbitlinear::interop::Format;

const OUTPUTS: usize = 1000;
const INPUTS: usize = 1024;

#[test]
fn one_flipped_trit_in_a_million() {
    let folder = folder();
    let mut ternary = Random(1).ternary(OUTPUTS * INPUTS);
    let file = |ternary: &[i8], format| {
        let (bytes, _) = tensor(format, OUTPUTS, INPUTS, ternary, false);
        Gguf::default().ternary("blk.3.ffn_up.weight", format, OUTPUTS, INPUTS, bytes)
    };
    file(&ternary, Format::Tq2_0).write(folder.path(), "a.gguf");
    file(&ternary, Format::Tq1_0).write(folder.path(), "same.gguf");
    expect(0, folder.path(), &["verify", "a.gguf", "same.gguf"]);
    expect(0, folder.path(), &["convert", "a.gguf", "a.hbl"]);

    let at = 777 * INPUTS + 1001;
    let (before, after) = (ternary[at], if ternary[at] == 1 { 0 } else { ternary[at] + 1 });
    ternary[at] = after;
    file(&ternary, Format::Tq2_0).write(folder.path(), "b.gguf");
    for other in ["a.gguf", "a.hbl"] {
        let report = json(1, folder.path(), &["verify", "b.gguf", other, "--threads", "3"]);
        let differ = &report["differ"][0];
        assert_eq!(differ["tensor"], "blk.3.ffn_up.weight");
        assert_eq!((&differ["output"], &differ["input"]), (&777.into(), &1001.into()));
        assert_eq!(
            (&differ["what"], &differ["first"], &differ["second"]),
            (&"weight".into(), &f64::from(after).into(), &f64::from(before).into())
        );
        assert_eq!(report["differ"].as_array().map(Vec::len), Some(1));
    }
    let (out, _) = expect(1, folder.path(), &["verify", "b.gguf", "a.hbl"]);
    assert!(out.contains("blk.3.ffn_up.weight: weight of output 777, input 1001"), "{out}");
}

#[test]
fn scales_and_tensors() {
    let folder = folder();
    let ternary = Random(2).ternary(16 * 512);
    let (bytes, _) = tensor(Format::Tq2_0, 16, 512, &ternary, false);
    let mut other = bytes.clone();
    // The scale of output 5's second block.
    let at = (5 * 2 + 1) * 66 + 64;
    other[at] ^= 1;
    let file =
        |name: &str, bytes: &[u8]| Gguf::default().ternary(name, Format::Tq2_0, 16, 512, bytes.to_vec());
    file("x.weight", &bytes).write(folder.path(), "a.gguf");
    file("x.weight", &other).write(folder.path(), "b.gguf");
    file("y.weight", &bytes).write(folder.path(), "c.gguf");
    let report = json(1, folder.path(), &["verify", "a.gguf", "b.gguf"]);
    let differ = &report["differ"][0];
    assert_eq!((&differ["what"], &differ["output"]), (&"scale".into(), &5.into()));
    assert!(differ["input"].as_u64().is_some_and(|input| (256..512).contains(&input)), "{differ}");
    let report = json(1, folder.path(), &["verify", "a.gguf", "c.gguf"]);
    assert_eq!(
        report["differ"].as_array().map(Vec::len),
        Some(2),
        "each file has one that the other has not"
    );
}

#[test]
fn names_of_both_projects() {
    let folder = folder();
    let ternary = Random(3).ternary(16 * 512);
    let (bytes, _) = tensor(Format::Tq2_0, 16, 512, &ternary, false);
    Gguf::default()
        .ternary("blk.7.attn_output.weight", Format::Tq2_0, 16, 512, bytes)
        .write(folder.path(), "a.gguf");
    let (bytes, scale) = tensor(Format::HfMultiply, 16, 512, &ternary, false);
    let scale = scale.expect("a scale beside").to_le_bytes().to_vec();
    let name = "model.layers.7.self_attn.o_proj.weight";
    let file = common::safetensors(&[
        (name, "U8", &[4, 512], bytes),
        (&format!("{name}_scale"), "F32", &[1], scale),
    ]);
    std::fs::write(folder.path().join("b.safetensors"), file).expect("room");
    for pair in [["a.gguf", "b.safetensors"], ["b.safetensors", "a.gguf"]] {
        let report = json(0, folder.path(), &["verify", pair[0], pair[1], "--weight-scale", "multiply"]);
        assert_eq!(report["ternary"], 1);
    }
}
