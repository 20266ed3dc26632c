//! Every bad argument of a layer gives its own error and leaves the outputs alone.

mod common;

use common::data::{Random, assert_painted, painted};
use common::owned::{OwnedWeights, Quantised, formats};
use common::run::input_stages;
use common::{for_each_backend, run};
use hbitlinear::{
    Backend, BitLinear, Bits, Error, InputStages, OutputMut, Quantizer, RmsNorm, Rule, Transform, layout,
};

const INPUTS: usize = 24;
const OUTPUTS: usize = 20;

/// The input that the overflow tests make large.
const LOUD: usize = 7;

fn quantizer() -> Quantizer {
    Quantizer::new(Rule::Int4AbsMean, 1e-5).unwrap()
}

fn transform() -> Transform<'static> {
    Transform::named("paley1:12*2").unwrap()
}

fn weights() -> OwnedWeights {
    OwnedWeights::random(OUTPUTS, INPUTS, formats().next().unwrap(), &mut Random::new(5))
}

#[test]
fn construction() {
    assert_eq!(InputStages::new(0, quantizer()).unwrap_err(), Error::Zero { argument: "inputs" });
    for inputs in [layout::MAX_INPUTS + 1, usize::MAX] {
        let error = Error::SizeOverflow { argument: "inputs" };
        assert_eq!(InputStages::new(inputs, quantizer()).unwrap_err(), error);
    }
    let stages = InputStages::new(INPUTS, quantizer()).unwrap();
    let gains = [1.0; INPUTS + 1];
    let norm = RmsNorm::new(Some(&gains), 0.0).unwrap();
    let error = Error::Length { argument: "norm weight", expected: INPUTS, actual: INPUTS + 1 };
    assert_eq!(stages.with_norm(norm).unwrap_err(), error);
    for block in [8, 16, 32] {
        let error = Error::TransformLength { block, actual: INPUTS };
        let transform = Transform::sylvester(block).unwrap();
        assert_eq!(stages.with_transform(transform).unwrap_err(), error);
    }
    let blocks = Transform::sylvester(8).unwrap().with_blocks(3).unwrap();
    assert!(stages.with_transform(blocks).is_ok());

    let w = weights();
    for inputs in [1, INPUTS - 1, INPUTS + 1] {
        let error = Error::Length { argument: "inputs of the stages", expected: INPUTS, actual: inputs };
        let stages = InputStages::new(inputs, quantizer()).unwrap();
        assert_eq!(BitLinear::new(stages, w.view()).unwrap_err(), error);
    }
    let layer = BitLinear::new(stages, w.view()).unwrap();
    let error = Err(Error::SizeOverflow { argument: "tokens * row bytes" });
    assert_eq!(layer.workspace_len(usize::MAX), error);
    let error = Err(Error::SizeOverflow { argument: "bytes of workspace" });
    assert_eq!(layer.workspace_len(usize::MAX / (INPUTS / 2)), error);
}

/// Both phases' arguments, the whole layer's with them; `x` is 3 rows long.
#[test]
fn arguments() {
    let w = weights();
    let stages = input_stages(INPUTS, quantizer(), None, Some(transform())).unwrap();
    let layer = BitLinear::new(stages, w.view()).unwrap();
    for_each_backend(|backend| {
        let (full, phase) = (layer.workspace_len(3).unwrap(), stages.workspace_len().unwrap());
        let length = |argument, expected, actual| Error::Length { argument, expected, actual };
        let short = |expected, actual| Error::Workspace { expected, actual };
        let forward = |x_len: usize, outputs, room, error| {
            let (mut y, mut workspace): (Vec<f32>, _) = (painted(70), vec![0; room]);
            let out = OutputMut::new(&mut y, 3, outputs, outputs).unwrap();
            assert_eq!(layer.forward(backend, &vec![1.0_f32; x_len], out, &mut workspace), Err(error));
            assert_painted(&y, "y");
        };
        forward(3 * INPUTS - 1, OUTPUTS, full, length("x", 72, 71));
        forward(2 * INPUTS, OUTPUTS, full, length("x", 72, 48));
        forward(3 * INPUTS, OUTPUTS - 1, full, length("outputs of y", 20, 19));
        forward(3 * INPUTS, OUTPUTS + 1, full, length("outputs of y", 20, 21));
        forward(3 * INPUTS, OUTPUTS, full - 1, short(full, full - 1));
        forward(3 * INPUTS, OUTPUTS, 0, short(full, 0));

        let quantize = |x_len: usize, bits: Bits, inputs, room: usize, error| {
            let mut memory = Quantised::painted(bits, 3, inputs);
            let (x, mut workspace) = (vec![1.0_f32; x_len], vec![0; room]);
            let refused = stages.quantize(backend, &x, memory.room(), &mut workspace);
            assert_eq!(refused.unwrap_err(), error);
            memory.assert_painted();
        };
        let bits = Error::Value { argument: "bits of the activations", value: 8 };
        quantize(72, Bits::Eight, INPUTS, phase, bits);
        quantize(72, Bits::Four, INPUTS + 1, phase, length("inputs of the activations", 24, 25));
        quantize(73, Bits::Four, INPUTS, phase, length("x", 72, 73));
        quantize(72, Bits::Four, INPUTS, phase - 1, short(phase, phase - 1));
    });
}

/// Runs the layer on four rows of which only `row` may hold the bad value, and on that row alone; both the layer and its
/// first phase must name it and write nothing.
fn refuse(
    backend: Backend,
    norm: Option<RmsNorm<'_>>,
    transform: Option<Transform<'_>>,
    row: usize,
    bad: &[f32],
) {
    let w = weights();
    let mut x = Random::new(6).normals(4 * INPUTS);
    // The other rows stay finite under the largest gain.
    x.iter_mut().skip(LOUD).step_by(INPUTS).for_each(|x| *x = 0.0);
    x[row * INPUTS..][..INPUTS].copy_from_slice(bad);
    for (tokens, x, row) in [(4, &x[..], row), (4 - row, &x[row * INPUTS..], 0), (1, bad, 0)] {
        let error = Error::NonFinite { argument: "x", row };
        for &rule in Rule::ALL {
            let quantizer = Quantizer::new(rule, 1e-5).unwrap();
            let stages = input_stages(INPUTS, quantizer, norm, transform).unwrap();
            let layer = BitLinear::new(stages, w.view()).unwrap();
            assert_eq!(run::layer(backend, &layer, x, tokens), Err(error), "{backend:?} {rule} M {tokens}");
            let refused = run::stages(backend, &stages, x, tokens).map(|_| ());
            assert_eq!(refused, Err(error), "{backend:?} {rule} M {tokens}");
        }
    }
}

#[test]
fn rows_that_are_not_finite() {
    for_each_backend(|backend| {
        let norm = Some(RmsNorm::new(None, 0.0).unwrap());
        for (bad, column) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|bad| (bad, INPUTS - 1)) {
            for (row, norm) in (0..4).flat_map(|row| [(row, None), (row, norm)]) {
                let mut x = [1.0; INPUTS];
                x[column] = bad;
                refuse(backend, norm, Some(transform()), row, &x);
                refuse(backend, norm, None, row, &x);
            }
        }
    });
}

/// Finite rows that overflow on the way: in the transform's sums, or in the norm's gain.
#[test]
fn rows_that_overflow() {
    for_each_backend(|backend| {
        let mut gains = [1.0; INPUTS];
        gains[LOUD] = f32::MAX;
        let gain = Some(RmsNorm::new(Some(&gains), 0.0).unwrap());
        let mut spike = [0.0; INPUTS];
        spike[LOUD] = 1.0;
        for row in 0..4 {
            refuse(backend, None, Some(transform()), row, &[f32::MAX; INPUTS]);
            refuse(backend, None, Some(transform()), row, &[-f32::MAX / 8.0; INPUTS]);
            refuse(backend, gain, Some(transform()), row, &spike);
            refuse(backend, gain, None, row, &spike);
        }

        // Large, but nothing overflows: H of one spike has no sums, and without a transform there are none at all.
        let w = weights();
        spike[LOUD] = f32::MAX / 2.0;
        for (transform, row) in [(Some(transform()), &spike), (None, &[f32::MAX; INPUTS])] {
            let stages = input_stages(INPUTS, quantizer(), None, transform).unwrap();
            let layer = BitLinear::new(stages, w.view()).unwrap();
            for tokens in [1, 2] {
                let y = run::layer(backend, &layer, &row.repeat(tokens), tokens);
                assert!(y.is_ok_and(|y| y.iter().all(|y| y.is_finite())), "{backend:?} M {tokens}");
            }
        }
    });
}
