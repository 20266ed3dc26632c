//! A blob whose checksums are right but whose unused bits are not what packing writes is refused: one matrix, one
//! sequence of bytes.

use hbitlinear::Error;
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};

const HEADER_BYTES: usize = 64;

/// Makes both checksums right again.
fn mend(blob: &mut [u8]) {
    let (header, payload) = blob.split_at_mut(HEADER_BYTES);
    header[40..44].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn every_changed_bit_is_refused_or_is_another_matrix() {
    for (rows, columns, scaling) in [
        (3, 5, Scaling::Tensor),
        (17, 16, Scaling::Row),
        (16, 17, Scaling::Row),
        (18, 70, Scaling::Group(64)),
    ] {
        let spec = WeightSpec::new(rows, columns, Layout::T2, scaling).unwrap();
        let ternary: Vec<i8> = (0..rows * columns).map(|i| (i * 7 % 3) as i8 - 1).collect();
        let scales: Vec<f32> = (0..spec.scale_count()).map(|i| i as f32 + 0.5).collect();
        let mut blob = vec![0; spec.packed_len()];
        spec.pack(&ternary, &scales, &mut blob).unwrap();

        let (mut refused, mut others) = (0, 0);
        for bit in 0..blob.len() * 8 {
            let mut changed = blob.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            mend(&mut changed);
            if changed == blob {
                continue; // A bit of a checksum.
            }
            match Weights::open(&changed) {
                Err(error) => {
                    let reserved = (12..16).contains(&(bit / 8)) || (44..60).contains(&(bit / 8));
                    assert!(!reserved || error == Error::BlobHeader, "{error}");
                    refused += 1;
                }
                Ok(weights) => {
                    let spec = weights.spec();
                    let mut ternary = vec![0; spec.rows() * spec.columns()];
                    weights.unpack(&mut ternary).unwrap();
                    let scale = |i| weights.scale(i / spec.groups(), i % spec.groups());
                    let scales: Vec<f32> = (0..spec.scale_count()).map(scale).collect();
                    let mut again = vec![0; spec.packed_len()];
                    spec.pack(&ternary, &scales, &mut again).unwrap();
                    assert!(again == changed, "bit {bit} of a {rows}x{columns} blob is ignored");
                    others += 1;
                }
            }
        }
        assert!(refused > 0 && others > 0);
    }
}
