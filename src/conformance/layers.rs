//! Stages in one pass, and whole layers.

use super::digest::Digest;
use super::group::Grid;
use super::inputs::{KINDS, Random};
use super::rows::Room;
use super::subject::{Outcome, Subject};
use crate::layer::BitLinear;
use crate::layout::{Layout, Scaling, WeightSpec, Weights};
use crate::stages::{InputStages, NonFinite, Quantizer, RmsNorm, Rule, Transform, Workspace};

/// Transforms of the layers, `blocks` of each; the first are the reduced grid's.
const TRANSFORMS: [(&str, usize); 9] = [
    ("1", 5),
    ("8", 3),
    ("64", 2),
    ("256", 1),
    ("paley1:12*8", 1),
    ("quarot:20*16", 1),
    ("512", 5),
    ("paley1:12*128", 1),
    ("4096", 1),
];
const REDUCED: usize = 5;
const TOKENS: usize = 5;

/// The stages that there are: with and without norm, gain, transform and signs, for each rule.
fn each(
    grid: Grid,
    gain: &[f32],
    signs: &[i8],
    mut run: impl FnMut(usize, &InputStages<'_>) -> Outcome,
) -> Outcome {
    for (seed, &(name, blocks)) in grid.of(&TRANSFORMS, REDUCED).iter().enumerate() {
        let transform = Transform::named(name)?.with_blocks(blocks)?;
        let inputs = transform.row_len();
        for &rule in Rule::ALL {
            let plain = InputStages::new(inputs, Quantizer::new(rule, 1e-5)?)?;
            let spoils = Quantizer::new(rule, 1e-5)?.with_non_finite(NonFinite::Spoil);
            run(seed, &plain)?;
            run(seed, &plain.with_norm(RmsNorm::new(None, 1e-5)?)?)?;
            run(seed, &plain.with_transform(transform)?)?;
            run(seed, &plain.with_norm(RmsNorm::new(None, 0.0)?)?.with_transform(transform)?)?;
            let all = InputStages::new(inputs, spoils)?
                .with_norm(RmsNorm::new(Some(&gain[..inputs]), 1e-5)?)?
                .with_transform(transform.with_signs(&signs[..inputs])?)?;
            run(seed, &all)?;
        }
    }
    Ok(())
}

/// Tokens of every kind, and one that is not finite where that spoils it.
fn fill(stages: &InputStages<'_>, seed: usize, x: &mut [f32]) {
    let mut random = Random::new(seed as u64 + 77);
    for (token, x) in x.chunks_exact_mut(stages.inputs()).enumerate() {
        random.row((2 * token + seed) % KINDS, x);
    }
    if stages.quantizer().non_finite() == NonFinite::Spoil {
        x[stages.inputs()] = f32::NAN;
    }
}

pub(super) fn stages(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let longest = if grid == Grid::Full { 4096 } else { 256 };
    let gain = memory.take_filled(longest, 0.0);
    let signs = memory.take_filled(longest, 0);
    Random::new(3).normals(gain);
    Random::new(4).signs(signs);
    let x = memory.take_filled(TOKENS * longest, 0.0);
    let values = memory.take_filled(TOKENS * longest, 0);
    let mut rest = memory.into_rest();
    each(grid, gain, signs, |seed, stages| {
        let (bits, inputs) = (stages.quantizer().rule().bits(), stages.inputs());
        let x = &mut x[..TOKENS * inputs];
        fill(stages, seed, x);
        let mut room = Room { bits, values: &mut *values, scales: [0.0; TOKENS], sums: [0; TOKENS] };
        subject.stages(stages, x, room.of(TOKENS, inputs), rest.reborrow())?;
        room.hash(TOKENS, inputs, out)
    })
}

pub(super) fn layers(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let (longest, outputs) = if grid == Grid::Full { (4096, 37) } else { (256, 19) };
    let gain = memory.take_filled(longest, 0.0);
    let signs = memory.take_filled(longest, 0);
    Random::new(3).normals(gain);
    Random::new(4).signs(signs);
    let x = memory.take_filled(TOKENS * longest, 0.0);
    let y = memory.take_filled(TOKENS * outputs, 0.0);
    let ternary = memory.take_filled(outputs * longest, 0);
    Random::new(5).ternary(ternary);
    let blob = memory.take_filled(outputs.next_multiple_of(16) * longest / 3 + 1024, 0);
    let mut rest = memory.into_rest();
    for &layout in Layout::ALL {
        each(grid, gain, signs, |seed, stages| {
            let inputs = stages.inputs();
            let x = &mut x[..TOKENS * inputs];
            fill(stages, seed, x);
            let spec = WeightSpec::new(outputs, inputs, layout, Scaling::Tensor)?;
            let blob = &mut blob[..spec.packed_len()];
            spec.pack(&ternary[..outputs * inputs], &[0.021], &mut *blob)?;
            let layer = BitLinear::new(*stages, Weights::open(blob)?)?;
            subject.layer(&layer, x, y, rest.reborrow())?;
            out.floats(y);
            Ok(())
        })?;
    }
    Ok(())
}
