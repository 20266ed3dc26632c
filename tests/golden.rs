//! PyTorch's float64 results (`tests/golden`) against the oracle and against every backend this CPU has, stage by
//! stage and for the whole layer. Integers must be equal: no value of the vectors lies near a rounding edge.

mod common;

use std::path::Path;

use common::owned::{OwnedWeights, Quantised};
use common::run::{self, run_i32};
use hbitlinear::reference::{self, Norm, Shape};
use hbitlinear::{
    Backend, BitLinear, Direction, Layout, Quantizer, RmsNorm, Rule, Scaling, Transform, WeightSpec, absmean,
};

/// Directory of each case, and its transform's name.
const CASES: [(&str, &str); 5] = [
    ("sylvester-1024", "1024"),
    ("paley1-12x128", "paley1:12*128"),
    ("paley1-20x128", "paley1:20*128"),
    ("quarot-20x128", "quarot:20*128"),
    ("paley1-108x64", "paley1:108*64"),
];

/// In the order in which `make.py` stacks them.
const RULES: [Rule; 3] = [Rule::Int8AbsMax, Rule::Int4AbsMean, Rule::Int4AbsMax];

const NORM_EPSILON: f32 = 1e-5;
const WEIGHT_EPSILON: f32 = 1e-4;
const ACTIVATION_EPSILON: f32 = 1e-3;

const TOKENS: usize = 2;
const OUTPUTS: usize = 8;

/// Of a backend, which computes in f32.
const TOLERANCE: f64 = 1e-6;
/// Of the oracle, which differs from torch in the order of its sums alone.
const ORACLE_TOLERANCE: f64 = 1e-12;

struct Golden {
    name: &'static str,
    transform: Transform<'static>,
    inputs: usize,
    x: Vec<f32>,
    norm_weight: Vec<f32>,
    weights: Vec<f32>,
    rms_norm: Vec<f64>,
    hadamard: Vec<f64>,
    ternary: Vec<i8>,
    alpha: f64,
    rules: Vec<GoldenRule>,
}

struct GoldenRule {
    rule: Rule,
    q: Vec<i8>,
    scale: Vec<f64>,
    product: Vec<i32>,
    output: Vec<f64>,
}

impl Golden {
    fn all() -> impl Iterator<Item = Golden> {
        CASES.into_iter().map(|(name, transform)| Golden::load(name, transform))
    }

    fn load(name: &'static str, transform: &str) -> Golden {
        let transform = Transform::named(transform).unwrap();
        let inputs = transform.row_len();
        let q = array(name, "q", &[3, TOKENS, inputs]);
        let scale = array(name, "scale", &[3, TOKENS]);
        let product = array(name, "product", &[3, TOKENS, OUTPUTS]);
        let output = array(name, "output", &[3, TOKENS, OUTPUTS]);
        let rules = RULES.into_iter().enumerate().map(|(index, rule)| GoldenRule {
            rule,
            q: part(&q, index),
            scale: part(&scale, index),
            product: part(&product, index),
            output: part(&output, index),
        });
        Golden {
            name,
            transform,
            inputs,
            x: array(name, "x", &[TOKENS, inputs]),
            norm_weight: array(name, "norm_weight", &[inputs]),
            weights: array(name, "weights", &[OUTPUTS, inputs]),
            rms_norm: array(name, "rms_norm", &[TOKENS, inputs]),
            hadamard: array(name, "hadamard", &[TOKENS, inputs]),
            ternary: array(name, "ternary", &[OUTPUTS, inputs]),
            alpha: array(name, "alpha", &[1])[0],
            rules: rules.collect(),
        }
    }

    /// In every layout.
    fn packed_weights(&self) -> Vec<OwnedWeights> {
        let spec = WeightSpec::new(OUTPUTS, self.inputs, Layout::ALL[0], Scaling::Tensor).unwrap();
        OwnedWeights::with_scales(spec, self.ternary.clone(), vec![self.alpha as f32]).layouts()
    }
}

fn array<T: npyz::Deserialize>(case: &str, name: &str, shape: &[usize]) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case).join(name);
    let bytes = std::fs::read(path.with_extension("npy")).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(file.order(), npyz::Order::C);
    assert!(file.shape().iter().copied().eq(shape.iter().map(|&n| n as u64)), "shape of {case}/{name}");
    file.into_vec().unwrap()
}

/// One rule's part of a stacked array.
fn part<T: Clone>(stacked: &[T], index: usize) -> Vec<T> {
    let len = stacked.len() / RULES.len();
    stacked[index * len..][..len].to_vec()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// Runs a check on every backend of this CPU, and says on which.
fn on_every_backend(check: impl Fn(Backend, &Golden)) {
    let all: Vec<_> = Golden::all().collect();
    common::for_each_backend(|backend| all.iter().for_each(|golden| check(backend, golden)));
}

/// Each element within `tolerance` of its own magnitude.
#[track_caller]
fn assert_close(context: &str, actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{context}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= tolerance * e.abs(), "{context}: element {i} is {a}, expected {e}");
    }
}

/// Each element within `tolerance` of its row's largest magnitude.
#[track_caller]
fn assert_rows_close(context: &str, actual: &[f64], expected: &[f64], inputs: usize, tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{context}");
    for (row, (actual, expected)) in actual.chunks(inputs).zip(expected.chunks(inputs)).enumerate() {
        let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
            let close = (a - e).abs() <= tolerance * largest;
            assert!(close, "{context}: row {row}, element {i} is {a}, expected {e}");
        }
    }
}

/// Quantised rows, and what they must be.
#[track_caller]
fn assert_quantized(context: &str, actual: &Quantised, golden: &GoldenRule) {
    for (t, expected) in golden.q.chunks(actual.inputs).enumerate() {
        assert_integers(&format!("{context}, token {t}"), &actual.row(t), expected);
        let sum: i32 = expected.iter().copied().map(i32::from).sum();
        assert_eq!(actual.sums[t], sum, "{context}: sum of token {t}");
    }
    assert_close(context, &wide(&actual.scales), &golden.scale, TOLERANCE);
}

#[track_caller]
fn assert_integers<T: PartialEq + core::fmt::Debug>(context: &str, actual: &[T], expected: &[T]) {
    assert_eq!(actual.len(), expected.len(), "{context}");
    let differing: Vec<_> = (0..actual.len()).filter(|&i| actual[i] != expected[i]).collect();
    if let Some(&first) = differing.first() {
        let (a, e) = (&actual[first], &expected[first]);
        panic!(
            "{context}: {} integers differ, first element {first}: {a:?}, expected {e:?}",
            differing.len()
        );
    }
}

#[test]
fn oracle_stages_equal_torch() {
    for golden in Golden::all() {
        let (name, inputs) = (golden.name, golden.inputs);
        let mut normal = vec![0.0; TOKENS * inputs];
        let mut rotated = normal.clone();
        let mut back = normal.clone();
        let (x, gain) = (wide(&golden.x), wide(&golden.norm_weight));
        for start in (0..x.len()).step_by(inputs) {
            let row = start..start + inputs;
            let (from, to) = (&x[row.clone()], &mut normal[row.clone()]);
            reference::rms_norm(from, Some(&gain), f64::from(NORM_EPSILON), to).unwrap();
            let turn = |direction, from: &[f64], to: &mut [f64]| {
                reference::hadamard(&golden.transform, direction, from, to).unwrap();
            };
            turn(Direction::Forward, &golden.rms_norm[row.clone()], &mut rotated[row.clone()]);
            turn(Direction::Transpose, &golden.hadamard[row.clone()], &mut back[row]);
        }
        assert_close(name, &normal, &golden.rms_norm, ORACLE_TOLERANCE);
        assert_rows_close(name, &rotated, &golden.hadamard, inputs, ORACLE_TOLERANCE);
        assert_rows_close(name, &back, &golden.rms_norm, inputs, ORACLE_TOLERANCE);

        let mut ternary = vec![0; golden.ternary.len()];
        let weights = wide(&golden.weights);
        let alpha = reference::absmean(&weights, f64::from(WEIGHT_EPSILON), &mut ternary).unwrap();
        assert_close(name, &[alpha], &[golden.alpha], ORACLE_TOLERANCE);
        assert_integers(name, &ternary, &golden.ternary);

        for expected in &golden.rules {
            let context = format!("{name}, {}", expected.rule);
            let mut q = vec![0; TOKENS * inputs];
            for (t, (q, x)) in q.chunks_mut(inputs).zip(golden.hadamard.chunks(inputs)).enumerate() {
                let row = reference::quantize(expected.rule, f64::from(ACTIVATION_EPSILON), x, q).unwrap();
                assert_eq!(row.sum, q.iter().copied().map(i64::from).sum::<i64>(), "{context}");
                assert_close(&context, &[row.scale], &[expected.scale[t]], ORACLE_TOLERANCE);
            }
            assert_integers(&context, &q, &expected.q);
            let mut sums = [0; TOKENS * OUTPUTS];
            let shape = Shape { tokens: TOKENS, outputs: OUTPUTS, inputs };
            reference::product(&q, &golden.ternary, shape, &mut sums).unwrap();
            assert_integers(&context, &sums.map(|sum| i32::try_from(sum).unwrap()), &expected.product);
        }
    }
}

#[test]
fn oracle_layer_equals_torch() {
    // The dense transform of the longest rows takes seconds, and the stages' test has it.
    for golden in Golden::all().filter(|golden| golden.inputs < 4096) {
        let inputs = golden.inputs;
        let (x, gain) = (wide(&golden.x), wide(&golden.norm_weight));
        let norm = Some(Norm { weight: Some(&gain), epsilon: f64::from(NORM_EPSILON) });
        let (mut scratch, mut q) = (vec![0.0; 2 * inputs], vec![0; inputs]);
        let weights = &golden.packed_weights()[0];
        for expected in &golden.rules {
            let context = format!("{}, {}", golden.name, expected.rule);
            let layer = reference::BitLinear {
                norm,
                transform: Some(&golden.transform),
                rule: expected.rule,
                epsilon: f64::from(ACTIVATION_EPSILON),
                weights: &weights.view(),
            };
            for (t, x) in x.chunks(inputs).enumerate() {
                let mut y = [0.0; OUTPUTS];
                layer.forward(x, &mut y, &mut scratch, &mut q).unwrap();
                assert_integers(&context, &q, &expected.q[t * inputs..][..inputs]);
                // Packed weights carry α as f32.
                assert_close(&context, &y, &expected.output[t * OUTPUTS..][..OUTPUTS], TOLERANCE);
            }
        }
    }
}

#[test]
fn norm_equals_torch() {
    on_every_backend(|backend, golden| {
        let norm = RmsNorm::new(Some(&golden.norm_weight), NORM_EPSILON).unwrap();
        let mut y = vec![0.0; golden.x.len()];
        norm.forward(backend, golden.inputs, &golden.x, &mut y).unwrap();
        assert_close(&format!("{}, {backend:?}", golden.name), &wide(&y), &golden.rms_norm, TOLERANCE);
    });
}

#[test]
fn transform_and_its_transpose_equal_torch() {
    on_every_backend(|backend, golden| {
        let context = format!("{}, {backend:?}", golden.name);
        let mut row = narrow(&golden.rms_norm);
        golden.transform.forward(backend, &mut row).unwrap();
        assert_rows_close(&context, &wide(&row), &golden.hadamard, golden.inputs, TOLERANCE);
        let mut row = narrow(&golden.hadamard);
        golden.transform.transpose(backend, &mut row).unwrap();
        assert_rows_close(&context, &wide(&row), &golden.rms_norm, golden.inputs, TOLERANCE);
    });
}

#[test]
fn quantisers_equal_torch() {
    on_every_backend(|backend, golden| {
        let x = narrow(&golden.hadamard);
        for expected in &golden.rules {
            let context = format!("{}, {backend:?}, {}", golden.name, expected.rule);
            let mut memory = Quantised::painted(expected.rule.bits(), TOKENS, golden.inputs);
            let quantizer = Quantizer::new(expected.rule, ACTIVATION_EPSILON).unwrap();
            quantizer.forward(backend, &x, memory.room()).unwrap();
            assert_quantized(&context, &memory, expected);
        }
    });
}

#[test]
fn ternary_weights_equal_torch() {
    on_every_backend(|backend, golden| {
        let mut ternary = vec![0; golden.ternary.len()];
        let alpha = absmean(backend, &golden.weights, WEIGHT_EPSILON, &mut ternary).unwrap();
        let context = format!("{}, {backend:?}", golden.name);
        assert_close(&context, &[f64::from(alpha)], &[golden.alpha], TOLERANCE);
        assert_integers(&context, &ternary, &golden.ternary);
    });
}

#[test]
fn layer_equals_torch() {
    on_every_backend(|backend, golden| {
        let norm = RmsNorm::new(Some(&golden.norm_weight), NORM_EPSILON).unwrap();
        for (expected, w) in
            golden.rules.iter().flat_map(|rule| golden.packed_weights().into_iter().map(move |w| (rule, w)))
        {
            let context = format!("{}, {backend:?}, {}, {}", golden.name, expected.rule, w.spec.layout());
            let quantizer = Quantizer::new(expected.rule, ACTIVATION_EPSILON).unwrap();
            let stages =
                run::input_stages(golden.inputs, quantizer, Some(norm), Some(golden.transform)).unwrap();
            let layer = BitLinear::new(stages, w.view()).unwrap();
            let memory = run::stages(backend, layer.stages(), &golden.x, TOKENS).unwrap();
            assert_quantized(&context, &memory, expected);
            assert_integers(&context, &run_i32(backend, layer.weights(), &memory.view()), &expected.product);
            let output = run::layer(backend, &layer, &golden.x, TOKENS).unwrap();
            assert_close(&context, &wide(&output), &expected.output, TOLERANCE);
        }
    });
}
