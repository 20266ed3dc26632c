//! Every backend gives the scalar backend's bits, in every float kernel, for every length and hard row.

mod common;

use common::data::{Random, family_transforms, hard_rows, row_lengths};
use common::{assert_same, assert_same_bits, for_each_backend, reduced, scalar};
use hbitlinear::Backend;
use hbitlinear::hadamard::{SignMatrix, Transform};
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{ActivationsMut, Quantizer, Rule};
use hbitlinear::weights::{absmean, absmean_rows};

/// Both directions. Long rows, where every kernel is past its edges, alone and in fewer kinds.
fn check_transform(backend: Backend, name: &str, transform: &Transform<'_>) {
    let len = transform.row_len();
    let long = len > 2048;
    for (kind, row) in hard_rows(len, len as u64) {
        if long && !matches!(kind, "outlier" | "subnormal" | "all exponents" | "negative zeros") {
            continue;
        }
        let reversed = row.iter().rev().copied().collect();
        let rows = if long { row } else { [row.clone(), reversed, row].concat() };
        let (mut expected, mut actual) = (rows.clone(), rows);
        transform.forward(scalar(), &mut expected).unwrap();
        transform.forward(backend, &mut actual).unwrap();
        assert_same_bits(&expected, &actual, format_args!("{backend:?} {name}, {kind}"));
        transform.transpose(scalar(), &mut expected).unwrap();
        transform.transpose(backend, &mut actual).unwrap();
        assert_same_bits(&expected, &actual, format_args!("{backend:?} {name} transposed, {kind}"));
    }
}

#[test]
fn sylvester_transforms() {
    for_each_backend(|backend| {
        for log2 in 0..=16 {
            let transform = Transform::sylvester(1 << log2).unwrap();
            check_transform(backend, &format!("2^{log2}"), &transform);
        }
    });
}

#[test]
fn named_transforms() {
    let powers: &[usize] = if reduced("powers of two") { &[1, 4] } else { &[1, 2, 4, 8, 16, 64] };
    for_each_backend(|backend| {
        for (name, transform) in family_transforms(powers) {
            check_transform(backend, &name, &transform);
        }
    });
}

#[test]
fn blocks_with_signs() {
    for_each_backend(|backend| {
        for block in [64, 128, 256, 512, 1024] {
            for count in [1, 2, 17] {
                let signs = Random::new(block as u64).signs(block * count);
                let transform = Transform::sylvester(block).unwrap().blocks(count).unwrap();
                check_transform(backend, &format!("{count} blocks of {block}"), &transform);
                let transform = transform.with_signs(&signs).unwrap();
                check_transform(backend, &format!("{count} blocks of {block} with signs"), &transform);
            }
        }
    });
}

/// A Sylvester matrix with negated columns: no family's, and of an order with a tail of every kind of vector.
#[test]
fn custom_matrices() {
    for_each_backend(|backend| {
        for order in [1_usize, 2, 4, 8, 16, 32, 64, 256] {
            let flips = Random::new(order as u64).signs(order);
            let sylvester = Transform::sylvester(order).unwrap();
            let matrix: Vec<i8> = (0..order * order)
                .map(|i| sylvester.entry(i / order, i % order) * flips[i % order])
                .collect();
            let mut storage = vec![0; SignMatrix::storage_len(order).unwrap()];
            let matrix = SignMatrix::pack(order, &matrix, &mut storage).unwrap();
            for power in [1, 2, 8, 32] {
                let transform = Transform::new(&[matrix], power).unwrap();
                check_transform(backend, &format!("custom {order}*{power}"), &transform);
            }
        }
    });
}

#[test]
fn rms_norm() {
    for_each_backend(|backend| {
        for len in row_lengths() {
            let gains = Random::new(len as u64 + 7).normals(len);
            for (kind, row) in hard_rows(len, len as u64) {
                for (weight, epsilon) in [(None, 0.0), (None, 1e-5), (Some(&gains[..]), 1e-6)] {
                    let norm = RmsNorm::new(weight, epsilon).unwrap();
                    let (mut expected, mut actual) = (vec![1.0; len], vec![2.0; len]);
                    norm.forward(scalar(), len, &row, &mut expected).unwrap();
                    norm.forward(backend, len, &row, &mut actual).unwrap();
                    assert_same_bits(
                        &expected,
                        &actual,
                        format_args!("{backend:?} {len}, {kind}, ε {epsilon}"),
                    );
                }
            }
        }
    });
}

#[test]
fn quantisers() {
    for_each_backend(|backend| {
        for (len, rule) in row_lengths().flat_map(|len| Rule::ALL.map(|rule| (len, rule))) {
            for (kind, row) in hard_rows(len, len as u64 + 1) {
                for epsilon in [0.0, 1e-5] {
                    let quantizer = Quantizer::new(rule, epsilon).unwrap();
                    let run = |backend: Backend, paint: u8| {
                        let mut values = vec![paint; rule.bits().row_bytes(len)];
                        let (mut scale, mut sum) = ([-1.0], [i32::from(paint)]);
                        let mut out =
                            ActivationsMut::new(rule.bits(), len, &mut values, &mut scale, &mut sum).unwrap();
                        quantizer.forward(backend, &row, &mut out).unwrap();
                        (values, scale[0].to_bits(), sum[0])
                    };
                    let (expected, actual) = (run(scalar(), 0x55), run(backend, 0xaa));
                    let what = format!("{backend:?} {} of {len}, {kind}, ε {epsilon}", rule.name());
                    assert_same(&expected.0, &actual.0, format_args!("{what}"));
                    assert_eq!((expected.1, expected.2), (actual.1, actual.2), "{what}: scale and sum");
                }
            }
        }
    });
}

#[test]
fn weight_quantiser() {
    for_each_backend(|backend| {
        for len in row_lengths() {
            for (kind, row) in hard_rows(len, len as u64 + 2) {
                let what = format!("{backend:?} {len}, {kind}");
                let (mut expected, mut actual) = (vec![5; len], vec![6; len]);
                let alpha = absmean(scalar(), &row, 1e-5, &mut expected).unwrap();
                assert_eq!(
                    alpha.to_bits(),
                    absmean(backend, &row, 1e-5, &mut actual).unwrap().to_bits(),
                    "{what}"
                );
                assert_same(&expected, &actual, format_args!("{what}"));

                let rows = [&row[..], &vec![0.0; len], &row].concat();
                let (mut ternary, mut scales) = (vec![6; 3 * len], [f32::NAN; 3]);
                absmean_rows(backend, len, &rows, 1e-5, &mut ternary, &mut scales).unwrap();
                let zeros = vec![0; len];
                assert_same(&[&expected[..], &zeros, &expected].concat(), &ternary, format_args!("{what}"));
                assert_same_bits(&[alpha, 0.0, alpha], &scales, format_args!("{what}"));
            }
        }
    });
}

/// The order of a row's f64 sum, which the rounding to f32 nearly always hides: sums a few f64 steps from the middle
/// between two f32, with terms of half a step that count or not by what they are added to first.
#[test]
fn order_of_sums() {
    let alpha = |backend, row: &[f32]| absmean(backend, row, 0.0, &mut vec![0; row.len()]).unwrap();
    let mut random = Random::new(11);
    let rows: Vec<Vec<f32>> = (0..400)
        .map(|_| {
            let step = 2_f32.powi(-52);
            let terms = [0.0, step / 4.0, step / 2.0, step * 0.75, step];
            let mut row: Vec<f32> = (0..64).map(|_| terms[random.below(5)]).collect();
            let (one, middle) = (random.below(32), random.below(32));
            row[one] = 1.0;
            // What the other terms add up to, give or take a few.
            row[one + 32] = 2_f32.powi(-24) - 32.0 * step;
            row.swap(one + 32, middle + 32);
            row
        })
        .collect();
    for_each_backend(|backend| {
        for row in &rows {
            assert_same_bits(
                &[alpha(scalar(), row)],
                &[alpha(backend, row)],
                format_args!("{backend:?} {row:?}"),
            );
        }
    });
    let above = rows.iter().filter(|row| alpha(scalar(), row) > 1.0 / 64.0).count();
    assert!((1..rows.len()).contains(&above), "the rows must lie on both sides of the middle");
}
