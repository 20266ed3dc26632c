//! Attention over quantised states: against the oracle, and scalar's bits on every backend, at every boundary and for every cut.

mod common;

use common::data::Random;
use common::states::{HEAD_SIZES, LENGTHS, OwnedStates, attention, scores, weighted_sum, widths};
use common::{assert_same, assert_same_bits, assert_same_or_nan, for_each_backend, reduced, scalar};
use hbitlinear::{
    Backend, CacheSpec, Query, QueryBits, StateBits, States, attend, attend_workspace_len, reference, softmax,
};

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// A head's keys and values as the cache has them.
fn rows(states: States<'_>, head: usize) -> (Vec<f64>, Vec<f64>) {
    let places = (0..states.len()).flat_map(|t| (0..states.spec().head_size()).map(move |i| (t, i)));
    places.map(|(t, i)| (f64::from(states.key(t, head, i)), f64::from(states.value(t, head, i)))).unzip()
}

/// What is stored is what the oracle makes of it, but for codes whose place lies at a rounding edge.
#[test]
fn states_are_the_oracles() {
    for_each_backend(|backend| {
        for (&size, (keys, values)) in HEAD_SIZES.iter().zip(widths().cycle()) {
            let spec = CacheSpec::new(size, 2, 70, keys, values).unwrap();
            let mut owned = OwnedStates::random(spec, 66, &mut Random::new(size as u64));
            let rows = [owned.keys.clone(), owned.values.clone()];
            let cache = owned.cache(backend);
            let states = cache.states();
            for (is_keys, (bits, rows)) in
                [true, false].into_iter().zip([keys, values].into_iter().zip(&rows))
            {
                for (place, x) in rows.chunks_exact(size).enumerate() {
                    let (token, head) = (place / 2, place % 2);
                    let levels = match bits.levels() {
                        Some(_) if token == 0 => Some(255),
                        levels => levels,
                    };
                    let mut q = vec![0; size];
                    let gamma = reference::quantize_state(levels.unwrap_or(255), &wide(x), &mut q).unwrap();
                    for i in 0..size {
                        let stored =
                            if is_keys { states.key(token, head, i) } else { states.value(token, head, i) };
                        let (expected, step) = match (levels, bits) {
                            (Some(levels), _) => {
                                let place = (f64::from(x[i]) / gamma + 1.0) * f64::from(levels) / 2.0;
                                let edge = (place.fract() - 0.5).abs() < 1e-4;
                                let step = if edge { 2.0 * gamma / f64::from(levels) } else { 0.0 };
                                (reference::state(q[i], levels, gamma), step)
                            }
                            (None, StateBits::F16) => (f64::from(half::f16::from_f32(x[i]).to_f32()), 0.0),
                            _ => (f64::from(x[i]), 0.0),
                        };
                        let error = (f64::from(stored) - expected).abs();
                        assert!(
                            error <= step + 1e-6 * gamma,
                            "{backend:?} {bits} token {token} head {head} {i} of {size}: {stored}, not {expected}"
                        );
                    }
                }
            }
        }
    });
}

/// Attention over what is stored, in f64.
#[test]
fn attention_is_the_oracles() {
    for_each_backend(|backend| {
        for (index, ((keys, values), &bits)) in
            widths().flat_map(|w| QueryBits::ALL.iter().map(move |bits| (w, bits))).enumerate()
        {
            let (size, tokens) = ([1, 7, 16, 33, 80, 128][index % 6], [1, 33, 71, 100][index % 4]);
            let spec = CacheSpec::new(size, 2, 100, keys, values).unwrap();
            let mut random = Random::new(index as u64);
            let mut owned = OwnedStates::random(spec, tokens, &mut random);
            let cache = owned.cache(backend);
            let (queries, scale) = (random.normals(6 * size), 1.0 / (size as f32).sqrt());
            let out = attention(backend, cache.states(), &queries, bits, tokens, scale);
            for head in 0..6 {
                let query = &queries[head * size..][..size];
                let mut storage = vec![0; Query::storage_len(size).unwrap()];
                let quantized = Query::quantized(backend, query, &mut storage).unwrap();
                let query = if bits == QueryBits::Four { wide(quantized.values()) } else { wide(query) };
                let (keys, values) = rows(cache.states(), head / 3);
                let (mut weights, mut expected) = (vec![0.0; tokens], vec![0.0; size]);
                let scale = f64::from(scale);
                reference::attend(&query, &keys, &values, scale, &mut weights, &mut expected).unwrap();
                let bound = {
                    // Weights of 16 bits, and f32 in scores of so large a magnitude.
                    let gamma = values.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
                    gamma * (1.0 / 2048.0 / 8.0 + 1e-5)
                };
                for i in 0..size {
                    let error = (f64::from(out[head * size + i]) - expected[i]).abs();
                    assert!(
                        error <= bound,
                        "{backend:?} {index} head {head} {i}: off by {error}, not {bound}"
                    );
                }
            }
        }
    });
}

/// Every part, and `append`, on every backend: the bits of scalar.
#[test]
fn every_backend_gives_scalars_bits() {
    let lengths = if reduced("cache lengths") { &LENGTHS[..5] } else { &LENGTHS[..] };
    for_each_backend(|backend| {
        for (&size, &tokens) in HEAD_SIZES.iter().flat_map(|s| lengths.iter().map(move |t| (s, t))) {
            for &bits in StateBits::ALL {
                let spec = CacheSpec::new(size, 1, tokens, bits, bits).unwrap();
                let mut random = Random::new((size * tokens) as u64);
                let mut owned = OwnedStates::random(spec, tokens, &mut random);
                let (query, weights) = (random.normals(size), random.normals(tokens));
                let mut other = OwnedStates::new(spec, owned.keys.clone(), owned.values.clone());
                let what = format!("{backend:?} {bits} {tokens} tokens of {size}");
                let (expected, actual) = (owned.cache(scalar()), other.cache(backend));
                let (expected, actual) = (expected.states(), actual.states());
                for place in 0..tokens * size {
                    let (t, i) = (place / size, place % size);
                    assert_eq!(
                        expected.key(t, 0, i).to_bits(),
                        actual.key(t, 0, i).to_bits(),
                        "{what} {t} {i}"
                    );
                    assert_eq!(expected.value(t, 0, i).to_bits(), actual.value(t, 0, i).to_bits(), "{what}");
                }
                for &query_bits in QueryBits::ALL {
                    assert_same_bits(
                        &scores(scalar(), expected, 0, &query, query_bits, 0.3),
                        &scores(backend, actual, 0, &query, query_bits, 0.3),
                        format_args!("{what}, scores of {query_bits:?}"),
                    );
                }
                assert_same_bits(
                    &weighted_sum(scalar(), expected, 0, &weights),
                    &weighted_sum(backend, actual, 0, &weights),
                    format_args!("{what}, weighted sum"),
                );
            }
        }
    });
}

/// All codes, integers and weights at their ends, and the longest heads before a sum is widened.
#[test]
fn extremes() {
    for_each_backend(|backend| {
        for size in [16, 17, 288, 289, 608, 609, 1024, 2000] {
            for &bits in StateBits::ALL {
                let spec = CacheSpec::new(size, 1, 64, bits, bits).unwrap();
                for signs in 0..4 {
                    // Element 0 makes the code of the others the smallest or the largest.
                    let sign = |bit: u32| if signs >> bit & 1 == 1 { -1.0 } else { 1.0 };
                    let states = vec![sign(0); 40 * size];
                    let query = vec![sign(1); size];
                    let mut owned = OwnedStates::new(spec, states.clone(), states);
                    let cache = owned.cache(backend);
                    let what = format!("{backend:?} {bits} {size} {signs}");
                    for &query_bits in QueryBits::ALL {
                        let scores = scores(backend, cache.states(), 0, &query, query_bits, 1.0);
                        let expected = sign(0) * sign(1) * size as f32;
                        assert!(
                            scores.iter().all(|s| (s - expected).abs() <= 1e-4 * size as f32),
                            "{what} {scores:?}"
                        );
                    }
                    for weight in [1.0, -1.0, 0.25] {
                        let out = weighted_sum(backend, cache.states(), 0, &[weight; 40]);
                        let expected = sign(0) * weight * 40.0;
                        assert!(out.iter().all(|x| (x - expected).abs() <= 0.01), "{what} {weight} {out:?}");
                        assert_same_bits(
                            &weighted_sum(scalar(), cache.states(), 0, &[weight; 40]),
                            &out,
                            format_args!("{what}"),
                        );
                    }
                }
            }
        }
    });
}

/// Any range of tokens, of elements and of heads gives the bits of the whole.
#[test]
fn cuts() {
    for_each_backend(|backend| {
        for (index, (keys, values)) in widths().enumerate() {
            let (size, tokens) = ([33, 80, 128, 5][index % 4], 75);
            let spec = CacheSpec::new(size, 2, 75, keys, values).unwrap();
            let mut random = Random::new(index as u64);
            let mut owned = OwnedStates::random(spec, tokens, &mut random);
            let (queries, weights) = (random.normals(4 * size), random.normals(tokens));
            let cache = owned.cache(backend);
            let states = cache.states();
            let what = format!("{backend:?} {keys} {values} {size}");
            let query = Query::plain(&queries[..size]).unwrap();
            let whole = scores(backend, states, 1, &queries[..size], QueryBits::F32, 0.5);
            let sum = weighted_sum(backend, states, 1, &weights);
            for _ in 0..20 {
                let start = random.below(tokens + 1);
                let end = start + random.below(tokens + 1 - start);
                let mut part = vec![f32::NAN; end - start];
                states.scores(backend, 1, &query, start..end, 0.5, &mut part).unwrap();
                assert_same_bits(&whole[start..end], &part, format_args!("{what} tokens {start}..{end}"));
                let start = random.below(size + 1);
                let end = start + random.below(size + 1 - start);
                let mut part = vec![f32::NAN; end - start];
                states.weighted_sum(backend, 1, &weights, start..end, &mut part).unwrap();
                assert_same_bits(&sum[start..end], &part, format_args!("{what} elements {start}..{end}"));
            }
            let whole = attention(backend, states, &queries, QueryBits::Four, 50, 0.2);
            let mut workspace = vec![0; attend_workspace_len(size, 50).unwrap()];
            for at in 0..=4 {
                let mut out = vec![f32::NAN; 4 * size];
                for heads in [0..at, at..4] {
                    let out = &mut out[heads.start * size..heads.end * size];
                    attend(backend, states, &queries, QueryBits::Four, heads, 50, 0.2, out, &mut workspace)
                        .unwrap();
                }
                assert_same_bits(&whole, &out, format_args!("{what} heads at {at}"));
            }
        }
    });
}

/// Token by token, in runs, with a part forgotten and appended again: one cache. What only some tokens see is what a shorter
/// cache gives.
#[test]
fn appending_and_forgetting() {
    for_each_backend(|backend| {
        for (keys, values) in widths() {
            let spec = CacheSpec::new(20, 2, 80, keys, values).unwrap();
            let mut random = Random::new(5);
            let mut owned = OwnedStates::random(spec, 80, &mut random);
            let (k, v, queries) = (owned.keys.clone(), owned.values.clone(), random.normals(40));
            let mut memory = vec![0x55; spec.bytes_len()];
            let mut cache = spec.create(&mut memory).unwrap();
            let append = |cache: &mut hbitlinear::Cache<'_>, tokens: core::ops::Range<usize>| {
                let rows = 40 * tokens.start..40 * tokens.end;
                cache.append(backend, &k[rows.clone()], &v[rows]).unwrap();
            };
            append(&mut cache, 0..1);
            append(&mut cache, 1..50);
            let early = attention(backend, cache.states(), &queries, QueryBits::Four, 37, 0.4);
            // Others' codes in the place of what comes next.
            for keep in [37, 32, 0, 45] {
                append(&mut cache, 60..75);
                cache.truncate(keep).unwrap();
                append(&mut cache, keep..45);
            }
            append(&mut cache, 45..80);
            append(&mut cache, 3..3);
            assert_eq!((cache.len(), cache.is_empty()), (80, false));
            let whole = owned.cache(backend);
            let what = format!("{backend:?} {keys} {values}");
            for tokens in [1, 37, 80] {
                let expected = attention(backend, whole.states(), &queries, QueryBits::Four, tokens, 0.4);
                let actual = attention(backend, cache.states(), &queries, QueryBits::Four, tokens, 0.4);
                assert_same_bits(&expected, &actual, format_args!("{what} {tokens}"));
                if tokens == 37 {
                    assert_same_bits(&early, &actual, format_args!("{what} early"));
                }
            }
        }
    });
}

/// The first token is kept at 8 bits where there are fewer.
#[test]
fn the_first_token_is_finer() {
    for_each_backend(|backend| {
        for bits in [StateBits::Three, StateBits::Four] {
            let spec = CacheSpec::new(64, 1, 3, bits, bits).unwrap();
            let row = Random::new(9).normals(64);
            let rows = [&row[..], &row].concat();
            let mut owned = OwnedStates::new(spec, rows.clone(), rows);
            let cache = owned.cache(backend);
            let worst = |token| {
                let errors = (0..64).map(|i| (cache.states().key(token, 0, i) - row[i]).abs());
                errors.fold(0.0, f32::max)
            };
            assert!(worst(0) < 0.02 && worst(1) > 0.1, "{bits}: {} and {}", worst(0), worst(1));
            // One token alone: its weight is 1.
            let out = attention(backend, cache.states(), &row, QueryBits::Four, 1, 1.0);
            assert!(out.iter().zip(&row).all(|(out, x)| (out - x).abs() < 0.02), "{bits}");
        }
    });
}

#[test]
fn softmaxes() {
    for_each_backend(|backend| {
        for len in (0..=70).chain([255, 256, 257, 4097]) {
            let mut random = Random::new(len as u64);
            let mut rows = vec![
                random.normals(len),
                random.normals(len).iter().map(|x| x * 30.0).collect(),
                vec![-3e38; len],
                (0..len).map(|i| if i % 3 == 1 { f32::NEG_INFINITY } else { i as f32 * -0.7 }).collect(),
            ];
            for (at, bad) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
                let mut row = if bad == f32::NEG_INFINITY { vec![bad; len] } else { random.normals(len) };
                if len > 0 {
                    row[(at + 7) * len / 11 % len] = bad;
                }
                rows.push(row);
            }
            for (kind, row) in rows.iter().enumerate() {
                let (mut expected, mut actual) = (row.clone(), row.clone());
                softmax(scalar(), &mut expected);
                softmax(backend, &mut actual);
                let what = format_args!("{backend:?} {len}, row {kind}");
                if kind >= 4 {
                    assert!(actual.iter().all(|x| x.is_nan()), "{what}");
                    assert_same_or_nan(&expected, &actual, what);
                    continue;
                }
                assert_same_bits(&expected, &actual, what);
                // The difference is rounded to f32.
                let max = row.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
                let exps: Vec<f64> = row.iter().map(|&x| f64::from(x - max).exp()).collect();
                let sum: f64 = exps.iter().sum();
                for (actual, exp) in actual.iter().zip(&exps) {
                    let expected = exp / sum;
                    let error = (f64::from(*actual) - expected).abs();
                    assert!(error <= 4e-7 * expected + 2e-38, "{what}: {actual}, not {expected}");
                }
            }
        }
    });
}

/// What is not finite in weights and scores gives what IEEE arithmetic gives, and no more.
#[test]
fn not_finite() {
    for_each_backend(|backend| {
        for &bits in StateBits::ALL {
            let spec = CacheSpec::new(40, 1, 70, bits, bits).unwrap();
            let mut random = Random::new(2);
            let mut owned = OwnedStates::random(spec, 70, &mut random);
            let cache = owned.cache(backend);
            for bad in [f32::NAN, f32::INFINITY] {
                let mut weights = random.normals(70);
                weights[40] = bad;
                let out = weighted_sum(backend, cache.states(), 0, &weights);
                let expected = weighted_sum(scalar(), cache.states(), 0, &weights);
                assert_same_or_nan(&expected, &out, format_args!("{backend:?} {bits}"));
                assert!(out.iter().any(|x| x.is_nan() || x.is_infinite()), "{backend:?} {bits}");
                // A tile that is not seen does no harm.
                let out = weighted_sum(backend, cache.states(), 0, &weights[..32]);
                assert!(out.iter().all(|x| x.is_finite()), "{backend:?} {bits}");
            }
            let out = weighted_sum(backend, cache.states(), 0, &[1e-36; 70]);
            let expected = weighted_sum(scalar(), cache.states(), 0, &[1e-36; 70]);
            assert_same_bits(&expected, &out, format_args!("{backend:?} {bits} tiny"));
        }
    });
}

/// A query as coarse as its codes says.
#[test]
fn queries() {
    for_each_backend(|backend: Backend| {
        for size in HEAD_SIZES {
            let x = Random::new(size as u64).normals(size);
            let mut q = vec![0; size];
            let gamma = reference::quantize_state(15, &wide(&x), &mut q).unwrap();
            let mut storage = vec![0xee; Query::storage_len(size).unwrap()];
            let query = Query::quantized(backend, &x, &mut storage).unwrap();
            assert!(query.is_quantized() && !Query::plain(&x).unwrap().is_quantized());
            let expected: Vec<i32> = q.iter().map(|&q| i32::from(q)).collect();
            let codes: Vec<i32> =
                query.values().iter().map(|&x| ((f64::from(x) / gamma + 1.0) * 7.5).round() as i32).collect();
            assert_same(&expected, &codes, format_args!("{backend:?} {size}"));
        }
    });
}
