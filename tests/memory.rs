//! Buffers that end, or begin, exactly at an inaccessible page, and buffers at odd addresses: every entry point,
//! every backend, every length around a vector's edges. Results equal those in ordinary memory.
#![cfg(unix)]

mod common;

use common::data::Random;
use common::guarded::{Edge, Guarded};
use common::owned::{OwnedActivations, OwnedWeights, Quantised, formats};
use common::run::run_f32;
use common::states::{self, OwnedStates};
use common::{assert_same, assert_same_bits, for_each_backend, reduced, run};
use hbitlinear::{
    Activations, ActivationsMut, Backend, BitLinear, Bits, CacheSpec, Input, Layout, OutputMut, Quantizer,
    Query, QueryBits, RmsNorm, Rule, Scaling, SignMatrix, StateBits, Transform, Weights, absmean, attend,
    attend_workspace_len, product, product_workspace_len, softmax,
};

/// Where the buffers of a run lie.
#[derive(Clone, Copy, Debug)]
enum Place {
    Guarded(Edge),
    /// That many elements behind an allocation's start, so that vectors straddle cache lines.
    Shifted(usize),
}

impl Place {
    const ALL: [Place; 5] = [
        Place::Guarded(Edge::Start),
        Place::Guarded(Edge::End),
        Place::Shifted(1),
        Place::Shifted(3),
        Place::Shifted(7),
    ];

    fn put<T: Copy>(self, content: &[T]) -> Placed<T> {
        match self {
            Place::Guarded(edge) => Placed::Guarded(Guarded::new(edge, content)),
            Place::Shifted(shift) => {
                let head = content.first().map_or(Vec::new(), |&first| vec![first; shift]);
                Placed::Shifted([&head, content].concat(), if content.is_empty() { 0 } else { shift })
            }
        }
    }
}

enum Placed<T> {
    Guarded(Guarded<T>),
    Shifted(Vec<T>, usize),
}

impl<T: Copy> Placed<T> {
    fn get(&mut self) -> &mut [T] {
        match self {
            Placed::Guarded(pages) => pages,
            Placed::Shifted(memory, shift) => &mut memory[*shift..],
        }
    }
}

fn places(test: impl Fn(Backend, Place)) {
    for_each_backend(|backend| Place::ALL.iter().for_each(|&place| test(backend, place)));
}

fn lengths() -> Vec<usize> {
    if reduced("guarded lengths") {
        (1..=130).step_by(7).collect()
    } else {
        (1..=130).chain([640, 1025]).collect()
    }
}

#[test]
fn norms_and_quantisers() {
    places(|backend, place| {
        for len in lengths() {
            let mut random = Random::new(len as u64);
            let (row, gains) = (random.normals(len), random.normals(len));
            let what = format!("{backend:?} {place:?} {len}");
            let mut x = place.put(&row);

            let mut weight = place.put(&gains);
            let mut expected = vec![0.0; len];
            RmsNorm::new(Some(&gains), 1e-6).unwrap().forward(backend, len, &row, &mut expected).unwrap();
            let mut y = place.put(&vec![f32::NAN; len]);
            let norm = RmsNorm::new(Some(weight.get()), 1e-6).unwrap();
            norm.forward(backend, len, x.get(), y.get()).unwrap();
            assert_same_bits(&expected, y.get(), format_args!("norm {what}"));

            for &rule in Rule::ALL {
                let quantizer = Quantizer::new(rule, 1e-5).unwrap();
                let mut expected = Quantised::painted(rule.bits(), 1, len);
                quantizer.forward(backend, &row, expected.room()).unwrap();
                let mut values = place.put(&vec![9; rule.bits().row_bytes(len)]);
                let (mut scale, mut sum) = (place.put(&[9.0]), place.put(&[9]));
                let (v, c, s) = (values.get(), scale.get(), sum.get());
                let room = ActivationsMut::new(rule.bits(), len, v, c, s).unwrap();
                let actual = quantizer.forward(backend, &*x.get(), room).unwrap();
                let what = format_args!("{rule} {what}");
                assert_same(&expected.values, actual.values(), what);
                assert_same_bits(&expected.scales, actual.scales(), what);
                assert_same(&expected.sums, actual.sums(), what);
            }

            let mut expected = vec![0; len];
            let alpha = absmean(backend, &row, 0.0, &mut expected).unwrap();
            let mut ternary = place.put(&vec![9; len]);
            assert_eq!(absmean(backend, x.get(), 0.0, ternary.get()), Ok(alpha));
            assert_same(&expected, ternary.get(), format_args!("absmean {what}"));
        }
    });
}

#[test]
fn transforms() {
    let names = ["1", "2", "4", "8", "16", "32", "64", "128", "512", "4096", "paley1:12*1", "paley1:12*2"];
    let more = ["fht:20*4", "quarot:28*8", "paley1:44*1", "paley2:36*16", "paley1:108*64", "quarot:172*2"];
    let products = ["paley1:12*paley2:36*16", "paley1:20*fht:20*1"];
    places(|backend, place| {
        for name in names.iter().chain(&more).chain(&products) {
            let plain = Transform::named(name).unwrap();
            let signs = Random::new(3).signs(plain.row_len());
            let mut placed_signs = place.put(&signs);
            let row = Random::new(4).normals(3 * plain.row_len());
            let (mut expected, mut x) = (row.clone(), place.put(&row));
            plain.with_signs(&signs).unwrap().forward(backend, &mut expected).unwrap();
            let transform = plain.with_signs(placed_signs.get()).unwrap();
            transform.forward(backend, x.get()).unwrap();
            assert_same_bits(&expected, x.get(), format_args!("{backend:?} {place:?} {name}"));
            transform.transpose(backend, &mut expected).unwrap();
            transform.transpose(backend, x.get()).unwrap();
            assert_same_bits(&expected, x.get(), format_args!("{backend:?} {place:?} {name} transposed"));
        }
    });
}

/// The packed signs of a caller's matrix are memory of the caller, too.
#[test]
fn custom_matrices() {
    places(|backend, place| {
        for order in [4, 16, 64] {
            let sylvester = Transform::sylvester(order).unwrap();
            let signs: Vec<i8> = (0..order * order).map(|i| sylvester.entry(i / order, i % order)).collect();
            let mut storage = place.put(&vec![u32::MAX; SignMatrix::storage_len(order).unwrap()]);
            let matrix = SignMatrix::pack(order, place.put(&signs).get(), storage.get()).unwrap();
            let mut x = place.put(&Random::new(5).normals(order * 8));
            let before = x.get().to_vec();
            let transform = Transform::new(&[matrix], 8).unwrap();
            transform.forward(backend, x.get()).unwrap();
            transform.transpose(backend, x.get()).unwrap();
            assert!(
                x.get().iter().zip(before).all(|(a, b)| (a - b).abs() < 1e-5),
                "{backend:?} {place:?} {order}"
            );
        }
    });
}

/// Every length in one format, and every format for lengths at the edges of its groups.
#[test]
fn products() {
    let mut formats = formats().cycle();
    let edges = [63, 129, 300].into_iter().flat_map(|inputs| [inputs; 16]);
    let shapes: Vec<_> = lengths()
        .into_iter()
        .flat_map(|inputs| Layout::ALL.iter().map(move |&layout| (inputs, Some((layout, Scaling::Row)))))
        .chain(edges.map(|inputs| (inputs, None)))
        .enumerate()
        .map(|(i, (inputs, format))| {
            (inputs, [1, 15, 16, 17, 33][i % 5], format.unwrap_or_else(|| formats.next().unwrap()))
        })
        .collect();
    places(|backend, place| {
        for &(inputs, outputs, format) in &shapes {
            let mut random = Random::new(inputs as u64);
            let w = OwnedWeights::random(outputs, inputs, format, &mut random);
            for (bits, tokens) in [(Bits::Four, 1), (Bits::Four, 5), (Bits::Eight, 3)] {
                let x = OwnedActivations::random(bits, tokens, inputs, &mut random);
                let expected = run_f32(backend, &w.view(), &x.view());
                let (mut blob, mut values) = (place.put(&w.blob), place.put(&x.quantised.values));
                let (mut scales, mut sums) = (place.put(&x.quantised.scales), place.put(&x.quantised.sums));
                let view = Activations::new(bits, inputs, values.get(), scales.get(), sums.get()).unwrap();
                // The last row ends with its last element, not with a whole stride.
                let stride = outputs + 3;
                let mut y = place.put(&vec![-7.0; (tokens - 1) * stride + outputs]);
                let mut workspace = place.put(&vec![0xcc; product_workspace_len()]);
                let out = OutputMut::new(y.get(), tokens, outputs, stride).unwrap();
                let weights = Weights::open(blob.get()).unwrap();
                product(backend, &weights, &view, 0..tokens, 0..outputs, out, workspace.get()).unwrap();
                let what =
                    format!("{backend:?} {place:?} M {tokens} N {outputs} K {inputs} {bits} {format:?}");
                for (expected, y) in expected.chunks(outputs).zip(y.get().chunks(stride)) {
                    assert_same_bits(expected, &y[..outputs], format_args!("{what}"));
                    assert!(y[outputs..].iter().all(|&y| y == -7.0), "{what}");
                }
            }
        }
    });
}

/// Packing, opening and repacking.
#[test]
fn blobs() {
    for place in Place::ALL {
        for (inputs, format) in
            [1, 17, 64, 65, 129, 257, 300].iter().flat_map(|&k| formats().map(move |format| (k, format)))
        {
            let w = OwnedWeights::random(19, inputs, format, &mut Random::new(inputs as u64));
            let what = format!("{place:?} {inputs} {format:?}");
            let (mut ternary, mut scales) = (place.put(&w.ternary), place.put(&w.scales));
            let mut blob = place.put(&vec![0xee; w.blob.len()]);
            w.spec.pack(ternary.get(), scales.get(), blob.get()).unwrap();
            assert_same(&w.blob, blob.get(), format_args!("{what}"));
            let weights = Weights::open(blob.get()).unwrap();
            ternary.get().fill(9);
            scales.get().fill(f32::NAN);
            weights.unpack(ternary.get(), scales.get()).unwrap();
            assert_same(&w.ternary, ternary.get(), format_args!("{what}"));
            assert_same_bits(&w.scales, scales.get(), format_args!("{what}"));
            for other in w.layouts() {
                let mut again = place.put(&vec![0xee; other.blob.len()]);
                weights.repack(other.spec.layout(), again.get()).unwrap();
                assert_same(&other.blob, again.get(), format_args!("{what} as {}", other.spec.layout()));
            }
            let mut header = place.put(&w.blob[..64]);
            assert_eq!(Weights::blob_len(header.get()), Ok(w.blob.len()));
        }
    }
}

/// With a transform and without, rows side by side and apart.
#[test]
fn layers() {
    let (tokens, outputs) = (3, 21);
    places(|backend, place| {
        for (index, format) in formats().enumerate() {
            let (name, rule) =
                (["paley1:12*4", "paley1:20*32"][index % 2], Rule::ALL[index % Rule::ALL.len()]);
            let transform = Transform::named(name).unwrap();
            let inputs = transform.row_len();
            let mut random = Random::new(8);
            let (w, gains) =
                (OwnedWeights::random(outputs, inputs, format, &mut random), random.normals(inputs));
            let x = random.normals(tokens * inputs);
            let (mut blob, mut placed_gains) = (place.put(&w.blob), place.put(&gains));
            let (placed, placed_gains) = (Weights::open(blob.get()).unwrap(), &*placed_gains.get());
            let quantizer = Quantizer::new(rule, 1e-5).unwrap();
            for transform in [Some(transform), None] {
                let with = |gains, weights| {
                    let norm = Some(RmsNorm::new(Some(gains), 1e-6).unwrap());
                    let stages = run::input_stages(inputs, quantizer, norm, transform).unwrap();
                    BitLinear::new(stages, weights).unwrap()
                };
                let what = format!("{backend:?} {place:?} {name} {} {rule} {format:?}", transform.is_some());
                let layer = with(&gains, w.view());
                let expected = run::layer(backend, &layer, &x, tokens).unwrap();

                let layer = with(placed_gains, placed);
                let mut y = place.put(&vec![f32::NAN; tokens * outputs]);
                let mut workspace = place.put(&vec![0xab; layer.workspace_len(tokens).unwrap()]);
                let mut contiguous = place.put(&x);
                let out = OutputMut::rows(y.get(), outputs).unwrap();
                layer.forward(backend, &*contiguous.get(), out, workspace.get()).unwrap();
                assert_same_bits(&expected, y.get(), format_args!("{what}"));

                // The last row ends with its last element, not with a whole stride.
                let stride = inputs + 7;
                let mut apart = vec![f32::NAN; (tokens - 1) * stride + inputs];
                for (from, to) in x.chunks(inputs).zip(apart.chunks_mut(stride)) {
                    to[..inputs].copy_from_slice(from);
                }
                let mut apart = place.put(&apart);
                y.get().fill(f32::NAN);
                let rows = Input::strided(apart.get(), tokens, stride).unwrap();
                let out = OutputMut::rows(y.get(), outputs).unwrap();
                layer.forward(backend, rows, out, workspace.get()).unwrap();
                assert_same_bits(&expected, y.get(), format_args!("{what}, apart"));
            }
        }
    });
}

/// The cache, queries, scores, weights and results at both edges, and at odd addresses.
#[test]
fn attention_states() {
    let sizes: &[usize] =
        if reduced("guarded head sizes") { &[1, 33] } else { &[1, 7, 8, 15, 16, 33, 64, 80, 130] };
    places(|backend, place| {
        for (index, (&size, &bits)) in
            sizes.iter().flat_map(|size| StateBits::ALL.iter().map(move |bits| (size, bits))).enumerate()
        {
            let tokens = [1, 31, 32, 33, 65][index % 5];
            let spec = CacheSpec::new(size, 2, tokens, bits, bits).unwrap();
            let mut random = Random::new(index as u64);
            let mut owned = OwnedStates::random(spec, tokens, &mut random);
            let (query, weights) = (random.normals(size), random.normals(tokens));
            let queries = random.normals(4 * size);
            let (keys, values) = (owned.keys.clone(), owned.values.clone());
            let cache = owned.cache(backend);
            let what = format!("{backend:?} {place:?} {bits} {tokens} of {size}");

            let mut memory = place.put(&vec![0xbb; spec.bytes_len()]);
            let mut placed = spec.create(memory.get()).unwrap();
            let (mut keys, mut values) = (place.put(&keys), place.put(&values));
            placed.append(backend, &*keys.get(), &*values.get()).unwrap();
            let (mut placed_query, mut placed_weights) = (place.put(&query), place.put(&weights));
            let (mut scores, mut out) =
                (place.put(&vec![f32::NAN; tokens]), place.put(&vec![f32::NAN; size]));
            for &query_bits in QueryBits::ALL {
                let mut storage = place.put(&vec![0xcc; Query::storage_len(size).unwrap()]);
                let placed_query = match query_bits {
                    QueryBits::Four => Query::quantized(backend, placed_query.get(), storage.get()).unwrap(),
                    QueryBits::F32 => Query::plain(placed_query.get()).unwrap(),
                };
                let (states, all) = (placed.states(), 0..tokens);
                states.scores(backend, 1, &placed_query, all, 0.3, scores.get()).unwrap();
                let expected = states::scores(backend, cache.states(), 1, &query, query_bits, 0.3);
                assert_same_bits(&expected, scores.get(), format_args!("{what} {query_bits:?}"));
                softmax(backend, scores.get());
            }
            let states = placed.states();
            states.weighted_sum(backend, 1, placed_weights.get(), 0..size, out.get()).unwrap();
            let expected = states::weighted_sum(backend, cache.states(), 1, &weights);
            assert_same_bits(&expected, out.get(), format_args!("{what}"));

            let mut placed_queries = place.put(&queries);
            let mut workspace = place.put(&vec![0xcc; attend_workspace_len(size, tokens).unwrap()]);
            let mut out = place.put(&vec![f32::NAN; 4 * size]);
            let (q, bits) = (&*placed_queries.get(), QueryBits::Four);
            attend(backend, states, q, bits, 0..4, tokens, 0.3, out.get(), workspace.get()).unwrap();
            let expected = states::attention(backend, cache.states(), &queries, bits, tokens, 0.3);
            assert_same_bits(&expected, out.get(), format_args!("{what}"));
        }
    });
}
