//! Softmax and attention.

use super::digest::Digest;
use super::group::Grid;
use super::inputs::{KINDS, Random};
use super::subject::{Attention, Outcome, Subject};
use crate::layout::StateBits;
use crate::stages::{CacheSpec, QueryBits, Workspace};

/// Head size, kv heads, query heads, tokens; the first are the reduced grid's.
const SHAPES: [(usize, usize, usize, usize); 9] = [
    (1, 1, 1, 1),
    (8, 2, 2, 5),
    (16, 1, 3, 33),
    (17, 1, 1, 40),
    (64, 2, 4, 64),
    (80, 1, 2, 65),
    (128, 2, 4, 100),
    (33, 3, 3, 97),
    (256, 1, 1, 31),
];
const REDUCED: usize = 4;

pub(super) fn softmax(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let lengths = [1, 2, 7, 8, 15, 16, 17, 33, 64, 65, 100, 255, 256, 257, 1000, 4099];
    let x = memory.take_filled(4099, 0.0);
    for &len in grid.of(&lengths, 12) {
        let x = &mut x[..len];
        for kind in 0..KINDS {
            for scale in [1.0, 8.0, 40.0] {
                Random::new((len + kind) as u64).row(kind, x);
                x.iter_mut().for_each(|x| *x *= scale);
                x[len / 2] = if len > 100 { f32::NEG_INFINITY } else { x[len / 2] };
                subject.softmax(x)?;
                out.floats(x);
            }
        }
        // All of them become NaN.
        x[len - 1] = f32::INFINITY;
        subject.softmax(x)?;
        out.floats(x);
    }
    Ok(())
}

pub(super) fn attention(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let most = if grid == Grid::Full { 32 << 10 } else { 1 << 10 };
    let mut floats = || memory.take_filled(most, 0.0);
    let (keys, values, queries, y, stored_keys, stored_values) =
        (floats(), floats(), floats(), floats(), floats(), floats());
    let mut rest = memory.into_rest();
    for &(head_size, kv_heads, query_heads, tokens) in grid.of(&SHAPES, REDUCED) {
        let len = tokens * kv_heads * head_size;
        let (keys, values) = (&mut keys[..len], &mut values[..len]);
        let queries = &mut queries[..query_heads * head_size];
        let mut random = Random::new((len + query_heads) as u64);
        random.normals(keys);
        random.normals(values);
        random.normals(queries);
        // A head of zeros, an outlier, and small ones.
        values[..head_size].fill(0.0);
        keys[len - 1] = 30.0;
        values[len / 2] *= 1e-6;
        for &key_bits in StateBits::ALL {
            for &value_bits in StateBits::ALL {
                for &query_bits in QueryBits::ALL {
                    let spec = CacheSpec::new(head_size, kv_heads, tokens, key_bits, value_bits)?;
                    let attention = Attention { spec, keys, values, queries, query_bits, scale: 0.3125 };
                    let y = &mut y[..query_heads * head_size];
                    subject.attend(&attention, y, rest.reborrow())?;
                    out.floats(y);
                    let (keys, values) = (&mut stored_keys[..len], &mut stored_values[..len]);
                    subject.cache(&attention, keys, values, rest.reborrow())?;
                    out.floats(keys);
                    out.floats(values);
                }
            }
        }
    }
    Ok(())
}
