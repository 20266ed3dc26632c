//! Deterministic data: a small generator, paint, rows that are hard on float code, transforms of real models.

use hbitlinear::{Bits, Family, Transform};

/// xorshift64*: the same numbers on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 32) as usize * bound) >> 32
    }

    /// Uniform in [−1, 1).
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// About normal, σ = 1: the sum of twelve.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() / 2.0
    }

    pub(crate) fn normals(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.normal()).collect()
    }

    pub(crate) fn ternary(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| self.below(3) as i8 - 1).collect()
    }

    pub(crate) fn signs(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| 1 - 2 * self.below(2) as i8).collect()
    }

    /// Values over the whole range of that width.
    pub(crate) fn quantised(&mut self, bits: Bits, len: usize) -> Vec<i8> {
        match bits {
            Bits::Eight => (0..len).map(|_| self.next() as u8 as i8).collect(),
            Bits::Four => (0..len).map(|_| self.below(16) as i8 - 8).collect(),
        }
    }
}

/// A value to find untouched later. The period of 251 is prime, so that no stride of a kernel hits the same paint.
pub(crate) trait Paint: Copy + PartialEq + core::fmt::Debug {
    fn paint(index: usize) -> Self;
}

macro_rules! paint {
    ($($type:ty),*) => { $(impl Paint for $type {
        fn paint(index: usize) -> Self {
            (index % 251 + 3) as u8 as $type
        }
    })* };
}
paint!(u8, i8, i32, u32, f32, f64);

pub(crate) fn painted<T: Paint>(len: usize) -> Vec<T> {
    (0..len).map(T::paint).collect()
}

#[track_caller]
pub(crate) fn assert_painted<T: Paint>(buffer: &[T], what: &str) {
    let touched = buffer.iter().enumerate().position(|(i, &value)| value != T::paint(i));
    assert_eq!(touched, None, "{what}: element {touched:?} was written");
}

/// Rows of `len` that float kernels get wrong, each finite, small enough that no transform of them overflows.
pub(crate) fn hard_rows(len: usize, seed: u64) -> Vec<(&'static str, Vec<f32>)> {
    let mut random = Random::new(seed);
    let normal = random.normals(len);
    let huge = f32::MAX / 4.0 / len as f32;
    let row = |f: &dyn Fn(usize) -> f32| (0..len).map(f).collect::<Vec<f32>>();
    let mut outlier = normal.clone();
    outlier[len * 2 / 3] = -300.0;
    vec![
        ("outlier", outlier),
        ("subnormal", row(&|i| normal[i] * 1e-40)),
        ("tiny", row(&|i| normal[i] * 1e-37)),
        ("huge", row(&|i| if i % 3 == 0 { -huge } else { huge * normal[i].clamp(-1.0, 1.0) })),
        ("all exponents", row(&|i| normal[i] * 2f32.powi(i as i32 * 7 % 180 - 120))),
        ("zeros", vec![0.0; len]),
        ("negative zeros", row(&|i| if i % 5 == 4 { 0.0 } else { -0.0 })),
        ("equal", vec![0.1; len]),
        ("alternating", row(&|i| if i % 2 == 0 { 1.5 } else { -1.5 })),
        ("halves", row(&|i| (i % 19) as f32 - 9.5)),
        ("normal", normal),
    ]
}

/// Lengths with a reason: everything up to two 64-lane vectors and a bit, and the rows of real models.
pub(crate) fn row_lengths() -> impl Iterator<Item = usize> {
    (1..=130).chain(REAL_LENGTHS)
}

/// K of layers of published models.
pub(crate) const REAL_LENGTHS: [usize; 14] =
    [640, 1024, 1536, 2048, 2560, 3072, 3200, 4096, 6912, 8640, 9216, 12032, 14336, 23040];

/// Every length of the models' table as a named transform.
pub(crate) const MODEL_TRANSFORMS: [&str; 20] = [
    "paley1:12*128",
    "paley1:20*128",
    "fht:20*128",
    "quarot:20*128",
    "quarot:40*64",
    "fht:40*64",
    "paley1:108*64",
    "quarot:108*64",
    "paley1:12*paley2:36*16",
    "paley1:20*paley1:20*8",
    "quarot:20*quarot:20*8",
    "paley2:36*paley1:60*4",
    "quarot:36*quarot:60*4",
    "fht:12*256",
    "paley2:36*256",
    "quarot:36*256",
    "paley1:20*paley2:36*32",
    "paley2:28*512",
    "fht:28*512",
    "paley1:20*32",
];

/// Every matrix of every family with small powers of two, and the models' transforms.
pub(crate) fn family_transforms(powers: &[usize]) -> Vec<(String, Transform<'static>)> {
    let mut names: Vec<String> = MODEL_TRANSFORMS.iter().map(ToString::to_string).collect();
    for &family in Family::ALL {
        for order in family.orders() {
            names.extend(powers.iter().map(|power| format!("{family}:{order}*{power}")));
        }
    }
    let named = |name: String| {
        let transform = Transform::named(&name).expect("a transform of the catalogue");
        (name, transform)
    };
    names.into_iter().map(named).collect()
}
