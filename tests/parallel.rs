//! The product on threads gives the bits of the product on one, for any number of threads, range and edge.

mod common;

use common::data::{Random, assert_painted, painted};
use common::owned::{OwnedActivations, OwnedWeights, formats};
use common::run::run_f32;
use common::{assert_same_bits, for_each_backend};
use hbitlinear::{Bits, Error, OutputMut, par_product, par_workspace_len, product_workspace_len};

#[test]
fn threads_change_no_bit() {
    let pools: Vec<_> = (1..=5)
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
        .collect();
    for_each_backend(|backend| {
        let mut random = Random::new(7);
        // The last one has several blocks of tokens and groups of panels.
        for (tokens, outputs, inputs) in
            [(0, 5, 40), (1, 1, 1), (1, 100, 64), (3, 47, 130), (17, 160, 300), (130, 200, 24)]
        {
            for (format, &bits) in formats().zip(Bits::ALL.iter().cycle()) {
                let w = OwnedWeights::random(outputs, inputs, format, &mut random);
                let x = OwnedActivations::random(bits, tokens, inputs, &mut random);
                let (weights, x) = (w.view(), x.view());
                let expected = run_f32(backend, &weights, &x);
                for pool in &pools {
                    let threads = pool.current_num_threads();
                    let what = format!("{backend:?} {format:?} {bits} {threads} threads N {outputs}");
                    let mut y = vec![f32::NAN; tokens * outputs];
                    let mut workspace = vec![0; par_workspace_len(threads).unwrap()];
                    let out = OutputMut::rows(&mut y, outputs).unwrap();
                    let call =
                        || par_product(backend, &weights, &x, 0..tokens, 0..outputs, out, &mut workspace);
                    pool.install(call).unwrap();
                    assert_same_bits(&expected, &y, format_args!("{what}"));

                    // Some of the tokens and outputs, in rows that lie apart.
                    let (part, first) = (tokens / 3..tokens, outputs / 4);
                    let (width, stride) = (outputs - first, outputs + 1);
                    let mut y: Vec<f32> = painted(part.len() * stride);
                    let out = OutputMut::new(&mut y, part.len(), width, stride).unwrap();
                    let t = part.clone();
                    let call = || par_product(backend, &weights, &x, t, first..outputs, out, &mut workspace);
                    pool.install(call).unwrap();
                    for (row, token) in y.chunks_mut(stride).zip(part) {
                        let expected = &expected[token * outputs..][first..outputs];
                        assert_same_bits(expected, &row[..width], format_args!("{what}, token {token}"));
                    }
                    let paint: Vec<f32> = painted(y.len());
                    let gap = |y: &[f32]| {
                        y.chunks(stride).flat_map(|row| row[width..].to_vec()).collect::<Vec<_>>()
                    };
                    assert_same_bits(&gap(&paint), &gap(&y), format_args!("{what}, between rows"));
                }
            }
        }
    });
}

/// The same refusals, in the same words, as those of the product on one thread (`errors.rs`).
#[test]
fn bad_arguments_are_refused() {
    let mut random = Random::new(1);
    let w = OwnedWeights::random(40, 8, formats().next().unwrap(), &mut random);
    let x = OwnedActivations::random(Bits::Eight, 2, 8, &mut random);
    let narrow = OwnedActivations::random(Bits::Eight, 2, 7, &mut random);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let length = |argument, expected, actual| Error::Length { argument, expected, actual };
    let range = |argument, start, end, limit| Error::Range { argument, start, end, limit };
    for_each_backend(|backend| {
        let case =
            |x: &OwnedActivations, tokens: (usize, usize), outputs: (usize, usize), shape, room, error| {
                let ((m, n), mut y): ((usize, usize), Vec<f32>) = (shape, painted(80));
                let out = OutputMut::new(&mut y, m, n, n).unwrap();
                let (tokens, outputs) = (tokens.0..tokens.1, outputs.0..outputs.1);
                let mut workspace = vec![0; room];
                let call =
                    || par_product(backend, &w.view(), &x.view(), tokens, outputs, out, &mut workspace);
                assert_eq!(pool.install(call), Err(error));
                assert_painted(&y, "y");
            };
        // Room for two threads: neither may begin.
        let (one, full) = (product_workspace_len(), par_workspace_len(2).unwrap());
        case(&x, (0, 2), (0, 40), (2, 40), one - 1, Error::Workspace { expected: one, actual: one - 1 });
        case(&narrow, (0, 2), (0, 40), (2, 40), full, length("inputs of the activations", 8, 7));
        case(&x, (0, 3), (0, 40), (2, 40), full, range("tokens", 0, 3, 2));
        case(&x, (2, 1), (0, 40), (2, 40), full, range("tokens", 2, 1, 2));
        case(&x, (0, 2), (0, 41), (2, 40), full, range("outputs", 0, 41, 40));
        case(&x, (0, 2), (40, 39), (2, 40), full, range("outputs", 40, 39, 40));
        case(&x, (0, 1), (0, 40), (2, 40), full, length("tokens of y", 1, 2));
        case(&x, (0, 2), (1, 40), (2, 40), full, length("outputs of y", 39, 40));
    });
    let overflow = Error::SizeOverflow { argument: "threads * product_workspace_len" };
    assert_eq!(par_workspace_len(usize::MAX), Err(overflow));
}
