//! The command lines of the README run, and do what it says.

mod common;

use common::{Gguf, Random, expect, folder, tensor};
use hbitlinear::interop::Format;

#[test]
fn model_files() {
    let readme = include_str!("../../../README.md");
    let section = readme.split("## Model files").nth(1).and_then(|rest| rest.split("\n## ").next());
    let lines = section.expect("the section is there").lines().filter_map(|line| line.strip_prefix("hbl "));
    let folder = folder();
    let (outputs, inputs) = (64, 6912);
    let (bytes, _) = tensor(Format::Tq2_0, outputs, inputs, &Random(1).ternary(outputs * inputs), false);
    Gguf::default()
        .ternary("blk.0.ffn_down.weight", Format::Tq2_0, outputs, inputs, bytes)
        .write(folder.path(), "model.gguf");
    let mut count = 0;
    for line in lines {
        let line = line.split(" #").next().unwrap_or(line);
        expect(0, folder.path(), &line.split_whitespace().collect::<Vec<_>>());
        count += 1;
    }
    assert!(count >= 5, "{count} lines");
}
