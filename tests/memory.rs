//! Buffers that end, or begin, exactly at an inaccessible page, and buffers at odd addresses: every entry point,
//! every backend, every length around a vector's edges. Results equal those in ordinary memory.
#![cfg(unix)]

mod common;

use common::data::{OwnedActivations, OwnedWeights, Random, SCALINGS};
use common::guarded::{Edge, Guarded};
use common::{assert_same, assert_same_bits, for_each_backend, reduced};
use hbitlinear::hadamard::{SignMatrix, Transform};
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{Activations, ActivationsMut, Bits, Quantizer, Rule};
use hbitlinear::weights::{Weights, absmean};
use hbitlinear::{Backend, HBitLinear, OutputMut, gemm};

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

    fn put<T: Copy>(self, content: &[T]) -> Buffer<T> {
        match self {
            Place::Guarded(edge) => Buffer::Guarded(Guarded::new(edge, content)),
            Place::Shifted(shift) => {
                let head = content.first().map_or(Vec::new(), |&first| vec![first; shift]);
                Buffer::Shifted([&head, content].concat(), if content.is_empty() { 0 } else { shift })
            }
        }
    }
}

enum Buffer<T> {
    Guarded(Guarded<T>),
    Shifted(Vec<T>, usize),
}

impl<T: Copy> Buffer<T> {
    fn get(&mut self) -> &mut [T] {
        match self {
            Buffer::Guarded(pages) => pages,
            Buffer::Shifted(memory, shift) => &mut memory[*shift..],
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

            for rule in Rule::ALL {
                let (quantizer, bytes) = (Quantizer::new(rule, 1e-5).unwrap(), rule.bits().row_bytes(len));
                let run = |x: &[f32], values: &mut [u8], scales: &mut [f32], sums: &mut [i32]| {
                    let mut out = ActivationsMut::new(rule.bits(), len, values, scales, sums).unwrap();
                    quantizer.forward(backend, x, &mut out).unwrap();
                };
                let (mut values, mut scale, mut sum) = (vec![0; bytes], [0.0], [0]);
                run(&row, &mut values, &mut scale, &mut sum);
                let (mut v, mut c, mut s) = (place.put(&vec![9; bytes]), place.put(&[9.0]), place.put(&[9]));
                run(x.get(), v.get(), c.get(), s.get());
                assert_same(&values, v.get(), format_args!("{} {what}", rule.name()));
                assert_eq!((c.get()[0], s.get()[0]), (scale[0], sum[0]), "{} {what}", rule.name());
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

#[test]
fn products() {
    let shapes =
        lengths().into_iter().enumerate().map(|(i, k)| (k, [1, 15, 16, 17, 33][i % 5], SCALINGS[i % 3]));
    let shapes: Vec<_> = shapes.collect();
    places(|backend, place| {
        for &(columns, rows, scaling) in &shapes {
            let mut random = Random::new(columns as u64);
            let w = OwnedWeights::random(rows, columns, scaling, &mut random);
            for (bits, tokens) in [(Bits::Four, 1), (Bits::Four, 5), (Bits::Eight, 3)] {
                let x = OwnedActivations::random(bits, tokens, columns, &mut random);
                let run =
                    |weights: &Weights<'_>, x: &Activations<'_>, y: &mut [f32], workspace: &mut [u8]| {
                        let mut out = OutputMut::new(y, tokens, rows, rows + 3).unwrap();
                        gemm::product(backend, weights, x, 0..tokens, 0..rows, &mut out, workspace).unwrap();
                    };
                // The last row ends with its last element, not with a whole stride.
                let room = vec![-7.0; (tokens - 1) * (rows + 3) + rows];
                let mut expected = room.clone();
                let mut workspace = vec![0; gemm::workspace_len()];
                run(&Weights::open(&w.blob).unwrap(), &x.view(), &mut expected, &mut workspace);

                let (mut blob, mut values) = (place.put(&w.blob), place.put(&x.values));
                let (mut scales, mut sums) = (place.put(&x.scales), place.put(&x.sums));
                let (mut y, mut workspace) = (place.put(&room), place.put(&workspace));
                let view = Activations::new(bits, columns, values.get(), scales.get(), sums.get()).unwrap();
                run(&Weights::open(blob.get()).unwrap(), &view, y.get(), workspace.get());
                let what = format_args!("{backend:?} {place:?} M {tokens} N {rows} K {columns} {bits:?}");
                assert_same_bits(&expected, y.get(), what);
            }
        }
    });
}

#[test]
fn layers() {
    places(|backend, place| {
        for (name, rule) in [("paley1:12*4", Rule::Int4AbsMean), ("paley1:20*32", Rule::Int8AbsMax)] {
            let transform = Transform::named(name).unwrap();
            let (features, tokens, outputs) = (transform.row_len(), 3, 21);
            let mut random = Random::new(8);
            let w = OwnedWeights::random(outputs, features, SCALINGS[2], &mut random);
            let run = |blob: &[u8], x: &[f32], y: &mut [f32], workspace: &mut [u8]| {
                let quantizer = Quantizer::new(rule, 1e-5).unwrap();
                let norm = Some(RmsNorm::new(None, 1e-6).unwrap());
                let layer =
                    HBitLinear::new(norm, transform, quantizer, Weights::open(blob).unwrap()).unwrap();
                assert_eq!(layer.workspace_len(tokens), Ok(workspace.len()));
                let mut out = OutputMut::new(y, tokens, outputs, outputs).unwrap();
                layer.forward(backend, x, &mut out, workspace).unwrap();
            };
            let layer = HBitLinear::new(
                None,
                transform,
                Quantizer::new(rule, 0.0).unwrap(),
                Weights::open(&w.blob).unwrap(),
            );
            let scratch = vec![0xab_u8; layer.unwrap().workspace_len(tokens).unwrap()];
            let (row, mut expected) = (random.normals(tokens * features), vec![0.0; tokens * outputs]);
            run(&w.blob, &row, &mut expected, &mut scratch.clone());
            let (mut blob, mut x) = (place.put(&w.blob), place.put(&row));
            let (mut y, mut workspace) = (place.put(&vec![f32::NAN; tokens * outputs]), place.put(&scratch));
            run(blob.get(), x.get(), y.get(), workspace.get());
            assert_same_bits(&expected, y.get(), format_args!("{backend:?} {place:?} {name}"));
        }
    });
}
