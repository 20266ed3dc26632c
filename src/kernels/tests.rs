//! Every kernel of stages 1 and 2 against scalar, bit for bit, on every backend of this machine.

extern crate std;
use std::vec::Vec;
use std::{eprintln, vec};

use super::contract::{Kernels, Prologue};
use super::{Backend, scalar};
use crate::buffer::uninit;
use crate::matrices::{Direction, Family};

/// Lengths around every block and register boundary, and some longer ones.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=200).chain([255, 256, 257, 511, 513, 1000, 1536, 2560, 4095, 6912])
}

/// Values of every size and sign with rounding ties, denormals and both zeros among them; no two rows alike.
fn painted(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len)
        .map(|_| {
            let bits = next();
            match bits % 16 {
                0 => 0.0,
                1 => -0.0,
                2 => f32::from_bits((bits >> 40) as u32 & 0x80ff_ffff),
                3 | 4 => ((bits >> 32) as i8) as f32 / 2.0,
                5 => f32::from_bits((bits >> 32) as u32 & 0xbfff_ffff) * 1e-6,
                _ => (bits >> 40) as f32 / 16_777_216.0 * 8.0 - 4.0,
            }
        })
        .collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Backends that have these kernels from another one are that one.
fn on_every_backend(check: impl Fn(&Kernels)) {
    let mut seen = Vec::new();
    for backend in Backend::available() {
        let kernels = backend.kernels(|kernels| kernels);
        let own = [kernels.butterflies as usize, kernels.sign_columns as usize, kernels.quantize_i4 as usize];
        if seen.contains(&own) {
            eprintln!("backend {}: as one before", backend.name());
            continue;
        }
        seen.push(own);
        eprintln!("backend {}", backend.name());
        check(kernels);
    }
}

/// The sum of [`crate::layout`], by index.
fn canonical_sum(x: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let term = |i: usize| term(x.get(i).copied().unwrap_or(0.0));
    let mut lanes = [0.0; 32];
    for i in (0..x.len()).step_by(256) {
        for (j, lane) in lanes.iter_mut().enumerate() {
            let four = |i| (term(i) + term(i + 32)) + (term(i + 64) + term(i + 96));
            *lane += f64::from(four(i + j) + four(i + j + 128));
        }
    }
    // A second way to fold by halves: pairs of lanes 16 apart, then of those 8 apart, and so on, as a tree.
    fn tree(lanes: &[f64; 32], first: usize, step: usize) -> f64 {
        if step == 32 {
            lanes[first]
        } else {
            tree(lanes, first, 2 * step) + tree(lanes, first + step, 2 * step)
        }
    }
    tree(&lanes, 0, 1)
}

#[test]
fn statistics() {
    on_every_backend(|kernels| {
        for len in lengths() {
            let x = painted(len, len as u64);
            // SAFETY: the backend is available.
            unsafe {
                assert_eq!((kernels.max_magnitude_bits)(&x), scalar::max_magnitude_bits(&x), "{len}");
                let (sum, plain) = ((kernels.sum_magnitude)(&x), canonical_sum(&x, f32::abs));
                assert_eq!(sum.to_bits(), plain.to_bits(), "{len}");
                let (sum, plain) = ((kernels.sum_square)(&x), canonical_sum(&x, |x| x * x));
                assert_eq!(sum.to_bits(), plain.to_bits(), "{len}");
            }
        }
    });
}

#[test]
fn non_finite_anywhere_is_seen() {
    on_every_backend(|kernels| {
        for len in 1..=200 {
            for (at, bad) in
                (0..len).zip([f32::NAN, f32::INFINITY, -f32::NAN, f32::NEG_INFINITY].iter().cycle())
            {
                let mut x = painted(len, 7);
                x[at] = *bad;
                // SAFETY: the backend is available.
                unsafe {
                    assert!((kernels.max_magnitude_bits)(&x) >= 0x7f80_0000, "{len} {at}");
                    assert!(!(kernels.sum_magnitude)(&x).is_finite(), "{len} {at}");
                    assert!(!(kernels.sum_square)(&x).is_finite(), "{len} {at}");
                }
            }
        }
    });
}

#[test]
fn scaled_rows() {
    on_every_backend(|kernels| {
        for len in lengths() {
            let (x, gain) = (painted(len, 1), painted(len, 2));
            for weight in [None, Some(&gain[..])] {
                let (mut y, mut plain) = (vec![1.0; len], vec![1.0; len]);
                // SAFETY: the backend is available; one length.
                unsafe { (kernels.scale_row)(&x, 0.37, weight, uninit(&mut y)) };
                scalar::scale_row(&x, 0.37, weight, uninit(&mut plain));
                assert_eq!(bits(&y), bits(&plain), "{len}");
            }
        }
    });
}

#[test]
fn quantisers() {
    on_every_backend(|kernels| {
        for len in lengths() {
            let x = painted(len, 3);
            for factor in [1.0, 2.0, 0.37, 31.0, 1e-30, 4e6] {
                let (mut q, mut plain) = (vec![0x55; len], vec![0x55; len]);
                // SAFETY: the backend is available; one length.
                let sum = unsafe { (kernels.quantize_i8)(&x, factor, uninit(&mut q)) };
                assert_eq!(sum, scalar::quantize_i8(&x, factor, uninit(&mut plain)), "{len} {factor}");
                assert_eq!(q, plain, "{len} {factor}");
                let (mut q, mut plain) = (vec![0x55; len.div_ceil(2)], vec![0x55; len.div_ceil(2)]);
                // SAFETY: the backend is available; ⌈len / 2⌉ bytes.
                let sum = unsafe { (kernels.quantize_i4)(&x, factor, uninit(&mut q)) };
                assert_eq!(sum, scalar::quantize_i4(&x, factor, uninit(&mut plain)), "{len} {factor}");
                assert_eq!(q, plain, "{len} {factor}");
            }
        }
    });
}

#[test]
fn widening() {
    on_every_backend(|kernels| {
        for len in lengths() {
            let src: Vec<u8> = (0..len).map(|i| (i * 89 % 256) as u8).collect();
            let (mut dst, mut plain) = (vec![0; 2 * len], vec![0; 2 * len]);
            // SAFETY: the backend is available; two values a byte.
            unsafe { (kernels.widen_i4)(&src, &mut dst) };
            scalar::widen_i4(&src, &mut plain);
            assert_eq!(dst, plain, "{len}");
        }
    });
}

#[test]
fn butterflies() {
    on_every_backend(|kernels| {
        for log2 in 0..=16 {
            // One of the starts is half a register off.
            for (runs, start) in [(1, 0), (1, 4), (2, 4), (3, 0), (7, 0), (7, 4)] {
                let mut x = painted(start + (runs << log2), u64::from(log2));
                let mut plain = x.clone();
                for scale in [1.0, 0.3] {
                    let (x, plain) = (&mut x[start..], &mut plain[start..]);
                    // SAFETY: the backend is available; whole runs.
                    unsafe {
                        (kernels.butterflies)(Prologue::IN_PLACE, uninit(x), log2, scale);
                        (scalar::KERNELS.butterflies)(Prologue::IN_PLACE, uninit(plain), log2, scale);
                    }
                    assert!(bits(x) == bits(plain), "2^{log2} x {runs} from {start} scale {scale}");
                }
            }
        }
    });
}

#[test]
fn butterflies_from_a_prologue() {
    on_every_backend(|kernels| {
        for log2 in 0..=13 {
            for runs in [1, 3, 7] {
                let len = runs << log2;
                let (values, gain) = (painted(len, 1), painted(len, 2));
                let signs: Vec<i8> = painted(len, 3).iter().map(|x| if *x < 0.5 { -1 } else { 1 }).collect();
                for choice in 0..8 {
                    let take = |bit: u32| choice >> bit & 1 == 1;
                    let prologue = Prologue {
                        values: take(0).then_some(&values[..]),
                        factor: if take(0) { 0.37 } else { 1.0 },
                        weight: (take(0) && take(1)).then_some(&gain[..]),
                        signs: take(2).then_some(&signs[..]),
                    };
                    let mut x = painted(len, 4);
                    let mut plain = x.clone();
                    // SAFETY: the backend is available; whole runs, one length.
                    unsafe {
                        (kernels.butterflies)(prologue, uninit(&mut x), log2, 0.3);
                        (scalar::KERNELS.butterflies)(prologue, uninit(&mut plain), log2, 0.3);
                    }
                    assert!(bits(&x) == bits(&plain), "2^{log2} x {runs} prologue {choice}");
                }
            }
        }
    });
}

/// With the stages of the butterflies that sign_columns does, and without.
#[test]
fn stages_of_columns() {
    on_every_backend(|kernels| {
        for (order, log2) in [(28, 9), (36, 9), (36, 10), (20, 10), (28, 11)] {
            let stages = (kernels.stages_of_columns)(order, 1 << log2);
            let matrix = Family::QuaRot.matrix(order).unwrap().oriented(Direction::Forward);
            let mut x = painted(order << log2, u64::from(log2));
            let mut plain = x.clone();
            // SAFETY: the backend is available; whole runs.
            unsafe {
                (kernels.butterflies)(Prologue::IN_PLACE, uninit(&mut x), log2 - stages, 1.0);
                (kernels.sign_columns)(&mut x, 1 << log2, stages, matrix, 0.3);
                (scalar::KERNELS.butterflies)(Prologue::IN_PLACE, uninit(&mut plain), log2, 1.0);
                (scalar::KERNELS.sign_columns)(&mut plain, 1 << log2, 0, matrix, 0.3);
            }
            assert!(bits(&x) == bits(&plain), "{order} x 2^{log2}, {stages} stages");
        }
    });
}

#[test]
fn sign_columns() {
    on_every_backend(|kernels| {
        for &family in Family::ALL {
            for &order in family.orders() {
                let matrix = family.matrix(order).unwrap();
                // Rows 512 floats apart crowd each other out of a cache, from order 28 on.
                let crowded = if order <= 40 { Some(512) } else { None };
                for stride in [1, 4, 8, 15, 16, 33, 64, 100, 128].into_iter().chain(crowded) {
                    for direction in [Direction::Forward, Direction::Transpose] {
                        let mut x = painted(2 * order * stride, order as u64);
                        let mut plain = x.clone();
                        // SAFETY: the backend is available; whole runs.
                        unsafe {
                            (kernels.sign_columns)(&mut x, stride, 0, matrix.oriented(direction), 0.3);
                            (scalar::KERNELS.sign_columns)(
                                &mut plain,
                                stride,
                                0,
                                matrix.oriented(direction),
                                0.3,
                            );
                        }
                        assert!(bits(&x) == bits(&plain), "{} {order} x {stride}", family.name());
                    }
                }
            }
        }
    });
}
