//! Any layer, with and without norm and transform: its stages by hand, bit for bit, its oracle within the rounding bounds,
//! and the same bits on every backend, for rows of f32, f16 and bf16, contiguous and not. Rows that are not finite are
//! refused, and nothing written, or spoil their own outputs alone.

#![no_main]

use half::{bf16, f16};
use hbitlinear::{
    Activations, ActivationsMut, Backend, BitLinear, Direction, Element, Error, Input as Rows, InputStages,
    NonFinite, OutputMut, Quantizer, Result, RmsNorm, Rule, Transform, Weights, reference,
};
use hbitlinear_fuzz::matrix::{Matrix, Packed};
use hbitlinear_fuzz::rows::{
    Floats, integers, levels, norm_tolerance, quotient_tolerance, scale_tolerance, widen,
};
use hbitlinear_fuzz::transform::{Parts, apply, roundings};
use hbitlinear_fuzz::{TINY, U, assert_near, others, same, same_bits, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

/// Longest row with a transform, whose oracle is a dense product, and without.
const MAX_TRANSFORM: usize = 256;
const MAX_INPUTS: usize = 700;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    /// Where there is no transform.
    inputs: u16,
    outputs: u8,
    tokens: u8,
    rule: u8,
    spoil: bool,
    norm: Option<Norm>,
    transform: Option<Parts>,
    epsilon: u32,
    element: ElementType,
    x_gap: Option<u8>,
    y_gap: u8,
    x: Floats,
    matrix: Matrix<'a>,
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Norm {
    epsilon: u32,
    gains: Option<Floats>,
}

#[derive(arbitrary::Arbitrary, Debug)]
enum ElementType {
    F32,
    F16,
    Bf16,
}

fuzz_target!(|input: Input| {
    let mut built = input.transform.as_ref().map(Parts::build);
    let transform = match &mut built {
        Some(built) => match built.transform(MAX_TRANSFORM) {
            Some(transform) => Some(transform),
            None => return,
        },
        None => None,
    };
    let inputs =
        transform.map_or(usize::from(input.inputs) % MAX_INPUTS + 1, |transform| transform.row_len());
    let packed = input.matrix.pack(usize::from(input.outputs) % 50 + 1, inputs);
    let gains =
        input.norm.as_ref().and_then(|norm| norm.gains.as_ref()).map(|gains| gains.take_finite(inputs));
    let norm = match &input.norm {
        Some(norm) => match RmsNorm::new(gains.as_deref(), f32::from_bits(norm.epsilon)) {
            Ok(norm) => Some(norm),
            Err(_) => return,
        },
        None => None,
    };
    let rule = Rule::ALL[usize::from(input.rule) % Rule::ALL.len()];
    let Ok(quantizer) = Quantizer::new(rule, f32::from_bits(input.epsilon)) else { return };
    let non_finite = if input.spoil { NonFinite::Spoil } else { NonFinite::Refuse };
    let mut stages = InputStages::new(inputs, quantizer.with_non_finite(non_finite)).expect("a small K");
    if let Some(norm) = norm {
        stages = stages.with_norm(norm).expect("gains of K");
    }
    if let Some(transform) = transform {
        stages = stages.with_transform(transform).expect("rows of K");
    }
    let case = Case {
        layer: BitLinear::new(stages, Weights::open(&packed.blob).expect("what was packed opens"))
            .expect("one K"),
        packed: &packed,
        tokens: usize::from(input.tokens) % 6,
        y_gap: usize::from(input.y_gap) % 5,
    };
    let x = input.x.take(case.tokens * inputs);
    match input.element {
        ElementType::F32 => case.check(&x, &x, input.x_gap),
        ElementType::F16 => {
            let x: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
            case.check(&x, &x.iter().map(|x| x.to_f32()).collect::<Vec<_>>(), input.x_gap);
        }
        ElementType::Bf16 => {
            let x: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
            case.check(&x, &x.iter().map(|x| x.to_f32()).collect::<Vec<_>>(), input.x_gap);
        }
    }
});

struct Case<'a> {
    layer: BitLinear<'a>,
    packed: &'a Packed,
    tokens: usize,
    y_gap: usize,
}

/// A row behind the public stages; values, scale and sum.
struct Quantised {
    q: Vec<i8>,
    scale: f32,
    sum: i32,
}

impl Case<'_> {
    fn inputs(&self) -> usize {
        self.packed.spec.inputs()
    }

    fn rule(&self) -> Rule {
        self.layer.stages().quantizer().rule()
    }

    /// `x` as the layer takes it and as f32.
    fn check<T: Element + Default>(&self, x: &[T], floats: &[f32], gap: Option<u8>) {
        let (inputs, outputs) = (self.inputs(), self.packed.spec.outputs());
        let stride = inputs + usize::from(gap.unwrap_or(0));
        // The last row ends the memory.
        let mut spread = vec![T::default(); (self.tokens * stride).saturating_sub(stride - inputs)];
        for (row, x) in x.chunks(inputs).enumerate() {
            spread[row * stride..][..inputs].copy_from_slice(x);
        }
        let rows = match gap {
            Some(_) => Rows::strided(&spread, self.tokens, stride).expect("a small shape"),
            None => Rows::from(x),
        };

        let stages: Vec<_> = floats.chunks(inputs).map(|row| self.by_stages(row)).collect();
        let refused = stages.iter().position(Option::is_none);
        let refused = refused.filter(|_| self.layer.stages().quantizer().non_finite() == NonFinite::Refuse);
        let expected = refused.map_or(Ok(()), |row| Err(Error::NonFinite { argument: "x", row }));

        // What a call leaves there, the next one finds.
        let mut workspace = vec![0xA5; self.layer.workspace_len(self.tokens).expect("a small layer")];
        let (result, y) = self.forward(scalar(), rows, &mut workspace);
        assert_eq!(result, expected);
        self.check_phase(scalar(), rows, &stages, expected);
        for backend in others() {
            let (result, other) = self.forward(backend, rows, &mut workspace);
            assert_eq!(result, expected, "{backend:?}");
            assert!(same(&y, &other), "{backend:?}");
            self.check_phase(backend, rows, &stages, expected);
        }
        if result.is_err() {
            return;
        }
        for ((row, stage), y) in floats.chunks(inputs).zip(&stages).zip(y.chunks(outputs + self.y_gap)) {
            match stage {
                Some(quantised) => {
                    for (output, &y) in y[..outputs].iter().enumerate() {
                        let expected = self.packed.dequantised(output, &quantised.q, quantised.scale);
                        assert!(same_bits(y, expected), "output {output}: {y}, not {expected}");
                    }
                    self.check_oracle(row, quantised, &y[..outputs]);
                }
                None => assert!(y[..outputs].iter().all(|y| y.is_nan()), "spoilt"),
            }
        }
    }

    /// One row by the public stages alone; nothing if it is not finite, or becomes so.
    fn by_stages(&self, row: &[f32]) -> Option<Quantised> {
        let stages = self.layer.stages();
        let mut x = row.to_vec();
        if let Some(norm) = stages.norm() {
            norm.forward(scalar(), row.len(), row, &mut x).ok()?;
        }
        if let Some(transform) = stages.transform() {
            x = apply(transform, scalar(), Direction::Forward, &x);
        }
        let bits = self.rule().bits();
        let (mut values, mut scale, mut sum) = (vec![0; bits.row_bytes(row.len())], [0.0], [0]);
        let room =
            ActivationsMut::new(bits, row.len(), &mut values, &mut scale, &mut sum).expect("room for a row");
        let quantizer = stages.quantizer().with_non_finite(NonFinite::Refuse);
        let written = quantizer.forward(scalar(), &x, room).ok()?;
        let q = (0..row.len()).map(|input| written.value(0, input)).collect();
        Some(Quantised { q, scale: written.scales()[0], sum: written.sums()[0] })
    }

    /// The whole layer: its output with the gaps, which it leaves alone, as it does everything after an error.
    fn forward<T: Element>(
        &self,
        backend: Backend,
        x: Rows<'_, T>,
        workspace: &mut [u8],
    ) -> (Result<()>, Vec<f32>) {
        let outputs = self.packed.spec.outputs();
        let stride = outputs + self.y_gap;
        let mut y = vec![-1.5; self.tokens * stride];
        let view = OutputMut::new(&mut y, self.tokens, outputs, stride).expect("room");
        let result = self.layer.forward(backend, x, view, workspace);
        let written = if result.is_ok() { outputs } else { 0 };
        assert!(
            y.chunks(stride).all(|row| row[written..].iter().all(|&y| y == -1.5)),
            "writes its outputs only"
        );
        (result, y)
    }

    /// The first phase alone gives what the stages give.
    fn check_phase<T: Element>(
        &self,
        backend: Backend,
        x: Rows<'_, T>,
        stages: &[Option<Quantised>],
        expected: Result<()>,
    ) {
        let (bits, inputs) = (self.rule().bits(), self.inputs());
        let mut values = vec![0xA5; self.tokens * bits.row_bytes(inputs)];
        let (mut scales, mut sums) = (vec![-1.5; self.tokens], vec![i32::MIN; self.tokens]);
        let room = ActivationsMut::new(bits, inputs, &mut values, &mut scales, &mut sums).expect("room");
        let mut workspace = vec![0x5A; self.layer.stages().workspace_len().expect("a small layer")];
        let result = self.layer.stages().quantize(backend, x, room, &mut workspace);
        assert_eq!(result.map(|_| ()), expected, "{backend:?}");
        if expected.is_err() {
            let untouched = values.iter().all(|&byte| byte == 0xA5)
                && scales.iter().all(|&scale| scale == -1.5)
                && sums.iter().all(|&sum| sum == i32::MIN);
            assert!(untouched, "an error leaves the room alone");
            return;
        }
        let written = Activations::new(bits, inputs, &values, &scales, &sums).expect("as written");
        for (token, stage) in stages.iter().enumerate() {
            let q = |input| written.value(token, input);
            match stage {
                Some(stage) => {
                    assert!(
                        (0..inputs).all(|input| q(input) == stage.q[input]),
                        "{backend:?}, token {token}"
                    );
                    assert!(same_bits(scales[token], stage.scale) && sums[token] == stage.sum, "{backend:?}");
                }
                None => {
                    let zero = (0..inputs).all(|input| q(input) == 0) && sums[token] == 0;
                    assert!(zero && scales[token].is_nan(), "{backend:?}: token {token} is spoilt");
                }
            }
        }
    }

    /// One row against the paper's arithmetic.
    fn check_oracle(&self, row: &[f32], quantised: &Quantised, y: &[f32]) {
        let (stages, rule) = (self.layer.stages(), self.rule());
        let epsilon = f64::from(stages.quantizer().epsilon());
        let wide = widen(row);
        let gains = stages.norm().and_then(RmsNorm::weight).map(widen);
        let norm_epsilon = stages.norm().map_or(0.0, |norm| f64::from(norm.epsilon()));
        let weights = Weights::open(&self.packed.blob).expect("opened before");
        let oracle = reference::BitLinear {
            norm: stages.norm().map(|_| reference::Norm { weight: gains.as_deref(), epsilon: norm_epsilon }),
            transform: stages.transform(),
            rule,
            epsilon,
            weights: &weights,
        };
        let inputs = row.len();
        let (mut expected, mut scratch, mut q) = (vec![0.0; y.len()], vec![0.0; 2 * inputs], vec![0; inputs]);
        oracle.forward(&wide, &mut expected, &mut scratch, &mut q).expect("a finite row");
        let rotated = &scratch[inputs..];

        // How far the float rows may lie from the oracle's.
        let mut error: Vec<f64> = match stages.norm() {
            Some(_) => {
                let mean = wide.iter().map(|x| x * x).sum::<f64>() / inputs as f64;
                let root = (mean + norm_epsilon).sqrt();
                let gain = |i: usize| gains.as_ref().map_or(1.0, |gains| gains[i]);
                row.iter().enumerate().map(|(i, &x)| norm_tolerance(x, root, gain(i))).collect()
            }
            None => vec![0.0; inputs],
        };
        if let Some(transform) = stages.transform() {
            error = transform_error(transform, &scratch[..inputs], &error);
        }
        let quantised_oracle = reference::quantize(rule, epsilon, rotated, &mut q).expect("a finite row");
        let (levels, low, high) = levels(rule);
        let largest = error.iter().copied().fold(0.0, f64::max);
        let statistic = quantised_oracle.scale * levels;
        // The relative change of the statistic. If that is large, or there is none, nothing is known of the integers.
        let change = largest / (statistic + epsilon);
        if change.is_nan() || change > 0.01 {
            return;
        }
        let scale_error = scale_tolerance(rule, quantised_oracle.scale) + largest / levels * 1.01;
        assert_near(quantised.scale, quantised_oracle.scale, scale_error, format_args!("scale"));
        let mut distance = vec![0.0; inputs];
        for i in 0..inputs {
            let value = rotated[i] * quantised_oracle.factor;
            let near = error[i] * quantised_oracle.factor * 1.02
                + value.abs() * change * 1.02
                + quotient_tolerance(rule, rotated[i], quantised_oracle.factor) * 1.02;
            let allowed = integers(rule, value, near);
            assert!(allowed.contains(&quantised.q[i].into()), "{i}: {value} became {}", quantised.q[i]);
            distance[i] = f64::from(quantised.q[i] - q[i]).abs();
            assert!((low..=high).contains(&f64::from(quantised.q[i])));
        }
        let run = self.packed.spec.group_inputs();
        for (output, (&y, &expected)) in y.iter().zip(&expected).enumerate() {
            let (mut magnitude, mut differing) = (0.0, 0.0);
            for (k, (&q, distance)) in quantised.q.iter().zip(&distance).enumerate() {
                let alpha = f64::from(self.packed.scale(output, k / run)).abs();
                magnitude += alpha * f64::from(q).abs();
                differing += alpha * distance;
            }
            let scale = quantised_oracle.scale;
            let groups = self.packed.spec.groups() as f64;
            // Each group's product and sum, and the last product, round once.
            let tolerance = differing * scale
                + magnitude * scale_error
                + (magnitude + differing) * scale * (groups + 4.0) * U
                + groups * TINY * (scale + scale_error).max(1.0) * 2.0;
            // Groups that overflow to opposite infinities make a NaN of IEEE arithmetic; their bits are checked above.
            if magnitude < f64::from(f32::MAX) / 2.0 {
                assert_near(y, expected, tolerance, format_args!("output {output}"));
            }
        }
    }
}

/// What a transform makes of errors of its inputs, and adds.
fn transform_error(transform: &Transform<'_>, x: &[f64], error: &[f64]) -> Vec<f64> {
    let n = transform.block_len();
    let root = (n as f64).sqrt();
    let blocks = x.chunks(n).zip(error.chunks(n)).map(|(x, error)| {
        let (sum, error): (f64, f64) = (x.iter().map(|x| x.abs()).sum(), error.iter().sum());
        (1.001 * roundings(transform) * U * (sum + error) + error) / root + TINY
    });
    blocks.flat_map(|bound| std::iter::repeat_n(bound, n)).collect()
}
