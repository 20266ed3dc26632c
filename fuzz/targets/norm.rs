//! Any rows: normalised within a few roundings of the oracle and to the same bits on every backend, or refused with the
//! row's number and nothing written.

#![no_main]

use hbitlinear::{Error, RmsNorm, reference};
use hbitlinear_fuzz::rows::{Floats, first_non_finite, norm_tolerance, widen};
use hbitlinear_fuzz::{assert_near, others, same, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    inputs: u16,
    rows: u8,
    weight: Option<Floats>,
    epsilon: u32,
    x: Floats,
}

fuzz_target!(|input: Input| {
    let inputs = usize::from(input.inputs) % 1200;
    let x = input.x.take(inputs * usize::from(input.rows % 4));
    let weight = input.weight.map(|weight| weight.take(inputs));
    let epsilon = f32::from_bits(input.epsilon);
    let valid = weight.as_ref().is_none_or(|weight| weight.iter().all(|gain| gain.is_finite()));
    let norm = RmsNorm::new(weight.as_deref(), epsilon);
    assert_eq!(norm.is_ok(), valid && epsilon.is_finite() && epsilon >= 0.0);
    let Ok(norm) = norm else { return };
    let run = |backend| {
        let mut y = vec![-1.5; x.len()];
        let result = norm.forward(backend, inputs, &x, &mut y);
        assert!(result.is_ok() || y.iter().all(|&y| y == -1.5), "an error leaves the output alone");
        (result, y)
    };
    let (expected, expected_y) = run(scalar());
    for backend in others() {
        let (result, y) = run(backend);
        assert_eq!(expected, result, "{backend:?}");
        assert!(same(&expected_y, &y), "{backend:?}");
    }

    if inputs == 0 {
        assert_eq!(expected, Err(Error::Zero { argument: "inputs" }));
        return;
    }
    let row = first_non_finite(&x, inputs);
    assert_eq!(expected, row.map_or(Ok(()), |row| Err(Error::NonFinite { argument: "x", row })));
    if row.is_some() {
        return;
    }
    let (gains, epsilon) = (weight.as_deref().map(widen), f64::from(epsilon));
    for (x, y) in x.chunks(inputs).zip(expected_y.chunks(inputs)) {
        let (wide, mut oracle) = (widen(x), vec![0.0; inputs]);
        reference::rms_norm(&wide, gains.as_deref(), epsilon, &mut oracle).expect("finite");
        let mean = wide.iter().map(|x| x * x).sum::<f64>() / inputs as f64;
        let root = (mean + epsilon).sqrt();
        for i in 0..inputs {
            let gain = gains.as_ref().map_or(1.0, |gains| gains[i]);
            assert_near(y[i], oracle[i], norm_tolerance(x[i], root, gain), format_args!("element {i}"));
        }
    }
});
