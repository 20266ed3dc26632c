//! Any bytes as a safetensors file: as the target `gguf`.

#![no_main]

use hbitlinear_fuzz::model_file::{check, mended};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    /// A whole file, or its data.
    raw: &'a [u8],
    whole: bool,
    /// Name, type, shape, bytes that it is said to have besides those that follow from that.
    tensors: Vec<(&'a str, u8, [u8; 2], i8)>,
    scale: bool,
    edits: Vec<(u16, u8)>,
}

const TYPES: &[(&str, i64)] = &[("U8", 1), ("F32", 4), ("BF16", 2), ("I64", 8), ("BOOL", 1), ("X", 1)];

fuzz_target!(|input: Input| {
    if input.whole {
        check(input.raw);
        return;
    }
    let (mut entries, mut start) = (Vec::new(), 0_i64);
    let mut push = |name: String, dtype: usize, shape: [u8; 2], more: i8| {
        let (dtype, bytes) = TYPES[dtype % TYPES.len()];
        let end = start + bytes * i64::from(shape[0]) * i64::from(shape[1]) + i64::from(more);
        // Debug spells a string nearly as JSON does.
        entries.push(format!(
            "{name:?}:{{\"dtype\":{dtype:?},\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        ));
        start = end;
    };
    for &(name, dtype, shape, more) in &input.tensors {
        push(format!("{name}.weight"), dtype.into(), shape, if more % 8 == 0 { more / 8 } else { 0 });
        if input.scale {
            push(format!("{name}.weight_scale"), 1, [1, 1], 0);
        }
    }
    let header = format!("{{{}}}", entries.join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(input.raw);
    check(&mended(file, &input.edits));
});
