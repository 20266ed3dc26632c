//! A conversion that does not end leaves nothing under the final name.

mod common;

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Gguf, Random, expect, folder, tensor};
use hbitlinear::interop::Format;

const OUTPUTS: usize = 2048;
const INPUTS: usize = 4096;

/// A file that takes a while.
fn write_model(folder: &Path, tensors: usize, last: impl Fn(&mut [u8])) {
    let (mut bytes, _) = tensor(Format::Tq1_0, OUTPUTS, INPUTS, &Random(1).ternary(OUTPUTS * INPUTS), true);
    let mut file = Gguf::default();
    for index in 0..tensors {
        if index + 1 == tensors {
            last(&mut bytes);
        }
        file = file.ternary(&format!("blk.{index}.weight"), Format::Tq1_0, OUTPUTS, INPUTS, bytes.clone());
    }
    file.write(folder, "in.gguf");
}

#[test]
fn killed_in_the_middle() {
    let folder = folder();
    write_model(folder.path(), 24, |_| ());
    fs::write(folder.path().join("out.hbl"), "what was there").expect("room");
    let mut child = Command::new(env!("CARGO_BIN_EXE_hbl"))
        .current_dir(folder.path())
        .args(["convert", "in.gguf", "out.hbl", "--threads", "1"])
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool runs");
    let start = Instant::now();
    let part = || {
        let entries = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry"));
        entries.into_iter().find(|entry| entry.file_name().to_string_lossy().ends_with(".part"))
    };
    // Some of it is written, and not all.
    while part().is_none_or(|part| part.metadata().map_or(0, |metadata| metadata.len()) < 1 << 20) {
        assert!(start.elapsed() < Duration::from_secs(60), "it never began");
        assert!(child.try_wait().expect("a child").is_none(), "it ended too early to be interrupted");
    }
    child.kill().expect("it runs");
    child.wait().expect("it ended");
    let there = fs::read(folder.path().join("out.hbl")).expect("it is still there");
    assert_eq!(there, b"what was there");
}

#[test]
fn refused_at_the_last_tensor() {
    let folder = folder();
    // An infinite scale in the last block.
    write_model(folder.path(), 3, |bytes| {
        let end = bytes.len();
        bytes[end - 2..].copy_from_slice(&[0x00, 0x7C]);
    });
    let (_, error) = expect(1, folder.path(), &["convert", "in.gguf", "out.hbl"]);
    assert!(error.contains("blk.2.weight"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no other file is left");
}
