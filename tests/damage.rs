//! A damaged weight blob is refused, each kind of damage with its own error. Blobs with changed bits behind right checksums
//! are in `blob_padding.rs`.

mod common;

use common::blobs::{HEADER, reseal, seal_header, small_blobs};
use common::data::Random;
use common::owned::OwnedWeights;
use common::reduced;
use hbitlinear::{Error, Layout, Scaling, WeightSpec, Weights, layout};

/// What a header with a wrong byte at that place is refused as.
fn header_error(blob: &[u8], at: usize) -> Error {
    match at {
        0..4 => Error::BlobMagic,
        4..6 => {
            let actual = u16::from_le_bytes([blob[4], blob[5]]).into();
            Error::BlobVersion { expected: layout::LAYOUT_VERSION.into(), actual }
        }
        _ => Error::BlobHeader,
    }
}

#[test]
fn every_value_of_every_header_byte() {
    for OwnedWeights { mut blob, spec, .. } in small_blobs() {
        for at in 0..HEADER {
            for flip in 1..=255 {
                blob[at] ^= flip;
                let (error, what) = (header_error(&blob, at), format!("{spec:?}, byte {at} ^ {flip:#x}"));
                assert_eq!(Weights::open(&blob).unwrap_err(), error, "{what}");
                assert_eq!(Weights::open_verified(&blob).unwrap_err(), error, "{what}");
                assert_eq!(Weights::blob_len(&blob[..HEADER]).unwrap_err(), error, "{what}");
                blob[at] ^= flip;
            }
        }
        assert!(Weights::open(&blob).is_ok());
    }
}

/// The same with a right checksum: no byte of the header can hold what no writer puts there.
#[test]
fn every_value_of_every_sealed_header_byte() {
    for OwnedWeights { blob, spec, .. } in small_blobs() {
        for at in 0..60 {
            for flip in 1..=255 {
                let mut damaged = blob.clone();
                damaged[at] ^= flip;
                seal_header(&mut damaged);
                let what = format!("{spec:?}, byte {at} ^ {flip:#x}");
                // Another shape or format may take as many bytes: it is a blob of its own, if its padding is.
                let another = (16..32).contains(&at) || (6..12).contains(&at);
                match Weights::open(&damaged) {
                    Err(Error::BlobPayload) => assert!(another || (40..44).contains(&at), "{what}"),
                    Err(Error::Scale { .. } | Error::Code { .. }) => assert!(another, "{what}"),
                    Err(error) => assert_eq!(error, header_error(&damaged, at), "{what}"),
                    Ok(weights) => {
                        assert!(another, "{what} is accepted");
                        assert_eq!(weights.spec().packed_len(), blob.len());
                        assert_ne!(*weights.spec(), spec);
                    }
                }
            }
        }
    }
}

#[test]
fn every_truncation() {
    for OwnedWeights { blob, .. } in small_blobs() {
        for len in 0..blob.len() {
            let expected = if len < HEADER { HEADER } else { blob.len() };
            let error = Error::BlobLength { expected, actual: len };
            assert_eq!(Weights::open(&blob[..len]).unwrap_err(), error);
            assert_eq!(Weights::open_verified(&blob[..len]).unwrap_err(), error);
            // The header alone says how long the blob is.
            let said = Weights::blob_len(&blob[..len]);
            assert_eq!(said, if len < HEADER { Err(error) } else { Ok(blob.len()) });
        }
        let longer = [&blob[..], &[0]].concat();
        let error = Error::BlobLength { expected: blob.len(), actual: longer.len() };
        assert_eq!(Weights::open(&longer).unwrap_err(), error);
        assert_eq!(Weights::blob_len(&longer), Ok(blob.len()));
    }
}

#[test]
fn every_flip_of_the_payload() {
    let step = if reduced("payload flips") { 13 } else { 1 };
    for OwnedWeights { mut blob, spec, .. } in small_blobs() {
        for at in (HEADER..blob.len()).step_by(step) {
            for bit in 0..8 {
                blob[at] ^= 1 << bit;
                let refused = Weights::open(&blob).unwrap_err();
                assert_eq!(refused, Error::BlobPayload, "{spec:?}, byte {at}, bit {bit}");
                assert!(Weights::open_verified(&blob).is_ok(), "it does not read the payload");
                blob[at] ^= 1 << bit;
            }
        }
    }
}

/// A code 3 of `TwoBit`, in every place of the matrix and of its padding, behind right checksums.
#[test]
fn code_3() {
    let (outputs, inputs) = (17, 35);
    let format = (Layout::TwoBit, Scaling::Tensor);
    let w = OwnedWeights::random(outputs, inputs, format, &mut Random::new(4));
    let (panel, codes) = (inputs.div_ceil(16) * 64, HEADER + 64);
    for (output, input) in (0..32).flat_map(|output| (0..48).map(move |input| (output, input))) {
        let mut blob = w.blob.clone();
        let at = codes + output / 16 * panel + input / 16 * 64 + 4 * (output % 16) + input % 4;
        blob[at] |= 3 << (input % 16 / 4 * 2);
        reseal(&mut blob);
        assert_eq!(Weights::open(&blob).unwrap_err(), Error::Code { output, input });
    }
}

/// The same for `FiveTrit`: a code 3 in every field of the rest blocks, and every byte that is not five trits in every place
/// for five. 300 inputs are a whole chunk, and one that ends with its first quarter.
#[test]
fn no_trits() {
    let (outputs, inputs) = (17, 300);
    let w = OwnedWeights::random(outputs, inputs, (Layout::FiveTrit, Scaling::Tensor), &mut Random::new(4));
    let codes = HEADER + 64;
    let (chunk, panel) = (64 + 4 * 192, (64 + 4 * 192) + (64 + 192));
    let trits: Vec<u8> = (0_u32..243).map(|number| (number * 256).div_ceil(243) as u8).collect();
    let others: Vec<u8> = (0..=255).filter(|byte| !trits.contains(byte)).collect();
    assert_eq!(others.len(), 13);
    let refused = |at: usize, byte: u8, output: usize, input: usize| {
        let mut blob = w.blob.clone();
        blob[at] = byte;
        reseal(&mut blob);
        assert_eq!(Weights::open(&blob).unwrap_err(), Error::Code { output, input }, "byte {at}: {byte:#x}");
    };
    for (output, lane) in (0..32).flat_map(|output| (0..4).map(move |lane| (output, lane))) {
        let byte = 4 * (output % 16) + lane;
        for quarter in 0..8 {
            let start = codes + output / 16 * panel + quarter / 4 * chunk;
            let (field, first) = (2 * (quarter % 4), 64 * quarter);
            let rest = start + byte;
            refused(rest, w.blob[rest] | 3 << field, output, first + 60 + lane);
            // The last chunk has no bytes behind the quarter that it ends with.
            for block in (0..3).filter(|_| first < inputs) {
                let at = start + 64 + quarter % 4 * 192 + block * 64 + byte;
                others.iter().for_each(|&other| refused(at, other, output, first + 20 * block + lane));
            }
        }
    }
}

#[test]
fn scales_that_are_not_finite() {
    for OwnedWeights { blob, spec, .. } in small_blobs() {
        let bytes = if matches!(spec.scaling(), Scaling::GroupF16(_)) { 2 } else { 4 };
        // Padded to whole panels, and to 64 bytes.
        let scales = match spec.scaling() {
            Scaling::Tensor => 16,
            Scaling::Row => 32,
            Scaling::Group(_) | Scaling::GroupF16(_) => 32 * spec.groups(),
        };
        for (index, bad) in
            (0..scales).flat_map(|i| [f32::NAN, f32::INFINITY, -f32::INFINITY].map(|b| (i, b)))
        {
            let mut damaged = blob.clone();
            let scale = &mut damaged[HEADER + bytes * index..][..bytes];
            match bytes {
                2 => scale.copy_from_slice(&half::f16::from_f32(bad).to_le_bytes()),
                _ => scale.copy_from_slice(&bad.to_le_bytes()),
            }
            reseal(&mut damaged);
            assert_eq!(Weights::open(&damaged).unwrap_err(), Error::Scale { index }, "{spec:?}");
        }
    }
}

#[test]
fn other_bytes() {
    let open = |bytes: &[u8]| Weights::open(bytes).map(|_| ());
    let blob_len = |bytes: &[u8]| Weights::blob_len(bytes).map(|_| ());
    for read in [open, blob_len] as [fn(&[u8]) -> Result<(), Error>; 2] {
        assert_eq!(read(&[]), Err(Error::BlobLength { expected: HEADER, actual: 0 }));
        assert_eq!(read(&[0; 63]), Err(Error::BlobLength { expected: HEADER, actual: 63 }));
        assert_eq!(read(&[0; 128]), Err(Error::BlobMagic));
        assert_eq!(read(b"GGUF".repeat(50).as_slice()), Err(Error::BlobMagic));
    }
}

/// A header of a shape whose bytes no address space holds is no blob, and not an overflow.
#[test]
fn lengths_that_overflow() {
    for OwnedWeights { blob, .. } in small_blobs() {
        for (outputs, inputs) in
            [(u64::MAX, 1), (1, u64::MAX), (u64::MAX, u64::MAX), (1 << 31, 1 << 24), (0, 1)]
        {
            let mut header = blob[..HEADER].to_vec();
            header[16..24].copy_from_slice(&outputs.to_le_bytes());
            header[24..32].copy_from_slice(&inputs.to_le_bytes());
            seal_header(&mut header);
            assert_eq!(Weights::blob_len(&header), Err(Error::BlobHeader));
        }
    }
}

/// Whatever its layout, a blob is as long as its shape says, and what repacking writes is what packing writes.
#[test]
fn repacked_is_packed() {
    for w in small_blobs() {
        for other in w.layouts() {
            let mut blob = vec![0xee; other.spec.packed_len()];
            w.view().repack(other.spec.layout(), &mut blob).unwrap();
            assert!(blob == other.blob, "{:?} from {:?}", other.spec, w.spec);
            let same = WeightSpec::new(17, 70, other.spec.layout(), w.spec.scaling());
            assert_eq!(same, Ok(other.spec));
        }
    }
}
