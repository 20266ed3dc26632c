//! Packing any ±1 matrix: accepted exactly if its rows are orthogonal, and then an outer factor in any position.

#![no_main]

use hbitlinear::{Direction, Error, SignMatrix, Transform, reference};
use hbitlinear_fuzz::cycle;
use hbitlinear_fuzz::rows::{Floats, widen};
use hbitlinear_fuzz::transform::{Own, check, family_matrix};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    /// Of the arbitrary one.
    order: u16,
    data: &'a [u8],
    own: Own,
    /// What stands outside and inside of it.
    outer: Option<(u8, u8)>,
    inner: Option<Own>,
    log2: u8,
    x: Floats,
}

fuzz_target!(|input: Input| {
    check_arbitrary(usize::from(input.order) % 300, input.data);

    let mut own = input.own.build();
    check_pack(own.order, &own.signs);
    let (order, signs) = (own.order, own.signs.clone());
    let matrix = own.matrix();
    // The words are the matrix again.
    let again =
        SignMatrix::from_words(order, matrix.row_words(), matrix.column_words()).expect("its own words");
    for i in 0..=order {
        assert_eq!((again.entry(i, order), again.entry(order, i)), (0, 0));
    }
    for (index, &sign) in signs.iter().enumerate() {
        assert_eq!(again.entry(index / order, index % order), sign);
    }
    // Alone it is a dense product.
    let alone = Transform::new(&[matrix], 1).expect("one factor");
    let x = input.x.take_finite(order);
    let mut y = vec![0.0; order];
    reference::hadamard(&alone, Direction::Forward, &widen(&x), &mut y).expect("a row");
    for (y, signs) in y.iter().zip(signs.chunks(order)) {
        let sum: f64 = signs.iter().zip(&x).map(|(&sign, &x)| f64::from(sign) * f64::from(x)).sum();
        assert_eq!(*y, sum / (order as f64).sqrt());
    }
    check(&alone, &x);

    let mut inner = input.inner.as_ref().map(Own::build);
    let factors: Vec<_> = input
        .outer
        .map(|(family, order)| family_matrix(family, order))
        .into_iter()
        .chain([matrix])
        .chain(inner.as_mut().map(|inner| inner.matrix()))
        .collect();
    let transform = Transform::new(&factors, 1 << (input.log2 % 6)).expect("three factors at most");
    if transform.row_len() <= 1 << 12 {
        check(&transform, &input.x.take(transform.row_len()));
    }
});

/// Mostly signs, of any order.
fn check_arbitrary(order: usize, data: &[u8]) {
    let entry = |byte: u8| if byte == 0xff { 0 } else { 1 - 2 * (byte as i8 & 1) };
    let signs: Vec<i8> = cycle(data, order * order).into_iter().map(entry).collect();
    check_pack(order, &signs);
}

fn check_pack(order: usize, signs: &[i8]) {
    let words = 2 * order * order.div_ceil(32);
    let mut storage = vec![0xABAB_ABAB; words];
    let result = SignMatrix::pack(order, signs, &mut storage);
    if order == 0 || order > 256 {
        assert_eq!(result.err(), Some(Error::MatrixOrder { limit: 256, actual: order }));
        return;
    }
    let rows: Vec<_> = signs.chunks(order).collect();
    let dot = |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
    let refused = (0..order).find(|&row| {
        rows[row].iter().any(|sign| sign.abs() != 1)
            || rows[..row].iter().any(|other| dot(rows[row], other) != 0)
    });
    assert_eq!(result.err(), refused.map(|row| Error::NotHadamard { row }));
    assert!(
        refused.is_none() || storage.iter().all(|&word| word == 0xABAB_ABAB),
        "an error leaves the storage alone"
    );
}
