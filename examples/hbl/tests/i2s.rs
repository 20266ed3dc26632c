//! The two orders of I2_S: never guessed, and the wrong one is caught where something tells.

mod common;

use common::{Gguf, Random, expect, folder, json, tensor};
use hbitlinear::interop::Format;

#[test]
fn must_be_told() {
    let folder = folder();
    let (bytes, _) = tensor(Format::I2sX86, 8, 256, &Random(1).ternary(8 * 256), false);
    Gguf::default().ternary("a.weight", Format::I2sX86, 8, 256, bytes).write(folder.path(), "m.gguf");
    let (_, error) = expect(1, folder.path(), &["convert", "m.gguf", "m.hbl"]);
    assert!(
        error.contains("a.weight") && error.contains("--i2s x86") && error.contains("--i2s arm"),
        "{error}"
    );
    assert!(!folder.path().join("m.hbl").exists());
    // Counting needs no order.
    let report = json(0, folder.path(), &["inspect", "m.gguf"]);
    let tensor = &report["tensors"][0];
    assert!(
        tensor["not_told"].as_str().is_some_and(|text| text.contains("--i2s")) && tensor["share"].is_array()
    );
    expect(0, folder.path(), &["convert", "m.gguf", "m.hbl", "--i2s", "x86"]);
    // Random weights of such a shape tell nothing: the other order is taken, and `verify` finds it.
    expect(0, folder.path(), &["convert", "m.gguf", "wrong.hbl", "--i2s", "arm"]);
    expect(1, folder.path(), &["verify", "m.hbl", "wrong.hbl"]);
}

/// Converts weights that tell their order with the right and the wrong one.
#[track_caller]
fn caught(outputs: usize, inputs: usize, ternary: &[i8]) {
    for (format, right, wrong) in [(Format::I2sX86, "x86", "arm"), (Format::I2sArm, "arm", "x86")] {
        let folder = folder();
        let (bytes, _) = tensor(format, outputs, inputs, ternary, false);
        Gguf::default().ternary("a.weight", format, outputs, inputs, bytes).write(folder.path(), "m.gguf");
        expect(0, folder.path(), &["convert", "m.gguf", "m.hbl", "--i2s", right]);
        let (_, error) = expect(1, folder.path(), &["convert", "m.gguf", "wrong.hbl", "--i2s", wrong]);
        assert!(error.contains("a.weight") && error.contains(format.name()), "{error}");
        assert!(!folder.path().join("wrong.hbl").exists());
        let report = json(1, folder.path(), &["inspect", "m.gguf", "--i2s", wrong]);
        assert!(report["tensors"][0]["refused"].is_string(), "{report}");
    }
}

#[test]
fn caught_by_padding_of_the_inputs() {
    let (outputs, inputs) = (20, 384);
    let mut ternary = Random(2).ternary(outputs * inputs);
    ternary.chunks_mut(inputs).for_each(|row| row[inputs - 24..].fill(0));
    caught(outputs, inputs, &ternary);
}

#[test]
fn caught_by_rows_of_zeros_that_end_within_a_block() {
    let (outputs, inputs) = (20, 320);
    let mut ternary = Random(3).ternary(outputs * inputs);
    ternary[3 * inputs..4 * inputs].fill(0);
    caught(outputs, inputs, &ternary);
}

#[test]
fn caught_by_the_number_of_weights() {
    let folder = folder();
    let (bytes, _) = tensor(Format::I2sArm, 3, 64, &Random(4).ternary(3 * 64), false);
    Gguf::default().ternary("a.weight", Format::I2sArm, 3, 64, bytes).write(folder.path(), "m.gguf");
    expect(0, folder.path(), &["convert", "m.gguf", "m.hbl", "--i2s", "arm"]);
    let (_, error) = expect(1, folder.path(), &["convert", "m.gguf", "wrong.hbl", "--i2s", "x86"]);
    assert!(error.contains("a.weight") && error.contains("128"), "{error}");
}
