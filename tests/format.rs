//! Snapshots of the packed bytes: they are an ABI, the same on every machine. A change here needs a new
//! `LAYOUT_VERSION`.

mod common;

use common::data::{OwnedWeights, Random, SCALINGS};
use hbitlinear::layout::LAYOUT_VERSION;
use hbitlinear::quantize::{Activations, ActivationsMut, Bits, Quantizer, Rule};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(16).map(|row| row.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n").collect()
}

fn pack(rows: usize, columns: usize, scaling: Scaling, ternary: &[i8], scales: &[f32]) -> Vec<u8> {
    let spec = WeightSpec::new(rows, columns, Layout::T2, scaling).unwrap();
    let mut blob = vec![0xee; spec.packed_len()];
    spec.pack(ternary, scales, &mut blob).unwrap();
    blob
}

#[test]
fn version() {
    assert_eq!(LAYOUT_VERSION, 1);
}

/// Every field of the header, one scale, and one block whose columns 0, 1, 4 and 15 are told apart.
#[test]
fn per_tensor() {
    let mut ternary = [0; 32];
    (ternary[0], ternary[1], ternary[4], ternary[15], ternary[16]) = (1, -1, -1, 1, -1);
    let expected = "\
        48424c57010002000000000000000000\n\
        02000000000000001000000000000000\n\
        c000000000000000f049f85f00000000\n\
        00000000000000000000000043296d4f\n\
        0000c03f000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        52545595545555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n";
    assert_eq!(hex(&pack(2, 16, Scaling::Tensor, &ternary, &[1.5])), expected);
}

/// Two panels and two blocks: rows and columns beyond the matrix hold weight 0 and scale 0.
#[test]
fn per_row() {
    let (rows, columns) = (17, 18);
    let ternary: Vec<i8> = (0..rows * columns).map(|i| (i % 3) as i8 - 1).collect();
    let scales: Vec<f32> = (0..rows).map(|row| row as f32 - 8.0).collect();
    let expected = "\
        48424c57010002010000000000000000\n\
        11000000000000001200000000000000\n\
        c001000000000000c97b339500000000\n\
        0000000000000000000000009220e260\n\
        000000c10000e0c00000c0c00000a0c0\n\
        000080c0000040c0000000c0000080bf\n\
        000000000000803f0000004000004040\n\
        000080400000a0400000c0400000e040\n\
        00000041000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        24499224244992242449922424499224\n\
        24499224244992242449922424499224\n\
        24499224244992242449922424499224\n\
        24499224244992242449922424499224\n\
        55565555555655555556555555565555\n\
        55565555555655555556555555565555\n\
        55565555555655555556555555565555\n\
        55565555555655555556555555565555\n\
        24499224555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55565555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n";
    assert_eq!(hex(&pack(rows, columns, Scaling::Row, &ternary, &scales)), expected);
}

/// Scales lie by panel, then group, then row.
#[test]
fn per_group() {
    let (rows, columns) = (2, 65);
    let blob = pack(rows, columns, Scaling::Group(64), &vec![1; rows * columns], &[1.0, 2.0, -3.0, 4.0]);
    let expected = "\
        48424c57010002024000000000000000\n\
        02000000000000004100000000000000\n\
        00020000000000003dc943d700000000\n\
        0000000000000000000000009a30f438\n\
        0000803f000040c00000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000040000080400000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n";
    assert_eq!(hex(&blob[..64 + 128]), expected);
}

/// The same places, two bytes each: 1, 2, −3, 2⁻²⁴.
#[test]
fn per_group_f16() {
    let scales = [1.0, 2.0, -3.0, 2.0_f32.powi(-24)];
    let blob = pack(2, 65, Scaling::GroupF16(64), &[1; 130], &scales);
    let expected = "\
        003c00c2000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00400100000000000000000000000000\n\
        00000000000000000000000000000000\n";
    assert_eq!((blob[7], &blob[8..12]), (3, &[64, 0, 0, 0][..]));
    assert_eq!(hex(&blob[64..128]), expected);
}

#[test]
fn sizes() {
    for (rows, columns, scaling, expected) in [
        (1, 1, Scaling::Tensor, 64 + 64 + 64),
        (16, 16, Scaling::Row, 64 + 64 + 64),
        (17, 16, Scaling::Row, 64 + 128 + 128),
        (1, 17, Scaling::Row, 64 + 64 + 128),
        (2560, 6912, Scaling::Tensor, 64 + 64 + 2560 * 6912 / 4),
        (2560, 6912, Scaling::Group(128), 64 + 4 * 2560 * 54 + 2560 * 6912 / 4),
        (2560, 6912, Scaling::GroupF16(128), 64 + 2 * 2560 * 54 + 2560 * 6912 / 4),
    ] {
        let spec = WeightSpec::new(rows, columns, Layout::T2, scaling).unwrap();
        assert_eq!(spec.packed_len(), expected, "{rows} x {columns} {scaling:?}");
    }
}

/// The blob depends on nothing but its arguments: not on what lay in the memory, not on its alignment.
#[test]
fn deterministic_and_unaligned() {
    let mut random = Random::new(9);
    for scaling in SCALINGS {
        let w = OwnedWeights::random(19, 300, scaling, &mut random);
        for shift in 0..8 {
            let mut memory = vec![0x5a + shift as u8; w.blob.len() + shift];
            w.spec.pack(&w.ternary, &w.scales, &mut memory[shift..]).unwrap();
            assert_eq!(memory[shift..], w.blob[..]);
            let weights = Weights::open(&memory[shift..]).unwrap();
            assert_eq!(*weights.spec(), w.spec);
            for (row, group) in (0..19).flat_map(|row| (0..w.spec.groups()).map(move |group| (row, group))) {
                let index = match scaling {
                    Scaling::Tensor => 0,
                    Scaling::Row => row,
                    Scaling::Group(_) | Scaling::GroupF16(_) => row * w.spec.groups() + group,
                };
                assert_eq!(weights.scale(row, group).to_bits(), w.scales[index].to_bits());
            }
        }
    }
}

/// Nibble order, and a spare nibble of 0.
#[test]
fn activations() {
    let (mut values, mut scales, mut sums) = ([0xee; 4], [0.0; 1], [0; 1]);
    let x = [1.0, -2.0, 7.0, -7.0, 0.0, 3.0, -1.0];
    let mut out = ActivationsMut::new(Bits::Four, 7, &mut values, &mut scales, &mut sums).unwrap();
    Quantizer::new(Rule::Int4AbsMax, 0.0).unwrap().forward(common::scalar(), &x, &mut out).unwrap();
    assert_eq!((values, scales, sums), ([0xe1, 0x97, 0x30, 0x0f], [1.0], [1]));
    let view = Activations::new(Bits::Four, 7, &values, &scales, &sums).unwrap();
    assert_eq!((0..8).map(|i| f32::from(view.value(0, i))).collect::<Vec<_>>()[..7], x);

    let (mut values, x) = ([0xee; 3], [127.0, -127.0, 2.5]);
    let mut out = ActivationsMut::new(Bits::Eight, 3, &mut values, &mut scales, &mut sums).unwrap();
    Quantizer::new(Rule::Int8AbsMax, 0.0).unwrap().forward(common::scalar(), &x, &mut out).unwrap();
    assert_eq!((values, scales, sums), ([0x7f, 0x81, 0x02], [1.0], [2]));
}
