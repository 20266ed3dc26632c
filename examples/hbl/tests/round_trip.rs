//! Any file to a container and back: the same bytes, in both layouts, on any number of threads.

mod common;

use std::fs;
use std::path::Path;

use common::{Gguf, Random, block, expect, folder, json, safetensors, tensor};
use hbitlinear::interop::Format;

/// Converts there and back and compares; gives the report of the way there.
#[track_caller]
fn round_trip(folder: &Path, name: &str, more: &[&str]) -> serde_json::Value {
    let kind = name.rsplit('.').next().expect("a suffix");
    let mut last = serde_json::Value::Null;
    for (layout, threads) in [("two-bit", "1"), ("five-trit", "3")] {
        let options = [&["--layout", layout, "--threads", threads], more].concat();
        last = json(0, folder, &[&["convert", name, "packed.hbl"], &options[..]].concat());
        expect(0, folder, &[&["verify", name, "packed.hbl"], more].concat());
        let back = format!("back.{kind}");
        expect(0, folder, &["convert", "packed.hbl", &back, "--threads", threads]);
        let read = |name: &str| fs::read(folder.join(name)).expect("it was written");
        assert!(read(name) == read(&back), "{name}, {layout}: other bytes came back");
    }
    last
}

#[test]
fn every_gguf_format() {
    for &format in Format::ALL.iter().filter(|format| format.ggml_type().is_some()) {
        let folder = folder();
        let mut random = Random(1);
        // More than one panel, and not a whole number of them; more than one piece.
        let (outputs, inputs) = (if format == Format::I2sArm { 37 } else { 38 }, 5 * block(format));
        let mut ternary = random.ternary(outputs * inputs);
        ternary[..block(format)].fill(0);
        ternary[inputs..2 * inputs].fill(0);
        let mut file = Gguf::default().text("general.architecture", "test");
        for (name, fine) in [("coarse.weight", false), ("fine.weight", true)] {
            let (bytes, _) = tensor(format, outputs, inputs, &ternary, fine);
            file = file.ternary(name, format, outputs, inputs, bytes);
        }
        file = file.tensor("norm.weight", &[7], 0, (0..28).collect());
        file.write(folder.path(), "in.gguf");
        let told: &[&str] = match format {
            Format::I2sX86 => &["--i2s", "x86"],
            Format::I2sArm => &["--i2s", "arm"],
            _ => &[],
        };
        let report = round_trip(folder.path(), "in.gguf", told);
        assert_eq!((&report["packed"], &report["kept_beside"]), (&2.into(), &0.into()), "{format}");
    }
}

#[test]
fn bytes_that_no_packed_weight_tells() {
    let folder = folder();
    let (outputs, inputs) = (20, 512);
    let mut random = Random(2);
    let ternary = random.ternary(outputs * inputs);
    let mut file = Gguf::default();
    // A scale on a block of zeros, in rows that else have one scale.
    let mut zeros = ternary.clone();
    zeros[256..512].fill(0);
    let (mut bytes, _) = tensor(Format::Tq2_0, outputs, inputs, &zeros, false);
    bytes[66 + 64..66 + 66].copy_from_slice(&[0x12, 0x34]);
    file = file.ternary("zeros.weight", Format::Tq2_0, outputs, inputs, bytes);
    // Something in I2_S's tail.
    let (mut bytes, _) = tensor(Format::I2sX86, outputs, inputs, &ternary, false);
    let end = bytes.len();
    bytes[end - 3] = 7;
    file = file.ternary("tail.weight", Format::I2sX86, outputs, inputs, bytes);
    // Another rounding of five base-3 digits in a byte.
    let (mut bytes, _) = tensor(Format::Tq1_0, outputs, inputs, &ternary, true);
    bytes[54] = if bytes[54] < 255 { bytes[54] + 1 } else { 254 };
    let rounded =
        hbitlinear::interop::Import::new(Format::Tq1_0, outputs, inputs, &bytes).expect("its bytes");
    let mut row = vec![0; inputs];
    rounded.row(0, &mut row).expect("no code is 3");
    file = file.ternary("rounded.weight", Format::Tq1_0, outputs, inputs, bytes);
    // Types that nobody knows, and something between tensors.
    file = file.tensor("unknown", &[3], 200, vec![9; 40]);
    file = file.tensor("last", &[3], 24, vec![1, 2, 3]);
    let mut bytes = file.bytes();
    let len = bytes.len();
    bytes[len - 1] = 0xAA;
    fs::write(folder.path().join("in.gguf"), bytes).expect("room");
    let report = round_trip(folder.path(), "in.gguf", &["--i2s", "x86"]);
    assert!(report["kept_beside"].as_u64().is_some_and(|bytes| bytes > 0 && bytes < 200), "{report}");
}

#[test]
fn early_bonsai_files() {
    let folder = folder();
    let (outputs, inputs) = (16, 256);
    let ternary = Random(3).ternary(outputs * inputs);
    let (bytes, _) = tensor(Format::Pq2_0, outputs, inputs, &ternary, true);
    let number = Format::Q2_0.ggml_type().expect("a type of GGUF");
    let file = Gguf::default().tensor("a.weight", &[inputs as u64, outputs as u64], number, bytes.clone());
    file.tensor("b.weight", &[inputs as u64, outputs as u64], number, bytes).write(folder.path(), "in.gguf");
    round_trip(folder.path(), "in.gguf", &[]);
    let report = json(0, folder.path(), &["inspect", "in.gguf"]);
    assert_eq!(report["tensors"][1]["type"], "pq2_0");
}

fn hf(format: Format) -> Vec<u8> {
    let (outputs, inputs) = (40, 96);
    let (bytes, scale) = tensor(format, outputs, inputs, &Random(4).ternary(outputs * inputs), false);
    let scale = half::bf16::from_f32(scale.expect("a scale beside")).to_le_bytes();
    safetensors(&[
        ("model.norm.weight", "BF16", &[3], vec![1; 6]),
        ("model.layers.0.mlp.down_proj.weight", "U8", &[10, 96], bytes),
        ("model.layers.0.mlp.down_proj.weight_scale", "BF16", &[1], scale.to_vec()),
    ])
}

#[test]
fn safetensors_of_both_directions() {
    for (format, told) in [(Format::HfMultiply, "multiply"), (Format::HfDivide, "divide")] {
        let folder = folder();
        fs::write(folder.path().join("in.safetensors"), hf(format)).expect("room");
        round_trip(folder.path(), "in.safetensors", &["--weight-scale", told]);
    }
}

#[test]
fn a_checkpoint_folder_with_its_configuration() {
    let folder = folder();
    fs::write(folder.path().join("model.safetensors"), hf(Format::HfMultiply)).expect("room");
    let (_, error) = expect(1, folder.path(), &["convert", ".", "out.hbl"]);
    assert!(error.contains("down_proj") && error.contains("--weight-scale"), "{error}");
    let config =
        "{\"quantization_config\": {\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\"}}";
    fs::write(folder.path().join("config.json"), config).expect("room");
    expect(0, folder.path(), &["convert", ".", "out.hbl"]);
    expect(0, folder.path(), &["verify", "out.hbl", "model.safetensors"]);
}

#[test]
fn to_a_file_of_another_kind() {
    let folder = folder();
    fs::write(folder.path().join("in.safetensors"), hf(Format::HfMultiply)).expect("room");
    expect(0, folder.path(), &["convert", "in.safetensors", "a.hbl", "--weight-scale", "multiply"]);
    let (_, error) = expect(1, folder.path(), &["convert", "a.hbl", "b.gguf"]);
    assert!(error.contains("--as"), "{error}");
    expect(0, folder.path(), &["convert", "a.hbl", "b.gguf", "--as", "i2_s-x86"]);
    expect(0, folder.path(), &["verify", "a.hbl", "b.gguf", "--i2s", "x86"]);
    expect(0, folder.path(), &["convert", "b.gguf", "c.hbl", "--i2s", "x86"]);
    expect(0, folder.path(), &["convert", "c.hbl", "d.safetensors", "--as", "hf-bitnet-multiply"]);
    expect(0, folder.path(), &["verify", "d.safetensors", "in.safetensors", "--weight-scale", "multiply"]);
}
