//! Any weights: the oracle's ternary ones, unless a quotient lies near one half, and its α; by tensor and by row; the same
//! on every backend.

#![no_main]

use hbitlinear::{Backend, Error, Result, absmean, absmean_rows, reference};
use hbitlinear_fuzz::rows::{Floats, first_non_finite, sums_exactly, widen};
use hbitlinear_fuzz::{TINY, U, assert_near, others, same, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    outputs: u8,
    inputs: u16,
    epsilon: u32,
    weights: Floats,
}

fuzz_target!(|input: Input| {
    let (outputs, inputs) = (usize::from(input.outputs) % 9, usize::from(input.inputs) % 1500);
    let weights = input.weights.take(outputs * inputs);
    let epsilon = f32::from_bits(input.epsilon);

    let (rows, ternary, alpha) = by_row(scalar(), inputs, &weights, epsilon, outputs);
    let (tensor, tensor_ternary, tensor_alpha) = whole(scalar(), &weights, epsilon);
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        assert!(matches!((rows, tensor), (Err(Error::Epsilon { .. }), Err(Error::Epsilon { .. }))));
        return;
    }
    for backend in others() {
        let (other, other_ternary, other_alpha) = by_row(backend, inputs, &weights, epsilon, outputs);
        assert_eq!(rows, other, "{backend:?}");
        assert!(ternary == other_ternary && same(&alpha, &other_alpha), "{backend:?}");
        let (other, other_ternary, other_alpha) = whole(backend, &weights, epsilon);
        assert_eq!((tensor, tensor_alpha.to_bits()), (other, other_alpha.to_bits()), "{backend:?}");
        assert!(tensor_ternary == other_ternary, "{backend:?}");
    }

    let zero = Error::Zero { argument: "inputs" };
    let expected =
        |row: Option<usize>| row.map_or(Ok(()), |row| Err(Error::NonFinite { argument: "weights", row }));
    let first = first_non_finite(&weights, inputs.max(1));
    assert_eq!(rows, if inputs == 0 { Err(zero) } else { expected(first) });
    assert_eq!(tensor, if weights.is_empty() { Err(zero) } else { expected(first.map(|_| 0)) });
    if rows.is_ok() && inputs > 0 {
        for (row, (weights, ternary)) in weights.chunks(inputs).zip(ternary.chunks(inputs)).enumerate() {
            check(weights, epsilon, ternary, alpha[row]);
        }
    }
    if tensor.is_ok() {
        check(&weights, epsilon, &tensor_ternary, tensor_alpha);
    }
});

fn by_row(
    backend: Backend,
    inputs: usize,
    weights: &[f32],
    epsilon: f32,
    outputs: usize,
) -> (Result<()>, Vec<i8>, Vec<f32>) {
    let (mut ternary, mut scales) = (vec![77; weights.len()], vec![-1.5; outputs]);
    let result = absmean_rows(backend, inputs, weights, epsilon, &mut ternary, &mut scales);
    let untouched = ternary.iter().all(|&w| w == 77) && scales.iter().all(|&scale| scale == -1.5);
    assert!(result.is_ok() || untouched, "an error leaves the output alone");
    (result, ternary, scales)
}

fn whole(backend: Backend, weights: &[f32], epsilon: f32) -> (Result<()>, Vec<i8>, f32) {
    let mut ternary = vec![77; weights.len()];
    let result = absmean(backend, weights, epsilon, &mut ternary);
    assert!(result.is_ok() || ternary.iter().all(|&w| w == 77), "an error leaves the output alone");
    (result.map(|_| ()), ternary, result.unwrap_or(-1.5))
}

fn check(weights: &[f32], epsilon: f32, ternary: &[i8], alpha: f32) {
    let (wide, mut expected, epsilon) = (widen(weights), vec![9; weights.len()], f64::from(epsilon));
    let oracle = reference::absmean(&wide, epsilon, &mut expected).expect("finite numbers");
    assert_near(alpha, oracle, 4.01 * U * oracle + TINY, format_args!("alpha"));
    let exact = sums_exactly(weights);
    for (i, (&w, &e)) in ternary.iter().zip(&expected).enumerate() {
        // The sum of magnitudes changes by 3u at most.
        let quotient = (wide[i] / (oracle + epsilon)).abs();
        assert!(w == e || !exact && (quotient - 0.5).abs() < 0.5 * 3.01 * U, "{i}: {w}, not {e}: {quotient}");
    }
}
