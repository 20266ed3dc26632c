//! Other people's formats: any bytes are read or refused; what was read is packed as its rows say, written back with the
//! same bytes, and in another format, if that can hold it, with the same weights and scales.

#![no_main]

use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::{Error, GroupLen, Layout, Scaling, Weights};
use hbitlinear_fuzz::cycle;
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    format: u8,
    layout: u8,
    outputs: u8,
    inputs: u8,
    /// Stretched to the tensor.
    bytes: &'a [u8],
    /// As random bytes are, or without a code 3 and with few scales.
    tame: bool,
    edits: Vec<(u16, u8)>,
    weight_scale: Option<u32>,
    any_shape: (u64, u64),
    other: u8,
}

fuzz_target!(|input: Input| {
    for &format in Format::ALL {
        // No shape is too absurd to ask for.
        let _ = format.tensor_len(input.any_shape.0 as usize, input.any_shape.1 as usize);
    }
    let format = Format::ALL[usize::from(input.format) % Format::ALL.len()];
    let layout = Layout::ALL[usize::from(input.layout) % Layout::ALL.len()];
    let (multiple, native) = rules(format);
    let outputs = usize::from(input.outputs) % 19 + 1;
    let inputs = (usize::from(input.inputs) % (768 / multiple / outputs).max(1) + 1) * multiple;
    let Ok(len) = format.tensor_len(outputs, inputs) else { return };
    let mut bytes = cycle(input.bytes, len);
    if input.tame {
        tame(format, (outputs, inputs), &mut bytes);
    }
    for &(at, flip) in &input.edits {
        bytes[usize::from(at) % len] ^= flip;
    }
    let mut import = Import::new(format, outputs, inputs, &bytes).expect("bytes of the right length");
    if let Some(scale) = input.weight_scale.filter(|_| format.has_weight_scale()) {
        match import.with_weight_scale(f32::from_bits(scale)) {
            Ok(given) => import = given,
            Err(error) => return assert_eq!(error, Error::Scale { index: 0 }),
        }
    }
    let Some(blob) = packed(&import, layout, native) else { return };
    let weights = Weights::open(&blob).expect("what was packed opens");
    check(&import, &weights, true);

    // With the same bytes, unless some of them have no meaning: then these have one form.
    let Some(again) = written(format, &weights) else {
        assert_eq!(format, Format::HfDivide, "{format}");
        return;
    };
    let back = with_scale(format, &weights, &again).expect("what was written is read");
    check(&back, &weights, true);
    if all_bytes_count(format, outputs) {
        assert!(again == bytes, "{format}");
    }
    let second = packed(&back, layout, native).expect("what was written is packed");
    assert!(second == blob, "{format}");

    // The coarsest scaling holds the same.
    let coarsest = import.scaling().expect("its scales are finite");
    let coarse = packed(&import, layout, coarsest).expect("scales that are the same");
    let coarse = Weights::open(&coarse).expect("what was packed opens").spec().scaling();
    assert_eq!(coarse, coarsest);

    let other = Format::ALL[usize::from(input.other) % Format::ALL.len()];
    if let Some(bytes) = written(other, &weights) {
        let import = with_scale(other, &weights, &bytes).expect("what was written is read");
        check(&import, &weights, false);
    }
});

/// What K is a multiple of here, and the scaling of the format.
fn rules(format: Format) -> (usize, Scaling) {
    match format {
        Format::Tq1_0 | Format::Tq2_0 => (256, Scaling::GroupF16(GroupLen::L256)),
        Format::Pq2_0 | Format::Ptq1_0 => (128, Scaling::GroupF16(GroupLen::L128)),
        Format::Q2_0 => (64, Scaling::GroupF16(GroupLen::L64)),
        Format::Iq1Bn | Format::Iq2Bn => (64, Scaling::Row),
        Format::I2sX86 | Format::I2sArm => (32, Scaling::Tensor),
        _ => (1, Scaling::Tensor),
    }
}

/// Whether two tensors of a format with the same weights and scales have the same bytes.
fn all_bytes_count(format: Format, outputs: usize) -> bool {
    match format {
        Format::Tq2_0 | Format::Q2_0 | Format::Pq2_0 | Format::Iq2Bn => true,
        Format::HfMultiply | Format::HfDivide => outputs.is_multiple_of(4),
        _ => false,
    }
}

/// Bytes whose fields of two bits are no code 3, and scales that are often the same.
fn tame(format: Format, (outputs, inputs): (usize, usize), bytes: &mut [u8]) {
    for byte in bytes.iter_mut() {
        *byte &= !(*byte >> 1 & 0x55 & *byte);
    }
    let scales =
        |cell: usize, at: usize, stride: usize| (0..outputs * inputs / cell).map(move |i| i * stride + at);
    let f16 = |bytes: &mut [u8], at: usize| bytes[at + 1] = bytes[at + 1] % 4 + 0x38;
    match format {
        Format::Tq1_0 => scales(256, 52, 54).for_each(|at| f16(bytes, at)),
        Format::Tq2_0 => scales(256, 64, 66).for_each(|at| f16(bytes, at)),
        Format::Q2_0 => scales(64, 0, 18).for_each(|at| f16(bytes, at)),
        Format::Pq2_0 => scales(128, 0, 34).for_each(|at| f16(bytes, at)),
        Format::Ptq1_0 => scales(128, 26, 28).for_each(|at| f16(bytes, at)),
        _ => {}
    }
}

/// Packed with that scaling, or refused for a reason that there is.
fn packed(import: &Import<'_>, layout: Layout, scaling: Scaling) -> Option<Vec<u8>> {
    let spec = import.spec(layout, scaling).expect("a small shape");
    let mut blob = vec![0x55; spec.packed_len()];
    match import.pack(&spec, &mut blob) {
        Ok(()) => Some(blob),
        Err(error) => {
            let code = matches!(error, Error::Code { .. });
            assert!(code || matches!(error, Error::Scale { .. } | Error::Missing { .. }), "{error}");
            if let Error::Code { output, .. } = error {
                assert_eq!(import.row(output, &mut vec![0; import.inputs()]), Err(error));
            }
            assert!(Weights::open(&blob).is_err(), "what was refused does not open");
            None
        }
    }
}

/// The weights in a format, if it can hold them.
fn written(format: Format, weights: &Weights<'_>) -> Option<Vec<u8>> {
    let export = Export::new(format, weights).ok()?;
    let mut bytes = vec![0xAA; export.len()];
    match export.write(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(Error::Scale { .. } | Error::ScaleDiffers { .. }) => None,
        Err(error) => panic!("{format}: {error}"),
    }
}

/// What was written, with its scale.
fn with_scale<'a>(format: Format, weights: &Weights<'_>, bytes: &'a [u8]) -> Result<Import<'a>, Error> {
    let import = Import::new(format, weights.outputs(), weights.inputs(), bytes)?;
    match Export::new(format, weights)?.weight_scale() {
        Some(stored) => import.with_weight_scale(stored),
        None => Ok(import),
    }
}

/// The same weights, and the same scales; of zeros the scale does not count, unless all do.
fn check(import: &Import<'_>, weights: &Weights<'_>, all: bool) {
    let mut row = vec![9; weights.inputs()];
    for output in 0..weights.outputs() {
        import.row(output, &mut row).expect("a row without a code 3");
        for (input, &weight) in row.iter().enumerate() {
            assert_eq!(weight, weights.weight(output, input));
            if all && input % 64 == 0 || weight != 0 {
                let group = input / weights.spec().group_inputs();
                let (found, expected) = (import.scale(output, input), weights.scale(output, group));
                assert_eq!(found.map(f32::to_bits), Ok(expected.to_bits()), "{output}, {input}");
            }
        }
    }
}
