//! f16 and bf16 inputs give the bits of converting first, on every backend, for contiguous rows and rows that lie apart.

mod common;

use common::data::Random;
use common::owned::{OwnedWeights, formats};
use common::{assert_same_bits, for_each_backend, run};
use half::{bf16, f16};
use hbitlinear::{BitLinear, Element, Error, Input, Quantizer, RmsNorm, Rule, Transform};

const INPUTS: usize = 1536;

fn check<T: Element + Copy>(narrow: impl Fn(f32) -> T, widen: impl Fn(T) -> f32) {
    let gain: Vec<f32> = (0..INPUTS).map(|i| 0.5 + i as f32 / 1000.0).collect();
    let norms = [None, Some(RmsNorm::new(Some(&gain), 1e-5).unwrap())];
    let transforms = [None, Some(Transform::named("paley1:12*128").unwrap())];
    let weights: Vec<_> =
        formats().map(|format| OwnedWeights::random(3, INPUTS, format, &mut Random::new(1))).collect();
    for_each_backend(|backend| {
        let mut weights = weights.iter().cycle();
        for case in 0..Rule::ALL.len() * 4 {
            let (rule, norm, transform) = (Rule::ALL[case / 4], norms[case / 2 % 2], transforms[case % 2]);
            let quantizer = Quantizer::new(rule, 1e-5).unwrap();
            let stages = run::input_stages(INPUTS, quantizer, norm, transform).unwrap();
            let layer = BitLinear::new(stages, weights.next().unwrap().view()).unwrap();
            for tokens in [1, 3] {
                let what = format!("{backend:?} {rule} M {tokens}");
                let mut x: Vec<T> =
                    (0..tokens * INPUTS).map(|i| narrow((i * 7919 % 1009) as f32 / 100.0 - 5.0)).collect();
                let converted: Vec<f32> = x.iter().map(|&x| widen(x)).collect();
                let expected = run::layer(backend, &layer, &converted, tokens).unwrap();
                let y = run::layer(backend, &layer, &x, tokens).unwrap();
                assert_same_bits(&expected, &y, format_args!("{what}"));

                let gap = INPUTS + 5;
                let mut apart = vec![narrow(f32::NAN); tokens * gap];
                for (from, to) in x.chunks(INPUTS).zip(apart.chunks_mut(gap)) {
                    to[..INPUTS].copy_from_slice(from);
                }
                let apart = Input::strided(&apart, tokens, gap).unwrap();
                let y = run::layer(backend, &layer, apart, tokens).unwrap();
                assert_same_bits(&expected, &y, format_args!("{what}, apart"));

                x[tokens * INPUTS - 1] = narrow(f32::NAN);
                let refused = Error::NonFinite { argument: "x", row: tokens - 1 };
                assert_eq!(run::layer(backend, &layer, &x, tokens), Err(refused), "{what}");
                let short =
                    Error::Length { argument: "x", expected: tokens * INPUTS, actual: tokens * INPUTS - 1 };
                assert_eq!(run::layer(backend, &layer, &x[1..], tokens), Err(short), "{what}");
            }
        }
    });
}

#[test]
fn f16_equals_converting_first() {
    check(f16::from_f32, f16::to_f32);
}

#[test]
fn bf16_equals_converting_first() {
    check(bf16::from_f32, bf16::to_f32);
}
