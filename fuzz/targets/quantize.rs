//! Any rows, every rule: all backends write the same bits, or refuse with the same error and write nothing.

#![no_main]

use hbitlinear::quantize::{ActivationsMut, Quantizer, Rule};
use hbitlinear::{Backend, Result};
use hbitlinear_fuzz::{cycle_floats, others, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    features: u16,
    rows: u8,
    epsilon: u32,
    x: Vec<u32>,
}

/// Everything a quantiser writes, the scales as bits.
#[derive(PartialEq, Debug)]
struct Written {
    values: Vec<u8>,
    scales: Vec<u32>,
    sums: Vec<i32>,
}

fuzz_target!(|input: Input| {
    let features = usize::from(input.features) % 5000 + 1;
    let x = cycle_floats(&input.x, features * usize::from(input.rows % 4));
    for rule in Rule::ALL {
        let Ok(quantizer) = Quantizer::new(rule, f32::from_bits(input.epsilon)) else { return };
        let expected = run(scalar(), &quantizer, features, &x);
        for backend in others() {
            assert_eq!(expected, run(backend, &quantizer, features, &x), "{backend:?} {}", rule.name());
        }
    }
});

fn run(backend: Backend, quantizer: &Quantizer, features: usize, x: &[f32]) -> (Result<()>, Written) {
    let tokens = x.len() / features;
    let bits = quantizer.rule().bits();
    let mut values = vec![0xA5; tokens * bits.row_bytes(features)];
    let (mut scales, mut sums) = (vec![-1.5; tokens], vec![i32::MIN; tokens]);
    let mut out = ActivationsMut::new(bits, features, &mut values, &mut scales, &mut sums)
        .expect("room of the right size");
    let result = quantizer.forward(backend, x, &mut out);
    if result.is_ok() {
        let written = out.as_activations();
        for token in 0..tokens {
            let sum: i32 = (0..features).map(|feature| i32::from(written.value(token, feature))).sum();
            assert_eq!(written.sums()[token], sum, "the row's sum");
        }
    } else {
        let untouched = values.iter().all(|&value| value == 0xA5)
            && scales.iter().all(|&scale| scale == -1.5)
            && sums.iter().all(|&sum| sum == i32::MIN);
        assert!(untouched, "an error leaves the output alone");
    }
    (result, Written { values, scales: scales.iter().map(|scale| scale.to_bits()).collect(), sums })
}
