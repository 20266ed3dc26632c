//! f16 and bf16 inputs give the bits of converting first, on every backend.
#![cfg(feature = "half")]

use half::{bf16, f16};
use hbitlinear::hadamard::Transform;
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{Quantizer, Rule};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
use hbitlinear::{Backend, Error, HBitLinear, Input, OutputMut};

const FEATURES: usize = 1536;

fn forward<T: Input>(backend: Backend, layer: &HBitLinear<'_>, x: &[T]) -> Result<Vec<u32>, Error> {
    let tokens = x.len() / FEATURES;
    let mut y = vec![7.0; tokens * 3];
    let mut workspace = vec![0; layer.workspace_len(tokens)?];
    let result = layer.forward(backend, x, &mut OutputMut::new(&mut y, tokens, 3, 3)?, &mut workspace);
    if result.is_err() {
        assert!(y.iter().all(|&y| y == 7.0), "an error touched the output");
    }
    result.map(|()| y.iter().map(|y| y.to_bits()).collect())
}

fn check<T: Input>(narrow: impl Fn(f32) -> T, widen: impl Fn(T) -> f32) {
    let gain: Vec<f32> = (0..FEATURES).map(|i| 0.5 + i as f32 / 1000.0).collect();
    let spec = WeightSpec::new(3, FEATURES, Layout::T2, Scaling::Tensor).unwrap();
    let ternary: Vec<i8> = (0..3 * FEATURES).map(|i| (i * 7 % 3) as i8 - 1).collect();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&ternary, &[0.25], &mut blob).unwrap();
    for norm in [None, Some(RmsNorm::new(Some(&gain), 1e-5).unwrap())] {
        for rule in Rule::ALL {
            let layer = HBitLinear::new(
                norm,
                Transform::named("paley1:12*128").unwrap(),
                Quantizer::new(rule, 1e-5).unwrap(),
                Weights::open(&blob).unwrap(),
            )
            .unwrap();
            for backend in Backend::available() {
                for tokens in [1, 3] {
                    let mut x: Vec<T> = (0..tokens * FEATURES)
                        .map(|i| narrow((i * 7919 % 1009) as f32 / 100.0 - 5.0))
                        .collect();
                    let converted: Vec<f32> = x.iter().map(|&x| widen(x)).collect();
                    let expected = forward(backend, &layer, &converted).unwrap();
                    assert_eq!(forward(backend, &layer, &x).unwrap(), expected, "{backend:?} {rule:?}");
                    x[tokens * FEATURES - 1] = narrow(f32::NAN);
                    let refused = Error::NonFinite { argument: "x", row: tokens - 1 };
                    assert_eq!(forward(backend, &layer, &x).unwrap_err(), refused);
                }
            }
        }
    }
}

#[test]
fn f16_equals_converting_first() {
    check(f16::from_f32, f16::to_f32);
}

#[test]
fn bf16_equals_converting_first() {
    check(bf16::from_f32, bf16::to_f32);
}
