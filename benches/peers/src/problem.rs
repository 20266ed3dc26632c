//! What every product multiplies.

/// The scale of all weights: a power of two, which every format holds exactly.
pub const SCALE: f32 = 1.0 / 64.0;

/// Bytes that the copies of each contestant's weights take.
pub const WORKING_SET: usize = 400_000_000;

/// Random ternary weights `[outputs, inputs]`, to be multiplied by [`SCALE`], and uniform activations of many tokens.
pub struct Problem {
    /// N.
    pub outputs: usize,
    /// K.
    pub inputs: usize,
    /// The weights, row after row.
    pub ternary: Vec<i8>,
    /// The activations, token after token.
    pub x: Vec<f32>,
}

impl Problem {
    /// The same weights and activations for the same numbers.
    pub fn new((outputs, inputs): (usize, usize), tokens: usize) -> Problem {
        let mut random = fastrand::Rng::with_seed(1);
        let ternary = (0..outputs * inputs).map(|_| random.i8(-1..=1)).collect();
        let x = (0..tokens * inputs).map(|_| random.f32() * 2.0 - 1.0).collect();
        Problem { outputs, inputs, ternary, x }
    }

    /// A row of the weights in floats.
    pub fn row(&self, n: usize) -> Vec<f32> {
        self.ternary[n * self.inputs..][..self.inputs].iter().map(|&w| f32::from(w) * SCALE).collect()
    }

    /// The outputs of one token in floats.
    pub fn reference(&self, token: usize) -> Vec<f32> {
        let x = &self.x[token * self.inputs..][..self.inputs];
        (0..self.outputs).map(|n| self.row(n).iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    }
}
