//! PyTorch's float64 results (`tests/golden`) against the oracle and against every backend this CPU has, stage by
//! stage and for the whole layer. Integers must be equal: no value of the vectors lies near a rounding edge.

use std::path::Path;

use hbitlinear::hadamard::{Direction, Transform};
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{Activations, ActivationsMut, Bits, Quantizer, Rule};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights, absmean};
use hbitlinear::{Backend, HBitLinear, OutputMut, gemm, reference};

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
    features: usize,
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
        let features = transform.row_len();
        let q = array(name, "q", &[3, TOKENS, features]);
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
            features,
            x: array(name, "x", &[TOKENS, features]),
            norm_weight: array(name, "norm_weight", &[features]),
            weights: array(name, "weights", &[OUTPUTS, features]),
            rms_norm: array(name, "rms_norm", &[TOKENS, features]),
            hadamard: array(name, "hadamard", &[TOKENS, features]),
            ternary: array(name, "ternary", &[OUTPUTS, features]),
            alpha: array(name, "alpha", &[1])[0],
            rules: rules.collect(),
        }
    }

    fn packed_weights(&self) -> Vec<u8> {
        let spec = WeightSpec::new(OUTPUTS, self.features, Layout::T2, Scaling::Tensor).unwrap();
        let mut blob = vec![0; spec.packed_len()];
        spec.pack(&self.ternary, &[self.alpha as f32], &mut blob).unwrap();
        blob
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
fn on_every_backend(what: &str, check: impl Fn(Backend, &Golden)) {
    let names: Vec<_> = Backend::available().map(Backend::name).collect();
    assert!(names.contains(&"scalar"));
    println!("{what}: backends {}", names.join(", "));
    for golden in Golden::all() {
        Backend::available().for_each(|backend| check(backend, &golden));
    }
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
fn assert_rows_close(context: &str, actual: &[f64], expected: &[f64], features: usize, tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{context}");
    for (row, (actual, expected)) in actual.chunks(features).zip(expected.chunks(features)).enumerate() {
        let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
            let close = (a - e).abs() <= tolerance * largest;
            assert!(close, "{context}: row {row}, element {i} is {a}, expected {e}");
        }
    }
}

/// Quantised rows, and what they must be.
#[track_caller]
fn assert_quantized(context: &str, actual: &Activations<'_>, golden: &GoldenRule) {
    let features = actual.features();
    for (t, expected) in golden.q.chunks(features).enumerate() {
        let q: Vec<i8> = (0..features).map(|k| actual.value(t, k)).collect();
        assert_integers(&format!("{context}, token {t}"), &q, expected);
        let sum: i32 = expected.iter().copied().map(i32::from).sum();
        assert_eq!(actual.sums()[t], sum, "{context}: sum of token {t}");
    }
    assert_close(context, &wide(actual.scales()), &golden.scale, TOLERANCE);
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

/// Room for the quantised activations of all tokens.
struct Room {
    values: Vec<u8>,
    scales: [f32; TOKENS],
    sums: [i32; TOKENS],
}

impl Room {
    fn new(bits: Bits, features: usize) -> Room {
        let values = vec![0; TOKENS * bits.row_bytes(features)];
        Room { values, scales: [0.0; TOKENS], sums: [0; TOKENS] }
    }

    fn as_mut(&mut self, bits: Bits, features: usize) -> ActivationsMut<'_> {
        ActivationsMut::new(bits, features, &mut self.values, &mut self.scales, &mut self.sums).unwrap()
    }
}

#[test]
fn oracle_stages_equal_torch() {
    for golden in Golden::all() {
        let (name, features) = (golden.name, golden.features);
        let mut normal = vec![0.0; TOKENS * features];
        let mut rotated = normal.clone();
        let mut back = normal.clone();
        let (x, gain) = (wide(&golden.x), wide(&golden.norm_weight));
        for start in (0..x.len()).step_by(features) {
            let row = start..start + features;
            let (from, to) = (&x[row.clone()], &mut normal[row.clone()]);
            reference::rms_norm(from, Some(&gain), f64::from(NORM_EPSILON), to).unwrap();
            let turn = |direction, from: &[f64], to: &mut [f64]| {
                reference::hadamard(&golden.transform, direction, from, to).unwrap();
            };
            turn(Direction::Forward, &golden.rms_norm[row.clone()], &mut rotated[row.clone()]);
            turn(Direction::Transpose, &golden.hadamard[row.clone()], &mut back[row]);
        }
        assert_close(name, &normal, &golden.rms_norm, ORACLE_TOLERANCE);
        assert_rows_close(name, &rotated, &golden.hadamard, features, ORACLE_TOLERANCE);
        assert_rows_close(name, &back, &golden.rms_norm, features, ORACLE_TOLERANCE);

        let mut ternary = vec![0; golden.ternary.len()];
        let weights = wide(&golden.weights);
        let alpha = reference::absmean(&weights, f64::from(WEIGHT_EPSILON), &mut ternary).unwrap();
        assert_close(name, &[alpha], &[golden.alpha], ORACLE_TOLERANCE);
        assert_integers(name, &ternary, &golden.ternary);

        for expected in &golden.rules {
            let context = format!("{name}, {}", expected.rule.name());
            let mut q = vec![0; TOKENS * features];
            for (t, (q, x)) in q.chunks_mut(features).zip(golden.hadamard.chunks(features)).enumerate() {
                let row = reference::quantize(expected.rule, f64::from(ACTIVATION_EPSILON), x, q).unwrap();
                assert_eq!(row.sum, q.iter().copied().map(i64::from).sum::<i64>(), "{context}");
                assert_close(&context, &[row.scale], &[expected.scale[t]], ORACLE_TOLERANCE);
            }
            assert_integers(&context, &q, &expected.q);
            let mut sums = [0; TOKENS * OUTPUTS];
            reference::product(&q, &golden.ternary, TOKENS, OUTPUTS, features, &mut sums).unwrap();
            assert_integers(&context, &sums.map(|sum| i32::try_from(sum).unwrap()), &expected.product);
        }
    }
}

#[test]
fn oracle_layer_equals_torch() {
    // The dense transform of the longest rows takes seconds, and the stages' test has it.
    for golden in Golden::all().filter(|golden| golden.features < 4096) {
        let (features, blob) = (golden.features, golden.packed_weights());
        let weights = Weights::open(&blob).unwrap();
        let (x, gain) = (wide(&golden.x), wide(&golden.norm_weight));
        let norm = Some((Some(&gain[..]), f64::from(NORM_EPSILON)));
        let (mut scratch, mut q) = (vec![0.0; 2 * features], vec![0; features]);
        for expected in &golden.rules {
            let context = format!("{}, {}", golden.name, expected.rule.name());
            for (t, x) in x.chunks(features).enumerate() {
                let mut y = [0.0; OUTPUTS];
                reference::h_bit_linear(
                    norm,
                    Some(&golden.transform),
                    expected.rule,
                    f64::from(ACTIVATION_EPSILON),
                    &weights,
                    x,
                    &mut y,
                    &mut scratch,
                    &mut q,
                )
                .unwrap();
                assert_integers(&context, &q, &expected.q[t * features..][..features]);
                // Packed weights carry α as f32.
                assert_close(&context, &y, &expected.output[t * OUTPUTS..][..OUTPUTS], TOLERANCE);
            }
        }
    }
}

#[test]
fn norm_equals_torch() {
    on_every_backend("norm", |backend, golden| {
        let norm = RmsNorm::new(Some(&golden.norm_weight), NORM_EPSILON).unwrap();
        let mut y = vec![0.0; golden.x.len()];
        norm.forward(backend, golden.features, &golden.x, &mut y).unwrap();
        assert_close(&format!("{}, {backend:?}", golden.name), &wide(&y), &golden.rms_norm, TOLERANCE);
    });
}

#[test]
fn transform_and_its_transpose_equal_torch() {
    on_every_backend("transform", |backend, golden| {
        let context = format!("{}, {backend:?}", golden.name);
        let mut row = narrow(&golden.rms_norm);
        golden.transform.forward(backend, &mut row).unwrap();
        assert_rows_close(&context, &wide(&row), &golden.hadamard, golden.features, TOLERANCE);
        let mut row = narrow(&golden.hadamard);
        golden.transform.transpose(backend, &mut row).unwrap();
        assert_rows_close(&context, &wide(&row), &golden.rms_norm, golden.features, TOLERANCE);
    });
}

#[test]
fn quantisers_equal_torch() {
    on_every_backend("quantise", |backend, golden| {
        let x = narrow(&golden.hadamard);
        for expected in &golden.rules {
            let context = format!("{}, {backend:?}, {}", golden.name, expected.rule.name());
            let bits = expected.rule.bits();
            let mut room = Room::new(bits, golden.features);
            let mut out = room.as_mut(bits, golden.features);
            let quantizer = Quantizer::new(expected.rule, ACTIVATION_EPSILON).unwrap();
            quantizer.forward(backend, &x, &mut out).unwrap();
            assert_quantized(&context, &out.as_activations(), expected);
        }
    });
}

#[test]
fn ternary_weights_equal_torch() {
    on_every_backend("absmean", |backend, golden| {
        let mut ternary = vec![0; golden.ternary.len()];
        let alpha = absmean(backend, &golden.weights, WEIGHT_EPSILON, &mut ternary).unwrap();
        let context = format!("{}, {backend:?}", golden.name);
        assert_close(&context, &[f64::from(alpha)], &[golden.alpha], TOLERANCE);
        assert_integers(&context, &ternary, &golden.ternary);
    });
}

#[test]
fn layer_equals_torch() {
    on_every_backend("layer", |backend, golden| {
        let blob = golden.packed_weights();
        for expected in &golden.rules {
            let context = format!("{}, {backend:?}, {}", golden.name, expected.rule.name());
            let layer = HBitLinear::new(
                Some(RmsNorm::new(Some(&golden.norm_weight), NORM_EPSILON).unwrap()),
                golden.transform,
                Quantizer::new(expected.rule, ACTIVATION_EPSILON).unwrap(),
                Weights::open(&blob).unwrap(),
            )
            .unwrap();
            let mut workspace = vec![0; layer.workspace_len(TOKENS).unwrap()];

            let bits = expected.rule.bits();
            let mut room = Room::new(bits, golden.features);
            let mut out = room.as_mut(bits, golden.features);
            layer.quantize(backend, &golden.x, &mut out, &mut workspace).unwrap();
            assert_quantized(&context, &out.as_activations(), expected);

            let mut sums = [0; TOKENS * OUTPUTS];
            let mut y = OutputMut::new(&mut sums, TOKENS, OUTPUTS, OUTPUTS).unwrap();
            let (q, w) = (out.into_activations(), layer.weights());
            gemm::product_i32(backend, w, &q, 0..TOKENS, 0..OUTPUTS, &mut y, &mut workspace).unwrap();
            assert_integers(&context, &sums, &expected.product);

            let mut output = [0.0; TOKENS * OUTPUTS];
            let mut y = OutputMut::new(&mut output, TOKENS, OUTPUTS, OUTPUTS).unwrap();
            layer.forward(backend, &golden.x, &mut y, &mut workspace).unwrap();
            assert_close(&context, &wide(&output), &expected.output, TOLERANCE);
        }
    });
}
