//! Any states, queries and weights: codes as the oracle's but near a rounding edge, scores and sums within their bounds of
//! f64, all of it the same bits on every backend and for any cut. States that are not finite are refused.

#![no_main]

use hbitlinear::{
    Backend, CacheSpec, Error, Query, QueryBits, StateBits, attend, attend_workspace_len, reference, softmax,
};
use hbitlinear_fuzz::rows::{Floats, widen};
use hbitlinear_fuzz::{TINY, U, others, same, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    head_size: u8,
    tokens: u8,
    bits: [u8; 2],
    cut: u8,
    scale: i8,
    keys: Floats,
    values: Floats,
    queries: Floats,
    weights: Floats,
}

/// What a backend makes of it: states, scores of both queries, a weighted sum, a softmax, and attention.
type Written = Vec<Vec<f32>>;

fuzz_target!(|input: Input| {
    let size = usize::from(input.head_size) % 150 + 1;
    let tokens = usize::from(input.tokens) % 80 + 1;
    let bits = |at: usize| StateBits::ALL[usize::from(input.bits[at]) % StateBits::ALL.len()];
    let spec = CacheSpec::new(size, 2, tokens, bits(0), bits(1)).expect("a small cache");
    let (keys, values) = (input.keys.take(2 * size * tokens), input.values.take(2 * size * tokens));
    let (queries, weights) = (input.queries.take(4 * size), input.weights.take(tokens));
    let scale = f32::from(input.scale) / 64.0;
    let run = |backend| run(backend, spec, &keys, &values, &queries, &weights, scale, usize::from(input.cut));
    let expected = run(scalar());
    for backend in others() {
        match (&expected, run(backend)) {
            (Ok(expected), Ok(actual)) => {
                for (part, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
                    assert!(same(expected, actual), "{backend:?}, part {part}: {expected:?}, not {actual:?}");
                }
            }
            (expected, actual) => assert_eq!(expected.as_ref().err(), actual.as_ref().err(), "{backend:?}"),
        }
    }
    let bad = |bits, rows: &[f32]| {
        let limit = if bits == StateBits::F16 { 65_520.0 } else { f32::INFINITY };
        rows.iter().position(|x| x.is_nan() || x.abs() >= limit).map(|at| (at / size / 2, at / size % 2))
    };
    let refused = bad(bits(0), &keys).map(|place| ("keys", place));
    let refused = refused.or_else(|| bad(bits(1), &values).map(|place| ("values", place)));
    let refused = refused.map(|(argument, (token, head))| Error::NonFiniteHead { argument, token, head });
    match expected {
        Err(error) => assert_eq!(Some(error), refused),
        Ok(written) => {
            assert_eq!(refused, None);
            check(spec, &keys, &values, &queries, &weights, scale, &written);
        }
    }
});

fn run(
    backend: Backend,
    spec: CacheSpec,
    keys: &[f32],
    values: &[f32],
    queries: &[f32],
    weights: &[f32],
    scale: f32,
    cut: usize,
) -> Result<Written, Error> {
    let (size, tokens) = (spec.head_size(), weights.len());
    let mut memory = vec![0xa5; spec.bytes_len()];
    let mut cache = spec.create(&mut memory).expect("as many bytes");
    cache.append(backend, keys, values)?;
    let states = cache.states();
    let places = (0..tokens * size).map(|at| (at / size, at % size));
    let mut written: Written = vec![
        places.clone().map(|(t, i)| states.key(t, 1, i)).collect(),
        places.map(|(t, i)| states.value(t, 1, i)).collect(),
    ];
    let at = cut % (tokens + 1);
    let mut storage = vec![0; Query::storage_len(size).expect("small")];
    let query = Query::quantized(backend, &queries[..size], &mut storage).ok();
    for query in [Query::plain(&queries[..size]).ok(), query].into_iter().flatten() {
        let mut scores = vec![f32::NAN; tokens];
        for range in [0..at, at..tokens] {
            let scores = &mut scores[range.clone()];
            states.scores(backend, 1, &query, range, scale, scores).expect("good arguments");
        }
        written.push(scores);
    }
    let (mut out, at) = (vec![f32::NAN; size], cut % (size + 1));
    for range in [0..at, at..size] {
        let out = &mut out[range.clone()];
        states.weighted_sum(backend, 1, weights, range, out).expect("good arguments");
    }
    written.push(out);
    let mut scores = weights.to_vec();
    softmax(backend, &mut scores);
    written.push(scores);
    let mut out = vec![0.0; 4 * size];
    let mut workspace = vec![0x5a; attend_workspace_len(size, tokens).expect("small")];
    let bits = QueryBits::ALL[cut % 2];
    let result = attend(backend, states, queries, bits, 0..4, tokens, scale, &mut out, &mut workspace);
    let finite = queries.iter().all(|x| x.is_finite());
    assert_eq!(result.is_ok(), finite, "{result:?}");
    written.push(out);
    Ok(written)
}

fn check(
    spec: CacheSpec,
    keys: &[f32],
    values: &[f32],
    queries: &[f32],
    weights: &[f32],
    scale: f32,
    written: &Written,
) {
    let size = spec.head_size();
    for (bits, rows, written) in [(spec.keys(), keys, &written[0]), (spec.values(), values, &written[1])] {
        let Some(levels) = bits.levels() else { continue };
        for (token, stored) in written.chunks(size).enumerate() {
            let levels = if token == 0 { 255 } else { levels };
            let x = widen(&rows[(2 * token + 1) * size..][..size]);
            let mut q = vec![0; size];
            let gamma = reference::quantize_state(levels, &x, &mut q).expect("finite");
            for i in 0..size {
                let place = (x[i] / gamma + 1.0) * f64::from(levels) / 2.0;
                let near = gamma > 0.0 && (place.fract() - 0.5).abs() < 4.0 * U * (place + 1.0);
                let step = if near { 2.01 / f64::from(levels) } else { 0.0 };
                let error = (f64::from(stored[i]) - reference::state(q[i], levels, gamma)).abs();
                assert!(
                    error <= gamma * (step + 4.0 * U) + TINY,
                    "{bits} token {token}, {i}: off by {error:e}"
                );
            }
        }
    }
    // What is not finite, or so large or small that f32 does not reach, has no bound here: the backends agree on it.
    let moderate = |x: &[f32]| x.iter().all(|&x| x == 0.0 || (1e-9..1e9).contains(&x.abs()));
    if !(moderate(keys) && moderate(values) && moderate(queries) && moderate(weights)) {
        return;
    }
    let query = widen(&queries[..size]);
    for (token, key) in written[0].chunks(size).enumerate() {
        let terms = key.iter().zip(&query).map(|(k, q)| f64::from(*k) * q * f64::from(scale));
        let (sum, magnitude) = terms.fold((0.0, 0.0), |(s, m), x| (s + x, m + x.abs()));
        // Codes are worth n times their largest before the sum is scaled: no more than the sum of the rows' largest.
        let gamma = key.iter().fold(0.0_f64, |max, k| max.max(f64::from(k.abs())));
        let room = query.iter().map(|q| q.abs()).sum::<f64>() * gamma * f64::from(scale).abs();
        let error = (f64::from(written[2][token]) - sum).abs();
        let bound = (size as f64 + 8.0) * U * magnitude.max(room) + 1e-30;
        assert!(error <= bound, "score {token}: off by {error:e}, not {bound:e}");
    }
    for i in 0..size {
        let (mut sum, mut bound) = (0.0, 1e-25);
        for (tile, weights) in weights.chunks(32).enumerate() {
            let (mut largest, mut magnitude) = (0.0_f64, 0.0);
            for (t, &weight) in weights.iter().enumerate() {
                let row = &written[1][(32 * tile + t) * size..][..size];
                let term = f64::from(weight) * f64::from(row[i]);
                let gamma = row.iter().fold(0.0_f64, |max, x| max.max(f64::from(x.abs())));
                sum += term;
                largest = largest.max(gamma * f64::from(weight.abs()));
                magnitude += gamma * f64::from(weight.abs());
            }
            let coarse = if spec.values().levels().is_some() { 1.0 / 2000.0 } else { 0.0 };
            bound += largest * coarse + 100.0 * U * magnitude;
        }
        let error = (f64::from(written[written.len() - 3][i]) - sum).abs();
        assert!(error <= bound, "sum {i}: off by {error:e}, not {bound:e}");
    }
}
