//! Transforms.

use super::digest::Digest;
use super::group::Grid;
use super::inputs::{KINDS, Random};
use super::subject::{Outcome, Subject};
use crate::matrices::{Direction, Family};
use crate::stages::{Transform, Workspace};

/// Outer factors on powers of two; the first few are the reduced grid's.
const NAMED: [&str; 16] = [
    "paley1:12*8",
    "paley1:20*4",
    "paley2:12*2",
    "quarot:20*16",
    "fht:12*32",
    "paley1:12*paley2:12*2",
    "paley1:108*64",
    "quarot:40*64",
    "paley1:12*128",
    "quarot:20*quarot:20*8",
    "paley2:36*paley1:60*4",
    "fht:28*512",
    "quarot:172*64",
    "paley1:140*16",
    "paley1:12*paley1:12*paley1:12*4",
    "paley2:84*256",
];

/// Both directions of every kind of row.
fn both(
    subject: &mut impl Subject,
    transform: &Transform<'_>,
    x: &mut [f32],
    seed: usize,
    out: &mut Digest,
) -> Outcome {
    for direction in [Direction::Forward, Direction::Transpose] {
        for kind in 0..KINDS {
            let mut random = Random::new((seed * KINDS + kind) as u64);
            for (row, x) in x.chunks_exact_mut(transform.row_len()).enumerate() {
                random.row((kind + row) % KINDS, x);
            }
            subject.transform(transform, direction, x)?;
            out.floats(x);
        }
    }
    Ok(())
}

pub(super) fn plain(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let last = if grid == Grid::Full { 15 } else { 10 };
    let x = memory.take_filled(1 << last, 0.0);
    for log2 in 0..=last {
        both(subject, &Transform::sylvester(1 << log2)?, &mut x[..1 << log2], log2, out)?;
    }
    Ok(())
}

pub(super) fn blocks(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let shapes =
        [(1, 3, 5), (2, 7, 3), (4, 5, 2), (8, 3, 7), (32, 3, 2), (64, 9, 3), (256, 27, 2), (512, 5, 3)];
    let x = memory.take_filled(16 << 10, 0.0);
    let signs = memory.take_filled(8 << 10, 1);
    for (seed, &(block, count, rows)) in grid.of(&shapes, 5).iter().enumerate() {
        let transform = Transform::sylvester(block)?.with_blocks(count)?;
        let x = &mut x[..rows * block * count];
        both(subject, &transform, x, seed, out)?;
        let signs = &mut signs[..block * count];
        Random::new(seed as u64).signs(signs);
        both(subject, &transform.with_signs(signs)?, x, seed, out)?;
    }
    Ok(())
}

pub(super) fn factors(
    subject: &mut impl Subject,
    grid: Grid,
    mut memory: Workspace<'_>,
    out: &mut Digest,
) -> Outcome {
    let longest = 24 << 10;
    let x = memory.take_filled(if grid == Grid::Full { longest } else { 1 << 10 }, 0.0);
    for (seed, name) in grid.of(&NAMED, 6).iter().enumerate() {
        let transform = Transform::named(name)?;
        both(subject, &transform, &mut x[..transform.row_len()], seed, out)?;
    }
    if grid == Grid::Full {
        for &family in Family::ALL {
            for &order in family.orders() {
                for power in [1, 2, 16] {
                    let transform = Transform::new(&[family.matrix(order)?], power)?;
                    both(subject, &transform, &mut x[..transform.row_len()], order, out)?;
                }
            }
        }
    }
    Ok(())
}
