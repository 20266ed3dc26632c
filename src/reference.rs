//! The oracle: the paper's arithmetic (arXiv 2504.18415, eq. 1 to 7) in f64 and i64, slow and plain.
//!
//! Written from the equations and apart from every backend: no kernel, no fast transform, sums in ascending order. Of packed
//! weights it reads one weight and one scale at a time ([`Weights::weight`]). It says what a result should be; a backend's f32 result lies within its rounding errors of it,
//! and an integer is the same unless the value before rounding lies that close to a half.
//!
//! Inputs are meant to be f32 values widened to f64, so that no intermediate overflows. ε is the caller's, as in
//! the paper. `round` is to the nearest integer, halves to even.

use num_traits::Float;

use crate::error::{Error, Result, check_len, check_nonzero, checked_size};
use crate::layout::Weights;
use crate::matrices::Direction;
use crate::stages::{Rule, Transform};

mod states;

pub use states::{attend, quantize_state, state};

/// A quantised row: its integers `q` stand for `q · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantized {
    /// γ/127, β/√7 or γ/7; without ε.
    pub scale: f64,
    /// `Σ q`.
    pub sum: i64,
    /// What `x` was multiplied by before rounding, such as 127/(γ + ε); 0 for a row of zeros. It tells how close
    /// `x · factor` was to the next integer.
    pub factor: f64,
}

/// RMSNorm of one row, the `Norm` of eq. 7: `y = x / √(mean(x²) + ε) · weight`. A row of zeros stays zero.
///
/// # Errors
/// [`Error::Zero`] for an empty row; [`Error::Length`] unless `weight` and `y` are as long as `x`;
/// [`Error::Epsilon`]; [`Error::NonFinite`] (row 0). Then `y` is untouched.
pub fn rms_norm(x: &[f64], weight: Option<&[f64]>, epsilon: f64, y: &mut [f64]) -> Result<()> {
    check_nonzero("inputs", x.len())?;
    check_len("y", x.len(), y.len())?;
    weight.map_or(Ok(()), |weight| check_len("norm weight", x.len(), weight.len()))?;
    check_epsilon(epsilon)?;
    check_finite("x", x)?;
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let root = Float::sqrt(mean + epsilon);
    for (i, (y, x)) in y.iter_mut().zip(x).enumerate() {
        let normal = if root > 0.0 { x / root } else { 0.0 };
        *y = weight.map_or(normal, |weight| normal * weight[i]);
    }
    Ok(())
}

/// One row of the transform as a dense matrix product (eq. 3 and 4, and the other Hadamard matrices alike): per
/// block of n, `y = H (s · x) / √n`, or `y = s · (Hᵀ x) / √n`, with the signs s where the transform has them.
///
/// # Errors
/// [`Error::TransformLength`] unless `x` is one row of the transform; [`Error::Length`] unless `y` is as long.
///
/// ```
/// use hbitlinear::{Direction, Transform, reference};
/// let (transform, mut y) = (Transform::sylvester(4)?, [0.0; 4]);
/// reference::hadamard(&transform, Direction::Forward, &[8.0, 4.0, 2.0, 0.0], &mut y)?;
/// assert_eq!(y, [7.0, 3.0, 5.0, 1.0]);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn hadamard(transform: &Transform<'_>, direction: Direction, x: &[f64], y: &mut [f64]) -> Result<()> {
    if x.len() != transform.row_len() {
        return Err(Error::TransformLength { block: transform.row_len(), actual: x.len() });
    }
    check_len("y", x.len(), y.len())?;
    let n = transform.block_len();
    let sign = |index: usize| transform.signs().map_or(1.0, |signs| f64::from(signs[index]));
    for start in (0..x.len()).step_by(n) {
        for i in 0..n {
            let terms = (0..n).map(|j| match direction {
                Direction::Forward => f64::from(transform.entry(i, j)) * sign(start + j) * x[start + j],
                Direction::Transpose => sign(start + i) * f64::from(transform.entry(j, i)) * x[start + j],
            });
            y[start + i] = terms.sum::<f64>() / Float::sqrt(n as f64);
        }
    }
    Ok(())
}

/// One token to integers. With γ = max|x| and β = mean|x|, all by `q = RoundClip(factor · x, low, high)`:
///
/// - [`Rule::Int8AbsMax`], eq. 5: factor 127/(γ + ε), clipped to −128..=127, scale γ/127;
/// - [`Rule::Int4AbsMean`], eq. 6: factor √7/(β + ε), clipped to −8..=7, scale β/√7;
/// - [`Rule::Int4AbsMax`]: factor 7/(γ + ε), clipped to −8..=7, scale γ/7.
///
/// A row of zeros gives zeros and a zero scale.
///
/// # Errors
/// [`Error::Zero`] for an empty row; [`Error::Length`] unless `q` is as long as `x`; [`Error::Epsilon`];
/// [`Error::NonFinite`] (row 0). Then `q` is untouched.
///
/// ```
/// use hbitlinear::{Rule, reference};
/// let mut q = [0; 4];
/// let row = reference::quantize(Rule::Int4AbsMax, 0.0, &[14.0, -7.0, 5.0, 0.0], &mut q)?;
/// assert_eq!(q, [7, -4, 2, 0]); // −3.5 and 2.5 go to the even neighbour
/// assert_eq!((row.scale, row.sum, row.factor), (2.0, 5, 0.5));
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn quantize(rule: Rule, epsilon: f64, x: &[f64], q: &mut [i8]) -> Result<Quantized> {
    check_nonzero("inputs", x.len())?;
    check_len("q", x.len(), q.len())?;
    check_epsilon(epsilon)?;
    check_finite("x", x)?;
    let gamma = x.iter().fold(0.0, |gamma: f64, x| gamma.max(x.abs()));
    let (statistic, levels, low, high) = match rule {
        Rule::Int8AbsMax => (gamma, 127.0, -128.0, 127.0),
        Rule::Int4AbsMean => (mean_magnitude(x), Float::sqrt(7.0), -8.0, 7.0),
        Rule::Int4AbsMax => (gamma, 7.0, -8.0, 7.0),
    };
    let factor = if gamma > 0.0 { levels / (statistic + epsilon) } else { 0.0 };
    for (q, x) in q.iter_mut().zip(x) {
        *q = round_clip(factor * x, low, high);
    }
    let sum = q.iter().map(|&q| i64::from(q)).sum();
    Ok(Quantized { scale: statistic / levels, sum, factor })
}

/// Trained weights to ternary ones (eq. 1 and 2): `RoundClip(W/(α + ε), −1, 1)`; returns `α = mean|W|`. For scales
/// by row or by group, call it on each of their slices. Zeros stay zero.
///
/// # Errors
/// [`Error::Zero`] without weights; [`Error::Length`] unless `ternary` is as long as `w`; [`Error::Epsilon`];
/// [`Error::NonFinite`] (row 0). Then `ternary` is untouched.
///
/// ```
/// let mut ternary = [0; 4];
/// let alpha = hbitlinear::reference::absmean(&[3.0, -0.5, -1.5, 1.0], 0.0, &mut ternary)?;
/// assert_eq!((alpha, ternary), (1.5, [1, 0, -1, 1]));
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn absmean(w: &[f64], epsilon: f64, ternary: &mut [i8]) -> Result<f64> {
    check_nonzero("weights", w.len())?;
    check_len("ternary", w.len(), ternary.len())?;
    check_epsilon(epsilon)?;
    check_finite("weights", w)?;
    let alpha = mean_magnitude(w);
    for (ternary, w) in ternary.iter_mut().zip(w) {
        *ternary = if alpha > 0.0 { round_clip(w / (alpha + epsilon), -1.0, 1.0) } else { 0 };
    }
    Ok(alpha)
}

/// The integer product of eq. 7: `y[t, n] = Σ_k ternary[n, k] · q[t, k]`, all row-major.
///
/// # Errors
/// [`Error::Zero`] without inputs; [`Error::SizeOverflow`]; [`Error::Length`] unless the slices are
/// `[tokens, inputs]`, `[outputs, inputs]` and `[tokens, outputs]`. Then `y` is untouched.
pub fn product(q: &[i8], ternary: &[i8], shape: Shape, y: &mut [i64]) -> Result<()> {
    let Shape { tokens, outputs, inputs } = shape;
    check_nonzero("inputs", inputs)?;
    check_len("q", checked_size(tokens, inputs, "tokens * inputs")?, q.len())?;
    check_len("ternary", checked_size(outputs, inputs, "outputs * inputs")?, ternary.len())?;
    check_len("y", checked_size(tokens, outputs, "tokens * outputs")?, y.len())?;
    for t in 0..tokens {
        for n in 0..outputs {
            let (q, w) = (&q[t * inputs..][..inputs], &ternary[n * inputs..][..inputs]);
            y[t * outputs + n] = q.iter().zip(w).map(|(&q, &w)| i64::from(w) * i64::from(q)).sum();
        }
    }
    Ok(())
}

/// M, N and K of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// M.
    pub tokens: usize,
    /// N.
    pub outputs: usize,
    /// K.
    pub inputs: usize,
}

/// The gain and ε of a layer's norm.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// One for each input, or none.
    pub weight: Option<&'a [f64]>,
    /// The norm's own ε.
    pub epsilon: f64,
}

/// The layer, `y = Q_w(W) · Q_a(Hadamard(Norm(x)))` (eq. 7): norm, transform, quantise, multiply, dequantise. Without norm
/// or transform the step is left out.
///
/// ```
/// use hbitlinear::{Layout, Rule, Scaling, Transform, WeightSpec, Weights, reference};
/// let spec = WeightSpec::new(2, 4, Layout::TwoBit, Scaling::Row)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1, 1, 1, 0, -1, 0, 0, 1], &[0.5, 3.0], &mut blob)?;
/// let (transform, weights) = (Transform::sylvester(4)?, Weights::open(&blob)?);
/// let layer = reference::BitLinear {
///     norm: None,
///     transform: Some(&transform),
///     rule: Rule::Int4AbsMax,
///     epsilon: 0.0,
///     weights: &weights,
/// };
/// let (mut y, mut scratch, mut q) = ([0.0; 2], [0.0; 8], [0; 4]);
/// layer.forward(&[8.0, 4.0, 2.0, 0.0], &mut y, &mut scratch, &mut q)?;
/// assert_eq!(q, [7, 3, 5, 1]);
/// assert_eq!(y, [0.5 * (7.0 + 3.0 + 5.0), 3.0 * (1.0 - 7.0)]);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BitLinear<'a> {
    /// What it begins with, if anything.
    pub norm: Option<Norm<'a>>,
    /// What comes next, if anything.
    pub transform: Option<&'a Transform<'a>>,
    /// How a token is quantised.
    pub rule: Rule,
    /// The quantiser's ε.
    pub epsilon: f64,
    /// Ternary weights and their scales.
    pub weights: &'a Weights<'a>,
}

impl BitLinear<'_> {
    /// One token. With q and s the quantised row and its scale, `y[n] = s · Σ_g α[n, g] · Σ_{k in g} w[n, k] · q[k]`; one
    /// scale for the tensor or for a row is the case of one group.
    ///
    /// # Errors
    /// [`Error::Length`] unless `x` and `q` are K, `scratch` 2K and `y` N long; else as the stages. Then `y` is
    /// untouched. `scratch` holds the rotated row in its second half afterwards, and `q` the quantised row.
    pub fn forward(&self, x: &[f64], y: &mut [f64], scratch: &mut [f64], q: &mut [i8]) -> Result<()> {
        let inputs = self.weights.inputs();
        check_len("x", inputs, x.len())?;
        check_len("y", self.weights.outputs(), y.len())?;
        check_len("scratch", 2 * inputs, scratch.len())?;
        check_len("q", inputs, q.len())?;

        let (normal, rotated) = scratch.split_at_mut(inputs);
        match self.norm {
            Some(norm) => rms_norm(x, norm.weight, norm.epsilon, normal)?,
            None => normal.copy_from_slice(x),
        }
        match self.transform {
            Some(transform) => hadamard(transform, Direction::Forward, normal, rotated)?,
            None => rotated.copy_from_slice(normal),
        }
        let Quantized { scale, .. } = quantize(self.rule, self.epsilon, rotated, q)?;

        let group_inputs = self.weights.spec().group_inputs();
        for (n, y) in y.iter_mut().enumerate() {
            let groups = q.chunks(group_inputs).enumerate().map(|(g, q)| {
                let weight = |k: usize| i64::from(self.weights.weight(n, g * group_inputs + k));
                let sum: i64 = q.iter().enumerate().map(|(k, &q)| weight(k) * i64::from(q)).sum();
                f64::from(self.weights.scale(n, g)) * sum as f64
            });
            *y = scale * groups.sum::<f64>();
        }
        Ok(())
    }
}

/// `min(max(round(x), low), high)`, the paper's RoundClip, for bounds that an i8 holds.
fn round_clip(x: f64, low: f64, high: f64) -> i8 {
    let is_half = Float::fract(x).abs() == 0.5;
    // `Float::round` takes halves away from zero; half of a half-integer is never a half-integer.
    let round = if is_half { 2.0 * Float::round(x / 2.0) } else { Float::round(x) };
    round.max(low).min(high) as i8
}

fn mean_magnitude(x: &[f64]) -> f64 {
    x.iter().map(|x| x.abs()).sum::<f64>() / x.len() as f64
}

fn check_epsilon(epsilon: f64) -> Result<()> {
    if epsilon.is_finite() && epsilon >= 0.0 {
        Ok(())
    } else {
        Err(Error::Epsilon { argument: "epsilon", value: epsilon as f32 })
    }
}

fn check_finite(argument: &'static str, x: &[f64]) -> Result<()> {
    if x.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(Error::NonFinite { argument, row: 0 }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{GroupLen, Layout, Scaling, WeightSpec};
    use crate::matrices::SignMatrix;

    #[test]
    fn rounds_halves_to_even_and_clips() {
        let rounded = [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (3.5, 4),
            (-0.5, 0),
            (-1.5, -2),
            (-2.5, -2),
            (0.49999999999999994, 0),
            (0.5000000000000001, 1),
            (-7.5, -8),
            (7.5, 7),
            (-8.6, -8),
            (1e300, 7),
        ];
        for (x, expected) in rounded {
            assert_eq!(round_clip(x, -8.0, 7.0), expected, "{x}");
        }
    }

    #[test]
    fn norm_by_hand() {
        let (x, mut y) = ([1.0, -5.0, 7.0, 5.0], [0.0; 4]); // mean of squares 25
        rms_norm(&x, None, 0.0, &mut y).unwrap();
        assert_eq!(y, [0.2, -1.0, 1.4, 1.0]);
        rms_norm(&x, Some(&[5.0, 1.0, 10.0, -2.0]), 75.0, &mut y).unwrap(); // √(25 + 75) = 10
        assert_eq!(y, [0.5, -0.5, 7.0, -1.0]);
        rms_norm(&[0.0; 4], None, 0.0, &mut y).unwrap();
        assert_eq!(y, [0.0; 4]);
    }

    #[test]
    fn transform_by_hand() {
        // Not symmetric, so that a lost transpose shows.
        let mut storage = [0; 4];
        let turn = SignMatrix::pack(2, &[1, 1, -1, 1], &mut storage).unwrap();
        let transform = Transform::new(&[turn], 2).unwrap();
        // turn ⊗ [[+ +], [+ −]]
        let mut y = [0.0; 4];
        hadamard(&transform, Direction::Forward, &[8.0, 4.0, 2.0, 0.0], &mut y).unwrap();
        assert_eq!(y, [7.0, 3.0, -5.0, -1.0]);
        hadamard(&transform, Direction::Transpose, &[7.0, 3.0, -5.0, -1.0], &mut y).unwrap();
        assert_eq!(y, [8.0, 4.0, 2.0, 0.0]);
    }

    #[test]
    fn signs_come_before_the_forward_transform_and_after_its_transpose() {
        let signs = [1, 1, -1, 1, 1, 1, 1, -1];
        let transform = Transform::sylvester(4).unwrap().with_blocks(2).unwrap().with_signs(&signs).unwrap();
        let (x, mut y, mut back) = ([8.0, 4.0, -2.0, 0.0, 2.0, 2.0, 2.0, -2.0], [0.0; 8], [0.0; 8]);
        hadamard(&transform, Direction::Forward, &x, &mut y).unwrap();
        assert_eq!(y, [7.0, 3.0, 5.0, 1.0, 4.0, 0.0, 0.0, 0.0]);
        hadamard(&transform, Direction::Transpose, &y, &mut back).unwrap();
        assert_eq!(back, x);
    }

    #[test]
    fn rules_by_hand() {
        let mut q = [0; 4];
        // γ = 254: factor ½. −128 is never reached by absmax.
        let row = quantize(Rule::Int8AbsMax, 0.0, &[-254.0, 127.0, 3.0, 1.0], &mut q).unwrap();
        assert_eq!((q, row), ([-127, 64, 2, 0], Quantized { scale: 2.0, sum: -61, factor: 0.5 }));
        // ε takes part in the factor alone: 127/(63.5 + 63.5) = 1.
        let row = quantize(Rule::Int8AbsMax, 63.5, &[63.5, 2.5, 0.0, -1.0], &mut q).unwrap();
        assert_eq!((q, row), ([64, 2, 0, -1], Quantized { scale: 0.5, sum: 65, factor: 1.0 }));
        let row = quantize(Rule::Int4AbsMax, 7.0, &[7.0, -3.0, 2.0, 0.0], &mut q).unwrap();
        assert_eq!((q, row), ([4, -2, 1, 0], Quantized { scale: 1.0, sum: 3, factor: 0.5 }));
    }

    #[test]
    fn absmean_rule_by_hand() {
        // β = 20/8 = 2.5; √7/2.5 ≈ 1.0583: ±8.47, ±1.06, ±0.53.
        let (x, mut q) = ([8.0, -8.0, 1.0, -1.0, 0.5, -0.5, 0.5, 0.5], [0; 8]);
        let row = quantize(Rule::Int4AbsMean, 0.0, &x, &mut q).unwrap();
        assert_eq!(q, [7, -8, 1, -1, 1, -1, 1, 1]);
        assert_eq!(row.sum, 1);
        assert!((row.scale - 0.944_911_182_523_068).abs() < 1e-15, "{}", row.scale);
        assert!((row.factor - 1.058_300_524_425_836).abs() < 1e-15, "{}", row.factor);
        // ε halves the factor.
        quantize(Rule::Int4AbsMean, 2.5, &x, &mut q).unwrap();
        assert_eq!(q, [4, -4, 1, -1, 0, 0, 0, 0]);
    }

    #[test]
    fn zeros_are_no_division_by_zero() {
        let mut q = [1; 3];
        for &rule in Rule::ALL {
            let row = quantize(rule, 0.0, &[0.0, -0.0, 0.0], &mut q).unwrap();
            assert_eq!((q, row), ([0; 3], Quantized { scale: 0.0, sum: 0, factor: 0.0 }));
        }
        q.fill(1);
        assert_eq!((absmean(&[0.0; 3], 0.0, &mut q), q), (Ok(0.0), [0; 3]));
    }

    #[test]
    fn weights_by_hand() {
        // α = 1: the halves round to the even 0, just above to 1. With ε = 1 the divisor is 2.
        let (w, mut ternary) = ([0.5, -0.5, 0.625, -3.0, 1.5, -0.5, 1.0, 0.375], [9; 8]);
        assert_eq!(absmean(&w, 0.0, &mut ternary), Ok(1.0));
        assert_eq!(ternary, [0, 0, 1, -1, 1, 0, 1, 0]);
        assert_eq!(absmean(&w, 1.0, &mut ternary), Ok(1.0));
        assert_eq!(ternary, [0, 0, 0, -1, 1, 0, 0, 0]);
    }

    #[test]
    fn product_by_hand() {
        let (q, w, mut y) = ([1, 2, 3, -128, 127, -8], [1, -1, 0, 1, 1, 1, -1, 0, 1], [0; 6]);
        product(&q, &w, Shape { tokens: 2, outputs: 3, inputs: 3 }, &mut y).unwrap();
        assert_eq!(y, [-1, 6, 2, -255, -9, 120]);
        assert_eq!(product(&[], &w, Shape { tokens: 0, outputs: 3, inputs: 3 }, &mut []), Ok(()));
    }

    #[test]
    fn layer_by_hand_with_norm_and_group_scales() {
        const K: usize = 80; // groups of 64 and 16
        let spec = WeightSpec::new(2, K, Layout::TwoBit, Scaling::Group(GroupLen::L64)).unwrap();
        let (mut blob, mut ternary) = ([0; 4096], [1; 2 * K]);
        ternary[64..K].fill(-1);
        ternary[K] = 0;
        let blob = &mut blob[..spec.packed_len()];
        spec.pack(&ternary, &[0.5, 0.25, 2.0, -4.0], &mut *blob).unwrap();
        let weights = Weights::open(blob).unwrap();
        // The mean square is 16, so the norm divides by 4 and its gain takes one value to 7: γ = 7, q = 7, 1, 1, …
        let (x, mut gain) = ([4.0; K], [1.0; K]);
        gain[0] = 7.0;
        let (mut y, mut scratch, mut q) = ([0.0; 2], [0.0; 2 * K], [0; K]);
        let norm = Some(Norm { weight: Some(&gain[..]), epsilon: 0.0 });
        let (rule, epsilon) = (Rule::Int4AbsMax, 0.0);
        let layer = BitLinear { norm, transform: None, rule, epsilon, weights: &weights };
        layer.forward(&x, &mut y, &mut scratch, &mut q).unwrap();
        assert_eq!(y, [0.5 * 70.0 - 0.25 * 16.0, 2.0 * 63.0 - 4.0 * 16.0]);
        assert_eq!((q[0], q[1], scratch[K], scratch[K + 1]), (7, 1, 7.0, 1.0));
    }

    #[test]
    fn bad_arguments_are_refused_and_outputs_kept() {
        let length = |argument, expected, actual| Error::Length { argument, expected, actual };
        let (mut y, mut q, mut sums) = ([9.0; 4], [9; 4], [9; 2]);
        let nan = [0.0, f64::NAN, 0.0, 0.0];
        let infinite = [0.0, 0.0, 0.0, f64::NEG_INFINITY];

        assert_eq!(rms_norm(&[], None, 0.0, &mut []), Err(Error::Zero { argument: "inputs" }));
        assert_eq!(rms_norm(&[1.0; 3], None, 0.0, &mut y), Err(length("y", 3, 4)));
        assert_eq!(rms_norm(&[1.0; 4], Some(&[1.0]), 0.0, &mut y), Err(length("norm weight", 4, 1)));
        assert_eq!(
            rms_norm(&[1.0; 4], None, -1.0, &mut y),
            Err(Error::Epsilon { argument: "epsilon", value: -1.0 })
        );
        assert_eq!(rms_norm(&nan, None, 0.0, &mut y), Err(Error::NonFinite { argument: "x", row: 0 }));

        let transform = Transform::sylvester(4).unwrap();
        let forward = |x: &[f64], y: &mut [f64]| hadamard(&transform, Direction::Forward, x, y);
        assert_eq!(forward(&[1.0; 8], &mut y), Err(Error::TransformLength { block: 4, actual: 8 }));
        assert_eq!(forward(&[1.0; 4], &mut y[..2]), Err(length("y", 4, 2)));

        for &rule in Rule::ALL {
            assert_eq!(quantize(rule, 0.0, &[], &mut []), Err(Error::Zero { argument: "inputs" }));
            assert_eq!(quantize(rule, 0.0, &[1.0], &mut q), Err(length("q", 1, 4)));
            for x in [nan, infinite] {
                let refused = Err(Error::NonFinite { argument: "x", row: 0 });
                assert_eq!(quantize(rule, 0.0, &x, &mut q), refused);
            }
            let infinity = Err(Error::Epsilon { argument: "epsilon", value: f32::INFINITY });
            assert_eq!(quantize(rule, f64::INFINITY, &[1.0; 4], &mut q), infinity);
        }

        assert_eq!(absmean(&[], 0.0, &mut []), Err(Error::Zero { argument: "weights" }));
        assert_eq!(absmean(&[1.0], 0.0, &mut q), Err(length("ternary", 1, 4)));
        assert_eq!(absmean(&nan, 0.0, &mut q), Err(Error::NonFinite { argument: "weights", row: 0 }));

        let shape = |tokens, outputs, inputs| Shape { tokens, outputs, inputs };
        let zero = Err(Error::Zero { argument: "inputs" });
        assert_eq!(product(&[], &[], shape(1, 2, 0), &mut sums), zero);
        assert_eq!(product(&[1], &[1; 4], shape(1, 2, 2), &mut sums), Err(length("q", 2, 1)));
        assert_eq!(product(&[1; 2], &[1; 3], shape(1, 2, 2), &mut sums), Err(length("ternary", 4, 3)));
        assert_eq!(product(&[1; 2], &[1; 4], shape(1, 2, 2), &mut sums[..1]), Err(length("y", 2, 1)));
        let overflow = Err(Error::SizeOverflow { argument: "tokens * inputs" });
        assert_eq!(product(&[], &[], shape(usize::MAX, 1, 2), &mut sums), overflow);

        let spec = WeightSpec::new(2, 4, Layout::TwoBit, Scaling::Tensor).unwrap();
        let mut blob = [0; 256];
        let blob = &mut blob[..spec.packed_len()];
        spec.pack(&[1; 8], &[1.0], &mut *blob).unwrap();
        let weights = Weights::open(blob).unwrap();
        let mut scratch = [0.0; 9];
        let mut layer = |x: &[f64], outputs: usize, scratch_len: usize, inputs: usize, log2: u32| {
            let transform = Transform::sylvester(1 << log2).unwrap();
            let (scratch, q) = (&mut scratch[..scratch_len], &mut q[..inputs]);
            let (transform, rule, epsilon) = (Some(&transform), Rule::Int8AbsMax, 0.0);
            let layer = BitLinear { norm: None, transform, rule, epsilon, weights: &weights };
            layer.forward(x, &mut y[..outputs], scratch, q)
        };
        assert_eq!(layer(&[1.0; 3], 2, 8, 4, 2), Err(length("x", 4, 3)));
        assert_eq!(layer(&[1.0; 4], 3, 8, 4, 2), Err(length("y", 2, 3)));
        assert_eq!(layer(&[1.0; 4], 2, 9, 4, 2), Err(length("scratch", 8, 9)));
        assert_eq!(layer(&[1.0; 4], 2, 8, 3, 2), Err(length("q", 4, 3)));
        assert_eq!(layer(&[1.0; 4], 2, 8, 4, 1), Err(Error::TransformLength { block: 2, actual: 4 }));
        assert_eq!(layer(&nan, 2, 8, 4, 2), Err(Error::NonFinite { argument: "x", row: 0 }));

        assert_eq!((y, q, sums), ([9.0; 4], [9; 4], [9; 2]));
    }
}
