//! Norm, quantisers and absmean: what is done to rows.

use super::digest::Digest;
use super::group::Grid;
use super::inputs::{KINDS, Random};
use super::subject::{Outcome, Quantised, Subject};
use crate::layout::{Activations, Bits};
use crate::stages::{NonFinite, Quantizer, RmsNorm, Rule, Workspace};

/// Around every vector and sum's group, and of models; the first are the reduced grid's.
const LENGTHS: [usize; 34] = [
    1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 64, 65, 127, 255, 257, 320, // all in the reduced grid
    4, 5, 9, 63, 95, 96, 97, 128, 129, 256, 511, 640, 1536, 2560, 3200, 4096, 6912,
];
const REDUCED: usize = 17;
const LONGEST: usize = 6912;

/// ε: the usual one, none, one that matters, and one too small to.
const EPSILONS: [f32; 4] = [1e-5, 0.0, 0.25, 1e-30];

/// Rows that are quantised at a time.
const ROWS: usize = 3;

pub(super) fn norms(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let longest = if grid == Grid::Full { LONGEST } else { 320 };
    let x = memory.take_filled(longest, 0.0);
    let y = memory.take_filled(longest, 0.0);
    let gain = memory.take_filled(longest, 0.0);
    Random::new(1).normals(gain);
    for &len in grid.of(&LENGTHS, REDUCED) {
        let (x, y) = (&mut x[..len], &mut y[..len]);
        for kind in 0..KINDS {
            Random::new((len * KINDS + kind) as u64).row(kind, x);
            for epsilon in EPSILONS {
                for gain in [None, Some(&gain[..len])] {
                    subject.norm(&RmsNorm::new(gain, epsilon)?, len, x, y)?;
                    out.floats(y);
                }
            }
        }
    }
    Ok(())
}

pub(super) fn quantise(
    subject: &mut impl Subject,
    rule: Rule,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let longest = if grid == Grid::Full { LONGEST } else { 320 };
    let x = memory.take_filled(ROWS * longest, 0.0);
    let values = memory.take_filled(ROWS * longest, 0);
    let mut room = Room { bits: rule.bits(), values, scales: [0.0; ROWS], sums: [0; ROWS] };
    for &len in grid.of(&LENGTHS, REDUCED) {
        for kind in 0..KINDS {
            let mut random = Random::new((len * KINDS + kind) as u64);
            let x = &mut x[..ROWS * len];
            for (row, x) in x.chunks_exact_mut(len).enumerate() {
                random.row((kind + 3 * row) % KINDS, x);
            }
            for epsilon in EPSILONS {
                let quantizer = Quantizer::new(rule, epsilon)?;
                subject.quantize(&quantizer, len, x, room.of(ROWS, len))?;
                room.hash(ROWS, len, out)?;
            }
            x[len + len / 2] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][kind % 3];
            let quantizer = Quantizer::new(rule, 1e-5)?.with_non_finite(NonFinite::Spoil);
            subject.quantize(&quantizer, len, x, room.of(ROWS, len))?;
            room.hash(ROWS, len, out)?;
        }
    }
    Ok(())
}

pub(super) fn absmeans(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let shapes = [(1, 1), (3, 5), (4, 33), (2, 257), (5, 64), (7, 640), (16, 1536), (31, 129)];
    let most = 16 * 1536;
    let (most, count) = if grid == Grid::Full { (most, shapes.len()) } else { (1024, 5) };
    let weights = memory.take_filled(most, 0.0);
    let ternary = memory.take_filled(most, 0);
    let scales = memory.take_filled(32, 0.0);
    for &(outputs, inputs) in &shapes[..count] {
        let len = outputs * inputs;
        let (weights, ternary) = (&mut weights[..len], &mut ternary[..len]);
        for kind in 0..KINDS {
            let mut random = Random::new((len * KINDS + kind) as u64);
            for (row, weights) in weights.chunks_exact_mut(inputs).enumerate() {
                random.row((kind + row % 2) % KINDS, weights);
            }
            for epsilon in EPSILONS {
                for (rows, inputs) in [(1, len), (outputs, inputs)] {
                    subject.absmean(inputs, weights, epsilon, ternary, &mut scales[..rows])?;
                    out.i8s(ternary);
                    out.floats(&scales[..rows]);
                }
            }
        }
    }
    Ok(())
}

/// Room for a few quantised rows.
pub(super) struct Room<'a, const ROWS: usize> {
    pub(super) bits: Bits,
    /// Enough for all of them.
    pub(super) values: &'a mut [u8],
    pub(super) scales: [f32; ROWS],
    pub(super) sums: [i32; ROWS],
}

impl<const ROWS: usize> Room<'_, ROWS> {
    /// The first rows of it.
    pub(super) fn of(&mut self, rows: usize, inputs: usize) -> Quantised<'_> {
        let bytes = rows * self.bits.row_bytes(inputs);
        Quantised {
            values: &mut self.values[..bytes],
            scales: &mut self.scales[..rows],
            sums: &mut self.sums[..rows],
        }
    }

    /// What is in them.
    pub(super) fn hash(&self, rows: usize, inputs: usize, out: &mut Digest) -> Outcome {
        let values = &self.values[..rows * self.bits.row_bytes(inputs)];
        let view = Activations::new(self.bits, inputs, values, &self.scales[..rows], &self.sums[..rows])?;
        for token in 0..rows {
            for input in 0..inputs {
                out.i8s(&[view.value(token, input)]);
            }
        }
        out.floats(view.scales());
        out.i32s(view.sums());
        Ok(())
    }
}
