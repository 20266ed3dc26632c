//! The layers: one forward call is the composition of the public stages, bit for bit, however it is cut, and agrees
//! with the oracle.

mod common;

use common::data::{OwnedWeights, Random, SCALINGS};
use common::{assert_same, assert_same_bits, for_each_backend, scalar};
use hbitlinear::hadamard::Transform;
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{Activations, ActivationsMut, Quantizer, Rule};
use hbitlinear::weights::{Scaling, Weights};
use hbitlinear::{Backend, BitLinear, HBitLinear, OutputMut, gemm, reference};

const EPSILON: f32 = 1e-5;

/// One layer to try: with a transform, or without where there is none.
struct Case<'a> {
    norm: Option<RmsNorm<'a>>,
    transform: Option<Transform<'a>>,
    rule: Rule,
    weights: Weights<'a>,
    tokens: usize,
    x: Vec<f32>,
}

/// Bytes, scales and sums of quantised activations.
type Quantised = (Vec<u8>, Vec<f32>, Vec<i32>);

impl Case<'_> {
    fn features(&self) -> usize {
        self.weights.columns()
    }

    fn quantizer(&self) -> Quantizer {
        Quantizer::new(self.rule, EPSILON).unwrap()
    }

    fn room(&self) -> Quantised {
        let bytes = self.rule.bits().row_bytes(self.features());
        (vec![0xee; self.tokens * bytes], vec![f32::NAN; self.tokens], vec![-1; self.tokens])
    }

    /// The layer by its public stages alone.
    fn by_stages(&self, backend: Backend) -> (Quantised, Vec<f32>) {
        let mut rows = self.x.clone();
        if let Some(norm) = &self.norm {
            norm.forward(backend, self.features(), &self.x, &mut rows).unwrap();
        }
        if let Some(transform) = &self.transform {
            transform.forward(backend, &mut rows).unwrap();
        }
        let mut room = self.room();
        let mut out = self.activations_mut(&mut room);
        self.quantizer().forward(backend, &rows, &mut out).unwrap();
        let (outputs, mut workspace) = (self.weights.rows(), vec![0x77; gemm::workspace_len()]);
        let mut y = vec![f32::NAN; self.tokens * outputs];
        let mut target = OutputMut::new(&mut y, self.tokens, outputs, outputs).unwrap();
        let x = out.into_activations();
        gemm::product(backend, &self.weights, &x, 0..self.tokens, 0..outputs, &mut target, &mut workspace)
            .unwrap();
        (room, y)
    }

    fn activations_mut<'b>(&self, room: &'b mut Quantised) -> ActivationsMut<'b> {
        let (values, scales, sums) = room;
        ActivationsMut::new(self.rule.bits(), self.features(), values, scales, sums).unwrap()
    }

    fn forward(&self, backend: Backend) -> Vec<f32> {
        let outputs = self.weights.rows();
        let mut y = vec![f32::NAN; self.tokens * outputs];
        let mut out = OutputMut::new(&mut y, self.tokens, outputs, outputs).unwrap();
        match self.transform {
            Some(transform) => {
                let layer = HBitLinear::new(self.norm, transform, self.quantizer(), self.weights).unwrap();
                let mut workspace = vec![0x77; layer.workspace_len(self.tokens).unwrap()];
                layer.forward(backend, &self.x, &mut out, &mut workspace).unwrap();
            }
            None => {
                let layer = BitLinear::new(self.norm, self.quantizer(), self.weights).unwrap();
                let mut workspace = vec![0x77; layer.workspace_len(self.tokens).unwrap()];
                layer.forward(backend, &self.x, &mut out, &mut workspace).unwrap();
            }
        }
        y
    }

    /// Quantised by two workers that share the tokens, multiplied by four that share tokens and outputs.
    fn by_phases(&self, backend: Backend, token_cut: usize, output_cut: usize) -> (Quantised, Vec<f32>) {
        let transform = self.transform.unwrap();
        let layer = HBitLinear::new(self.norm, transform, self.quantizer(), self.weights).unwrap();
        let bytes = self.rule.bits().row_bytes(self.features());
        let mut workspace = vec![0x77; layer.quantize_workspace_len().unwrap()];
        let mut room = self.room();
        let (upper_values, lower_values) = room.0.split_at_mut(token_cut * bytes);
        let (upper_scales, lower_scales) = room.1.split_at_mut(token_cut);
        let (upper_sums, lower_sums) = room.2.split_at_mut(token_cut);
        let (upper_x, lower_x) = self.x.split_at(token_cut * self.features());
        for (x, values, scales, sums) in [
            (lower_x, lower_values, lower_scales, lower_sums),
            (upper_x, upper_values, upper_scales, upper_sums),
        ] {
            let mut out =
                ActivationsMut::new(self.rule.bits(), self.features(), values, scales, sums).unwrap();
            layer.quantize(backend, x, &mut out, &mut workspace).unwrap();
        }

        let x = Activations::new(self.rule.bits(), self.features(), &room.0, &room.1, &room.2).unwrap();
        let outputs = self.weights.rows();
        let mut workspace = vec![0x77; gemm::workspace_len()];
        let mut y = vec![f32::NAN; self.tokens * outputs];
        let whole = OutputMut::new(&mut y, self.tokens, outputs, outputs).unwrap();
        let (above, below) = whole.split_tokens(token_cut).unwrap();
        for (part, tokens) in [(below, token_cut..self.tokens), (above, 0..token_cut)] {
            let (mut left, mut right) = part.split_outputs(output_cut).unwrap();
            let t = tokens.clone();
            layer.multiply(backend, &x, t, output_cut..outputs, &mut right, &mut workspace).unwrap();
            layer.multiply(backend, &x, tokens, 0..output_cut, &mut left, &mut workspace).unwrap();
        }
        (room, y)
    }
}

/// Runs `check` on layers of several kinds and shapes.
fn each_case(tokens: usize, mut check: impl FnMut(&str, &Case<'_>)) {
    let names = ["64", "paley1:12*2", "1024", "paley1:20*32", "paley2:28*512"];
    for (name, rule) in names.iter().flat_map(|name| Rule::ALL.map(|rule| (name, rule))) {
        for (index, scaling) in SCALINGS.into_iter().enumerate() {
            let transform = Transform::named(name).unwrap();
            let features = transform.row_len();
            let mut random = Random::new((features + index) as u64);
            let (signs, gains) = (random.signs(features), random.normals(features));
            let w = OwnedWeights::random(37, features, scaling, &mut random);
            let norm = [
                None,
                Some(RmsNorm::new(None, 1e-6).unwrap()),
                Some(RmsNorm::new(Some(&gains), 0.0).unwrap()),
            ];
            let transforms = [Some(transform), Some(transform.with_signs(&signs).unwrap()), None];
            let case = Case {
                norm: norm[index % 3],
                transform: transforms[(index + 1) % 3],
                rule,
                weights: Weights::open(&w.blob).unwrap(),
                tokens,
                x: random.normals(tokens * features),
            };
            check(&format!("{name} {} {scaling:?}", rule.name()), &case);
        }
    }
}

#[test]
fn forward_is_the_composition_of_the_stages() {
    for_each_backend(|backend| {
        for tokens in [0, 1, 3, 17] {
            each_case(tokens, |name, case| {
                let y = case.forward(backend);
                assert_same_bits(&case.by_stages(backend).1, &y, format_args!("{backend:?} {name}"));
                assert_same_bits(&case.forward(scalar()), &y, format_args!("{backend:?} {name}, scalar"));
            });
        }
    });
}

#[test]
fn phases_give_the_same_for_every_cut() {
    let (tokens, outputs) = (5, 37);
    let mut random = Random::new(77);
    let w = OwnedWeights::random(outputs, 240, Scaling::Row, &mut random);
    let case = Case {
        norm: Some(RmsNorm::new(None, 1e-6).unwrap()),
        transform: Some(Transform::named("paley1:60*4").unwrap()),
        rule: Rule::Int4AbsMean,
        weights: Weights::open(&w.blob).unwrap(),
        tokens,
        x: random.normals(tokens * 240),
    };
    for_each_backend(|backend| {
        let (quantised, expected) = case.by_stages(backend);
        for (token_cut, output_cut) in (0..=tokens).flat_map(|t| (0..=outputs).map(move |n| (t, n))) {
            let (actual, y) = case.by_phases(backend, token_cut, output_cut);
            let what = format_args!("{backend:?} cut at token {token_cut}, output {output_cut}");
            assert_same(&quantised.0, &actual.0, what);
            assert_same_bits(&quantised.1, &actual.1, what);
            assert_same(&quantised.2, &actual.2, what);
            assert_same_bits(&expected, &y, what);
        }
    });
}

/// The integers may differ from the oracle's only where its value lies within the f32 error of a rounding edge; for
/// the rest the output is bound by the rounding of the dequantisation.
#[test]
fn forward_agrees_with_the_oracle() {
    for_each_backend(|backend| {
        each_case(2, |name, case| {
            let (features, outputs) = (case.features(), case.weights.rows());
            // The oracle's transform is a dense matrix.
            if features > 1024 {
                return;
            }
            let ((values, scales, sums), y) = case.by_stages(backend);
            let x = Activations::new(case.rule.bits(), features, &values, &scales, &sums).unwrap();
            for token in 0..case.tokens {
                let row: Vec<f64> =
                    case.x[token * features..][..features].iter().map(|&x| x.into()).collect();
                let gains: Option<Vec<f64>> = case
                    .norm
                    .and_then(|norm| norm.weight())
                    .map(|gains| gains.iter().map(|&gain| gain.into()).collect());
                let norm_epsilon = if gains.is_some() { 0.0 } else { f64::from(1e-6_f32) };
                let norm = case.norm.map(|_| (gains.as_deref(), norm_epsilon));
                let mut expected = vec![0.0; outputs];
                let (mut scratch, mut q) = (vec![0.0; 2 * features], vec![0; features]);
                reference::h_bit_linear(
                    norm,
                    case.transform.as_ref(),
                    case.rule,
                    f64::from(EPSILON),
                    &case.weights,
                    &row,
                    &mut expected,
                    &mut scratch,
                    &mut q,
                )
                .unwrap();

                let differing = (0..features).filter(|&k| x.value(token, k) != q[k]).count();
                assert!(
                    differing <= 1 + features / 2000,
                    "{name}: {differing} of {features} integers differ"
                );
                let scale = f64::from(scales[token]);
                for (n, expected) in expected.iter().enumerate() {
                    let alpha = (0..case.weights.spec().groups()).map(|g| case.weights.scale(n, g));
                    let largest = f64::from(alpha.fold(0.0, f32::max));
                    let magnitude: f64 = q.iter().map(|&q| f64::from(q).abs()).sum::<f64>() * largest * scale;
                    let tolerance = differing as f64 * largest * scale + 1e-5 * magnitude;
                    let error = (f64::from(y[token * outputs + n]) - expected).abs();
                    assert!(error <= tolerance, "{backend:?} {name} ({token}, {n}): off by {error:e}");
                }
            }
        });
    });
}
