//! Transforms of any factors, named or own, blocks and signs: the oracle's within the rounding bound, in both directions,
//! and the same bits on every backend.

#![no_main]

use hbitlinear_fuzz::rows::Floats;
use hbitlinear_fuzz::transform::{Parts, check};
use libfuzzer_sys::{arbitrary, fuzz_target};

/// Longest row: enough for every order, and for three factors.
const MAX_ROW: usize = 1 << 13;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    parts: Parts,
    rows: u8,
    x: Floats,
}

fuzz_target!(|input: Input| {
    let mut built = input.parts.build();
    if let Some(transform) = built.transform(MAX_ROW) {
        let x = input.x.take(transform.row_len() * usize::from(input.rows % 3));
        check(&transform, &x);
    }
});
