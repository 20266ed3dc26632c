//! The layers: one forward call is the composition of the public stages, bit for bit, however it is cut, and agrees
//! with the oracle.

mod common;

use common::data::Random;
use common::owned::{OwnedWeights, Quantised, formats};
use common::run::run_f32;
use common::{assert_same_bits, for_each_backend, reduced, run, scalar};
use hbitlinear::reference::{self, Norm};
use hbitlinear::{
    ActivationsMut, Backend, BitLinear, OutputMut, Quantizer, RmsNorm, Rule, Transform, Weights, product,
    product_workspace_len,
};

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

impl<'a> Case<'a> {
    fn inputs(&self) -> usize {
        self.weights.inputs()
    }

    fn quantizer(&self) -> Quantizer {
        Quantizer::new(self.rule, EPSILON).unwrap()
    }

    fn layer(&self) -> BitLinear<'a> {
        let stages = run::input_stages(self.inputs(), self.quantizer(), self.norm, self.transform).unwrap();
        BitLinear::new(stages, self.weights).unwrap()
    }

    /// The layer by its public stages alone.
    fn by_stages(&self, backend: Backend) -> (Quantised, Vec<f32>) {
        let mut rows = self.x.clone();
        if let Some(norm) = &self.norm {
            norm.forward(backend, self.inputs(), &self.x, &mut rows).unwrap();
        }
        if let Some(transform) = &self.transform {
            transform.forward(backend, &mut rows).unwrap();
        }
        let mut memory = Quantised::painted(self.rule.bits(), self.tokens, self.inputs());
        self.quantizer().forward(backend, &rows, memory.room()).unwrap();
        let y = run_f32(backend, &self.weights, &memory.view());
        (memory, y)
    }

    fn forward(&self, backend: Backend) -> Vec<f32> {
        run::layer(backend, &self.layer(), &self.x, self.tokens).unwrap()
    }

    /// Quantised by two workers that share the tokens, multiplied by four that share tokens and outputs.
    fn by_phases(&self, backend: Backend, token_cut: usize, output_cut: usize) -> (Quantised, Vec<f32>) {
        let (layer, bits) = (self.layer(), self.rule.bits());
        let mut workspace = vec![0x77; layer.stages().workspace_len().unwrap()];
        let mut memory = Quantised::painted(bits, self.tokens, self.inputs());
        let (upper_values, lower_values) =
            memory.values.split_at_mut(token_cut * bits.row_bytes(self.inputs()));
        let (upper_scales, lower_scales) = memory.scales.split_at_mut(token_cut);
        let (upper_sums, lower_sums) = memory.sums.split_at_mut(token_cut);
        let (upper_x, lower_x) = self.x.split_at(token_cut * self.inputs());
        for (x, values, scales, sums) in [
            (lower_x, lower_values, lower_scales, lower_sums),
            (upper_x, upper_values, upper_scales, upper_sums),
        ] {
            let out = ActivationsMut::new(bits, self.inputs(), values, scales, sums).unwrap();
            layer.stages().quantize(backend, x, out, &mut workspace).unwrap();
        }

        let (x, outputs) = (memory.view(), self.weights.outputs());
        let mut workspace = vec![0x77; product_workspace_len()];
        let mut y = vec![f32::NAN; self.tokens * outputs];
        let (above, below) = OutputMut::rows(&mut y, outputs).unwrap().split_tokens(token_cut).unwrap();
        for (part, tokens) in [(below, token_cut..self.tokens), (above, 0..token_cut)] {
            let (left, right) = part.split_outputs(output_cut).unwrap();
            let (t, weights) = (tokens.clone(), layer.weights());
            product(backend, weights, &x, t, output_cut..outputs, right, &mut workspace).unwrap();
            product(backend, weights, &x, tokens, 0..output_cut, left, &mut workspace).unwrap();
        }
        (memory, y)
    }
}

/// Runs `check` on layers of several kinds and shapes, in every format of weights.
fn each_case(tokens: usize, mut check: impl FnMut(&str, &Case<'_>)) {
    let names = &["64", "paley1:12*2", "1024", "paley1:20*32", "paley2:28*512", "paley1:12*paley2:36*16"];
    let names = if reduced("lengths of layers") { &names[..4] } else { &names[..] };
    for (name, &rule) in names.iter().flat_map(|name| Rule::ALL.iter().map(move |rule| (name, rule))) {
        for (index, format) in formats().enumerate() {
            let transform = Transform::named(name).unwrap();
            let inputs = transform.row_len();
            // Of long rows every second scaling, the others with the next rule.
            if inputs > 1024 && (index + rule as usize).is_multiple_of(2) {
                continue;
            }
            let mut random = Random::new((inputs + index) as u64);
            let (signs, gains) = (random.signs(inputs), random.normals(inputs));
            let w = OwnedWeights::random(37, inputs, format, &mut random);
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
                weights: w.view(),
                tokens,
                x: random.normals(tokens * inputs),
            };
            check(&format!("{name} {rule} {format:?}"), &case);
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
    // Every third format, of every layout some.
    for (index, format) in formats().enumerate().step_by(3) {
        let mut random = Random::new(77);
        let w = OwnedWeights::random(outputs, 240, format, &mut random);
        let case = Case {
            norm: Some(RmsNorm::new(None, 1e-6).unwrap()),
            transform: Some(Transform::named("paley1:60*4").unwrap()),
            rule: Rule::ALL[index % Rule::ALL.len()],
            weights: w.view(),
            tokens,
            x: random.normals(tokens * 240),
        };
        for_each_backend(|backend| {
            let (quantised, expected) = case.by_stages(backend);
            for (token_cut, output_cut) in (0..=tokens).flat_map(|t| (0..=outputs).map(move |n| (t, n))) {
                let (actual, y) = case.by_phases(backend, token_cut, output_cut);
                let what =
                    format_args!("{backend:?} {format:?} cut at token {token_cut}, output {output_cut}");
                quantised.assert_same(&actual, what);
                assert_same_bits(&expected, &y, what);
            }
        });
    }
}

/// The integers may differ from the oracle's only where its value lies within the f32 error of a rounding edge; for
/// the rest the output is bound by the rounding of the dequantisation.
#[test]
fn forward_agrees_with_the_oracle() {
    for_each_backend(|backend| {
        each_case(2, |name, case| {
            let (inputs, outputs) = (case.inputs(), case.weights.outputs());
            // The oracle's transform is a dense matrix.
            if inputs > 1024 {
                return;
            }
            let (quantised, y) = case.by_stages(backend);
            let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| x.into()).collect() };
            let gains = case.norm.and_then(|norm| norm.weight()).map(wide);
            let norm =
                case.norm.map(|norm| Norm { weight: gains.as_deref(), epsilon: norm.epsilon().into() });
            let oracle = reference::BitLinear {
                norm,
                transform: case.transform.as_ref(),
                rule: case.rule,
                epsilon: f64::from(EPSILON),
                weights: &case.weights,
            };
            for (token, row) in case.x.chunks(inputs).enumerate() {
                let mut expected = vec![0.0; outputs];
                let (mut scratch, mut q) = (vec![0.0; 2 * inputs], vec![0; inputs]);
                oracle.forward(&wide(row), &mut expected, &mut scratch, &mut q).unwrap();

                let differing = quantised.row(token).iter().zip(&q).filter(|(a, b)| a != b).count();
                assert!(differing <= 1 + inputs / 2000, "{name}: {differing} of {inputs} integers differ");
                let scale = f64::from(quantised.scales[token]);
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
