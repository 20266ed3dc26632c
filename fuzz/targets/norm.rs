//! Any rows: every backend normalises to the same bits, or refuses with the same error and writes nothing.

#![no_main]

use hbitlinear::norm::RmsNorm;
use hbitlinear_fuzz::{cycle_floats, others, same, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    features: u16,
    rows: u8,
    weight: Option<Vec<u32>>,
    epsilon: u32,
    x: Vec<u32>,
}

fuzz_target!(|input: Input| {
    let features = usize::from(input.features) % 5000;
    let x = cycle_floats(&input.x, features * usize::from(input.rows % 4));
    let weight = input.weight.map(|seeds| cycle_floats(&seeds, features));
    let Ok(norm) = RmsNorm::new(weight.as_deref(), f32::from_bits(input.epsilon)) else { return };
    let run = |backend| {
        let mut y = vec![-1.5; x.len()];
        let result = norm.forward(backend, features, &x, &mut y);
        assert!(result.is_ok() || y.iter().all(|&y| y == -1.5), "an error leaves the output alone");
        (result, y)
    };
    let (expected, expected_y) = run(scalar());
    for backend in others() {
        let (result, y) = run(backend);
        assert_eq!(expected, result, "{backend:?}");
        assert!(same(&expected_y, &y), "{backend:?}");
    }
});
