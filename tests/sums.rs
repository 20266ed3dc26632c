//! The documented order of a row's sums (`layout::sums`), pinned by a second implementation by index: what absmean, the
//! quantiser and the norm make of a row, bit for bit.

mod common;

use common::data::{Random, hard_rows, row_lengths};
use common::run::quantise;
use common::{assert_same_bits, for_each_backend, reduced};
use hbitlinear::{Backend, RmsNorm, Rule, absmean};

const LANES: usize = 32;

/// Lanes folded by halves, written as the tree that this is: lane 0 with 16, 8 with 24, …
fn fold(lanes: &[f64], first: usize, distance: usize) -> f64 {
    if distance == LANES {
        return lanes[first];
    }
    fold(lanes, first, 2 * distance) + fold(lanes, first + distance, 2 * distance)
}

/// The sum of the terms, grouped in f32.
fn grouped(x: &[f32], term: fn(f32) -> f32) -> f64 {
    let t = |run: usize, lane: usize, k: usize| x.get(256 * run + lane + LANES * k).map_or(0.0, |&x| term(x));
    let lane = |lane| {
        (0..x.len().div_ceil(256)).fold(0.0, |sum, run| {
            let u: [f32; 8] = core::array::from_fn(|k| t(run, lane, k));
            sum + f64::from(((u[0] + u[1]) + (u[2] + u[3])) + ((u[4] + u[5]) + (u[6] + u[7])))
        })
    };
    fold(&(0..LANES).map(lane).collect::<Vec<_>>(), 0, 1)
}

/// The sum of the terms in f64 throughout.
fn wide(x: &[f32], term: fn(f64) -> f64) -> f64 {
    let lane = |lane| x.iter().skip(lane).step_by(LANES).fold(0.0, |sum, &x| sum + term(x.into()));
    fold(&(0..LANES).map(lane).collect::<Vec<_>>(), 0, 1)
}

fn mean_magnitude(x: &[f32]) -> f64 {
    let sum = grouped(x, f32::abs);
    (if sum.is_finite() { sum } else { wide(x, f64::abs) }) / x.len() as f64
}

fn mean_square(x: &[f32]) -> f64 {
    let mean = grouped(x, |x| x * x) / x.len() as f64;
    if mean.is_finite() && mean >= 2_f64.powi(-100) { mean } else { wide(x, |x| x * x) / x.len() as f64 }
}

/// Whatever a backend makes of the row's means.
fn check(backend: Backend, row: &[f32], what: &str) {
    let mean = mean_magnitude(row);
    let mut ternary = vec![9; row.len()];
    let alpha = absmean(backend, row, 0.0, &mut ternary).unwrap();
    assert_same_bits(&[mean as f32], &[alpha], format_args!("{backend:?} absmean, {what}"));

    let (_, scale, _) = quantise(backend, Rule::Int4AbsMean, 0.0, row);
    assert_same_bits(&[(mean / 7_f64.sqrt()) as f32], &[scale], format_args!("{backend:?} scale, {what}"));

    let factor = (1.0 / mean_square(row).sqrt()) as f32;
    if factor.is_finite() {
        let expected: Vec<f32> = row.iter().map(|x| x * factor).collect();
        let mut y = vec![f32::NAN; row.len()];
        RmsNorm::new(None, 0.0).unwrap().forward(backend, row.len(), row, &mut y).unwrap();
        assert_same_bits(&expected, &y, format_args!("{backend:?} norm, {what}"));
    }
}

#[test]
fn means_of_hard_rows() {
    let step = if reduced("lengths of hard rows") { 7 } else { 1 };
    for_each_backend(|backend| {
        for len in row_lengths().step_by(step) {
            for (kind, row) in hard_rows(len, len as u64) {
                check(backend, &row, &format!("{len}, {kind}"));
            }
        }
    });
}

/// The order of the f64 steps, which the rounding to f32 nearly always hides: sums a few f64 steps from the middle
/// between two f32, with terms of half a step that count or not by what they are added to first. Two terms a lane, `apart`
/// elements from each other; `size` is the sum, but for `largest` which adds to it.
fn rows_near_a_middle(
    len: usize,
    apart: usize,
    size: f32,
    largest: impl Fn(&mut [f32], usize),
) -> Vec<Vec<f32>> {
    let mut random = Random::new(11);
    let step = size * 2_f32.powi(-52);
    let terms = [0.0, step / 4.0, step / 2.0, step * 0.75, step];
    (0..400)
        .map(|_| {
            let mut row = vec![0.0; len];
            let one = random.below(LANES);
            let middle = (one + 1 + random.below(LANES - 1)) % LANES;
            for lane in 0..LANES {
                (row[lane], row[apart + lane]) = (terms[random.below(5)], terms[random.below(5)]);
            }
            // What the other terms add up to, give or take a few.
            row[apart + middle] = size * 2_f32.powi(-24) - 32.0 * step;
            largest(&mut row, one);
            row
        })
        .collect()
}

fn check_near_a_middle(rows: &[Vec<f32>], middle: f32) {
    for_each_backend(|backend| rows.iter().for_each(|row| check(backend, row, &format!("{row:?}"))));
    let above = rows.iter().filter(|row| mean_magnitude(row) as f32 > middle).count();
    assert!((1..rows.len()).contains(&above), "the rows must lie on both sides of the middle");
}

/// Runs of 256: one term for each lane of a run, so that nothing rounds in f32.
#[test]
fn order_of_grouped_sums() {
    let rows = rows_near_a_middle(512, 256, 1.0, |row, one| (row[one], row[256 + one]) = (1.0, 0.0));
    check_near_a_middle(&rows, 1.0 / 512.0);
}

/// Where a sum in f32 overflows, in f64 throughout.
#[test]
fn order_of_wide_sums() {
    let half = 2_f32.powi(127);
    // The same as multiples of 2¹²⁰, as the sum itself is no f32.
    let rows = rows_near_a_middle(64, 32, 2_f32.powi(120), |row, one| (row[one], row[32 + one]) = (0.0, 0.0));
    let rows: Vec<Vec<f32>> = rows
        .into_iter()
        .map(|mut row| {
            row.iter_mut().for_each(|x| *x *= 256.0);
            let one = (0..32).find(|&lane| row[lane] == 0.0 && row[32 + lane] == 0.0).unwrap();
            (row[one], row[32 + one]) = (half, half);
            row
        })
        .collect();
    assert!(rows.iter().all(|row| grouped(row, f32::abs).is_infinite()));
    check_near_a_middle(&rows, 2_f32.powi(122));
}

/// Within a group of four, where f32 rounds: half a step is lost to a 1, and a whole one is not.
#[test]
fn order_within_a_group() {
    let half = 2_f32.powi(-24);
    for_each_backend(|backend| {
        for (lane, one) in (0..LANES).flat_map(|lane| (0..8).map(move |one| (lane, one))) {
            let mut row = vec![0.0; 256];
            for k in 0..8 {
                row[lane + LANES * k] = if k == one { 1.0 } else { half };
            }
            check(backend, &row, &format!("lane {lane}, {one}"));
        }
    });
}
