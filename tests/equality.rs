//! Every backend gives the scalar backend's bits, in every float kernel, for every length and hard row.

mod common;

use common::data::{Random, family_transforms, hard_rows, row_lengths};
use common::owned::Quantised;
use common::{assert_same, assert_same_bits, for_each_backend, reduced, scalar};
use hbitlinear::{Backend, Quantizer, RmsNorm, Rule, SignMatrix, Transform, absmean, absmean_rows};

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
                let transform = Transform::sylvester(block).unwrap().with_blocks(count).unwrap();
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
        for (len, rule) in row_lengths().flat_map(|len| Rule::ALL.iter().map(move |&rule| (len, rule))) {
            for (kind, row) in hard_rows(len, len as u64 + 1) {
                for epsilon in [0.0, 1e-5] {
                    let quantizer = Quantizer::new(rule, epsilon).unwrap();
                    let run = |backend| {
                        let mut memory = Quantised::painted(rule.bits(), 1, len);
                        quantizer.forward(backend, &row, memory.room()).unwrap();
                        memory
                    };
                    let what = format_args!("{backend:?} {rule} of {len}, {kind}, ε {epsilon}");
                    run(scalar()).assert_same(&run(backend), what);
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
