//! What the tests share: files made byte by byte, and the tool.

#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hbitlinear::interop::{Export, Format};
use hbitlinear::{GroupLen, Layout, Scaling, WeightSpec, Weights};

/// A folder that is deleted again.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs the tool in a folder.
pub(crate) fn hbl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hbl"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the tool runs")
}

/// Runs it and expects that exit code; gives what it printed, on stdout and stderr.
#[track_caller]
pub(crate) fn expect(code: i32, folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = hbl(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "hbl {arguments:?}\n{out}\n{err}");
    (out, err)
}

/// As [`expect`], of success; gives the JSON.
#[track_caller]
pub(crate) fn json(code: i32, folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let (out, _) = expect(code, folder, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).expect("JSON")
}

/// Random numbers, the same every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    pub(crate) fn ternary(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| self.below(3) as i8 - 1).collect()
    }
}

/// Weights in a format; the scale of an HF one comes beside. Scales are f16 powers of two: as fine as asked for.
pub(crate) fn tensor(
    format: Format,
    outputs: usize,
    inputs: usize,
    ternary: &[i8],
    fine: bool,
) -> (Vec<u8>, Option<f32>) {
    let scaling = match format.scaling() {
        Scaling::Tensor => Scaling::Tensor,
        Scaling::GroupF16(len) if fine => Scaling::GroupF16(len),
        _ if fine => Scaling::Row,
        _ => Scaling::Tensor,
    };
    let spec = WeightSpec::new(outputs, inputs, Layout::TwoBit, scaling).expect("a good shape");
    let scales: Vec<f32> = (0..spec.scale_count()).map(|at| 0.5 / (1 << (at % 5)) as f32).collect();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(ternary, &scales, &mut blob).expect("ternary weights");
    let weights = Weights::open(&blob).expect("just packed");
    let export = Export::new(format, &weights).expect("a shape of the format");
    let mut bytes = vec![0; export.len()];
    export.write(&mut bytes).expect("room");
    (bytes, export.weight_scale())
}

/// The finest groups there are, for shapes that must be multiples of them.
pub(crate) fn block(format: Format) -> usize {
    match format.scaling() {
        Scaling::GroupF16(len) => GroupLen::get(len),
        _ => 128,
    }
}

/// A GGUF file that is put together as its specification says.
#[derive(Default)]
pub(crate) struct Gguf {
    keys: Vec<u8>,
    key_count: u64,
    /// Name, dimensions with K first, type, bytes.
    pub(crate) tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

impl Gguf {
    pub(crate) fn text(mut self, key: &str, text: &str) -> Gguf {
        push_text(&mut self.keys, key);
        self.keys.extend(8_u32.to_le_bytes());
        push_text(&mut self.keys, text);
        self.key_count += 1;
        self
    }

    pub(crate) fn int(mut self, key: &str, int: u32) -> Gguf {
        push_text(&mut self.keys, key);
        self.keys.extend(4_u32.to_le_bytes());
        self.keys.extend(int.to_le_bytes());
        self.key_count += 1;
        self
    }

    pub(crate) fn texts(mut self, key: &str, texts: &[&str]) -> Gguf {
        push_text(&mut self.keys, key);
        self.keys.extend(9_u32.to_le_bytes());
        self.keys.extend(8_u32.to_le_bytes());
        self.keys.extend((texts.len() as u64).to_le_bytes());
        texts.iter().for_each(|text| push_text(&mut self.keys, text));
        self.key_count += 1;
        self
    }

    pub(crate) fn tensor(mut self, name: &str, dimensions: &[u64], ggml_type: u32, bytes: Vec<u8>) -> Gguf {
        self.tensors.push((name.into(), dimensions.into(), ggml_type, bytes));
        self
    }

    /// A ternary tensor of a format.
    pub(crate) fn ternary(
        self,
        name: &str,
        format: Format,
        outputs: usize,
        inputs: usize,
        bytes: Vec<u8>,
    ) -> Gguf {
        let number = format.ggml_type().expect("a type of GGUF");
        self.tensor(name, &[inputs as u64, outputs as u64], number, bytes)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut starts = Vec::new();
        let mut at = 0;
        for (.., bytes) in &self.tensors {
            starts.push(at as u64);
            at = (at + bytes.len()).next_multiple_of(32);
        }
        self.bytes_at(&starts)
    }

    /// With the offsets that are given.
    pub(crate) fn bytes_at(&self, starts: &[u64]) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend(self.key_count.to_le_bytes());
        file.extend(&self.keys);
        for ((name, dimensions, ggml_type, _), start) in self.tensors.iter().zip(starts) {
            push_text(&mut file, name);
            file.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|size| file.extend(size.to_le_bytes()));
            file.extend(ggml_type.to_le_bytes());
            file.extend(start.to_le_bytes());
        }
        file.resize(file.len().next_multiple_of(32), 0);
        for (.., bytes) in &self.tensors {
            file.extend(bytes);
            file.resize(file.len().next_multiple_of(32), 0);
        }
        file
    }

    pub(crate) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.bytes()).expect("room on the disk");
        path
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// A safetensors file: name, type, shape, bytes.
pub(crate) fn safetensors(tensors: &[(&str, &str, &[u64], Vec<u8>)]) -> Vec<u8> {
    let (mut entries, mut start) = (Vec::new(), 0);
    for (name, dtype, shape, bytes) in tensors {
        let end = start + bytes.len();
        entries.push(format!(
            "\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        ));
        start = end;
    }
    let header = format!("{{{}}}", entries.join(", "));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    tensors.iter().for_each(|(.., bytes)| file.extend(bytes));
    file
}
