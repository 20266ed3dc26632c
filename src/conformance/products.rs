//! Products.

use super::digest::Digest;
use super::group::Grid;
use super::inputs::{Random, set_value};
use super::subject::{Failure, Outcome, Subject};
use crate::layout::{Activations, Bits, Layout, Scaling, WeightSpec, Weights};
use crate::stages::Workspace;

/// Tokens, outputs, inputs. All panels, tiles and remainders of backends; the first are the reduced grid's.
const SHAPES: [(usize, usize, usize); 18] = [
    (1, 1, 1),
    (1, 16, 32),
    (2, 17, 33),
    (3, 5, 64),
    (5, 33, 129),
    (9, 20, 257),
    (1, 40, 320),
    (4, 18, 96),
    (6, 35, 640),
    (7, 70, 255),
    (8, 64, 512),
    (12, 48, 384),
    (16, 49, 640),
    (17, 31, 1030),
    (33, 64, 320),
    (64, 80, 640),
    (1, 96, 2560),
    (3, 128, 1536),
];
const REDUCED: usize = 8;

/// Weights and activations all at their largest, and all over: a shape is run with each.
#[derive(Clone, Copy, PartialEq)]
enum Values {
    Any,
    /// Weights −1 or 1, activations the lowest.
    Extreme(i8),
}

/// The pieces of memory.
struct Memory<'a> {
    ternary: &'a mut [i8],
    scales: &'a mut [f32],
    blob: &'a mut [u8],
    values: &'a mut [u8],
    token_scales: &'a mut [f32],
    sums: &'a mut [i32],
    rest: &'a mut [core::mem::MaybeUninit<u8>],
}

impl<'a> Memory<'a> {
    fn new(grid: Grid, memory: &mut Workspace<'a>) -> Memory<'a> {
        let tokens = 64;
        let (weights, values) = if grid == Grid::Full { (256 << 10, 64 << 10) } else { (16 << 10, 4 << 10) };
        Memory {
            ternary: memory.take_filled(weights, 0),
            scales: memory.take_filled(weights / 32, 0.0),
            blob: memory.take_filled(weights + weights / 8, 0),
            values: memory.take_filled(values, 0),
            token_scales: memory.take_filled(tokens, 0.0),
            sums: memory.take_filled(tokens, 0),
            rest: memory.take(crate::stages::product_workspace_len()),
        }
    }

    fn operands(
        &mut self,
        spec: &WeightSpec,
        bits: Bits,
        tokens: usize,
        values: Values,
    ) -> Result<(Weights<'_>, Activations<'_>), Failure> {
        let (outputs, inputs) = (spec.outputs(), spec.inputs());
        let mut random = Random::new((outputs * inputs * 100 + tokens) as u64);
        let ternary = &mut self.ternary[..outputs * inputs];
        random.ternary(ternary);
        let scales = &mut self.scales[..spec.scale_count()];
        random.scales(scales);
        if matches!(spec.scaling(), Scaling::GroupF16(_)) {
            // Each of them is an f16.
            for (i, scale) in scales.iter_mut().enumerate() {
                *scale = (21 + i * 7 % 1009) as f32 / 1024.0;
            }
        }
        let packed = &mut self.values[..tokens * bits.row_bytes(inputs)];
        let sums = &mut self.sums[..tokens];
        random.quantised(bits, inputs, packed, sums);
        if let Values::Extreme(weight) = values {
            ternary.fill(weight);
            let lowest = if bits == Bits::Eight { -128 } else { -8 };
            for (row, sum) in packed.chunks_exact_mut(bits.row_bytes(inputs)).zip(&mut *sums) {
                row.fill(0);
                (0..inputs).for_each(|input| set_value(row, bits, input, lowest));
                *sum = i32::from(lowest) * inputs as i32;
            }
        }
        let blob = &mut self.blob[..spec.packed_len()];
        spec.pack(ternary, scales, &mut *blob)?;
        let token_scales = &mut self.token_scales[..tokens];
        random.scales(token_scales);
        if values == Values::Any && tokens > 8 {
            (token_scales[2], token_scales[5], token_scales[7]) = (f32::NAN, f32::INFINITY, 0.0);
        }
        Ok((Weights::open(blob)?, Activations::new(bits, inputs, packed, token_scales, sums)?))
    }
}

/// Integer products.
pub(super) fn sums(
    subject: &mut impl Subject,
    layout: Layout,
    bits: Bits,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let y = memory.take_filled(8 << 10, 0);
    let mut memory = Memory::new(grid, &mut memory);
    for &(tokens, outputs, inputs) in grid.of(&SHAPES, REDUCED) {
        let spec = WeightSpec::new(outputs, inputs, layout, Scaling::Tensor)?;
        for values in [Values::Any, Values::Extreme(-1), Values::Extreme(1)] {
            let y = &mut y[..tokens * outputs];
            // Taken out, because the operands borrow the rest.
            let workspace = core::mem::take(&mut memory.rest);
            let (weights, x) = memory.operands(&spec, bits, tokens, values)?;
            subject.product_i32(&weights, &x, y, crate::Buffer::uninit(&mut *workspace))?;
            memory.rest = workspace;
            out.i32s(y);
        }
    }
    Ok(())
}

/// Dequantised products with every scaling.
pub(super) fn all(
    subject: &mut impl Subject,
    layout: Layout,
    bits: Bits,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let y = memory.take_filled(8 << 10, 0.0);
    let mut memory = Memory::new(grid, &mut memory);
    for &(tokens, outputs, inputs) in grid.of(&SHAPES, REDUCED) {
        for &scaling in Scaling::ALL {
            let spec = WeightSpec::new(outputs, inputs, layout, scaling)?;
            let y = &mut y[..tokens * outputs];
            let workspace = core::mem::take(&mut memory.rest);
            let (weights, x) = memory.operands(&spec, bits, tokens, Values::Any)?;
            subject.product(&weights, &x, y, crate::Buffer::uninit(&mut *workspace))?;
            memory.rest = workspace;
            out.floats(y);
        }
    }
    Ok(())
}
