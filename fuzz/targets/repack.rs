//! From any layout to any other and back: the bytes of packing, both ways. Of a damaged blob repacking makes a whole one, or
//! refuses it.

#![no_main]

use hbitlinear::{Error, Layout, Weights};
use hbitlinear_fuzz::matrix::{Matrix, mend};
use hbitlinear_fuzz::same;
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    outputs: u8,
    inputs: u16,
    matrix: Matrix<'a>,
    wrong_len: u16,
    /// Damage: what to XOR where.
    edits: Vec<(u16, u8)>,
}

fuzz_target!(|input: Input| {
    // Beyond two panels, and two chunks of columns.
    let outputs = usize::from(input.outputs) % 40 + 1;
    let packed = input.matrix.pack(outputs, usize::from(input.inputs) % (6000 / outputs).min(700) + 1);
    let weights = Weights::open(&packed.blob).expect("what was packed opens");
    for &layout in Layout::ALL {
        let spec = packed.spec.with_layout(layout).expect("a small shape");
        let mut expected = vec![0x55; spec.packed_len()];
        spec.pack(&packed.ternary, &packed.scales, &mut expected).expect("packed before");
        let mut other = vec![0xAA; spec.packed_len()];
        weights.repack(layout, &mut other).expect("room of the right size");
        assert!(expected == other, "to {layout}");
        let opened = Weights::open(&other).expect("what was repacked opens");
        let mut back = vec![0x33; packed.blob.len()];
        opened.repack(packed.spec.layout(), &mut back).expect("room of the right size");
        assert!(packed.blob == back, "to {layout} and back");

        let (mut ternary, mut scales) = (vec![9; packed.ternary.len()], vec![-1.5; packed.scales.len()]);
        opened.unpack(&mut ternary, &mut scales).expect("room of the right size");
        assert!(packed.ternary == ternary && same(&packed.scales, &scales), "from {layout}");

        let len = usize::from(input.wrong_len);
        if len != spec.packed_len() {
            let mut short = vec![0x77; len];
            let refused = Err(Error::Length { argument: "blob", expected: spec.packed_len(), actual: len });
            assert_eq!(weights.repack(layout, &mut short), refused);
            assert!(short.iter().all(|&byte| byte == 0x77), "an error leaves the output alone");
        }
    }

    // Behind a header that is whole, `open_verified` takes anything.
    let mut damaged = packed.blob.clone();
    for &(at, flip) in &input.edits {
        let at = 64 + usize::from(at) % (damaged.len() - 64);
        damaged[at] ^= flip;
    }
    mend(&mut damaged);
    let whole = Weights::open(&damaged).is_ok();
    let weights = Weights::open_verified(&damaged).expect("a whole header and the right length");
    for &layout in Layout::ALL {
        let mut other = vec![0xAA; packed.spec.with_layout(layout).expect("a small shape").packed_len()];
        if let Err(error) = weights.repack(layout, &mut other) {
            assert!(!whole && matches!(error, Error::Code { .. } | Error::Scale { .. }), "{error}");
            continue;
        }
        let mut back = vec![0x33; damaged.len()];
        let opened = Weights::open(&other).expect("what was repacked opens");
        opened.repack(packed.spec.layout(), &mut back).expect("room of the right size");
        assert!(!whole || back == damaged, "to {layout} and back");
    }
});
