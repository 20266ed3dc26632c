//! Any rows, every rule: the oracle's integers, unless a value lies near a rounding edge, and its scales; the same bytes on
//! every backend. Rows that are not finite are refused, and nothing written, or spoilt alone.

#![no_main]

use hbitlinear::{
    Activations, ActivationsMut, Backend, Error, Input as Rows, NonFinite, Quantizer, Result, Rule, reference,
};
use hbitlinear_fuzz::rows::{
    Floats, first_non_finite, integers, quotient_tolerance, scale_tolerance, sums_exactly, widen,
};
use hbitlinear_fuzz::{assert_near, others, scalar};
use libfuzzer_sys::{arbitrary, fuzz_target};

#[derive(arbitrary::Arbitrary, Debug)]
struct Input {
    inputs: u16,
    rows: u8,
    /// Elements between rows.
    gap: Option<u8>,
    epsilon: u32,
    x: Floats,
}

/// Everything a quantiser writes, the scales as bits.
#[derive(PartialEq, Debug)]
struct Written {
    values: Vec<u8>,
    scales: Vec<u32>,
    sums: Vec<i32>,
}

fuzz_target!(|input: Input| {
    let (inputs, tokens) = (usize::from(input.inputs) % 1200 + 1, usize::from(input.rows % 4));
    let rows = input.x.take(inputs * tokens);
    let epsilon = f32::from_bits(input.epsilon);
    for &rule in Rule::ALL {
        let quantizer = Quantizer::new(rule, epsilon);
        assert_eq!(quantizer.is_ok(), epsilon.is_finite() && epsilon >= 0.0);
        let Ok(quantizer) = quantizer else { return };
        let strided = input.gap.map(|gap| spread(&rows, inputs, gap.into()));
        let x = match &strided {
            Some((stride, x)) => Rows::strided(x, tokens, *stride).expect("a small shape"),
            None => Rows::from(&rows),
        };
        for non_finite in [NonFinite::Refuse, NonFinite::Spoil] {
            let quantizer = quantizer.with_non_finite(non_finite);
            let (expected, written) = run(scalar(), &quantizer, inputs, tokens, x);
            for backend in others() {
                let other = run(backend, &quantizer, inputs, tokens, x);
                assert!((&expected, &written) == (&other.0, &other.1), "{backend:?} {rule}");
            }
            let refused = first_non_finite(&rows, inputs).filter(|_| non_finite == NonFinite::Refuse);
            assert_eq!(expected, refused.map_or(Ok(()), |row| Err(Error::NonFinite { argument: "x", row })));
            if refused.is_none() {
                check(rule, epsilon, inputs, &rows, &written);
            }
        }
    }
});

/// The rows so far apart, with NaN between them.
fn spread(rows: &[f32], inputs: usize, gap: usize) -> (usize, Vec<f32>) {
    let mut x: Vec<f32> = rows
        .chunks(inputs)
        .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(f32::NAN, gap)))
        .collect();
    // The last row ends the memory.
    x.truncate(x.len().saturating_sub(gap));
    (inputs + gap, x)
}

fn run(
    backend: Backend,
    quantizer: &Quantizer,
    inputs: usize,
    tokens: usize,
    x: Rows<'_, f32>,
) -> (Result<()>, Written) {
    let bits = quantizer.rule().bits();
    let mut values = vec![0xA5; tokens * bits.row_bytes(inputs)];
    let (mut scales, mut sums) = (vec![-1.5; tokens], vec![i32::MIN; tokens]);
    let out = ActivationsMut::new(bits, inputs, &mut values, &mut scales, &mut sums)
        .expect("room of the right size");
    let result = quantizer.forward(backend, x, out).map(|written| assert_eq!(written.tokens(), tokens));
    if result.is_err() {
        let untouched = values.iter().all(|&value| value == 0xA5)
            && scales.iter().all(|&scale| scale == -1.5)
            && sums.iter().all(|&sum| sum == i32::MIN);
        assert!(untouched, "an error leaves the output alone");
    }
    // Which NaN a scale is does not count.
    let bits = |scale: f32| if scale.is_nan() { u32::MAX } else { scale.to_bits() };
    (result, Written { values, scales: scales.into_iter().map(bits).collect(), sums })
}

fn check(rule: Rule, epsilon: f32, inputs: usize, rows: &[f32], written: &Written) {
    let scales: Vec<f32> = written.scales.iter().copied().map(f32::from_bits).collect();
    let written =
        Activations::new(rule.bits(), inputs, &written.values, &scales, &written.sums).expect("as written");
    for (token, x) in rows.chunks(inputs).enumerate() {
        let q: Vec<i8> = (0..inputs).map(|input| written.value(token, input)).collect();
        let (scale, sum) = (written.scales()[token], written.sums()[token]);
        assert_eq!(sum, q.iter().map(|&q| i32::from(q)).sum::<i32>());
        let spare = &written.values()[(token + 1) * rule.bits().row_bytes(inputs) - 1];
        assert!(
            rule == Rule::Int8AbsMax || inputs.is_multiple_of(2) || spare >> 4 == 0,
            "the spare nibble is 0"
        );
        if x.iter().any(|x| !x.is_finite()) {
            assert!(scale.is_nan() && sum == 0 && q.iter().all(|&q| q == 0), "spoilt");
            continue;
        }
        let mut expected = vec![0; inputs];
        let oracle =
            reference::quantize(rule, epsilon.into(), &widen(x), &mut expected).expect("finite numbers");
        assert_near(scale, oracle.scale, scale_tolerance(rule, oracle.scale), format_args!("{rule}: scale"));
        let exact = rule != Rule::Int4AbsMean || sums_exactly(x);
        for (i, (&q, &x)) in q.iter().zip(x).enumerate() {
            let value = f64::from(x) * oracle.factor;
            let near = integers(rule, value, quotient_tolerance(rule, x.into(), oracle.factor));
            assert!(near.contains(&q.into()), "{rule}, element {i}: {value} became {q}, not {near:?}");
            if exact {
                assert_eq!(q, documented(rule, x, oracle.factor), "{rule}, element {i}: {value}");
            }
        }
    }
}

/// With the largest magnitude for a statistic, or an exact sum, nothing is left to the order of sums: the factor rounds to f32, the product
/// does, then to the integer; where the factor does not fit, the product is taken in f64.
fn documented(rule: Rule, x: f32, factor: f64) -> i8 {
    let narrow = factor as f32;
    let product = if narrow.is_finite() { f64::from(x * narrow) } else { f64::from(x) * factor };
    integers(rule, product, 0.0).start as i8
}
