//! Packed weights.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::Random;
use crate::error::Result;
use crate::layout::{Layout, Scaling, WeightSpec};

/// Blobs that open: every layout and scaling, shapes around panels and blocks.
pub fn blobs() -> impl Strategy<Value = Vec<u8>> {
    let outputs = select([1, 2, 15, 16, 17, 33].as_slice());
    let inputs = select([1, 2, 63, 64, 65, 127, 129, 257, 320].as_slice());
    let shape = (outputs, inputs, select(Layout::ALL), select(Scaling::ALL));
    (shape, any::<u64>()).prop_map(|((outputs, inputs, layout, scaling), seed)| {
        // The shapes are small, and the values are what blobs hold.
        pack(outputs, inputs, layout, scaling, &mut Random(seed))
            .unwrap_or_else(|error| unreachable!("{error}"))
    })
}

fn pack(
    outputs: usize,
    inputs: usize,
    layout: Layout,
    scaling: Scaling,
    random: &mut Random,
) -> Result<Vec<u8>> {
    let spec = WeightSpec::new(outputs, inputs, layout, scaling)?;
    let ternary = random.ternary(outputs * inputs);
    // Multiples of 1/64 that are f16 values too.
    let scales: Vec<f32> = (0..spec.scale_count()).map(|_| (1 + random.next() % 999) as f32 / 64.0).collect();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&ternary, &scales, &mut blob)?;
    Ok(blob)
}

/// Blobs that a reader must refuse: those of [`blobs`] with another byte somewhere, cut short, or with bytes behind their end.
pub fn damaged_blobs() -> impl Strategy<Value = Vec<u8>> {
    (blobs(), 0..4_u8, any::<Index>(), 1..=255_u8).prop_map(|(mut blob, how, at, flip)| {
        match how {
            0 => blob.truncate(at.index(blob.len())),
            1 => blob.extend((0..flip).map(|byte| byte ^ flip)),
            _ => {
                let at = at.index(blob.len());
                blob[at] ^= flip;
            }
        }
        blob
    })
}
