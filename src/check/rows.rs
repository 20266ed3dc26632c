//! Rows of f32.

use std::vec::Vec;

use proptest::prelude::*;
use proptest::sample::select;

use super::Random;

/// A finite row as transforms, norms and quantisers get it, and as they had better not: of ordinary values; with an outlier;
/// of halves of a level, which rounding decides on; of zeros, subnormals, or values whose squares and sums overflow.
pub fn rows(len: usize) -> impl Strategy<Value = Vec<f32>> {
    (select([0, 1, 2, 3, 4, 5].as_slice()), any::<u64>()).prop_map(move |(sort, seed)| {
        let mut random = Random(seed);
        let place = random.next() as usize % len.max(1);
        // Evenly from −4 to 4.
        let mut any = || random.next() as i32 as f32 * (4.0 / (1_u32 << 30) as f32) - 4.0;
        let mut row: Vec<f32> = (0..len).map(|_| any()).collect();
        match sort {
            1 => row.iter_mut().skip(place).take(1).for_each(|x| *x *= 1e4),
            2 => row.iter_mut().for_each(|x| *x = (*x * 2.0 + 0.5).floor() + 0.5),
            3 => row.fill(0.0),
            4 => row.iter_mut().for_each(|x| *x *= 1e-40),
            5 => row.iter_mut().for_each(|x| *x *= 8e37),
            _ => {}
        }
        row
    })
}
