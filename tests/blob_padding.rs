//! A blob whose checksums are right but whose unused bits are not what packing writes is refused: one matrix, one
//! sequence of bytes.

mod common;

use common::blobs::reseal;
use common::data::Random;
use common::owned::OwnedWeights;
use common::reduced;
use hbitlinear::{Error, GroupLen, Layout, Scaling, Weights};

#[test]
fn every_changed_bit_is_refused_or_is_another_matrix() {
    let step = if reduced("changed bits") { 7 } else { 1 };
    for (outputs, inputs, scaling) in [
        (3, 5, Scaling::Tensor),
        (17, 16, Scaling::Row),
        (16, 17, Scaling::Row),
        (18, 70, Scaling::Group(GroupLen::L64)),
        (2, 140, Scaling::GroupF16(GroupLen::L128)),
    ] {
        for &layout in Layout::ALL {
            let w = OwnedWeights::random(outputs, inputs, (layout, scaling), &mut Random::new(8));
            let (mut refused, mut others) = (0, 0);
            for bit in (0..w.blob.len() * 8).step_by(step) {
                let mut changed = w.blob.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                reseal(&mut changed);
                if changed == w.blob {
                    continue; // A bit of a checksum.
                }
                match Weights::open(&changed) {
                    Err(error) => {
                        let reserved = (12..16).contains(&(bit / 8)) || (44..60).contains(&(bit / 8));
                        assert!(!reserved || error == Error::BlobHeader, "{error}");
                        refused += 1;
                    }
                    Ok(weights) => {
                        let spec = *weights.spec();
                        let mut ternary = vec![9; spec.outputs() * spec.inputs()];
                        let mut scales = vec![f32::NAN; spec.scale_count()];
                        weights.unpack(&mut ternary, &mut scales).unwrap();
                        let again = OwnedWeights::with_scales(spec, ternary, scales).blob;
                        assert!(
                            again == changed,
                            "bit {bit} of a {outputs}x{inputs} {layout} blob is ignored"
                        );
                        others += 1;
                    }
                }
            }
            assert!(refused > 0 && others > 0);
        }
    }
}
