//! Products against the oracle's i64 sums and the documented f32 expression, bit for bit, on every backend: all small
//! shapes, real ones, extremes that overflow narrow lanes, every cut.

mod common;

use core::ops::Range;

use common::data::{OwnedActivations, OwnedWeights, Random, SCALINGS, assert_painted, painted};
use common::{assert_same, assert_same_bits, backends, for_each_backend, reduced};
use hbitlinear::quantize::Bits;
use hbitlinear::weights::{Scaling, Weights};
use hbitlinear::{Backend, OutputMut, gemm, layout, reference};

const WIDTHS: [Bits; 2] = [Bits::Four, Bits::Eight];

/// Borders of vectors, panels, blocks, and of two of each.
const EDGES: [usize; 15] = [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129];

/// `sums[(t · rows + n) · groups + g]`: the oracle's product of each group of columns on its own.
fn group_sums(x: &OwnedActivations, w: &OwnedWeights, group: usize) -> Vec<i64> {
    let (tokens, rows, columns) = (x.scales.len(), w.spec.rows(), x.features);
    let groups = columns.div_ceil(group);
    let mut sums = vec![0; tokens * rows * groups];
    for g in 0..groups {
        let run = g * group..columns.min((g + 1) * group);
        let part = |values: &[i8]| -> Vec<i8> {
            values.chunks_exact(columns).flat_map(|row| row[run.clone()].to_vec()).collect()
        };
        let mut y = vec![0; tokens * rows];
        reference::product(&part(&x.q), &part(&w.ternary), tokens, rows, run.len(), &mut y).unwrap();
        for (at, sum) in y.into_iter().enumerate() {
            sums[at * groups + g] = sum;
        }
    }
    sums
}

/// What `product_i32` must give.
fn expected_i32(x: &OwnedActivations, w: &OwnedWeights) -> Vec<i32> {
    group_sums(x, w, x.features).iter().map(|&sum| i32::try_from(sum).expect("within MAX_COLUMNS")).collect()
}

/// What `product` must give: `(Σ_g (sum as f32) · α) · s`, every operation rounded to f32.
fn expected_f32(x: &OwnedActivations, w: &OwnedWeights) -> Vec<f32> {
    let (groups, rows) = (w.spec.groups(), w.spec.rows());
    let sums = group_sums(x, w, w.spec.group_columns());
    let mut y = Vec::new();
    for (at, sums) in sums.chunks_exact(groups).enumerate() {
        let (token, row) = (at / rows, at % rows);
        let alpha = |group| match w.spec.scaling() {
            Scaling::Tensor => w.scales[0],
            Scaling::Row => w.scales[row],
            Scaling::Group(_) | Scaling::GroupF16(_) => w.scales[row * groups + group],
        };
        let mut total = sums[0] as i32 as f32 * alpha(0);
        for (group, &sum) in sums.iter().enumerate().skip(1) {
            total += sum as i32 as f32 * alpha(group);
        }
        y.push(total * x.scales[token]);
    }
    y
}

fn run_f32(backend: Backend, weights: &Weights<'_>, x: &OwnedActivations) -> Vec<f32> {
    let (tokens, rows) = (x.scales.len(), weights.rows());
    let (mut y, mut workspace) = (vec![f32::NAN; tokens * rows], vec![0xcc; gemm::workspace_len()]);
    let mut out = OutputMut::new(&mut y, tokens, rows, rows).unwrap();
    gemm::product(backend, weights, &x.view(), 0..tokens, 0..rows, &mut out, &mut workspace).unwrap();
    y
}

fn run_i32(backend: Backend, weights: &Weights<'_>, x: &OwnedActivations) -> Vec<i32> {
    let (tokens, rows) = (x.scales.len(), weights.rows());
    let (mut y, mut workspace) = (vec![i32::MIN; tokens * rows], vec![0xcc; gemm::workspace_len()]);
    let mut out = OutputMut::new(&mut y, tokens, rows, rows).unwrap();
    gemm::product_i32(backend, weights, &x.view(), 0..tokens, 0..rows, &mut out, &mut workspace).unwrap();
    y
}

/// Every backend, i32 and f32, for one shape, width and scaling.
fn check(backends: &[Backend], tokens: usize, rows: usize, columns: usize, bits: Bits, scaling: Scaling) {
    let mut random = Random::new((tokens * 1009 + rows * 131 + columns) as u64);
    let w = OwnedWeights::random(rows, columns, scaling, &mut random);
    let x = OwnedActivations::random(bits, tokens, columns, &mut random);
    let (integers, floats) = (expected_i32(&x, &w), expected_f32(&x, &w));
    for blob in w.layouts() {
        let weights = Weights::open(&blob).unwrap();
        let layout = weights.spec().layout();
        for &backend in backends {
            let what = format!("{backend:?} {layout:?} M {tokens} N {rows} K {columns} {bits:?} {scaling:?}");
            assert_same(&integers, &run_i32(backend, &weights, &x), format_args!("{what}, i32"));
            assert_same_bits(&floats, &run_f32(backend, &weights, &x), format_args!("{what}, f32"));
        }
    }
}

fn small_shapes() -> Vec<(usize, usize)> {
    let diagonals = (1..=130).flat_map(|k| [(k, 131 - k), (k, k)]);
    let edges = EDGES.iter().flat_map(|&k| EDGES.map(|n| (k, n)));
    let mut shapes: Vec<_> = diagonals.chain(edges).collect();
    if reduced("products of small shapes") {
        shapes = shapes.into_iter().step_by(5).collect();
    }
    shapes
}

#[test]
fn small_shapes_int8() {
    let backends = backends();
    for (columns, rows) in small_shapes() {
        for tokens in [0, 1, 2, 3, 17] {
            for scaling in [Scaling::Tensor, Scaling::Row, Scaling::Group(64)] {
                check(&backends, tokens, rows, columns, Bits::Eight, scaling);
            }
        }
    }
}

#[test]
fn small_shapes_int4() {
    let backends = backends();
    for (columns, rows) in small_shapes() {
        for tokens in [0, 1, 2, 3, 17] {
            for scaling in [Scaling::Tensor, Scaling::Row, Scaling::Group(64)] {
                check(&backends, tokens, rows, columns, Bits::Four, scaling);
            }
        }
    }
}

#[test]
fn real_shapes() {
    let backends = backends();
    for bits in WIDTHS {
        for columns in [640, 1536, 2560, 6912, 8640, 14336] {
            for scaling in SCALINGS {
                check(&backends, 3, 17, columns, bits, scaling);
            }
            check(&backends, 1, 33, columns, bits, Scaling::Tensor);
            check(&backends, 1, 1, columns + 1, bits, Scaling::Group(128));
        }
        // Beyond the tile of any kernel in tokens; N of real layers; groups with and without a short last one.
        for tokens in [17, 33, 70] {
            check(&backends, tokens, 129, 1029, bits, Scaling::Row);
            check(&backends, tokens, 40, 769, bits, Scaling::Group(256));
        }
        // More panels than a call takes, and more columns than the narrow sums of a table.
        check(&backends, 9, 530, 4200, bits, Scaling::Tensor);
        check(&backends, 9, 530, 4200, bits, Scaling::GroupF16(128));
        // Groups of more than one run of columns.
        check(&backends, 3, 17, 33_000, bits, Scaling::Group(64));
        check(&backends, 1, 17, 33_000, bits, Scaling::GroupF16(256));
        for rows in [640, 2560, 6912] {
            check(&backends, 2, rows, 40, bits, Scaling::Row);
            check(&backends, 5, rows, 40, bits, Scaling::Row);
        }
        for columns in [191, 192, 193, 255, 256, 257, 511, 1023, 1024, 1025, 2049] {
            for scaling in SCALINGS {
                check(&backends, 5, 18, columns, bits, scaling);
            }
        }
    }
}

/// All activations at the ends of their range against all weights of one sign, and alternations in which every
/// product of a vector lane has the same sign: whatever accumulates in less than 32 bits overflows here.
#[test]
fn extremes() {
    let backends = backends();
    let mut lengths =
        vec![128, 256, 2048, 4095, 4096, 4097, 4112, 8191, 8192, 8209, 12288, 16383, 16384 + 64];
    if !reduced("long extremes") {
        lengths.extend([65535, 65536, 70000]);
    }
    for (bits, low, high) in [(Bits::Four, -8, 7), (Bits::Eight, -128, 127)] {
        let activations: [fn(usize, i8, i8) -> i8; 5] = [
            |_, low, _| low,
            |_, _, high| high,
            |i, low, high| if i % 2 == 0 { low } else { high },
            |i, low, high| if i / 2 % 2 == 0 { low } else { high },
            |i, low, _| if i % 4 == 3 { low } else { 0 },
        ];
        for &columns in &lengths {
            // A row of each kind: all −1, all 1, and those that follow the activations' alternations.
            let ternary: Vec<i8> = (0..6 * columns)
                .map(|at| match (at / columns, at % columns) {
                    (0, _) => -1,
                    (1, _) => 1,
                    (2, i) => (i % 2) as i8 * 2 - 1,
                    (3, i) => 1 - (i % 2) as i8 * 2,
                    (4, i) => (i / 2 % 2) as i8 * 2 - 1,
                    (_, i) => 1 - (i / 2 % 2) as i8 * 2,
                })
                .collect();
            let w = OwnedWeights::new(6, columns, Scaling::Tensor, ternary);
            let q =
                (0..activations.len() * columns).map(|at| activations[at / columns](at % columns, low, high));
            let x = OwnedActivations::new(bits, activations.len(), columns, q.collect());
            let expected = expected_i32(&x, &w);
            for blob in w.layouts() {
                let weights = Weights::open(&blob).unwrap();
                for &backend in &backends {
                    let what = format_args!("{backend:?} {:?} K {columns} {bits:?}", weights.spec().layout());
                    assert_same(&expected, &run_i32(backend, &weights, &x), what);
                }
            }
        }
    }
}

/// At the largest K, Σ code·q leaves i32 on the way and Σ w·q just fits.
#[test]
fn longest_row() {
    let backends = backends();
    if reduced("the longest row is left out") {
        return;
    }
    let columns = layout::MAX_COLUMNS;
    let w = OwnedWeights::new(1, columns, Scaling::Tensor, vec![1; columns]);
    for blob in w.layouts() {
        let weights = Weights::open_verified(&blob).unwrap();
        let layout = weights.spec().layout();
        for q in [-128, 127] {
            let x = OwnedActivations::new(Bits::Eight, 1, columns, vec![q; columns]);
            for &backend in &backends {
                let expected = [i32::from(q) * columns as i32];
                assert_same(
                    &expected,
                    &run_i32(backend, &weights, &x),
                    format_args!("{backend:?} {layout:?} {q}"),
                );
            }
        }
    }
}

#[test]
fn elements_between_rows_stay() {
    for_each_backend(|backend| {
        for (tokens, rows, gap) in [(1, 17, 5), (5, 16, 1), (33, 50, 3), (3, 1, 7)] {
            let mut random = Random::new(rows as u64);
            let w = OwnedWeights::random(rows, 100, Scaling::Row, &mut random);
            let x = OwnedActivations::random(Bits::Four, tokens, 100, &mut random);
            let (weights, stride) = (Weights::open(&w.blob).unwrap(), rows + gap);
            let mut y: Vec<f32> = painted(tokens * stride);
            let mut workspace = vec![0; gemm::workspace_len()];
            let mut out = OutputMut::new(&mut y, tokens, rows, stride).unwrap();
            gemm::product(backend, &weights, &x.view(), 0..tokens, 0..rows, &mut out, &mut workspace)
                .unwrap();
            let paint: Vec<f32> = painted(tokens * stride);
            let expected = expected_f32(&x, &w);
            for t in 0..tokens {
                let (row, what) = (t * stride, format_args!("{backend:?}, row {t}"));
                assert_same_bits(&expected[t * rows..][..rows], &y[row..row + rows], what);
                assert_same_bits(&paint[row + rows..row + stride], &y[row + rows..row + stride], what);
            }

            // An empty range writes nothing.
            let mut y: Vec<f32> = painted(tokens * stride);
            let mut out = OutputMut::new(&mut y, tokens, 0, stride).unwrap();
            gemm::product(backend, &weights, &x.view(), 0..tokens, rows..rows, &mut out, &mut workspace)
                .unwrap();
            let mut out = OutputMut::new(&mut y, 0, rows, stride).unwrap();
            gemm::product(backend, &weights, &x.view(), 1..1, 0..rows, &mut out, &mut workspace).unwrap();
            assert_painted(&y, "empty ranges");
        }
    });
}

/// All ways to cut `0..len` in three, empty parts and so two-way cuts included.
fn cuts(len: usize) -> impl Iterator<Item = [Range<usize>; 3]> {
    (0..=len).flat_map(move |a| (a..=len).map(move |b| [0..a, a..b, b..len]))
}

#[test]
fn every_cut_of_outputs() {
    for_each_backend(|backend| {
        for (rows, columns, scaling) in
            [(50, 37, Scaling::Tensor), (33, 100, Scaling::Row), (31, 150, Scaling::Group(64))]
        {
            let mut random = Random::new(rows as u64);
            let w = OwnedWeights::random(rows, columns, scaling, &mut random);
            let x = OwnedActivations::random(Bits::Four, 3, columns, &mut random);
            let blobs = w.layouts();
            let [two_bits, trits] = blobs.each_ref().map(|blob| Weights::open(blob).unwrap());
            let (floats, integers) = (expected_f32(&x, &w), expected_i32(&x, &w));
            let mut workspace = vec![0; gemm::workspace_len()];
            for (parts, weights) in cuts(rows).flat_map(|parts| [(parts.clone(), two_bits), (parts, trits)]) {
                let mut y = vec![f32::NAN; floats.len()];
                let whole = OutputMut::new(&mut y, 3, rows, rows).unwrap();
                let (left, right) = whole.split_outputs(parts[2].start).unwrap();
                let (left, middle) = left.split_outputs(parts[1].start).unwrap();
                for (mut out, part) in [right, left, middle].into_iter().zip([2, 0, 1]) {
                    let outputs = parts[part].clone();
                    gemm::product(backend, &weights, &x.view(), 0..3, outputs, &mut out, &mut workspace)
                        .unwrap();
                }
                assert_same_bits(&floats, &y, format_args!("{backend:?} outputs {parts:?}"));

                let mut y = vec![i32::MIN; integers.len()];
                let whole = OutputMut::new(&mut y, 3, rows, rows).unwrap();
                let (left, mut right) = whole.split_outputs(parts[1].start).unwrap();
                let mut left = left;
                for (out, outputs) in [(&mut left, parts[0].clone()), (&mut right, parts[0].end..rows)] {
                    gemm::product_i32(backend, &weights, &x.view(), 0..3, outputs, out, &mut workspace)
                        .unwrap();
                }
                assert_same(&integers, &y, format_args!("{backend:?} outputs {parts:?}"));
            }
        }
    });
}

#[test]
fn every_cut_of_tokens() {
    for_each_backend(|backend| {
        for (tokens, scaling, bits) in [(35, Scaling::Row, Bits::Eight), (18, Scaling::Group(64), Bits::Four)]
        {
            let (rows, columns) = (19, 75);
            let mut random = Random::new(tokens as u64);
            let w = OwnedWeights::random(rows, columns, scaling, &mut random);
            let x = OwnedActivations::random(bits, tokens, columns, &mut random);
            let blobs = w.layouts();
            let [two_bits, trits] = blobs.each_ref().map(|blob| Weights::open(blob).unwrap());
            let expected = expected_f32(&x, &w);
            let mut workspace = vec![0; gemm::workspace_len()];
            for (parts, weights) in cuts(tokens).flat_map(|parts| [(parts.clone(), two_bits), (parts, trits)])
            {
                let mut y = vec![f32::NAN; expected.len()];
                let whole = OutputMut::new(&mut y, tokens, rows, rows).unwrap();
                let (above, below) = whole.split_tokens(parts[2].start).unwrap();
                let (above, middle) = above.split_tokens(parts[1].start).unwrap();
                for (mut out, part) in [below, above, middle].into_iter().zip([2, 0, 1]) {
                    let tokens = parts[part].clone();
                    gemm::product(backend, &weights, &x.view(), tokens, 0..rows, &mut out, &mut workspace)
                        .unwrap();
                }
                assert_same_bits(&expected, &y, format_args!("{backend:?} tokens {parts:?}"));
            }
        }
    });
}
