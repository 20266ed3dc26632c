//! What holds for every input: the transform is orthonormal and linear, packing loses nothing, and the quantisers are
//! the oracle's wherever f32 can tell.
//!
//! **Bound of a transform of n points.** Each output sums n terms `±x_j` with at most `d` roundings on the way from any
//! input: log₂ of the power of two, and, per outer factor of order m, two within a group of four and ⌈m/4⌉ − 1 across
//! groups, or at most m/2 + 2 in the sums of pairs that make the large Paley I matrices. Then come the product with 1/√n and that factor's own rounding. So, with u = 2⁻²⁴, an output is off by at
//! most about `(d + 2)·u · Σ|x_j|/√n ≤ (d + 2)·u·‖x‖₂`.

mod common;

use common::data::{Random, family_transforms};
use common::owned::{OwnedWeights, formats, pack_activations};
use common::run::{quantise, transform};
use common::{assert_same, backends, for_each_backend, reduced};
use hbitlinear::{Activations, Bits, Direction, RmsNorm, Rule, Transform, absmean, reference};
use proptest::prelude::*;

/// Unit roundoff of f32.
const U: f64 = 1.0 / (1 << 24) as f64;

/// Longest chain of roundings of a transform's output, the scale's two included.
fn roundings(name: &str) -> f64 {
    let factor = |part: &str| match part.split_once(':') {
        Some(("paley1" | "quarot", order @ ("44" | "60" | "108" | "140"))) => {
            order.parse::<u32>().unwrap() / 2 + 2
        }
        Some((_, order)) => 2 + order.parse::<u32>().unwrap().div_ceil(4) - 1,
        None => part.parse::<u32>().unwrap().ilog2(),
    };
    f64::from(name.split('*').map(factor).sum::<u32>() + 2)
}

fn norm2(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

fn largest_error(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The dense oracle, in both directions, for every matrix of every family and the powers of two.
#[test]
fn transforms_equal_the_dense_oracle() {
    let longest = if reduced("transforms against the oracle") { 300 } else { 2100 };
    let powers =
        (0..=11).map(|log2| 1_usize << log2).map(|n| (n.to_string(), Transform::sylvester(n).unwrap()));
    let all: Vec<_> =
        powers.chain(family_transforms(&[1, 2, 8])).filter(|(_, t)| t.row_len() <= longest).collect();
    let signs = Random::new(12).signs(longest);
    for (name, plain) in &all {
        let n = plain.row_len();
        let signed = plain.with_signs(&signs[..n]).unwrap();
        let x = Random::new(n as u64).normals(n);
        let bound = roundings(name) * U * norm2(widen(&x));
        for direction in [Direction::Forward, Direction::Transpose] {
            let mut expected = vec![0.0; n];
            reference::hadamard(&signed, direction, &widen(&x), &mut expected).unwrap();
            for backend in backends() {
                let error = largest_error(&expected, &widen(&transform(backend, &signed, direction, &x)));
                assert!(error <= bound, "{backend:?} {name} {direction:?}: {error:e} > {bound:e}");
            }
            let mut wide = widen(&x);
            signed.apply_f64(direction, &mut wide).unwrap();
            assert!(largest_error(&expected, &wide) <= bound * 1e-7, "{name} {direction:?} in f64");
        }
    }
}

/// What the oracle's matrix costs too much for: blocks, and the long rows of real models by their inverse.
#[test]
fn blocks_are_independent_transforms() {
    for_each_backend(|backend| {
        for block in [64, 128, 256, 512, 1024] {
            let (one, x) =
                (Transform::sylvester(block).unwrap(), Random::new(block as u64).normals(5 * block));
            let all = transform(backend, &one.with_blocks(5).unwrap(), Direction::Forward, &x);
            let each: Vec<f32> =
                x.chunks(block).flat_map(|x| transform(backend, &one, Direction::Forward, x)).collect();
            common::assert_same_bits(&each, &all, format_args!("{backend:?} {block}"));
        }
    });
}

/// A transform of moderate or model size, and a seed for its input.
fn any_transform() -> impl Strategy<Value = (String, Transform<'static>, u64)> {
    let mut all = family_transforms(&[1, 4, 32]);
    all.extend(
        (0..=14).map(|log2| ((1_usize << log2).to_string(), Transform::sylvester(1 << log2).unwrap())),
    );
    (prop::sample::select(all), any::<u64>()).prop_map(|((name, transform), seed)| (name, transform, seed))
}

/// Rows of every size of value, with outliers.
fn any_row(len: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        8 => -4.0_f32..4.0,
        1 => -300.0_f32..300.0,
        1 => Just(0.0_f32),
    ];
    (prop::collection::vec(value, len), -60..60_i32)
        .prop_map(|(row, power)| row.into_iter().map(|x| x * 2_f32.powi(power)).collect())
}

fn any_rule() -> impl Strategy<Value = Rule> {
    prop::sample::select(Rule::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("HBITLINEAR_REDUCED_GRID").is_some() { 32 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// H·Hᵀ = Hᵀ·H = I and |Hx| = |x|, each within the bounds of two, and one, transforms.
    #[test]
    fn orthonormal((name, t, seed) in any_transform()) {
        let x = Random::new(seed).normals(t.row_len());
        let length = norm2(widen(&x));
        let bound = roundings(&name) * U * length;
        for backend in backends() {
            for (there, back) in [(Direction::Forward, Direction::Transpose), (Direction::Transpose, Direction::Forward)] {
                let y = transform(backend, &t, there, &x);
                // The first transform's error vector has entries up to the bound; the second spreads their energy.
                let spread = bound * (t.row_len() as f64).sqrt();
                prop_assert!((norm2(widen(&y)) - length).abs() <= spread, "{backend:?} {name}: energy");
                let z = transform(backend, &t, back, &y);
                let error = norm2(z.iter().zip(&x).map(|(&z, &x)| f64::from(z) - f64::from(x)));
                prop_assert!(error <= 2.0 * spread, "{backend:?} {name}: {error:e}");
                // The bound above is the worst case; rounding errors of random rows nearly cancel.
                prop_assert!(error <= 4.0 * roundings(&name).sqrt() * U * length, "{backend:?} {name}: {error:e}");
            }
        }
    }

    #[test]
    fn linear((name, t, seed) in any_transform(), a in -4.0_f32..4.0, b in -4.0_f32..4.0) {
        let mut random = Random::new(seed);
        let (x, y) = (random.normals(t.row_len()), random.normals(t.row_len()));
        let mixed: Vec<f32> = x.iter().zip(&y).map(|(x, y)| a * x + b * y).collect();
        for backend in backends() {
            let run = |x: &[f32]| widen(&transform(backend, &t, Direction::Forward, x));
            let sum: Vec<f64> = run(&x).iter().zip(run(&y)).map(|(x, y)| f64::from(a) * x + f64::from(b) * y).collect();
            let size = f64::from(a.abs()) * norm2(widen(&x)) + f64::from(b.abs()) * norm2(widen(&y));
            // Two roundings to mix the inputs, and the transforms of both sides.
            let bound = (2.0 * roundings(&name) + 2.0) * U * size;
            let error = largest_error(&sum, &run(&mixed));
            prop_assert!(error <= bound, "{backend:?} {name}: {error:e} > {bound:e}");
        }
    }

    #[test]
    fn weights_unpack_to_what_was_packed(
        outputs in 1..40_usize, inputs in 1..300_usize, seed: u64, format in prop::sample::select(formats().collect::<Vec<_>>()),
    ) {
        let w = OwnedWeights::random(outputs, inputs, format, &mut Random::new(seed));
        let weights = w.view();
        let (mut ternary, mut scales) = (vec![9; outputs * inputs], vec![f32::NAN; w.scales.len()]);
        weights.unpack(&mut ternary, &mut scales).unwrap();
        prop_assert_eq!(&ternary, &w.ternary);
        prop_assert_eq!(&scales, &w.scales);
        for (at, &weight) in ternary.iter().enumerate() {
            prop_assert_eq!(weights.weight(at / inputs, at % inputs), weight);
        }
        prop_assert_eq!(weights.weight(outputs, 0), 0);
        prop_assert_eq!(weights.weight(0, inputs), 0);
        let groups = w.spec.groups();
        for (index, &scale) in w.scales.iter().enumerate() {
            prop_assert_eq!(weights.scale(index / groups, index % groups), scale);
        }
        prop_assert_eq!(weights.scale(outputs, 0), 0.0);
        prop_assert_eq!(weights.scale(0, groups), 0.0);
        prop_assert_eq!(hbitlinear::Weights::blob_len(&w.blob[..64]), Ok(w.blob.len()));
    }

    /// Integers that are exact in the quantiser's grid come back from the packed bytes.
    #[test]
    fn activations_unpack_to_what_was_packed(q in prop::collection::vec(-7_i8..=7, 1..200), rule in any_rule()) {
        prop_assume!(rule != Rule::Int4AbsMean);
        let top = if rule == Rule::Int8AbsMax { 127 } else { 7 };
        let row: Vec<f32> = q.iter().map(|&q| f32::from(q)).chain([top as f32]).collect();
        for backend in backends() {
            let (values, scale, sum) = quantise(backend, rule, 0.0, &row);
            prop_assert_eq!(&values[..q.len()], &q[..]);
            prop_assert_eq!((scale, sum), (1.0, q.iter().map(|&q| i32::from(q)).sum::<i32>() + top));
        }
    }

    #[test]
    fn packed_activations_read_back(q in prop::collection::vec(-8_i8..=7, 1..200)) {
        for &bits in Bits::ALL {
            let bytes = pack_activations(bits, q.len(), &q);
            let view = Activations::new(bits, q.len(), &bytes, &[1.0], &[0]).unwrap();
            prop_assert_eq!((0..q.len()).map(|i| view.value(0, i)).collect::<Vec<_>>(), q.clone());
        }
    }

    /// Equal to the oracle wherever x · factor is not within one part in 2^20 of a rounding edge.
    #[test]
    fn quantisers_equal_the_oracle(row in any_row(1..400), rule in any_rule(), small in any::<bool>()) {
        let epsilon = if small { 1e-5_f32 } else { 0.0 };
        let (wide, mut expected) = (widen(&row), vec![0; row.len()]);
        let oracle = reference::quantize(rule, epsilon.into(), &wide, &mut expected).unwrap();
        for backend in backends() {
            let (values, scale, sum) = quantise(backend, rule, epsilon, &row);
            for (i, (&q, &e)) in values.iter().zip(&expected).enumerate() {
                let value = wide[i] * oracle.factor;
                let edge = (value.abs().fract() - 0.5).abs();
                if edge > value.abs().max(1.0) / (1 << 20) as f64 {
                    prop_assert_eq!(q, e, "{:?} element {}: {}", backend, i, value);
                } else {
                    prop_assert!((q - e).abs() <= 1, "{:?} element {} at an edge: {}", backend, i, value);
                }
            }
            prop_assert_eq!(sum, values.iter().map(|&q| i32::from(q)).sum::<i32>());
            prop_assert!((f64::from(scale) - oracle.scale).abs() <= oracle.scale * 3.01 * U + f64::from(f32::from_bits(1)));
        }
    }

    /// Without ε, a power of two on the input is a power of two on the scale and nothing else.
    #[test]
    fn quantisers_follow_powers_of_two(row in any_row(1..200), rule in any_rule(), power in -20..20_i32) {
        let factor = 2_f32.powi(power);
        let scaled: Vec<f32> = row.iter().map(|x| x * factor).collect();
        for backend in backends() {
            let (values, scale, sum) = quantise(backend, rule, 0.0, &row);
            prop_assert_eq!((values, scale * factor, sum), quantise(backend, rule, 0.0, &scaled));
        }
    }

    #[test]
    fn rms_norm_is_near_the_oracle(row in any_row(1..400), gain in any::<bool>(), epsilon in 0.0_f32..1e-3) {
        let gains: Vec<f32> = Random::new(row.len() as u64).normals(row.len());
        let (wide_gains, mut expected) = (widen(&gains), vec![0.0; row.len()]);
        let weights = gain.then_some(&wide_gains[..]);
        reference::rms_norm(&widen(&row), weights, epsilon.into(), &mut expected).unwrap();
        for backend in backends() {
            let mut y = vec![f32::NAN; row.len()];
            let norm = RmsNorm::new(gain.then_some(&gains[..]), epsilon).unwrap();
            norm.forward(backend, row.len(), &row, &mut y).unwrap();
            for (&y, &e) in y.iter().zip(&expected) {
                // The reciprocal root, the product with it and the gain round once each; the mean three times.
                prop_assert!((f64::from(y) - e).abs() <= 4.51 * U * e.abs() + 1e-37, "{backend:?}: {y:e} {e:e}");
            }
        }
    }

    #[test]
    fn weight_quantiser_equals_the_oracle(row in any_row(1..400), epsilon in 0.0_f32..1e-3) {
        let (mut ternary, mut expected) = (vec![9; row.len()], vec![9; row.len()]);
        let alpha = reference::absmean(&widen(&row), epsilon.into(), &mut expected).unwrap();
        for backend in backends() {
            let actual = absmean(backend, &row, epsilon, &mut ternary).unwrap();
            prop_assert!((f64::from(actual) - alpha).abs() <= 3.01 * U * alpha);
            for ((&w, &e), &x) in ternary.iter().zip(&expected).zip(&row) {
                let quotient = (f64::from(x) / (alpha + f64::from(epsilon))).abs();
                prop_assert!(w == e || (quotient - 0.5).abs() < 1.01 * U, "{backend:?}: {quotient}");
            }
        }
    }
}

/// Rows beyond what a sum in f32 can hold, at either end, and on both sides of where f64 takes over.
#[test]
fn means_of_any_size() {
    for_each_backend(|backend| {
        for len in [1, 3, 129, 640] {
            for size in [3e38, 1e38, 1e20, 9e18, 1e10, 1e-14, 9e-16, 8e-16, 1e-18, 1e-22, 1e-30, 1e-36] {
                let row: Vec<f32> = Random::new(len as u64)
                    .normals(len)
                    .iter()
                    .map(|x| size * (1.0 + x.clamp(-0.1, 0.1)))
                    .collect();
                let (wide, mut expected) = (widen(&row), vec![0.0; len]);
                reference::rms_norm(&wide, None, 0.0, &mut expected).unwrap();
                let mut y = vec![f32::NAN; len];
                RmsNorm::new(None, 0.0).unwrap().forward(backend, len, &row, &mut y).unwrap();
                for (&y, &e) in y.iter().zip(&expected) {
                    assert!(
                        (f64::from(y) - e).abs() <= 4.51 * U * e,
                        "{backend:?} {len} of {size:e}: {y} {e}"
                    );
                }
                let oracle =
                    reference::quantize(Rule::Int4AbsMean, 0.0, &wide, &mut vec![0; len]).unwrap().scale;
                let (_, scale, _) = quantise(backend, Rule::Int4AbsMean, 0.0, &row);
                assert!(
                    (f64::from(scale) - oracle).abs() <= oracle * 3.01 * U,
                    "{backend:?} {len} of {size:e}"
                );
            }
        }
    });
}

/// Where the factor is exactly 1, halves go to the even neighbour: every half of the range, in every vector lane.
#[test]
fn halves_go_to_even() {
    for_each_backend(|backend| {
        for (rule, top) in [(Rule::Int8AbsMax, 127), (Rule::Int4AbsMax, 7)] {
            let halves: Vec<f32> = (-top..top).map(|i| i as f32 + 0.5).chain([top as f32]).collect();
            for shift in 0..halves.len() {
                let row: Vec<f32> = halves.iter().cycle().skip(shift).take(halves.len()).copied().collect();
                let expected: Vec<i8> = row.iter().map(|x| x.round_ties_even() as i8).collect();
                let (values, scale, sum) = quantise(backend, rule, 0.0, &row);
                assert_same(&expected, &values, format_args!("{backend:?} {rule} by {shift}"));
                assert_eq!((scale, sum), (1.0, expected.iter().map(|&q| i32::from(q)).sum()));
            }
        }
        // One step of the format to either side of a half is no tie.
        let row =
            [2.5_f32.next_down(), 2.5, 2.5_f32.next_up(), 3.5_f32.next_down(), 3.5, 3.5_f32.next_up(), 127.0];
        assert_eq!(quantise(backend, Rule::Int8AbsMax, 0.0, &row).0, [2, 2, 3, 3, 4, 4, 127]);
        let row = row.map(|x| -x);
        assert_eq!(quantise(backend, Rule::Int8AbsMax, 0.0, &row).0, [-2, -2, -3, -3, -4, -4, -127]);
    });
}

/// Eq. 6 saturates on purpose, at −8 below and 7 above.
#[test]
fn absmean_saturates() {
    for_each_backend(|backend| {
        for len in [10, 33, 64, 130] {
            let mut row = vec![0.01; len];
            (row[0], row[len - 1]) = (-1e4, 1e4);
            let (values, _, _) = quantise(backend, Rule::Int4AbsMean, 0.0, &row);
            assert_eq!((values[0], values[len - 1]), (-8, 7), "{backend:?} {len}");
        }
    });
}
