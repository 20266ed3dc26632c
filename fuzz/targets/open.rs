//! Opening any bytes never panics, and what opens is exactly what packing its content writes.

#![no_main]

use hbitlinear::Weights;
use hbitlinear_fuzz::matrix::{Matrix, mend};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    raw: &'a [u8],
    outputs: u8,
    inputs: u16,
    matrix: Matrix<'a>,
    /// Damage: what to XOR where.
    edits: Vec<(u16, u8)>,
    /// Whether the checksums are made right again.
    mend: bool,
}

fuzz_target!(|input: Input| {
    check(input.raw);
    let packed = input.matrix.pack(usize::from(input.outputs) % 40 + 1, usize::from(input.inputs) % 300 + 1);
    let mut blob = packed.blob;
    assert!(check(&blob), "what was packed opens");
    for &(at, flip) in &input.edits {
        let at = usize::from(at) % blob.len();
        blob[at] ^= flip;
    }
    if input.mend {
        mend(&mut blob);
    }
    check(&blob);
});

/// Whether it opens.
fn check(blob: &[u8]) -> bool {
    let len = Weights::blob_len(blob);
    assert_eq!(len, Weights::blob_len(&blob[..blob.len().min(64)]), "the header alone tells");
    assert_eq!(Weights::open_verified(blob).is_ok(), len == Ok(blob.len()));
    let Ok(weights) = Weights::open(blob) else { return false };
    assert!(Weights::open_verified(blob).is_ok());
    let spec = weights.spec();
    assert_eq!((spec.packed_len(), len), (blob.len(), Ok(blob.len())));
    let (mut ternary, mut scales) = (vec![9; spec.outputs() * spec.inputs()], vec![0.0; spec.scale_count()]);
    weights.unpack(&mut ternary, &mut scales).expect("room for all");
    let mut again = vec![0x55; spec.packed_len()];
    spec.pack(&ternary, &scales, &mut again).expect("what opened is packable");
    assert!(blob == again, "not the bytes that packing writes");
    true
}
