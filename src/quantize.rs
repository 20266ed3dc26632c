//! Stage 2: activations to int8 or int4 per token (arXiv 2504.18415, eq. 5 and 6), packed, with scale and sum.
//!
//! | rule | statistic | factor | range | value of `q` |
//! |---|---|---|---|---|
//! | [`Rule::Int8AbsMax`] | γ = max\|x\| | 127 / (γ + ε) | −128..=127 | q · γ/127 |
//! | [`Rule::Int4AbsMean`] | β = mean\|x\| | √7 / (β + ε) | −8..=7 | q · β/√7 |
//! | [`Rule::Int4AbsMax`] | γ = max\|x\| | 7 / (γ + ε) | −8..=7 | q · γ/7 |
//!
//! `q = clamp(round(x · factor))`, rounding half to even. The factor and the scale are computed in f64 and rounded
//! to f32 once; the product `x · factor` is one f32 product. A row whose factor does not fit in f32 (only
//! possible with an ε below 1e-36) is multiplied in f64 instead. A zero row gives zeros and a zero scale.

use crate::arch::Backend;
use crate::arch::kernels::Kernels;
use crate::error::{Error, Result, check_epsilon, check_len, check_nonzero, checked_size};
use crate::layout::MAX_COLUMNS;
use crate::means::mean_magnitude;
use crate::norm::check_finite;

/// √7, the largest int4 magnitude's root in eq. 6.
const SQRT_7: f64 = 2.645_751_311_064_590_6;

/// Width of a quantised activation.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bits {
    /// Nibbles, two to a byte: input `2i` in the low, `2i + 1` in the high half of byte `i`.
    Four = 4,
    /// One byte each.
    Eight = 8,
}

impl Bits {
    /// Bytes of a row of `features` values.
    #[must_use]
    pub const fn row_bytes(self, features: usize) -> usize {
        match self {
            Bits::Four => features.div_ceil(2),
            Bits::Eight => features,
        }
    }
}

/// How a token is quantised.
#[non_exhaustive]
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// int8 by the row's largest magnitude (eq. 5).
    Int8AbsMax = 0,
    /// int4 by the row's mean magnitude (eq. 6); saturates on purpose.
    Int4AbsMean = 1,
    /// int4 by the row's largest magnitude, for models not trained with eq. 6.
    Int4AbsMax = 2,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 3] = [Rule::Int8AbsMax, Rule::Int4AbsMean, Rule::Int4AbsMax];

    /// Width of the result.
    #[must_use]
    pub const fn bits(self) -> Bits {
        match self {
            Rule::Int8AbsMax => Bits::Eight,
            Rule::Int4AbsMean | Rule::Int4AbsMax => Bits::Four,
        }
    }

    /// The name used on command lines and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Int8AbsMax => "a8-absmax",
            Rule::Int4AbsMean => "a4-absmean",
            Rule::Int4AbsMax => "a4-absmax",
        }
    }

    /// What the row's statistic is divided by to give the scale.
    const fn levels(self) -> f64 {
        match self {
            Rule::Int8AbsMax => 127.0,
            Rule::Int4AbsMean => SQRT_7,
            Rule::Int4AbsMax => 7.0,
        }
    }
}

/// Quantised activations of M tokens: borrowed, contiguous, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Activations<'a> {
    bits: Bits,
    features: usize,
    values: &'a [u8],
    scales: &'a [f32],
    sums: &'a [i32],
}

/// Room for the quantised activations of M tokens.
#[derive(Debug)]
pub struct ActivationsMut<'a> {
    bits: Bits,
    features: usize,
    values: &'a mut [u8],
    scales: &'a mut [f32],
    sums: &'a mut [i32],
}

fn check_parts(bits: Bits, features: usize, values: usize, scales: usize, sums: usize) -> Result<()> {
    check_nonzero("features", features)?;
    if features > MAX_COLUMNS {
        return Err(Error::SizeOverflow { argument: "features" });
    }
    check_len("values", checked_size(scales, bits.row_bytes(features), "tokens * row bytes")?, values)?;
    check_len("sums", scales, sums)
}

impl<'a> Activations<'a> {
    /// Views the parts: M scales, M integer row sums, and `M · `[`Bits::row_bytes`]`(K)` bytes of values.
    ///
    /// The spare nibble of an odd int4 row is ignored. The sums must be the rows' integer sums: products subtract them.
    ///
    /// # Errors
    /// [`Error::Zero`] or [`Error::SizeOverflow`] on `features` (K); [`Error::Length`] on the others.
    pub fn new(
        bits: Bits,
        features: usize,
        values: &'a [u8],
        scales: &'a [f32],
        sums: &'a [i32],
    ) -> Result<Activations<'a>> {
        check_parts(bits, features, values.len(), scales.len(), sums.len())?;
        Ok(Activations { bits, features, values, scales, sums })
    }

    /// Width of the values.
    #[must_use]
    pub const fn bits(&self) -> Bits {
        self.bits
    }

    /// Number of tokens, M.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.scales.len()
    }

    /// Features of a token, K.
    #[must_use]
    pub const fn features(&self) -> usize {
        self.features
    }

    /// The values' bytes.
    #[must_use]
    pub const fn values(&self) -> &'a [u8] {
        self.values
    }

    /// The scale of each token: a value is `q · scale`.
    #[must_use]
    pub const fn scales(&self) -> &'a [f32] {
        self.scales
    }

    /// The integer sum of each token's values.
    #[must_use]
    pub const fn sums(&self) -> &'a [i32] {
        self.sums
    }

    /// The bytes of one token.
    pub(crate) fn row(&self, token: usize) -> &'a [u8] {
        let bytes = self.bits.row_bytes(self.features);
        &self.values[token * bytes..][..bytes]
    }

    /// One value, for checks and reference code; 0 outside the matrix.
    #[must_use]
    pub fn value(&self, token: usize, feature: usize) -> i8 {
        if token >= self.tokens() || feature >= self.features {
            return 0;
        }
        let row = self.row(token);
        match self.bits {
            Bits::Eight => row[feature] as i8,
            Bits::Four => ((row[feature / 2] >> (feature % 2 * 4)) << 4) as i8 >> 4,
        }
    }
}

impl<'a> ActivationsMut<'a> {
    /// Room in the caller's buffers, with the lengths of [`Activations::new`].
    ///
    /// # Errors
    /// As [`Activations::new`].
    pub fn new(
        bits: Bits,
        features: usize,
        values: &'a mut [u8],
        scales: &'a mut [f32],
        sums: &'a mut [i32],
    ) -> Result<ActivationsMut<'a>> {
        check_parts(bits, features, values.len(), scales.len(), sums.len())?;
        Ok(ActivationsMut { bits, features, values, scales, sums })
    }

    /// Number of tokens, M.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.scales.len()
    }

    /// Features of a token, K.
    #[must_use]
    pub const fn features(&self) -> usize {
        self.features
    }

    /// Width of the values.
    #[must_use]
    pub const fn bits(&self) -> Bits {
        self.bits
    }

    /// What was written, to be read.
    #[must_use]
    pub fn as_activations(&self) -> Activations<'_> {
        Activations {
            bits: self.bits,
            features: self.features,
            values: self.values,
            scales: self.scales,
            sums: self.sums,
        }
    }

    /// Ends the writing.
    #[must_use]
    pub fn into_activations(self) -> Activations<'a> {
        Activations {
            bits: self.bits,
            features: self.features,
            values: self.values,
            scales: self.scales,
            sums: self.sums,
        }
    }

    /// The room of each token: bytes, scale, sum.
    pub(crate) fn rows(&mut self) -> impl Iterator<Item = (&mut [u8], &mut f32, &mut i32)> {
        let bytes = self.bits.row_bytes(self.features);
        let values = self.values.chunks_exact_mut(bytes);
        values.zip(self.scales.iter_mut()).zip(self.sums.iter_mut()).map(|((v, scale), sum)| (v, scale, sum))
    }
}

/// A rule and its ε, checked.
#[derive(Clone, Copy, Debug)]
pub struct Quantizer {
    rule: Rule,
    epsilon: f32,
}

impl Quantizer {
    /// The paper leaves ε open; public BitNet code uses 1e-5.
    ///
    /// # Errors
    /// [`Error::Epsilon`] if ε is negative or not finite.
    pub fn new(rule: Rule, epsilon: f32) -> Result<Quantizer> {
        check_epsilon(epsilon)?;
        Ok(Quantizer { rule, epsilon })
    }

    /// The rule.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// Quantises each row of `x` (`[M, K]` f32, row-major) into `out`.
    ///
    /// # Errors
    /// [`Error::Length`] unless `x` is M·K long; [`Error::Value`] if `out` has another width than the rule;
    /// [`Error::NonFinite`] naming the first row with a NaN or an infinity. Then `out` is untouched.
    ///
    /// ```
    /// use hbitlinear::Backend;
    /// use hbitlinear::quantize::{ActivationsMut, Bits, Quantizer, Rule};
    /// let (mut values, mut scales, mut sums) = ([0; 2], [0.0; 1], [0; 1]);
    /// let mut out = ActivationsMut::new(Bits::Four, 4, &mut values, &mut scales, &mut sums)?;
    /// Quantizer::new(Rule::Int4AbsMax, 0.0)?.forward(Backend::best(), &[7.0, -7.0, 2.5, 0.0], &mut out)?;
    /// assert_eq!(values, [0x97, 0x02]); // 7, −7 | 2 (half to even), 0
    /// assert_eq!((scales, sums), ([1.0], [2]));
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn forward(&self, backend: Backend, x: &[f32], out: &mut ActivationsMut<'_>) -> Result<()> {
        self.check(out)?;
        let features = out.features;
        check_len("x", checked_size(out.tokens(), features, "tokens * features")?, x.len())?;
        // One row finds out by its statistic; several are tried before any is written.
        if out.tokens() > 1 {
            check_finite(backend, "x", features, x)?;
        }
        for (x, (values, scale, sum)) in x.chunks_exact(features).zip(out.rows()) {
            let row = self.row(backend, x, values);
            (*scale, *sum) = row.ok_or(Error::NonFinite { argument: "x", row: 0 })?;
        }
        Ok(())
    }

    /// [`Error::Value`] unless the room has the rule's width.
    pub(crate) fn check(&self, out: &ActivationsMut<'_>) -> Result<()> {
        if out.bits == self.rule.bits() {
            Ok(())
        } else {
            Err(Error::Value { argument: "bits of the activations", value: out.bits as usize })
        }
    }

    /// One row: writes its bytes, returns its scale and sum; `None`, and nothing written, if an element is not finite.
    pub(crate) fn row(&self, backend: Backend, x: &[f32], values: &mut [u8]) -> Option<(f32, i32)> {
        let kernels = backend.kernels();
        let statistic = match self.rule {
            Rule::Int4AbsMean => mean_magnitude(backend, x),
            Rule::Int8AbsMax | Rule::Int4AbsMax => {
                // SAFETY: `backend` proves the CPU's features.
                f64::from(f32::from_bits(unsafe { (kernels.max_magnitude_bits)(x) }))
            }
        };
        // Bits beyond infinity's are a NaN or an infinity; a mean is finite if the row is.
        if !statistic.is_finite() {
            return None;
        }
        let scale = (statistic / self.rule.levels()) as f32;
        if statistic == 0.0 {
            values.fill(0);
            return Some((scale, 0));
        }
        let factor = self.rule.levels() / (statistic + f64::from(self.epsilon));
        Some((scale, quantize_row(kernels, self.rule.bits(), x, factor, values)))
    }
}

fn quantize_row(kernels: &Kernels, bits: Bits, x: &[f32], factor: f64, values: &mut [u8]) -> i32 {
    let narrow = factor as f32;
    if !narrow.is_finite() {
        return quantize_tiny_row(bits, x, factor, values);
    }
    // SAFETY: the caller's `Backend` proves the CPU's features; `values` has `bits.row_bytes(x.len())` bytes.
    unsafe {
        match bits {
            Bits::Eight => (kernels.quantize_i8)(x, narrow, values),
            Bits::Four => (kernels.quantize_i4)(x, narrow, values),
        }
    }
}

/// A row so small that its factor overflows f32: the product is taken in f64.
fn quantize_tiny_row(bits: Bits, x: &[f32], factor: f64, values: &mut [u8]) -> i32 {
    use crate::arch::scalar::{clamp_round, store_nibbles};
    let q = |x: f32, low, high| clamp_round(f64::from(x) * factor, low, high);
    match bits {
        Bits::Eight => {
            let mut sum = 0;
            for (value, &x) in values.iter_mut().zip(x) {
                let q = q(x, -128.0, 127.0);
                *value = q as u8;
                sum += i32::from(q);
            }
            sum
        }
        Bits::Four => store_nibbles(x, values, |x| q(x, -8.0, 7.0)),
    }
}
