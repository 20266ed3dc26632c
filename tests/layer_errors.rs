//! Every bad argument of a layer gives its own error and leaves the outputs alone.

mod common;

use common::data::{OwnedWeights, Random, assert_painted, painted};
use common::for_each_backend;
use hbitlinear::hadamard::Transform;
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{ActivationsMut, Bits, Quantizer, Rule};
use hbitlinear::weights::{Scaling, Weights};
use hbitlinear::{Backend, BitLinear, Error, HBitLinear, OutputMut};

const FEATURES: usize = 24;
const OUTPUTS: usize = 20;

/// The feature that the overflow tests make large.
const LOUD: usize = 7;

fn quantizer() -> Quantizer {
    Quantizer::new(Rule::Int4AbsMean, 1e-5).unwrap()
}

fn transform() -> Transform<'static> {
    Transform::named("paley1:12*2").unwrap()
}

fn weights() -> OwnedWeights {
    OwnedWeights::random(OUTPUTS, FEATURES, Scaling::Tensor, &mut Random::new(5))
}

#[test]
fn construction() {
    let w = weights();
    let weights = Weights::open(&w.blob).unwrap();
    let gains = [1.0; FEATURES + 1];
    let norm = Some(RmsNorm::new(Some(&gains), 0.0).unwrap());
    let error = Error::Length { argument: "norm weight", expected: FEATURES, actual: FEATURES + 1 };
    assert_eq!(BitLinear::new(norm, quantizer(), weights).unwrap_err(), error);
    assert_eq!(HBitLinear::new(norm, transform(), quantizer(), weights).unwrap_err(), error);
    for block in [8, 16, 32] {
        let error = Error::TransformLength { block, actual: FEATURES };
        let transform = Transform::sylvester(block).unwrap();
        assert_eq!(HBitLinear::new(None, transform, quantizer(), weights).unwrap_err(), error);
    }
    let blocks = Transform::sylvester(8).unwrap().blocks(3).unwrap();
    assert!(HBitLinear::new(None, blocks, quantizer(), weights).is_ok());

    let layer = BitLinear::new(None, quantizer(), weights).unwrap();
    let error = Err(Error::SizeOverflow { argument: "tokens * row bytes" });
    assert_eq!(layer.workspace_len(usize::MAX), error);
    let error = Err(Error::SizeOverflow { argument: "bytes of workspace" });
    assert_eq!(layer.workspace_len(usize::MAX / (FEATURES / 2)), error);
}

/// Both phases' arguments, the whole layer's with them; `x` is 3 rows long.
#[test]
fn arguments() {
    let w = weights();
    let layer = HBitLinear::new(None, transform(), quantizer(), Weights::open(&w.blob).unwrap()).unwrap();
    for_each_backend(|backend| {
        let (full, phase) = (layer.workspace_len(3).unwrap(), layer.quantize_workspace_len().unwrap());
        let length = |argument, expected, actual| Error::Length { argument, expected, actual };
        let short = |expected, actual| Error::Workspace { expected, actual };
        let forward = |x_len: usize, outputs, room, error| {
            let (mut y, mut workspace): (Vec<f32>, _) = (painted(70), vec![0; room]);
            let mut out = OutputMut::new(&mut y, 3, outputs, outputs).unwrap();
            assert_eq!(layer.forward(backend, &vec![1.0; x_len], &mut out, &mut workspace), Err(error));
            assert_painted(&y, "y");
        };
        forward(3 * FEATURES - 1, OUTPUTS, full, length("x", 72, 71));
        forward(2 * FEATURES, OUTPUTS, full, length("x", 72, 48));
        forward(3 * FEATURES, OUTPUTS - 1, full, length("outputs of y", 20, 19));
        forward(3 * FEATURES, OUTPUTS + 1, full, length("outputs of y", 20, 21));
        forward(3 * FEATURES, OUTPUTS, full - 1, short(full, full - 1));
        forward(3 * FEATURES, OUTPUTS, 0, short(full, 0));

        let quantize = |x_len: usize, bits: Bits, features, room, error| {
            let bytes = 3 * bits.row_bytes(features);
            let (mut v, mut c, mut s): (Vec<u8>, Vec<f32>, Vec<i32>) =
                (painted(bytes), painted(3), painted(3));
            let mut out = ActivationsMut::new(bits, features, &mut v, &mut c, &mut s).unwrap();
            assert_eq!(layer.quantize(backend, &vec![1.0; x_len], &mut out, &mut vec![0; room]), Err(error));
            assert_painted(&v, "values");
            assert_painted(&c, "scales");
            assert_painted(&s, "sums");
        };
        let bits = Error::Value { argument: "bits of the activations", value: 8 };
        quantize(72, Bits::Eight, FEATURES, phase, bits);
        quantize(72, Bits::Four, FEATURES + 1, phase, length("features of the activations", 24, 25));
        quantize(73, Bits::Four, FEATURES, phase, length("x", 72, 73));
        quantize(72, Bits::Four, FEATURES, phase - 1, short(phase, phase - 1));
    });
}

/// Runs the layer on four rows of which only `row` may hold the bad value; both the layer and its first phase must
/// name that row and write nothing.
fn refuse(
    backend: Backend,
    norm: Option<RmsNorm<'_>>,
    transform: Option<Transform<'_>>,
    row: usize,
    bad: &[f32],
) {
    let w = weights();
    let weights = Weights::open(&w.blob).unwrap();
    let mut x = Random::new(6).normals(4 * FEATURES);
    // The other rows stay finite under the largest gain.
    x.iter_mut().skip(LOUD).step_by(FEATURES).for_each(|x| *x = 0.0);
    x[row * FEATURES..][..FEATURES].copy_from_slice(bad);
    let error = Err(Error::NonFinite { argument: "x", row });
    let mut y: Vec<f32> = painted(4 * OUTPUTS);
    let mut out = OutputMut::new(&mut y, 4, OUTPUTS, OUTPUTS).unwrap();
    let (mut v, mut c, mut s): (Vec<u8>, Vec<f32>, Vec<i32>) =
        (painted(2 * FEATURES), painted(4), painted(4));
    let mut room = ActivationsMut::new(Bits::Four, FEATURES, &mut v, &mut c, &mut s).unwrap();
    match transform {
        Some(transform) => {
            let layer = HBitLinear::new(norm, transform, quantizer(), weights).unwrap();
            let mut workspace = vec![0; layer.workspace_len(4).unwrap()];
            assert_eq!(layer.forward(backend, &x, &mut out, &mut workspace), error);
            assert_eq!(layer.quantize(backend, &x, &mut room, &mut workspace), error);
        }
        None => {
            let layer = BitLinear::new(norm, quantizer(), weights).unwrap();
            let mut workspace = vec![0; layer.workspace_len(4).unwrap()];
            assert_eq!(layer.forward(backend, &x, &mut out, &mut workspace), error);
            assert_eq!(layer.quantize(backend, &x, &mut room, &mut workspace), error);
        }
    }
    assert_painted(&y, "y");
    assert_painted(&v, "values");
    assert_painted(&c, "scales");
    assert_painted(&s, "sums");
}

#[test]
fn rows_that_are_not_finite() {
    for_each_backend(|backend| {
        let norm = Some(RmsNorm::new(None, 0.0).unwrap());
        for (bad, column) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|bad| (bad, FEATURES - 1)) {
            for (row, norm) in (0..4).flat_map(|row| [(row, None), (row, norm)]) {
                let mut x = [1.0; FEATURES];
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
        let mut gains = [1.0; FEATURES];
        gains[LOUD] = f32::MAX;
        let gain = Some(RmsNorm::new(Some(&gains), 0.0).unwrap());
        let mut spike = [0.0; FEATURES];
        spike[LOUD] = 1.0;
        for row in 0..4 {
            refuse(backend, None, Some(transform()), row, &[f32::MAX; FEATURES]);
            refuse(backend, None, Some(transform()), row, &[-f32::MAX / 8.0; FEATURES]);
            refuse(backend, gain, Some(transform()), row, &spike);
            refuse(backend, gain, None, row, &spike);
        }

        // Large, but nothing overflows: H of one spike has no sums, and without a transform there are none at all.
        let w = weights();
        let weights = Weights::open(&w.blob).unwrap();
        spike[LOUD] = f32::MAX / 2.0;
        let mut y = [0.0; OUTPUTS];
        let mut out = OutputMut::new(&mut y, 1, OUTPUTS, OUTPUTS).unwrap();
        let layer = HBitLinear::new(None, transform(), quantizer(), weights).unwrap();
        let mut workspace = vec![0; layer.workspace_len(1).unwrap()];
        assert_eq!(layer.forward(backend, &spike, &mut out, &mut workspace), Ok(()));
        let layer = BitLinear::new(None, quantizer(), weights).unwrap();
        assert_eq!(layer.forward(backend, &[f32::MAX; FEATURES], &mut out, &mut workspace), Ok(()));
    });
}
