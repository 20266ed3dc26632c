//! A damaged weight blob is refused, each kind of damage with its own error.

mod common;

use common::data::{OwnedWeights, Random, SCALINGS};
use common::reduced;
use hbitlinear::Error;
use hbitlinear::weights::{Scaling, Weights};

const HEADER: usize = 64;

fn small_blobs() -> Vec<Vec<u8>> {
    let mut random = Random::new(3);
    SCALINGS.map(|scaling| OwnedWeights::random(17, 70, scaling, &mut random).blob).into()
}

/// Recomputes both checksums, as somebody would who edits a blob on purpose.
fn reseal(blob: &mut [u8]) {
    let crc = crc32fast::hash(&blob[HEADER..]);
    blob[40..44].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&blob[..60]);
    blob[60..64].copy_from_slice(&crc.to_le_bytes());
}

/// What a header with a wrong byte at that place is refused as.
fn header_error(blob: &[u8], at: usize) -> Error {
    match at {
        0..4 => Error::BlobMagic,
        4..6 => Error::BlobVersion { actual: u16::from_le_bytes([blob[4], blob[5]]).into() },
        _ => Error::BlobHeader,
    }
}

#[test]
fn every_value_of_every_header_byte() {
    for mut blob in small_blobs() {
        for at in 0..HEADER {
            for flip in 1..=255 {
                blob[at] ^= flip;
                let error = header_error(&blob, at);
                assert_eq!(Weights::open(&blob).unwrap_err(), error, "byte {at} ^ {flip:#x}");
                assert_eq!(Weights::open_verified(&blob).unwrap_err(), error, "byte {at} ^ {flip:#x}");
                blob[at] ^= flip;
            }
        }
        assert!(Weights::open(&blob).is_ok());
    }
}

/// The same with a right checksum: no byte of the header can hold what no writer puts there.
#[test]
fn every_value_of_every_sealed_header_byte() {
    for blob in small_blobs() {
        let whole = Weights::open(&blob).unwrap();
        for at in 0..60 {
            for flip in 1..=255 {
                let mut damaged = blob.clone();
                damaged[at] ^= flip;
                if !(40..44).contains(&at) {
                    reseal(&mut damaged);
                } else {
                    let crc = crc32fast::hash(&damaged[..60]);
                    damaged[60..64].copy_from_slice(&crc.to_le_bytes());
                }
                match Weights::open(&damaged) {
                    // A wrong checksum of the payload, or a shape whose padding is not all zero weights.
                    Err(Error::BlobPayload) => {
                        assert!(
                            (16..32).contains(&at) || (40..44).contains(&at) || at == 8,
                            "byte {at} ^ {flip:#x}"
                        );
                    }
                    Err(error) => assert_eq!(error, header_error(&damaged, at), "byte {at} ^ {flip:#x}"),
                    // Another shape that takes as many bytes is a blob of its own.
                    Ok(weights) => {
                        assert!((16..32).contains(&at) || at == 8, "byte {at} ^ {flip:#x} is accepted");
                        assert_eq!(weights.spec().packed_len(), blob.len());
                        assert_ne!(weights.spec(), whole.spec());
                    }
                }
            }
        }
    }
}

#[test]
fn every_truncation() {
    for blob in small_blobs() {
        for len in 0..blob.len() {
            let expected = if len < HEADER { HEADER } else { blob.len() };
            let error = Error::BlobLength { expected, actual: len };
            assert_eq!(Weights::open(&blob[..len]).unwrap_err(), error);
            assert_eq!(Weights::open_verified(&blob[..len]).unwrap_err(), error);
        }
        let longer = [&blob[..], &[0]].concat();
        let error = Error::BlobLength { expected: blob.len(), actual: longer.len() };
        assert_eq!(Weights::open(&longer).unwrap_err(), error);
    }
}

#[test]
fn every_flip_of_the_payload() {
    let step = if reduced("payload flips") { 13 } else { 1 };
    for mut blob in small_blobs() {
        for at in (HEADER..blob.len()).step_by(step) {
            for bit in 0..8 {
                blob[at] ^= 1 << bit;
                assert_eq!(Weights::open(&blob).unwrap_err(), Error::BlobPayload, "byte {at}, bit {bit}");
                assert!(Weights::open_verified(&blob).is_ok(), "it does not read the payload");
                blob[at] ^= 1 << bit;
            }
        }
    }
}

/// A code 3, in every place of the matrix and of its padding, behind right checksums.
#[test]
fn code_3() {
    let (rows, columns) = (17, 35);
    let w = OwnedWeights::random(rows, columns, Scaling::Tensor, &mut Random::new(4));
    let (panel, codes) = (columns.div_ceil(16) * 64, HEADER + 64);
    for (row, column) in (0..32).flat_map(|row| (0..48).map(move |column| (row, column))) {
        let mut blob = w.blob.clone();
        let at = codes + row / 16 * panel + column / 16 * 64 + 4 * (row % 16) + column % 4;
        blob[at] |= 3 << (column % 16 / 4 * 2);
        reseal(&mut blob);
        assert_eq!(Weights::open(&blob).unwrap_err(), Error::Code { row, column });
    }
}

#[test]
fn scales_that_are_not_finite() {
    for blob in small_blobs() {
        // Kind 3 of scaling: f16.
        let bytes = if blob[7] == 3 { 2 } else { 4 };
        let scales = (blob.len() - HEADER - 2 * 5 * 64) / bytes;
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
            assert_eq!(Weights::open(&damaged).unwrap_err(), Error::Scale { index });
        }
    }
}

#[test]
fn other_bytes() {
    assert_eq!(Weights::open(&[]).unwrap_err(), Error::BlobLength { expected: HEADER, actual: 0 });
    assert_eq!(Weights::open(&[0; 128]).unwrap_err(), Error::BlobMagic);
    assert_eq!(Weights::open(b"GGUF".repeat(50).as_slice()).unwrap_err(), Error::BlobMagic);
}
