//! Names and sizes of ggml's tensor types, for the bounds of tensors that are passed through.

use hbitlinear::interop::Format;

/// A type: elements of a block, and its bytes.
struct Type(u32, &'static str, u64, u64);

const TYPES: &[Type] = &[
    Type(0, "f32", 1, 4),
    Type(1, "f16", 1, 2),
    Type(2, "q4_0", 32, 18),
    Type(3, "q4_1", 32, 20),
    Type(6, "q5_0", 32, 22),
    Type(7, "q5_1", 32, 24),
    Type(8, "q8_0", 32, 34),
    Type(9, "q8_1", 32, 36),
    Type(10, "q2_k", 256, 84),
    Type(11, "q3_k", 256, 110),
    Type(12, "q4_k", 256, 144),
    Type(13, "q5_k", 256, 176),
    Type(14, "q6_k", 256, 210),
    Type(15, "q8_k", 256, 292),
    Type(16, "iq2_xxs", 256, 66),
    Type(17, "iq2_xs", 256, 74),
    Type(18, "iq3_xxs", 256, 98),
    Type(19, "iq1_s", 256, 50),
    Type(20, "iq4_nl", 32, 18),
    Type(21, "iq3_s", 256, 110),
    Type(22, "iq2_s", 256, 82),
    Type(23, "iq4_xs", 256, 136),
    Type(24, "i8", 1, 1),
    Type(25, "i16", 1, 2),
    Type(26, "i32", 1, 4),
    Type(27, "i64", 1, 8),
    Type(28, "f64", 1, 8),
    Type(29, "iq1_m", 256, 56),
    Type(30, "bf16", 1, 2),
    Type(39, "mxfp4", 32, 17),
];

/// What a type is called: a ternary one by its formats' common name, an unknown one by its number.
#[must_use]
pub fn name(ggml_type: u32) -> String {
    if let Some(format) = formats(ggml_type).next() {
        let name = format.name();
        return name.split_once('-').map_or(name, |(common, _)| common).into();
    }
    let found = TYPES.iter().find(|known| known.0 == ggml_type);
    found.map_or_else(|| format!("type-{ggml_type}"), |known| known.1.into())
}

/// The number of a plain type that is called so.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    TYPES.iter().find(|known| known.1 == name).map(|known| known.0)
}

/// The ternary formats whose tensors have that number. More than one if the file does not say which.
pub fn formats(ggml_type: u32) -> impl Iterator<Item = Format> {
    Format::ALL.iter().copied().filter(move |format| format.ggml_type() == Some(ggml_type))
}

/// Bytes of a row of a plain type; `None` for a type whose size is not known, `Some(Err)` for a row that it does not have.
#[must_use]
pub fn row_bytes(ggml_type: u32, inputs: u64) -> Option<Result<u64, String>> {
    let &Type(_, name, block, bytes) = TYPES.iter().find(|known| known.0 == ggml_type)?;
    if !inputs.is_multiple_of(block) {
        return Some(Err(format!("expected rows of a multiple of {block} for {name}, got {inputs}")));
    }
    Some((inputs / block).checked_mul(bytes).ok_or_else(|| "its rows are too long".into()))
}
