//! What becomes of numbers that are not finite: refused or spoilt where they come in, and multiplied like any other where the
//! documentation says that nothing is checked (`stages`). Refusals are in `errors.rs` and `layer_errors.rs`.

mod common;

use common::data::Random;
use common::expected::expected_f32;
use common::owned::{OwnedActivations, OwnedWeights, Quantised, formats};
use common::run::{input_stages, run_f32};
use common::{assert_same_bits, assert_same_or_nan, for_each_backend, run};
use hbitlinear::{
    Backend, BitLinear, Bits, NonFinite, Quantizer, RmsNorm, Rule, Scaling, Transform, WeightSpec, absmean,
};

/// Scales of weights and tokens at which the documented expression overflows, cancels infinities, or meets what is not
/// finite: the outputs are what it gives, on every backend.
#[test]
fn products_are_the_documented_expression() {
    let (outputs, inputs) = (18, 300);
    let token_scales = [1.0, 1e38, 1e-38, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0, -1.0];
    for ((layout, scaling), &bits) in formats().flat_map(|f| Bits::ALL.iter().map(move |bits| (f, bits))) {
        let largest = if matches!(scaling, Scaling::GroupF16(_)) { 65504.0 } else { 3e38 };
        let mut random = Random::new(5);
        let spec = WeightSpec::new(outputs, inputs, layout, scaling).unwrap();
        // Every third output has ordinary scales.
        let scale = |i: usize| match i / spec.groups() % 3 {
            1 => 0.5,
            _ => [largest, largest, -largest, 1.0, 0.0][i * 7 % 5],
        };
        let scales = (0..spec.scale_count()).map(scale).collect();
        let w = OwnedWeights::with_scales(spec, random.ternary(outputs * inputs), scales);
        let mut x = OwnedActivations::random(bits, token_scales.len(), inputs, &mut random);
        x.quantised.scales.copy_from_slice(&token_scales);
        let expected = expected_f32(&x, &w);
        let count = |is: fn(f32) -> bool| expected.iter().filter(|&&y| is(y)).count();
        assert!(count(f32::is_nan) > 0 && count(f32::is_infinite) > 0, "{scaling:?}");
        assert!(count(f32::is_finite) > 0 || scaling == Scaling::Tensor, "{scaling:?}");
        for_each_backend(|backend| {
            let y = run_f32(backend, &w.view(), &x.view());
            assert_same_or_nan(&expected, &y, format_args!("{backend:?} {layout} {scaling:?} {bits}"));
        });
    }
}

/// The same by hand, one weight a group: 3e38 · 2 is too much; of two such with opposite signs there is no sum.
#[test]
fn opposite_infinities_are_a_nan() {
    for (layout, scaling) in formats().filter(|(_, scaling)| matches!(scaling, Scaling::Group(_))) {
        let inputs = scaling.group().unwrap().get() + 1;
        let spec = WeightSpec::new(2, inputs, layout, scaling).unwrap();
        let mut ternary = vec![0; 2 * inputs];
        (ternary[0], ternary[inputs - 1]) = (1, 1);
        (ternary[inputs], ternary[2 * inputs - 1]) = (1, -1);
        let w = OwnedWeights::with_scales(spec, ternary, vec![3e38; 4]);
        let mut q = vec![0; inputs];
        (q[0], q[inputs - 1]) = (2, 2);
        let mut x = OwnedActivations::new(Bits::Four, 1, inputs, q);
        x.quantised.scales[0] = 1.0;
        for_each_backend(|backend| {
            let y = run_f32(backend, &w.view(), &x.view());
            assert!(y[0] == f32::INFINITY && y[1].is_nan(), "{backend:?} {layout} {scaling:?}: {y:?}");
        });
    }
}

/// A finite row and finite weights whose product is not: no error, and the infinity that IEEE arithmetic gives.
#[test]
fn layers_may_overflow_in_the_product() {
    for ((layout, scaling), &rule) in formats().flat_map(|f| Rule::ALL.iter().map(move |rule| (f, rule))) {
        let scale = if matches!(scaling, Scaling::GroupF16(_)) { 65504.0 } else { 1e10 };
        let spec = WeightSpec::new(2, 64, layout, scaling).unwrap();
        let ternary = [[1; 64], [-1; 64]].concat();
        let w = OwnedWeights::with_scales(spec, ternary, vec![scale; spec.scale_count()]);
        let quantizer = Quantizer::new(rule, 0.0).unwrap();
        let layer = BitLinear::new(input_stages(64, quantizer, None, None).unwrap(), w.view()).unwrap();
        for_each_backend(|backend| {
            let y = run::layer(backend, &layer, &[1e38; 64], 1).unwrap();
            assert_eq!(y, [f32::INFINITY, f32::NEG_INFINITY], "{backend:?} {layout} {scaling:?} {rule}");
        });
    }
}

const INPUTS: usize = 24;
const OUTPUTS: usize = 18;
/// The input that is large in gains and rows.
const LOUD: usize = 7;

/// A row that does not reach the quantiser as finite numbers, with the layers in which it does not: whether with a norm, and
/// with a transform.
type BadRow = (&'static str, [f32; INPUTS], fn(bool, bool) -> bool);

fn bad_rows() -> Vec<BadRow> {
    let with = |at: usize, bad| {
        let mut row = [0.5; INPUTS];
        row[at] = bad;
        row
    };
    let mut spike = [0.0; INPUTS];
    spike[LOUD] = 1.0;
    vec![
        ("a NaN", with(0, f32::NAN), |_, _| true),
        ("-NaN at the end", with(INPUTS - 1, -f32::NAN), |_, _| true),
        ("an infinity", with(INPUTS - 1, f32::INFINITY), |_, _| true),
        ("-infinity", with(3, f32::NEG_INFINITY), |_, _| true),
        ("all NaN", [f32::NAN; INPUTS], |_, _| true),
        ("too much for the transform", [f32::MAX; INPUTS], |norm, transform| !norm && transform),
        ("too much for the norm's gain", spike, |norm, _| norm),
    ]
}

/// Only the outputs of the row itself are NaN; those of the others have the bits of a call without it.
#[test]
fn a_spoilt_row_spoils_its_own_outputs() {
    let mut gains = Random::new(3).normals(INPUTS);
    gains[LOUD] = f32::MAX;
    let mut formats = formats().cycle();
    for case in 0..Rule::ALL.len() * 4 {
        let (rule, has_norm, has_transform) = (Rule::ALL[case / 4], case / 2 % 2 == 1, case % 2 == 1);
        let norm = has_norm.then(|| RmsNorm::new(Some(&gains), 1e-5).unwrap());
        let transform = has_transform.then(|| Transform::named("paley1:12*2").unwrap());
        let spoil = Quantizer::new(rule, 1e-5).unwrap().with_non_finite(NonFinite::Spoil);
        let refuse = spoil.with_non_finite(NonFinite::Refuse);
        // Each format with some rule, norm and transform; all of them over the rows of a case.
        for (kind, bad, applies) in bad_rows() {
            let format = formats.next().unwrap();
            if !applies(has_norm, has_transform) {
                continue;
            }
            let w = OwnedWeights::random(OUTPUTS, INPUTS, format, &mut Random::new(4));
            let [spoil, refuse] = [spoil, refuse].map(|quantizer| {
                let stages = input_stages(INPUTS, quantizer, norm, transform).unwrap();
                BitLinear::new(stages, w.view()).unwrap()
            });
            for_each_backend(|backend| {
                let what = format!("{backend:?} {rule}, norm {has_norm}, transform {has_transform}, {kind}");
                for (tokens, spoilt) in
                    [(1, &[0][..]), (4, &[0]), (4, &[2]), (4, &[3]), (5, &[0, 1, 4]), (2, &[0, 1])]
                {
                    check_spoilt(backend, (&spoil, &refuse), tokens, spoilt, &bad, &what);
                }
            });
        }
    }
}

fn check_spoilt(
    backend: Backend,
    (spoil, refuse): (&BitLinear<'_>, &BitLinear<'_>),
    tokens: usize,
    spoilt: &[usize],
    bad: &[f32],
    what: &str,
) {
    let mut x = Random::new(6).normals(tokens * INPUTS);
    // The good rows stay finite under the largest gain.
    x.iter_mut().skip(LOUD).step_by(INPUTS).for_each(|x| *x = 0.0);
    let good: Vec<f32> = x.clone();
    spoilt.iter().for_each(|&row| x[row * INPUTS..][..INPUTS].copy_from_slice(bad));
    assert!(run::layer(backend, refuse, &x, tokens).is_err(), "{what}: the row is bad");
    let expected = run::layer(backend, refuse, &good, tokens).unwrap();
    let y = run::layer(backend, spoil, &x, tokens).unwrap();
    let expected_q = run::stages(backend, refuse.stages(), &good, tokens).unwrap();
    let q = run::stages(backend, spoil.stages(), &x, tokens).unwrap();
    for token in 0..tokens {
        let what = format!("{what}, token {token} of {tokens}, spoilt {spoilt:?}");
        let outputs = token * OUTPUTS..(token + 1) * OUTPUTS;
        if spoilt.contains(&token) {
            assert!(y[outputs].iter().all(|y| y.is_nan()), "{what}");
            assert!(q.scales[token].is_nan() && q.sums[token] == 0, "{what}");
            assert_eq!(q.row(token), [0; INPUTS], "{what}");
        } else {
            assert_same_bits(&expected[outputs.clone()], &y[outputs], format_args!("{what}"));
            assert_same_bits(&[expected_q.scales[token]], &[q.scales[token]], format_args!("{what}"));
            assert_eq!(
                (expected_q.row(token), expected_q.sums[token]),
                (q.row(token), q.sums[token]),
                "{what}"
            );
        }
    }
}

/// The quantiser on its own; of an odd row, the spare nibble too.
#[test]
fn a_spoilt_row_of_the_quantiser() {
    for (&rule, inputs) in Rule::ALL.iter().flat_map(|rule| [1, 33].map(|inputs| (rule, inputs))) {
        let refuse = Quantizer::new(rule, 1e-5).unwrap();
        let spoil = refuse.with_non_finite(NonFinite::Spoil);
        assert_eq!((refuse.non_finite(), spoil.non_finite()), (NonFinite::Refuse, NonFinite::Spoil));
        for_each_backend(|backend| {
            for (tokens, row) in [(1, 0), (3, 0), (3, 1), (3, 2)] {
                let mut x = Random::new(7).normals(tokens * inputs);
                let mut expected = Quantised::painted(rule.bits(), tokens, inputs);
                refuse.forward(backend, &x, expected.room()).unwrap();
                x[(row + 1) * inputs - 1] = f32::NAN;
                let bytes = rule.bits().row_bytes(inputs);
                expected.values[row * bytes..][..bytes].fill(0);
                (expected.scales[row], expected.sums[row]) = (f32::NAN, 0);
                let mut actual = Quantised::painted(rule.bits(), tokens, inputs);
                spoil.forward(backend, &x, actual.room()).unwrap();
                let what = format_args!("{backend:?} {rule} {inputs} {row}");
                assert_eq!((expected.values, expected.sums), (actual.values, actual.sums), "{what}");
                assert_same_or_nan(&expected.scales, &actual.scales, what);
            }
        });
    }
}

/// Rows of zeros, of either sign, without any ε: zeros all the way, among other rows and alone.
#[test]
fn rows_of_zeros_are_zeros() {
    for_each_backend(|backend| {
        for (len, zero) in [1, 24, 33, 640].into_iter().flat_map(|len| [(len, 0.0), (len, -0.0)]) {
            let (row, mut ternary, mut y) = (vec![zero; len], vec![9; len], vec![f32::NAN; len]);
            assert_eq!(absmean(backend, &row, 0.0, &mut ternary), Ok(0.0));
            assert!(ternary.iter().all(|&w| w == 0), "{backend:?} {len}");
            RmsNorm::new(None, 0.0).unwrap().forward(backend, len, &row, &mut y).unwrap();
            assert!(y.iter().all(|&y| y == 0.0), "{backend:?} {len}");
            for &rule in Rule::ALL {
                let (values, scale, sum) = run::quantise(backend, rule, 0.0, &row);
                assert!(
                    values.iter().all(|&q| q == 0) && scale == 0.0 && sum == 0,
                    "{backend:?} {rule} {len}"
                );
            }
        }
        for (format, &rule) in formats().flat_map(|f| Rule::ALL.iter().map(move |rule| (f, rule))) {
            let w = OwnedWeights::random(OUTPUTS, INPUTS, format, &mut Random::new(1));
            for case in 0..4 {
                let norm = (case & 1 != 0).then(|| RmsNorm::new(None, 0.0).unwrap());
                let transform = (case & 2 != 0).then(|| Transform::named("paley1:12*2").unwrap());
                let quantizer = Quantizer::new(rule, 0.0).unwrap();
                let stages = input_stages(INPUTS, quantizer, norm, transform).unwrap();
                let layer = BitLinear::new(stages, w.view()).unwrap();
                let mut x = Random::new(2).normals(3 * INPUTS);
                x[INPUTS..][..INPUTS].fill(-0.0);
                let y = run::layer(backend, &layer, &x, 3).unwrap();
                assert!(
                    y[OUTPUTS..][..OUTPUTS].iter().all(|&y| y == 0.0),
                    "{backend:?} {format:?} {rule} {case}"
                );
                let y = run::layer(backend, &layer, &[0.0; INPUTS], 1).unwrap();
                assert!(y.iter().all(|&y| y == 0.0), "{backend:?} {format:?} {rule} {case}");
            }
        }
    });
}
