//! What import and export refuse, and that nothing is rounded.

#[path = "interop/reference.rs"]
mod reference;

use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::layout::{BlobHead, BlobRows};
use hbitlinear::{Error, GroupLen, Layout, Scaling, WeightSpec, Weights};
use reference::{Place, Tensor, export, native, pack, place, random, rules, scale_place, weight_of};

/// A code 3, wherever it is, is refused with its place.
#[test]
fn code_three() {
    for &format in Format::ALL {
        let tensor = Tensor::new(20, 768, weight_of(0), |_, _| 0.375);
        let mut random = random(3);
        for _ in 0..50 {
            let mut bytes = tensor.bytes(format);
            let (o, i) = (random() as usize % 20, random() as usize % 768);
            let Place::Bits(byte, shift) = place(format, 20, 768, o, i) else { break };
            bytes[byte] |= 3 << shift;
            let import = tensor.import(format, &bytes);
            for &layout in Layout::ALL {
                let error = pack(&import, layout, Scaling::Tensor).unwrap_err();
                assert_eq!(error, Error::Code { output: o, input: i }, "{format}");
            }
            assert_eq!(import.row(o, &mut [0; 768]), Err(Error::Code { output: o, input: i }));
        }
    }
}

#[test]
fn bad_scales() {
    for &format in Format::ALL {
        let tensor = Tensor::new(4, 768, weight_of(0), |_, _| 0.375);
        let mut bytes = tensor.bytes(format);
        let Some(at) = scale_place(format, 4, 768, 2, 767) else { continue };
        let f16 = rules(format).f16;
        let nan = if f16 { &[0x00, 0x7e][..] } else { &[0x00, 0x00, 0xc0, 0x7f] };
        bytes[at..at + nan.len()].copy_from_slice(nan);
        let import = Import::new(format, 4, 768, &bytes).unwrap();
        assert!(matches!(import.scaling(), Err(Error::Scale { .. })), "{format}");
        assert!(
            matches!(pack(&import, Layout::TwoBit, native(format)), Err(Error::Scale { .. })),
            "{format}"
        );
        assert!(import.scale(2, 767).unwrap().is_nan());
    }
    for weight_scale in [f32::NAN, f32::INFINITY] {
        let import = Import::new(Format::HfMultiply, 4, 1, &[0]).unwrap();
        assert_eq!(import.with_weight_scale(weight_scale).unwrap_err(), Error::Scale { index: 0 });
    }
    let import = Import::new(Format::HfDivide, 4, 1, &[0]).unwrap();
    assert_eq!(import.with_weight_scale(0.0).unwrap_err(), Error::Scale { index: 0 });
}

/// Nothing is rounded: an f32 that is no f16 does not become one.
#[test]
fn not_an_f16() {
    let spec = WeightSpec::new(2, 256, Layout::TwoBit, Scaling::Row).unwrap();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&[1; 512], &[0.5, 0.1], &mut blob).unwrap();
    let weights = Weights::open(&blob).unwrap();
    for &format in Format::ALL {
        let expected = match (rules(format).f16, native(format)) {
            (true, _) => Err(Error::Scale { index: 1 }),
            (_, Scaling::Tensor) => Err(Error::ScaleDiffers { output: 1, input: 0 }),
            _ => Ok(()),
        };
        assert_eq!(export(format, &weights).map(drop), expected, "{format}");
    }
    let tensor = Tensor::new(2, 64, |_| 1, |_, _| 0.1);
    let bytes = tensor.bytes(Format::Iq2Bn);
    let import = tensor.import(Format::Iq2Bn, &bytes);
    let group = Scaling::GroupF16(GroupLen::L64);
    assert_eq!(pack(&import, Layout::TwoBit, group).unwrap_err(), Error::Scale { index: 0 });
}

#[test]
fn arguments() {
    assert_eq!(
        Import::new(Format::Tq2_0, 1, 256, &[0; 65]).unwrap_err(),
        Error::Length { argument: "bytes of the tensor", expected: 66, actual: 65 }
    );
    assert_eq!(Format::Tq1_0.tensor_len(0, 256), Err(Error::Zero { argument: "outputs" }));
    assert!(matches!(Format::Iq2Bn.tensor_len(usize::MAX / 64, 64), Err(Error::SizeOverflow { .. })));
    let import = Import::new(Format::HfMultiply, 4, 1, &[0]).unwrap();
    assert_eq!(import.scaling(), Err(Error::Missing { argument: "weight_scale" }));
    let import = Import::new(Format::Tq2_0, 1, 256, &[0; 66]).unwrap();
    assert_eq!(import.with_weight_scale(1.0).unwrap_err(), Error::Unused { argument: "weight_scale" });
    let spec = WeightSpec::new(2, 256, Layout::TwoBit, Scaling::Row).unwrap();
    assert!(matches!(
        import.pack(&spec, &mut []),
        Err(Error::Length { argument: "outputs of the spec", .. })
    ));
    for &format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert_eq!("i2_s".parse::<Format>(), Err(Error::Name { argument: "format" }));
}

/// `weight_scale` survives where a model stores bf16, and otherwise is one that is read as the same scale.
#[test]
fn reciprocals() {
    let spec = WeightSpec::new(1, 1, Layout::TwoBit, Scaling::Tensor).unwrap();
    let mut blob = vec![0; spec.packed_len()];
    let mut random = random(5);
    for step in 0..20_000 {
        let bits = (0x3a00_0000 + (random() & 0x07ff_ffff)) & if step % 2 == 0 { 0xffff_0000 } else { !0 };
        let stored = f32::from_bits(bits | (random() & 1) << 31);
        let import = Import::new(Format::HfDivide, 1, 1, &[2]).unwrap().with_weight_scale(stored).unwrap();
        import.pack(&spec, &mut blob).unwrap();
        let weights = Weights::open(&blob).unwrap();
        let written = Export::new(Format::HfDivide, &weights).unwrap().weight_scale().unwrap();
        assert_eq!((1.0 / written).to_bits(), weights.scale(0, 0).to_bits());
        assert!(step % 2 == 1 || written == stored, "{stored} {written}");
    }
}

fn error<T>(result: Result<T, Error>) -> Error {
    result.map(drop).unwrap_err()
}

/// The writer's own refusals.
#[test]
fn writer() {
    let spec = WeightSpec::new(40, 3, Layout::FiveTrit, Scaling::Tensor).unwrap();
    let mut blob = vec![0; spec.packed_len()];
    assert!(spec.writer(&mut blob[1..]).is_err());
    let (_, rows) = spec.writer(&mut blob).unwrap();
    assert!(matches!(error(rows.split_at(17)), Error::Multiple { .. }));
    let (head, mut rows) = spec.writer(&mut blob).unwrap();
    assert!(matches!(error(rows.push(&[0; 4], &[1.0])), Error::Length { .. }));
    assert_eq!(error(rows.push(&[0, 3, 0], &[1.0])), Error::Code { output: 0, input: 1 });
    assert_eq!(error(rows.push(&[0; 3], &[f32::NAN])), Error::Scale { index: 0 });
    rows.push(&[0; 3], &[1.0]).unwrap();
    assert_eq!(error(rows.push(&[0; 3], &[2.0])), Error::ScaleDiffers { output: 1, input: 0 });
    assert_eq!(rows.outputs(), 1..40);
    assert!(matches!(error(rows.finish()), Error::Length { .. }));
    let _ = head;
    assert_eq!(Weights::open(&blob).unwrap_err(), Error::BlobMagic);

    let parts = |scales: [f32; 2], blob: &mut [u8]| {
        let (head, rows) = spec.writer(blob).unwrap();
        let (mut top, mut bottom) = rows.split_at(16).unwrap();
        (0..16).for_each(|_| top.push(&[1; 3], &scales[..1]).unwrap());
        (0..24).for_each(|_| bottom.push(&[2; 3], &scales[1..]).unwrap());
        assert!(bottom.push(&[2; 3], &scales[1..]).is_err());
        let (top, bottom) = (top.finish().unwrap(), bottom.finish().unwrap());
        assert!(matches!(bottom.join(top), Err(Error::Range { .. })));
        assert!(matches!(head.finish(&top), Err(Error::Length { .. })));
        top.join(bottom).map(drop)
    };
    assert_eq!(parts([1.0, 1.0], &mut blob), Ok(()));
    assert_eq!(parts([1.0, 2.0], &mut blob), Err(Error::ScaleDiffers { output: 16, input: 0 }));

    for (outputs, expected) in
        [(0..41, false), (16..17, false), (17..40, false), (16..40, true), (40..40, true)]
    {
        assert_eq!(spec.rows_bytes(&outputs).is_ok(), expected, "{outputs:?}");
    }
    let [scales, codes] = spec.rows_bytes(&(16..40)).unwrap().map(|range| vec![0xee; range.len()]);
    let new = |scales: &mut [u8], codes: &mut [u8]| BlobRows::new(&spec, 16..40, scales, codes).map(drop);
    assert!(new(&mut scales.clone(), &mut codes.clone()).is_ok());
    assert!(matches!(new(&mut [0; 1], &mut codes.clone()), Err(Error::Length { .. })));
    assert!(matches!(new(&mut scales.clone(), &mut codes.clone()[1..]), Err(Error::Length { .. })));
    let [header, other] = spec.head_bytes().map(|range| vec![0; range.len()]);
    let head = |header: &mut [u8], other: &mut [u8]| BlobHead::new(&spec, header, other).map(drop);
    assert!(head(&mut header.clone(), &mut other.clone()).is_ok());
    assert!(matches!(head(&mut header.clone()[1..], &mut other.clone()), Err(Error::Length { .. })));
    assert!(matches!(head(&mut header.clone(), &mut []), Err(Error::Length { .. })));
}
