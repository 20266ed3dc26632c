//! The product on threads gives the bits of the product on one, for any number of threads and any edge.
#![cfg(feature = "rayon")]

mod common;

use common::data::{OwnedActivations, OwnedWeights, Random, SCALINGS};
use common::{assert_same_bits, for_each_backend};
use hbitlinear::quantize::Bits;
use hbitlinear::weights::Weights;
use hbitlinear::{Error, OutputMut, gemm};

#[test]
fn threads_change_no_bit() {
    for_each_backend(|backend| {
        let mut random = Random::new(7);
        for (tokens, rows, columns) in [(0, 5, 40), (1, 1, 1), (1, 100, 64), (3, 47, 130), (17, 160, 300)] {
            for scaling in SCALINGS {
                let w = OwnedWeights::random(rows, columns, scaling, &mut random);
                let x = OwnedActivations::random(Bits::Four, tokens, columns, &mut random);
                let weights = Weights::open(&w.blob).unwrap();
                let mut expected = vec![0.0; tokens * rows];
                let mut workspace = vec![0; gemm::workspace_len()];
                let mut y = OutputMut::new(&mut expected, tokens, rows, rows).unwrap();
                gemm::product(backend, &weights, &x.view(), 0..tokens, 0..rows, &mut y, &mut workspace)
                    .unwrap();
                for threads in 1..=5 {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let mut y = vec![f32::NAN; tokens * rows];
                    let mut workspace = vec![0; gemm::par_workspace_len(threads).unwrap()];
                    let out = OutputMut::new(&mut y, tokens, rows, rows).unwrap();
                    pool.install(|| gemm::par_product(backend, &weights, &x.view(), out, &mut workspace))
                        .unwrap();
                    assert_same_bits(&expected, &y, format_args!("{backend:?} {threads} threads {rows}"));
                }
            }
        }
    });
}

#[test]
fn a_short_workspace_is_refused() {
    let mut random = Random::new(1);
    let w = OwnedWeights::random(40, 8, SCALINGS[0], &mut random);
    let x = OwnedActivations::random(Bits::Eight, 1, 8, &mut random);
    let weights = Weights::open(&w.blob).unwrap();
    for_each_backend(|backend| {
        let mut y = [0.5; 40];
        let mut workspace = vec![0; gemm::workspace_len() - 1];
        let out = OutputMut::new(&mut y, 1, 40, 40).unwrap();
        let error = Error::Workspace { expected: gemm::workspace_len(), actual: workspace.len() };
        assert_eq!(gemm::par_product(backend, &weights, &x.view(), out, &mut workspace), Err(error));
        assert_eq!(y, [0.5; 40]);
    });
}
