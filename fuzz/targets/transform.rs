//! Reading any transform's name never panics, and every backend transforms to the same bits.

#![no_main]

use hbitlinear::hadamard::{Direction, Family, SignMatrix, Transform};
use hbitlinear_fuzz::{cycle, cycle_floats, others, same, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

/// Longest row: enough for every order, and for three factors.
const MAX_ROW: usize = 1 << 15;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    name: &'a str,
    factors: Vec<(u8, u8)>,
    log2: u8,
    blocks: u8,
    signs: Option<Vec<bool>>,
    rows: u8,
    x: Vec<u32>,
}

fuzz_target!(|input: Input| {
    if let Ok(transform) = Transform::named(input.name) {
        check(&transform, &input);
    }
    let factors: Vec<_> = input.factors.iter().map(|&(family, order)| matrix(family, order)).collect();
    if let Ok(transform) = Transform::new(&factors, 1 << (input.log2 % 16)) {
        check(&transform, &input);
    }
});

fn matrix(family: u8, order: u8) -> SignMatrix<'static> {
    let family = Family::ALL[usize::from(family) % Family::ALL.len()];
    let orders = family.orders();
    family.matrix(orders[usize::from(order) % orders.len()]).expect("a listed order")
}

fn check(transform: &Transform<'_>, input: &Input) {
    let Ok(transform) = transform.blocks(input.blocks.into()) else { return };
    let len = transform.row_len();
    if len > MAX_ROW {
        return;
    }
    let signs: Vec<i8> = cycle(input.signs.as_deref().unwrap_or_default(), len)
        .into_iter()
        .map(|minus| if minus { -1 } else { 1 })
        .collect();
    let transform = match input.signs {
        Some(_) => transform.with_signs(&signs).expect("a sign for each element"),
        None => transform,
    };

    let x = cycle_floats(&input.x, len * usize::from(input.rows % 3));
    for direction in [Direction::Forward, Direction::Transpose] {
        let apply = |backend, x: &[f32]| {
            let mut y = x.to_vec();
            let done = match direction {
                Direction::Forward => transform.forward(backend, &mut y),
                Direction::Transpose => transform.transpose(backend, &mut y),
            };
            done.expect("whole rows");
            y
        };
        let expected = apply(scalar(), &x);
        for backend in others() {
            assert!(same(&expected, &apply(backend, &x)), "{backend:?} {direction:?}");
        }
    }
}
