//! Files that are damaged, cut short, or lie about their sizes: refused, naming what is wrong.

mod common;

use std::fs;
use std::path::Path;

use common::{Gguf, Random, expect, folder, safetensors, tensor};
use hbitlinear::interop::Format;

fn model() -> Gguf {
    let (bytes, _) = tensor(Format::Tq2_0, 16, 512, &Random(1).ternary(16 * 512), false);
    let file = Gguf::default().text("general.architecture", "test").ternary(
        "a.weight",
        Format::Tq2_0,
        16,
        512,
        bytes,
    );
    file.tensor("b.norm", &[8], 0, vec![0; 32])
}

/// Expects that converting the bytes fails with a message that has these words, and that nothing is written.
#[track_caller]
fn refused(folder: &Path, name: &str, bytes: &[u8], words: &[&str]) {
    fs::write(folder.join(name), bytes).expect("room");
    let (_, error) = expect(1, folder, &["convert", name, "out.hbl"]);
    for word in words {
        assert!(error.contains(word), "expected {word:?} in: {error}");
    }
    expect(1, folder, &["inspect", name]);
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1, "nothing is left");
}

#[test]
fn cut_short_anywhere() {
    let bytes = model().bytes();
    for len in (0..bytes.len() - 32).filter(|len| len % 7 == 0 || *len > bytes.len() - 100) {
        assert!(hbl::model::Model::read(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
    let folder = folder();
    refused(folder.path(), "m.gguf", &bytes[..bytes.len() - 1], &["b.norm", "beyond the file"]);
}

#[test]
fn tensors_that_overlap_or_are_elsewhere() {
    let folder = folder();
    let file = model();
    refused(folder.path(), "m.gguf", &file.bytes_at(&[0, 2080]), &["b.norm", "overlaps", "a.weight"]);
    refused(folder.path(), "m.gguf", &file.bytes_at(&[0, 1 << 40]), &["b.norm", "beyond the file"]);
    refused(folder.path(), "m.gguf", &file.bytes_at(&[0, u64::MAX - 31]), &["b.norm", "too large"]);
    refused(folder.path(), "m.gguf", &file.bytes_at(&[0, 2113]), &["b.norm", "multiple of 32"]);
}

#[test]
fn absurd_counts_and_sizes() {
    let folder = folder();
    for (at, what) in [(8, "tensors"), (16, "keys")] {
        let mut bytes = model().bytes();
        bytes[at..at + 8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
        refused(folder.path(), "m.gguf", &bytes, &[what, "do not fit"]);
    }
    let sized = |dimensions: &[u64], number| {
        Gguf::default().tensor("big.weight", dimensions, number, vec![0; 64]).bytes()
    };
    refused(folder.path(), "m.gguf", &sized(&[1 << 40, 1 << 40], 0), &["big.weight", "too many elements"]);
    refused(folder.path(), "m.gguf", &sized(&[256, 1 << 50], 35), &["big.weight"]);
    refused(folder.path(), "m.gguf", &sized(&[100, 4], 35), &["big.weight", "256"]);
    refused(folder.path(), "m.gguf", &sized(&[0, 4], 0), &["big.weight", "dimension of 0"]);
    refused(folder.path(), "m.gguf", &sized(&[1, 1, 1, 1, 1], 0), &["big.weight", "dimensions"]);
    let twice = Gguf::default().tensor("x", &[1], 24, vec![0]).tensor("x", &[1], 24, vec![0]);
    refused(folder.path(), "m.gguf", &twice.bytes(), &["tensor x", "twice"]);
    let twice = model().text("general.architecture", "again");
    refused(folder.path(), "m.gguf", &twice.bytes(), &["general.architecture", "twice"]);
    let odd = model().int("general.alignment", 33);
    refused(folder.path(), "m.gguf", &odd.bytes(), &["general.alignment", "power of two"]);
}

#[test]
fn codes_and_scales_that_are_none() {
    let folder = folder();
    let mut file = model();
    let good = file.tensors[0].3.clone();
    file.tensors[0].3[66 * 3] = 0xFF;
    refused(folder.path(), "m.gguf", &file.bytes(), &["a.weight", "output 1, input 256"]);
    file.tensors[0].3 = good;
    file.tensors[0].3[66 * 3 - 2..66 * 3].copy_from_slice(&[0x00, 0x7C]);
    refused(folder.path(), "m.gguf", &file.bytes(), &["a.weight", "scale 2"]);
}

#[test]
fn safetensors_that_lie() {
    let folder = folder();
    let of = |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 64]].concat();
    for (header, words) in [
        ("{\"x\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":[0,60]}}", &["tensor x", "F32"][..]),
        (
            "{\"x\":{\"dtype\":\"F32\",\"shape\":[17],\"data_offsets\":[0,68]}}",
            &["tensor x", "beyond the file"],
        ),
        ("{\"x\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[9,0]}}", &["tensor x", "no range"]),
        ("{\"x\":{\"dtype\":\"Q9\",\"shape\":[9],\"data_offsets\":[0,9]}}", &["tensor x", "Q9"]),
        (
            "{\"x\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
            &["tensor x", "too many"],
        ),
        (
            "{\"x\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]},\"y\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[5,14]}}",
            &["tensor y", "overlaps", "x"],
        ),
        (
            "{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
            &["tensor x", "twice"],
        ),
        ("[]", &["header"]),
    ] {
        refused(folder.path(), "m.safetensors", &of(header), words);
    }
    let mut long = of("{}");
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(folder.path(), "m.safetensors", &long, &["header"]);
    // A code 3, and a scale that is missing.
    let scale = ("x.weight_scale", "F32", &[1][..], 1.0_f32.to_le_bytes().to_vec());
    let file = safetensors(&[("x.weight", "U8", &[1, 2], vec![0, 0x3F]), scale]);
    fs::write(folder.path().join("m.safetensors"), file).expect("room");
    let (_, error) = expect(1, folder.path(), &["convert", ".", "out.hbl", "--weight-scale", "divide"]);
    assert!(error.contains("x.weight") && error.contains("output 0, input 1"), "{error}");
}

#[test]
fn damaged_containers() {
    let folder = folder();
    model().write(folder.path(), "m.gguf");
    expect(0, folder.path(), &["convert", "m.gguf", "m.hbl"]);
    let whole = fs::read(folder.path().join("m.hbl")).expect("it was written");
    for (at, name) in [(whole.len() - 1, "m.hbl"), (5, "m.hbl")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(folder.path().join(name), bytes).expect("room");
        expect(1, folder.path(), &["inspect", name]);
    }
    // In the middle of the weights: found when they are written back.
    let mut bytes = whole.clone();
    let middle = whole.len() / 2;
    bytes[middle] ^= 1;
    fs::write(folder.path().join("m.hbl"), &bytes).expect("room");
    let (_, error) = expect(1, folder.path(), &["convert", "m.hbl", "back.gguf"]);
    assert!(error.contains("a.weight") && !folder.path().join("back.gguf").exists(), "{error}");
    fs::write(folder.path().join("m.hbl"), &whole[..whole.len() - 1]).expect("room");
    expect(1, folder.path(), &["run", "m.hbl", "a.weight"]);
}
