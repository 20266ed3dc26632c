//! Snapshots of the packed bytes: they are an ABI, the same on every machine. A change here needs a new
//! `LAYOUT_VERSION`.

mod common;

use common::data::Random;
use common::for_each_backend;
use common::owned::{OwnedWeights, Quantised, formats};
use hbitlinear::layout::LAYOUT_VERSION;
use hbitlinear::{GroupLen, Layout, Quantizer, Rule, Scaling, WeightSpec, Weights};

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(16).map(|row| row.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n").collect()
}

fn pack(shape: (usize, usize), layout: Layout, scaling: Scaling, ternary: &[i8], scales: &[f32]) -> Vec<u8> {
    let spec = WeightSpec::new(shape.0, shape.1, layout, scaling).unwrap();
    let mut blob = vec![0xee; spec.packed_len()];
    spec.pack(ternary, scales, &mut blob).unwrap();
    blob
}

#[test]
fn version() {
    assert_eq!(LAYOUT_VERSION, 1);
}

/// Every field of the header, one scale, and one block whose inputs 0, 1, 4 and 15 are told apart.
#[test]
fn per_tensor() {
    let mut ternary = [0; 32];
    (ternary[0], ternary[1], ternary[4], ternary[15], ternary[16]) = (1, -1, -1, 1, -1);
    let two_bit = "\
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
    let five_trit = "\
        48424c57010005000000000000000000\n\
        02000000000000001000000000000000\n\
        8001000000000000fc68185200000000\n\
        000000000000000000000000246fa831\n\
        0000c03f000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        b92b80832b8080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n";
    for (layout, expected) in [(Layout::TwoBit, two_bit), (Layout::FiveTrit, five_trit)] {
        assert_eq!(hex(&pack((2, 16), layout, Scaling::Tensor, &ternary, &[1.5])), expected);
    }
}

/// Two panels and two blocks: outputs and inputs beyond the matrix hold weight 0 and scale 0. The scales and, from them on,
/// the codes.
#[test]
fn per_row() {
    let (outputs, inputs) = (17, 18);
    let ternary: Vec<i8> = (0..outputs * inputs).map(|i| (i % 3) as i8 - 1).collect();
    let scales: Vec<f32> = (0..outputs).map(|output| output as f32 - 8.0).collect();
    let header = "\
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
        00000000000000000000000000000000\n";
    let two_bit = "\
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
    let five_trit = "\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        3194bc313194bc313194bc313194bc31\n\
        3194bc313194bc313194bc313194bc31\n\
        3194bc313194bc313194bc313194bc31\n\
        3194bc313194bc313194bc313194bc31\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        55555555555555555555555555555555\n\
        3194bc31808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n\
        80808080808080808080808080808080\n";
    let pack = |layout| pack((outputs, inputs), layout, Scaling::Row, &ternary, &scales);
    let (packed, trits) = (pack(Layout::TwoBit), pack(Layout::FiveTrit));
    assert_eq!(hex(&packed[..192]), header);
    assert_eq!(hex(&packed[192..]), two_bit);
    assert_eq!(trits[64..192], packed[64..192], "scales do not depend on the layout");
    assert_eq!(hex(&trits[192..]), five_trit);
}

/// Scales lie by panel, then group, then output, whatever the layout.
#[test]
fn per_group() {
    let scaling = Scaling::Group(GroupLen::L64);
    let two_bit = "\
        48424c57010002024000000000000000\n\
        02000000000000004100000000000000\n\
        00020000000000003dc943d700000000\n\
        0000000000000000000000009a30f438\n";
    let five_trit = "\
        48424c57010005024000000000000000\n\
        02000000000000004100000000000000\n\
        80020000000000009868ea7000000000\n\
        00000000000000000000000039cf1168\n";
    let scales = "\
        0000803f000040c00000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000040000080400000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00000000000000000000000000000000\n";
    for (layout, header) in [(Layout::TwoBit, two_bit), (Layout::FiveTrit, five_trit)] {
        let blob = pack((2, 65), layout, scaling, &[1; 130], &[1.0, 2.0, -3.0, 4.0]);
        assert_eq!(hex(&blob[..64]), header);
        assert_eq!(hex(&blob[64..192]), scales);
    }
}

/// The same places, two bytes each: 1, 2, −3, 2⁻²⁴.
#[test]
fn per_group_f16() {
    let scales = [1.0, 2.0, -3.0, 2.0_f32.powi(-24)];
    let expected = "\
        003c00c2000000000000000000000000\n\
        00000000000000000000000000000000\n\
        00400100000000000000000000000000\n\
        00000000000000000000000000000000\n";
    for &layout in Layout::ALL {
        let blob = pack((2, 65), layout, Scaling::GroupF16(GroupLen::L64), &[1; 130], &scales);
        assert_eq!((blob[7], &blob[8..12]), (3, &[64, 0, 0, 0][..]));
        assert_eq!(hex(&blob[64..128]), expected, "{layout}");
    }
}

/// A matrix of several panels, blocks, chunks and groups in every format, by its checksum. The numbers come from another
/// program, written from the documentation.
#[test]
fn checksums() {
    let (outputs, inputs) = (35, 700);
    let ternary: Vec<i8> = (0..outputs * inputs).map(|i| ((i * i + i / 7) % 3) as i8 - 1).collect();
    let two_bit = [
        0x360c_f1e7,
        0x51c8_3faf,
        0x97de_8905,
        0x2958_0c38,
        0xdee3_dca9,
        0xdede_dc76,
        0x59da_659c,
        0xd90f_05b9,
    ];
    let five_trit = [
        0x3d06_cb08,
        0x825f_3c6e,
        0x6f53_2d9d,
        0x9081_284f,
        0x5f6d_985a,
        0xe761_7db3,
        0x03b2_dc57,
        0x73ef_ec78,
    ];
    for &layout in Layout::ALL {
        let expected = match layout {
            Layout::TwoBit => two_bit,
            Layout::FiveTrit => five_trit,
            _ => {
                common::log(&format!("{layout}: NO SNAPSHOT of its bytes yet"));
                continue;
            }
        };
        for (&scaling, expected) in Scaling::ALL.iter().zip(expected) {
            let spec = WeightSpec::new(outputs, inputs, layout, scaling).unwrap();
            let scales: Vec<f32> = (0..spec.scale_count()).map(|i| (i % 97) as f32 / 64.0 - 0.5).collect();
            let blob = pack((outputs, inputs), layout, scaling, &ternary, &scales);
            assert_eq!(crc32fast::hash(&blob), expected, "{layout} {scaling:?}");
        }
    }
}

/// TwoBit: 64 bytes for 16 × 16 weights. FiveTrit: 192 for 16 × 64, and 64 more for each 16 × 256.
#[test]
fn sizes() {
    let (l128, big) = (GroupLen::L128, 2560 * 6912);
    for (outputs, inputs, scaling, scale_bytes, two_bit, five_trit) in [
        (1, 1, Scaling::Tensor, 64, 64, 256),
        (16, 16, Scaling::Row, 64, 64, 256),
        (17, 16, Scaling::Row, 128, 128, 512),
        (1, 17, Scaling::Row, 64, 128, 256),
        (1, 64, Scaling::Row, 64, 256, 256),
        (1, 65, Scaling::Row, 64, 320, 448),
        (1, 256, Scaling::Row, 64, 1024, 832),
        (1, 257, Scaling::Row, 64, 1088, 1088),
        (2560, 6912, Scaling::Tensor, 64, big / 4, big * 13 / 64),
        (2560, 6912, Scaling::Group(l128), 4 * 2560 * 54, big / 4, big * 13 / 64),
        (2560, 6912, Scaling::GroupF16(l128), 2 * 2560 * 54, big / 4, big * 13 / 64),
    ] {
        for (layout, codes) in [(Layout::TwoBit, two_bit), (Layout::FiveTrit, five_trit)] {
            let spec = WeightSpec::new(outputs, inputs, layout, scaling).unwrap();
            let expected = 64 + scale_bytes + codes;
            assert_eq!(spec.packed_len(), expected, "{layout} {outputs} x {inputs} {scaling:?}");
        }
    }
}

/// The blob depends on nothing but its arguments: not on what lay in the memory, not on its alignment.
#[test]
fn deterministic_and_unaligned() {
    let mut random = Random::new(9);
    for format in formats() {
        let w = OwnedWeights::random(19, 300, format, &mut random);
        for shift in 0..8 {
            let mut memory = vec![0x5a + shift as u8; w.blob.len() + shift];
            w.spec.pack(&w.ternary, &w.scales, &mut memory[shift..]).unwrap();
            assert_eq!(memory[shift..], w.blob[..]);
            let weights = Weights::open(&memory[shift..]).unwrap();
            assert_eq!(*weights.spec(), w.spec);
            for (output, group) in (0..19).flat_map(|n| (0..w.spec.groups()).map(move |group| (n, group))) {
                assert_eq!(weights.scale(output, group).to_bits(), w.scale(output, group).to_bits());
            }
        }
    }
}

/// Nibble order, and a spare nibble of 0.
#[test]
fn activations() {
    for_each_backend(|backend| {
        for (rule, x, values, sum) in [
            (Rule::Int4AbsMax, &[1.0, -2.0, 7.0, -7.0, 0.0, 3.0, -1.0][..], &[0xe1, 0x97, 0x30, 0x0f][..], 1),
            (Rule::Int8AbsMax, &[127.0, -127.0, 2.5], &[0x7f, 0x81, 0x02], 2),
        ] {
            let mut memory = Quantised::painted(rule.bits(), 1, x.len());
            Quantizer::new(rule, 0.0).unwrap().forward(backend, x, memory.room()).unwrap();
            assert_eq!((&memory.values[..], memory.scales[0], memory.sums[0]), (values, 1.0, sum));
            let rounded: Vec<i8> = x.iter().map(|x| x.round_ties_even() as i8).collect();
            assert_eq!(memory.row(0), rounded);
            assert_eq!(memory.view().value(0, x.len()), 0, "outside");
        }
    });
}
