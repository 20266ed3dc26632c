//! Rows of an input that lie apart, or in raw memory: the bits of the same rows side by side. What lies between them is not
//! looked at; strides and lengths that do not fit are refused.

mod common;

use common::data::Random;
use common::owned::{OwnedWeights, Quantised, formats};
use common::run::input_stages;
use common::{assert_same_bits, for_each_backend, run};
use hbitlinear::{BitLinear, Error, Input, Quantizer, RmsNorm, Rule, Transform};

const INPUTS: usize = 24;

/// The rows, `stride` apart, with NaN between them and none behind the last one.
fn apart(rows: &[f32], stride: usize) -> Vec<f32> {
    let mut data = vec![f32::NAN; (rows.len() / INPUTS - 1) * stride + INPUTS];
    for (from, to) in rows.chunks(INPUTS).zip(data.chunks_mut(stride)) {
        to[..INPUTS].copy_from_slice(from);
    }
    data
}

#[test]
fn strides_change_no_bit() {
    let mut formats = formats().cycle();
    for case in 0..Rule::ALL.len() * 4 {
        let quantizer = Quantizer::new(Rule::ALL[case / 4], 1e-5).unwrap();
        let norm = (case & 1 != 0).then(|| RmsNorm::new(None, 1e-6).unwrap());
        let transform = (case & 2 != 0).then(|| Transform::named("paley1:12*2").unwrap());
        let stages = input_stages(INPUTS, quantizer, norm, transform).unwrap();
        let w = OwnedWeights::random(18, INPUTS, formats.next().unwrap(), &mut Random::new(1));
        let layer = BitLinear::new(stages, w.view()).unwrap();
        for_each_backend(|backend| {
            for (tokens, stride) in [1, 2, 5].into_iter().flat_map(|m| [24, 25, 31, 48, 1000].map(|s| (m, s)))
            {
                let rows = Random::new(tokens as u64).normals(tokens * INPUTS);
                let what = format!("{backend:?} case {case}, {tokens} rows {stride} apart");
                let expected = run::layer(backend, &layer, &rows, tokens).unwrap();
                let data = apart(&rows, stride);
                let strided = Input::strided(&data, tokens, stride).unwrap();
                let y = run::layer(backend, &layer, strided, tokens).unwrap();
                assert_same_bits(&expected, &y, format_args!("{what}"));
                // More room behind the last row is no part of it.
                let longer = [&data[..], &[f32::NAN; 100]].concat();
                let strided = Input::strided(&longer, tokens, stride).unwrap();
                let y = run::layer(backend, &layer, strided, tokens).unwrap();
                assert_same_bits(&expected, &y, format_args!("{what}, and room"));
                // SAFETY: `data` has the rows.
                let raw = unsafe { Input::from_raw(data.as_ptr(), tokens, stride) };
                let y = run::layer(backend, &layer, raw, tokens).unwrap();
                assert_same_bits(&expected, &y, format_args!("{what}, raw"));

                let expected = run::stages(backend, &stages, &rows, tokens).unwrap();
                let strided = Input::strided(&data, tokens, stride).unwrap();
                let q = run::stages(backend, &stages, strided, tokens).unwrap();
                expected.assert_same(&q, format_args!("{what}, stages"));
                let mut alone = [0; 2].map(|_| Quantised::painted(quantizer.rule().bits(), tokens, INPUTS));
                let [contiguous, quantised] = &mut alone;
                quantizer.forward(backend, &rows, contiguous.room()).unwrap();
                quantizer.forward(backend, strided, quantised.room()).unwrap();
                contiguous.assert_same(quantised, format_args!("{what}, quantiser"));
            }
            // No rows at all.
            let none = Input::<f32>::strided(&[], 0, INPUTS).unwrap();
            assert_eq!(run::layer(backend, &layer, none, 0), Ok(vec![]));
            assert_eq!(run::layer(backend, &layer, &[0.0_f32; 0], 0), Ok(vec![]));
        });
    }
}

/// A row that is not finite is named by its number, not by its place in memory.
#[test]
fn rows_are_named() {
    let stages = input_stages(INPUTS, Quantizer::new(Rule::Int8AbsMax, 0.0).unwrap(), None, None).unwrap();
    for_each_backend(|backend| {
        for row in 0..4 {
            let mut rows = Random::new(1).normals(4 * INPUTS);
            rows[(row + 1) * INPUTS - 1] = f32::INFINITY;
            let data = apart(&rows, 3 * INPUTS);
            let x = Input::strided(&data, 4, 3 * INPUTS).unwrap();
            let refused = run::stages(backend, &stages, x, 4).map(|_| ());
            assert_eq!(refused, Err(Error::NonFinite { argument: "x", row }), "{backend:?}");
        }
    });
}

#[test]
fn what_does_not_fit_is_refused() {
    let overflow = Error::SizeOverflow { argument: "tokens * stride of x" };
    let data = [1.0_f32; 100];
    for (tokens, stride) in [(2, usize::MAX / 2 + 1), (usize::MAX, 2), (usize::MAX, usize::MAX)] {
        assert_eq!(Input::strided(&data, tokens, stride).map(|_| ()), Err(overflow));
    }
    let w = OwnedWeights::random(18, INPUTS, formats().next().unwrap(), &mut Random::new(1));
    let length = |argument, expected, actual| Error::Length { argument, expected, actual };
    let stride = |actual| Error::Stride { argument: "stride of x", expected: INPUTS, actual };
    for &rule in Rule::ALL {
        let quantizer = Quantizer::new(rule, 0.0).unwrap();
        let stages = input_stages(INPUTS, quantizer, None, None).unwrap();
        let layer = BitLinear::new(stages, w.view()).unwrap();
        for_each_backend(|backend| {
            for (tokens, apart, len, error) in [
                (3, INPUTS - 1, 100, stride(INPUTS - 1)),
                (3, 0, 100, stride(0)),
                (3, 30, 83, length("x", 84, 83)),
                (3, INPUTS, 71, length("x", 72, 71)),
                (3, 30, 0, length("x", 84, 0)),
                (2, 30, 100, length("tokens of x", 3, 2)),
                (4, 24, 100, length("tokens of x", 3, 4)),
                (3, usize::MAX / 3, 100, length("x", usize::MAX / 3 * 2 + INPUTS, 100)),
            ] {
                let x = Input::strided(&data[..len], tokens, apart).unwrap();
                let what = format!("{backend:?} {rule}: {tokens} rows {apart} apart in {len}");
                assert_eq!(run::layer(backend, &layer, x, 3), Err(error), "{what}");
                assert_eq!(run::stages(backend, &stages, x, 3).map(|_| ()), Err(error), "{what}");
                let mut memory = Quantised::painted(rule.bits(), 3, INPUTS);
                assert_eq!(quantizer.forward(backend, x, memory.room()).unwrap_err(), error, "{what}");
                memory.assert_painted();
            }
        });
    }
}
