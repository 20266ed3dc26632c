//! Products against the oracle's i64 sums and the documented f32 expression, bit for bit, on every backend: all small
//! shapes, real ones, extremes that overflow narrow lanes, every cut.

mod common;

use core::ops::Range;

use common::data::{Random, assert_painted, painted};
use common::expected::{expected_f32, expected_i32};
use common::owned::{OwnedActivations, OwnedWeights, formats};
use common::run::{run_f32, run_i32};
use common::{assert_same, assert_same_bits, backends, for_each_backend, reduced};
use hbitlinear::{
    Backend, Bits, GroupLen, Layout, OutputMut, Scaling, Weights, layout, product, product_i32,
    product_workspace_len,
};

/// Borders of vectors, panels, blocks, and of two of each.
const EDGES: [usize; 15] = [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129];

/// Every backend and layout, i32 and f32, for one shape, width and scaling.
fn check(backends: &[Backend], tokens: usize, outputs: usize, inputs: usize, bits: Bits, scaling: Scaling) {
    let mut random = Random::new((tokens * 1009 + outputs * 131 + inputs) as u64);
    let w = OwnedWeights::random(outputs, inputs, (Layout::ALL[0], scaling), &mut random);
    let x = OwnedActivations::random(bits, tokens, inputs, &mut random);
    let (integers, floats) = (expected_i32(&x, &w), expected_f32(&x, &w));
    for w in w.layouts() {
        let (weights, layout) = (w.view(), w.spec.layout());
        for &backend in backends {
            let what = format!("{backend:?} {layout} M {tokens} N {outputs} K {inputs} {bits} {scaling:?}");
            assert_same(&integers, &run_i32(backend, &weights, &x.view()), format_args!("{what}, i32"));
            assert_same_bits(&floats, &run_f32(backend, &weights, &x.view()), format_args!("{what}, f32"));
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
    for (inputs, outputs) in small_shapes() {
        for tokens in [0, 1, 2, 3, 17] {
            for scaling in [Scaling::Tensor, Scaling::Row, Scaling::Group(GroupLen::L64)] {
                check(&backends, tokens, outputs, inputs, Bits::Eight, scaling);
            }
        }
    }
}

#[test]
fn small_shapes_int4() {
    let backends = backends();
    for (inputs, outputs) in small_shapes() {
        for tokens in [0, 1, 2, 3, 17] {
            for scaling in [Scaling::Tensor, Scaling::Row, Scaling::Group(GroupLen::L64)] {
                check(&backends, tokens, outputs, inputs, Bits::Four, scaling);
            }
        }
    }
}

#[test]
fn real_shapes() {
    let backends = backends();
    for &bits in Bits::ALL {
        for inputs in [640, 1536, 2560, 6912, 8640, 14336] {
            for &scaling in Scaling::ALL {
                check(&backends, 3, 17, inputs, bits, scaling);
            }
            check(&backends, 1, 33, inputs, bits, Scaling::Tensor);
            check(&backends, 1, 1, inputs + 1, bits, Scaling::Group(GroupLen::L128));
        }
        // Beyond the tile of any kernel in tokens; N of real layers; groups with and without a short last one.
        for tokens in [17, 33, 70] {
            check(&backends, tokens, 129, 1029, bits, Scaling::Row);
            check(&backends, tokens, 40, 769, bits, Scaling::Group(GroupLen::L256));
        }
        // More panels than a call takes, and more inputs than the narrow sums of a table.
        check(&backends, 9, 530, 4200, bits, Scaling::Tensor);
        check(&backends, 9, 530, 4200, bits, Scaling::GroupF16(GroupLen::L128));
        // Groups of more than one run of columns.
        check(&backends, 3, 17, 33_000, bits, Scaling::Group(GroupLen::L64));
        check(&backends, 1, 17, 33_000, bits, Scaling::GroupF16(GroupLen::L256));
        for outputs in [640, 2560, 6912] {
            check(&backends, 2, outputs, 40, bits, Scaling::Row);
            check(&backends, 5, outputs, 40, bits, Scaling::Row);
        }
        for inputs in [191, 192, 193, 255, 256, 257, 511, 1023, 1024, 1025, 2049] {
            for &scaling in Scaling::ALL {
                check(&backends, 5, 18, inputs, bits, scaling);
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
    for &bits in Bits::ALL {
        let (low, high) = if bits == Bits::Four { (-8, 7) } else { (-128, 127) };
        // The last four add up to 127 and 128 in 32 columns, and to 127 in 16: what a byte of signed sums just takes, or not.
        let activations: [fn(usize, i8, i8) -> i8; 10] = [
            |_, low, _| low,
            |_, _, high| high,
            |i, low, high| if i % 2 == 0 { low } else { high },
            |i, low, high| if i / 2 % 2 == 0 { low } else { high },
            |i, low, _| if i % 4 == 3 { low } else { 0 },
            |_, _, _| 1,
            |i, low, _| if i % 32 == 31 { low / 2 + 1 } else { low / 2 },
            |i, low, _| if i % 32 == 31 { -(low / 2) - 1 } else { -(low / 2) },
            |_, low, _| low / 2,
            |i, low, _| if i % 16 == 15 { low + 1 } else { low },
        ];
        for &inputs in &lengths {
            // A row of each kind: all −1, all 1, and those that follow the activations' alternations.
            let ternary: Vec<i8> = (0..6 * inputs)
                .map(|at| match (at / inputs, at % inputs) {
                    (0, _) => -1,
                    (1, _) => 1,
                    (2, i) => (i % 2) as i8 * 2 - 1,
                    (3, i) => 1 - (i % 2) as i8 * 2,
                    (4, i) => (i / 2 % 2) as i8 * 2 - 1,
                    (_, i) => 1 - (i / 2 % 2) as i8 * 2,
                })
                .collect();
            let w = OwnedWeights::new(6, inputs, (Layout::ALL[0], Scaling::Tensor), ternary);
            // Few tokens and, of rows that are long enough, many: they have kernels of their own. What bytes take is the same for
            // all of a few, so some are of those that take more, from that number on.
            let few = [(5, 0), (2, 6), (3, 6), (4, 6), (2, 8), (8, 5), (17, 0)];
            for &(tokens, first) in if inputs > 4112 { &few[..4] } else { &few } {
                let q = (0..tokens * inputs)
                    .map(|at| activations[(at / inputs + first) % 10](at % inputs, low, high));
                let x = OwnedActivations::new(bits, tokens, inputs, q.collect());
                let expected = expected_i32(&x, &w);
                for w in w.layouts() {
                    for &backend in &backends {
                        let what =
                            format_args!("{backend:?} {} M {tokens} K {inputs} {bits}", w.spec.layout());
                        assert_same(&expected, &run_i32(backend, &w.view(), &x.view()), what);
                    }
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
    let inputs = layout::MAX_INPUTS;
    for &layout in Layout::ALL {
        let w = OwnedWeights::new(1, inputs, (layout, Scaling::Tensor), vec![1; inputs]);
        let weights = Weights::open_verified(&w.blob).unwrap();
        for q in [-128, 127] {
            let x = OwnedActivations::new(Bits::Eight, 1, inputs, vec![q; inputs]);
            for &backend in &backends {
                let expected = [i32::from(q) * inputs as i32];
                let what = format_args!("{backend:?} {layout} {q}");
                assert_same(&expected, &run_i32(backend, &weights, &x.view()), what);
            }
        }
    }
}

#[test]
fn elements_between_rows_stay() {
    for_each_backend(|backend| {
        for (shape, format) in [(1, 17, 5), (5, 16, 1), (33, 50, 3), (3, 1, 7)]
            .iter()
            .flat_map(|&shape| formats().map(move |format| (shape, format)))
        {
            let (tokens, outputs, gap) = shape;
            let mut random = Random::new(outputs as u64);
            let w = OwnedWeights::random(outputs, 100, format, &mut random);
            let x = OwnedActivations::random(Bits::Four, tokens, 100, &mut random);
            let (weights, x, expected) = (w.view(), x.view(), expected_f32(&x, &w));
            let stride = outputs + gap;
            let mut y: Vec<f32> = painted(tokens * stride);
            let mut workspace = vec![0; product_workspace_len()];
            let out = OutputMut::new(&mut y, tokens, outputs, stride).unwrap();
            product(backend, &weights, &x, 0..tokens, 0..outputs, out, &mut workspace).unwrap();
            let paint: Vec<f32> = painted(tokens * stride);
            for t in 0..tokens {
                let (row, what) = (t * stride, format_args!("{backend:?} {format:?}, row {t}"));
                assert_same_bits(&expected[t * outputs..][..outputs], &y[row..row + outputs], what);
                assert_same_bits(&paint[row + outputs..row + stride], &y[row + outputs..row + stride], what);
            }

            // An empty range writes nothing.
            let mut y: Vec<f32> = painted(tokens * stride);
            let out = OutputMut::new(&mut y, tokens, 0, stride).unwrap();
            product(backend, &weights, &x, 0..tokens, outputs..outputs, out, &mut workspace).unwrap();
            let out = OutputMut::new(&mut y, 0, outputs, stride).unwrap();
            product(backend, &weights, &x, 1..1, 0..outputs, out, &mut workspace).unwrap();
            assert_painted(&y, "empty ranges");
        }
    });
}

/// All ways to cut `0..len` in three, empty parts and so two-way cuts included.
fn cuts(len: usize) -> impl Iterator<Item = [Range<usize>; 3]> {
    let step = if reduced("cuts") { 7 } else { 1 };
    (0..=len).flat_map(move |a| (a..=len).map(move |b| [0..a, a..b, b..len])).step_by(step)
}

#[test]
fn every_cut_of_outputs() {
    for_each_backend(|backend| {
        for (outputs, inputs, scaling) in
            [(50, 37, Scaling::Tensor), (33, 100, Scaling::Row), (31, 150, Scaling::Group(GroupLen::L64))]
        {
            let mut random = Random::new(outputs as u64);
            let w = OwnedWeights::random(outputs, inputs, (Layout::ALL[0], scaling), &mut random);
            let x = OwnedActivations::random(Bits::Four, 3, inputs, &mut random);
            let (floats, integers) = (expected_f32(&x, &w), expected_i32(&x, &w));
            let mut workspace = vec![0; product_workspace_len()];
            for w in w.layouts() {
                let (weights, x, layout) = (w.view(), x.view(), w.spec.layout());
                for parts in cuts(outputs) {
                    let mut y = vec![f32::NAN; floats.len()];
                    let whole = OutputMut::rows(&mut y, outputs).unwrap();
                    let (left, right) = whole.split_outputs(parts[2].start).unwrap();
                    let (left, middle) = left.split_outputs(parts[1].start).unwrap();
                    for (out, part) in [right, left, middle].into_iter().zip([2, 0, 1]) {
                        let part = parts[part].clone();
                        product(backend, &weights, &x, 0..3, part, out, &mut workspace).unwrap();
                    }
                    assert_same_bits(&floats, &y, format_args!("{backend:?} {layout} outputs {parts:?}"));

                    let mut y = vec![i32::MIN; integers.len()];
                    let whole = OutputMut::rows(&mut y, outputs).unwrap();
                    let (left, right) = whole.split_outputs(parts[1].start).unwrap();
                    for (out, part) in [(left, parts[0].clone()), (right, parts[0].end..outputs)] {
                        product_i32(backend, &weights, &x, 0..3, part, out, &mut workspace).unwrap();
                    }
                    assert_same(&integers, &y, format_args!("{backend:?} {layout} outputs {parts:?}"));
                }
            }
        }
    });
}

#[test]
fn every_cut_of_tokens() {
    for_each_backend(|backend| {
        for (tokens, scaling, bits) in
            [(35, Scaling::Row, Bits::Eight), (18, Scaling::Group(GroupLen::L64), Bits::Four)]
        {
            let (outputs, inputs) = (19, 75);
            let mut random = Random::new(tokens as u64);
            let w = OwnedWeights::random(outputs, inputs, (Layout::ALL[0], scaling), &mut random);
            let x = OwnedActivations::random(bits, tokens, inputs, &mut random);
            let (expected, mut workspace) = (expected_f32(&x, &w), vec![0; product_workspace_len()]);
            for w in w.layouts() {
                let (weights, x, layout) = (w.view(), x.view(), w.spec.layout());
                for parts in cuts(tokens) {
                    let mut y = vec![f32::NAN; expected.len()];
                    let whole = OutputMut::rows(&mut y, outputs).unwrap();
                    let (above, below) = whole.split_tokens(parts[2].start).unwrap();
                    let (above, middle) = above.split_tokens(parts[1].start).unwrap();
                    for (out, part) in [below, above, middle].into_iter().zip([2, 0, 1]) {
                        let part = parts[part].clone();
                        product(backend, &weights, &x, part, 0..outputs, out, &mut workspace).unwrap();
                    }
                    assert_same_bits(&expected, &y, format_args!("{backend:?} {layout} tokens {parts:?}"));
                }
            }
        }
    });
}
