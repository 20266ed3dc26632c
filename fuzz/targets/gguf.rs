//! Any bytes as a GGUF file: reading never panics, tensors lie in the file and not over each other, and ternary ones that are
//! accepted are packed and written back with the same weights, or refused.

#![no_main]

use hbitlinear_fuzz::model_file::{check, mended};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    /// A whole file, or what follows a good magic and version.
    raw: &'a [u8],
    whole: bool,
    keys: u8,
    /// Name, dimensions with K first, type, offset, in small numbers so that they fit.
    tensors: Vec<(&'a str, [u8; 3], u8, u8)>,
    /// Damage: what to XOR where.
    edits: Vec<(u16, u8)>,
}

/// The types whose sizes differ in kind: plain, of blocks, ternary, unknown.
const TYPES: &[u32] = &[0, 1, 8, 24, 34, 35, 36, 42, 134, 135, 142, 143, 200];

fuzz_target!(|input: Input| {
    if input.whole {
        check(input.raw);
        return;
    }
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((input.tensors.len() as u64).to_le_bytes());
    file.extend(u64::from(input.keys % 4).to_le_bytes());
    for key in 0..input.keys % 4 {
        file.extend(1_u64.to_le_bytes());
        file.push(b'a' + key);
        file.extend(4_u32.to_le_bytes());
        file.extend(32_u32.to_le_bytes());
    }
    for (name, dimensions, kind, offset) in &input.tensors {
        file.extend((name.len() as u64).to_le_bytes());
        file.extend(name.as_bytes());
        file.extend(3_u32.to_le_bytes());
        file.extend((u64::from(dimensions[0]) * 64).to_le_bytes());
        file.extend(dimensions[1..].iter().flat_map(|&size| u64::from(size).to_le_bytes()));
        file.extend(TYPES[usize::from(*kind) % TYPES.len()].to_le_bytes());
        file.extend((u64::from(*offset) * 32).to_le_bytes());
    }
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(input.raw);
    check(&mended(file, &input.edits));
});
