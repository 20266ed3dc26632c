//! Ternary weights, wherever they are stored.

use core::ops::Range;

use hbitlinear::interop::Import;
use hbitlinear::{Error, Scaling, Weights};

/// A ternary matrix: N outputs (rows), K inputs.
#[derive(Clone, Copy, Debug)]
pub enum Ternary<'a> {
    /// In somebody's format.
    Foreign(Import<'a>),
    /// Packed.
    Packed(Weights<'a>),
}

/// What [`Ternary::count`] finds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// How many weights are −1, 0 and +1.
    pub weights: [u64; 3],
    /// The smallest scale of a weight that is not 0; infinity if there is none.
    pub least: f32,
    /// The largest.
    pub most: f32,
}

impl Ternary<'_> {
    /// N.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        match self {
            Ternary::Foreign(import) => import.outputs(),
            Ternary::Packed(weights) => weights.outputs(),
        }
    }

    /// K.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        match self {
            Ternary::Foreign(import) => import.inputs(),
            Ternary::Packed(weights) => weights.inputs(),
        }
    }

    /// Writes the K weights of a row.
    ///
    /// # Errors
    /// [`Error::Code`] for a code that is none.
    pub fn row(&self, output: usize, weights: &mut [i8]) -> Result<(), Error> {
        match self {
            Ternary::Foreign(import) => import.row(output, weights),
            Ternary::Packed(packed) => packed.row(output, weights),
        }
    }

    /// The scale of a weight.
    ///
    /// # Errors
    /// [`Error::Range`] outside the matrix.
    pub fn scale(&self, output: usize, input: usize) -> Result<f32, Error> {
        match self {
            Ternary::Foreign(import) => import.scale(output, input),
            Ternary::Packed(packed) => Ok(packed.scale(output, input / packed.spec().group_inputs())),
        }
    }

    /// Weights of a row that surely share a scale: a divisor of every format's block, or the row.
    #[must_use]
    pub fn scale_step(&self) -> usize {
        match self {
            // The shortest block of a format.
            Ternary::Foreign(_) => 64,
            Ternary::Packed(packed) => packed.spec().group_inputs(),
        }
    }

    /// How scales are shared, in words.
    ///
    /// # Errors
    /// As [`Import::scaling`].
    pub fn scaling(&self) -> Result<String, Error> {
        let scaling = match self {
            Ternary::Foreign(import) => import.scaling()?,
            Ternary::Packed(packed) => packed.spec().scaling(),
        };
        Ok(match scaling {
            Scaling::Tensor => "one for the tensor".into(),
            Scaling::Row => "one for each row".into(),
            Scaling::Group(len) => format!("one for each {} inputs", len.get()),
            Scaling::GroupF16(len) => format!("one, an f16, for each {} inputs", len.get()),
        })
    }

    /// Counts the weights and looks at the scales of some rows.
    ///
    /// # Errors
    /// As [`Ternary::row`].
    pub fn count(&self, outputs: Range<usize>) -> Result<Counts, Error> {
        let mut counts = Counts { least: f32::INFINITY, most: f32::NEG_INFINITY, ..Counts::default() };
        let (mut row, step) = (vec![0; self.inputs()], self.scale_step());
        for output in outputs {
            self.row(output, &mut row)?;
            for weights in row.chunks(255) {
                let (mut minus, mut plus) = (0_u8, 0_u8);
                for &weight in weights {
                    minus += u8::from(weight < 0);
                    plus += u8::from(weight > 0);
                }
                let (minus, plus) = (u64::from(minus), u64::from(plus));
                counts.weights[0] += minus;
                counts.weights[1] += weights.len() as u64 - minus - plus;
                counts.weights[2] += plus;
            }
            for (first, weights) in (0..).step_by(step).zip(row.chunks(step)) {
                if weights.iter().any(|&weight| weight != 0) {
                    let scale = self.scale(output, first)?;
                    counts.least = counts.least.min(scale);
                    counts.most = counts.most.max(scale);
                }
            }
        }
        Ok(counts)
    }
}

impl Counts {
    /// Of both.
    #[must_use]
    pub fn and(self, other: Counts) -> Counts {
        Counts {
            weights: core::array::from_fn(|at| self.weights[at] + other.weights[at]),
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    /// Shares of −1, 0 and +1.
    #[must_use]
    pub fn shares(&self) -> [f64; 3] {
        let sum: u64 = self.weights.iter().sum();
        self.weights.map(|count| count as f64 / sum.max(1) as f64)
    }
}
