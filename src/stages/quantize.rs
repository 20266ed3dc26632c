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

use core::mem::MaybeUninit;

use super::input::Input;
use super::statistics::{max_magnitude, mean_magnitude};
use crate::error::{Error, Result, check_epsilon};
use crate::kernels::Backend;
use crate::kernels::scalar::{clamp_round, store_bytes, store_nibbles};
use crate::layout::{Activations, ActivationsMut, Bits};

/// √7, the largest int4 magnitude's root in eq. 6.
const SQRT_7: f64 = 2.645_751_311_064_590_6;

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
    pub const ALL: &'static [Rule] = &[Rule::Int8AbsMax, Rule::Int4AbsMean, Rule::Int4AbsMax];

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

impl TryFrom<u32> for Rule {
    type Error = Error;

    /// The rule with that number, or [`Error::Value`].
    fn try_from(number: u32) -> Result<Rule> {
        let found = Self::ALL.iter().copied().find(|&rule| rule as u32 == number);
        found.ok_or(Error::Value { argument: "rule", value: number as usize })
    }
}

impl core::str::FromStr for Rule {
    type Err = Error;

    /// The rule with that [`Rule::name`], or [`Error::Name`].
    fn from_str(name: &str) -> Result<Rule> {
        let found = Self::ALL.iter().copied().find(|rule| rule.name() == name);
        found.ok_or(Error::Name { argument: "rule" })
    }
}

impl core::fmt::Display for Rule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// What becomes of a row with a NaN or an infinity, or with one that the norm or the transform makes by an overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NonFinite {
    /// The call fails with [`Error::NonFinite`] and writes nothing.
    #[default]
    Refuse,
    /// The row gets the scale NaN and zeros for values, so that its outputs are NaN and no other's.
    Spoil,
}

/// A rule and its ε, checked.
#[derive(Clone, Copy, Debug)]
pub struct Quantizer {
    rule: Rule,
    epsilon: f32,
    non_finite: NonFinite,
}

impl Quantizer {
    /// The paper leaves ε open; public BitNet code uses 1e-5.
    ///
    /// # Errors
    /// [`Error::Epsilon`] if ε is negative or not finite.
    pub fn new(rule: Rule, epsilon: f32) -> Result<Quantizer> {
        check_epsilon("epsilon of the quantiser", epsilon)?;
        Ok(Quantizer { rule, epsilon, non_finite: NonFinite::Refuse })
    }

    /// With another treatment of rows that are not finite.
    #[must_use]
    pub const fn with_non_finite(self, non_finite: NonFinite) -> Quantizer {
        Quantizer { non_finite, ..self }
    }

    /// The rule.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// ε.
    #[must_use]
    pub const fn epsilon(&self) -> f32 {
        self.epsilon
    }

    /// What becomes of rows that are not finite.
    #[must_use]
    pub const fn non_finite(&self) -> NonFinite {
        self.non_finite
    }

    /// Quantises each row of `x` (`[M, K]` f32) into the room `out`, and returns what was written.
    ///
    /// # Errors
    /// [`Error::Length`] unless `x` is M·K long (or M rows, see [`Input`]); [`Error::Value`] if `out` has another width than
    /// the rule; [`Error::NonFinite`] naming the first row with a NaN or an infinity, unless [`NonFinite::Spoil`] is set.
    /// Then the room is untouched.
    ///
    /// ```
    /// use hbitlinear::{ActivationsMut, Backend, Bits, Quantizer, Rule};
    /// let (mut values, mut scales, mut sums) = ([0; 2], [0.0; 1], [0; 1]);
    /// let out = ActivationsMut::new(Bits::Four, 4, &mut values, &mut scales, &mut sums)?;
    /// let q = Quantizer::new(Rule::Int4AbsMax, 0.0)?.forward(Backend::best(), &[7.0, -7.0, 2.5, 0.0], out)?;
    /// assert_eq!(q.values(), [0x97, 0x02]); // 7, −7 | 2 (half to even), 0
    /// assert_eq!((q.scales(), q.sums()), (&[1.0][..], &[2][..]));
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn forward<'x, 'o>(
        &self,
        backend: Backend,
        x: impl Into<Input<'x, f32>>,
        mut out: ActivationsMut<'o>,
    ) -> Result<Activations<'o>> {
        self.check(&out)?;
        let x = x.into().rows(out.tokens(), out.inputs())?;
        // One row finds out by its statistic; several are tried before any is written.
        if out.tokens() > 1 && self.non_finite == NonFinite::Refuse {
            for row in 0..out.tokens() {
                if !max_magnitude(backend, x.row(row)).is_finite() {
                    return Err(Error::NonFinite { argument: "x", row });
                }
            }
        }
        for token in 0..out.tokens() {
            self.token(backend, x.row(token), &mut out, token)?;
        }
        // SAFETY: every token was written.
        Ok(unsafe { out.assume_written() })
    }

    /// [`Error::Value`] unless the room has the rule's width.
    pub(super) fn check(&self, out: &ActivationsMut<'_>) -> Result<()> {
        if out.bits() == self.rule.bits() {
            Ok(())
        } else {
            Err(Error::Value { argument: "bits of the activations", value: out.bits() as usize })
        }
    }

    /// One token, whose row may turn out not to be finite.
    pub(super) fn token(
        &self,
        backend: Backend,
        x: &[f32],
        out: &mut ActivationsMut<'_>,
        token: usize,
    ) -> Result<()> {
        match self.row(backend, x, out.row(token)) {
            Some((scale, sum)) => out.set(token, scale, sum),
            None => self.spoil(out, token)?,
        }
        Ok(())
    }

    /// What becomes of a token that is not finite.
    pub(super) fn spoil(&self, out: &mut ActivationsMut<'_>, token: usize) -> Result<()> {
        match self.non_finite {
            NonFinite::Refuse => Err(Error::NonFinite { argument: "x", row: token }),
            NonFinite::Spoil => {
                out.row(token).fill(MaybeUninit::new(0));
                out.set(token, f32::NAN, 0);
                Ok(())
            }
        }
    }

    /// One row: writes its bytes, returns its scale and sum; `None`, and nothing written, if an element is not finite.
    fn row(&self, backend: Backend, x: &[f32], values: &mut [MaybeUninit<u8>]) -> Option<(f32, i32)> {
        let statistic = match self.rule {
            Rule::Int4AbsMean => mean_magnitude(backend, x),
            Rule::Int8AbsMax | Rule::Int4AbsMax => f64::from(max_magnitude(backend, x)),
        };
        // Bits beyond infinity's are a NaN or an infinity; a mean is finite if the row is.
        if !statistic.is_finite() {
            return None;
        }
        let scale = (statistic / self.rule.levels()) as f32;
        if statistic == 0.0 {
            values.fill(MaybeUninit::new(0));
            return Some((scale, 0));
        }
        let factor = self.rule.levels() / (statistic + f64::from(self.epsilon));
        Some((scale, quantize_row(backend, self.rule.bits(), x, factor, values)))
    }
}

fn quantize_row(backend: Backend, bits: Bits, x: &[f32], factor: f64, values: &mut [MaybeUninit<u8>]) -> i32 {
    let narrow = factor as f32;
    if !narrow.is_finite() {
        return quantize_tiny_row(bits, x, factor, values);
    }
    let quantize = match bits {
        Bits::Eight => backend.kernels(|kernels| kernels.quantize_i8),
        Bits::Four => backend.kernels(|kernels| kernels.quantize_i4),
    };
    // SAFETY: `backend` proves the CPU's features; `values` has `bits.row_bytes(x.len())` bytes.
    unsafe { quantize(x, narrow, values) }
}

/// A row so small that its factor overflows f32: the product is taken in f64.
fn quantize_tiny_row(bits: Bits, x: &[f32], factor: f64, values: &mut [MaybeUninit<u8>]) -> i32 {
    let q = |x: f32, low, high| clamp_round(f64::from(x) * factor, low, high);
    match bits {
        Bits::Eight => store_bytes(x, values, |x| q(x, -128.0, 127.0)),
        Bits::Four => store_nibbles(x, values, |x| q(x, -8.0, 7.0)),
    }
}
