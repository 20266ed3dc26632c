//! Every backend against scalar, and scalar against the definition.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::driver::tile_tokens;
use super::*;
use crate::kernels::contract::{Product, TileKernels, TileTable};
use crate::kernels::scalar;
use crate::kernels::ternary::portable::ANY_LAYOUT;
use crate::layout::{Bits, Layout, Scaling, WeightSpec};

/// A small generator: the tests need variety, not quality.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn in_range(&mut self, low: i32, high: i32) -> i8 {
        (low + (self.next() % (high - low + 1) as u32) as i32) as i8
    }
}

/// Weights and activations in the clear, with what the crate takes.
struct Case {
    shape: (usize, usize, usize),
    bits: Bits,
    ternary: Vec<i8>,
    q: Vec<i8>,
    blob: Vec<u8>,
    values: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl Case {
    fn new(
        (tokens, outputs, inputs): (usize, usize, usize),
        (layout, scaling): (Layout, Scaling),
        bits: Bits,
        mut weight: impl FnMut() -> i8,
        mut activation: impl FnMut() -> i8,
    ) -> Case {
        let ternary: Vec<i8> = (0..outputs * inputs).map(|_| weight()).collect();
        let q: Vec<i8> = (0..tokens * inputs).map(|_| activation()).collect();
        let spec = WeightSpec::new(outputs, inputs, layout, scaling).unwrap();
        let mut blob = vec![0; spec.packed_len()];
        // Each of them is an f16.
        let alphas: Vec<f32> =
            (0..spec.scale_count()).map(|i| (3 + i * 379 % 1900) as f32 / 1024.0).collect();
        spec.pack(&ternary, &alphas, &mut blob).unwrap();
        let mut values = vec![0; tokens * bits.row_bytes(inputs)];
        for (row, q) in values.chunks_exact_mut(bits.row_bytes(inputs)).zip(q.chunks_exact(inputs)) {
            for (k, &q) in q.iter().enumerate() {
                match bits {
                    Bits::Eight => row[k] = q as u8,
                    Bits::Four => row[k / 2] |= (q as u8 & 15) << (k % 2 * 4),
                }
            }
            // The spare nibble is ignored, whatever it holds.
            if bits == Bits::Four && inputs % 2 == 1 {
                row[inputs / 2] |= 0x70;
            }
        }
        let sums = q.chunks_exact(inputs).map(|q| q.iter().map(|&q| i32::from(q)).sum()).collect();
        let scales = (0..tokens).map(|t| 0.01 + t as f32 * 0.013).collect();
        Case { shape: (tokens, outputs, inputs), bits, ternary, q, blob, values, scales, sums }
    }

    fn random(shape: (usize, usize, usize), format: (Layout, Scaling), bits: Bits, seed: u64) -> Case {
        let (mut w, mut x) = (Random(seed), Random(seed ^ 77));
        let (low, high) = if bits == Bits::Four { (-8, 7) } else { (-128, 127) };
        Case::new(shape, format, bits, || w.in_range(-1, 1), || x.in_range(low, high))
    }

    fn activations(&self) -> Activations<'_> {
        Activations::new(self.bits, self.shape.2, &self.values, &self.scales, &self.sums).unwrap()
    }

    fn integers(&self, backend: Backend) -> Vec<i32> {
        let (tokens, outputs, _) = self.shape;
        let mut y = vec![-1; tokens * outputs];
        let weights = Weights::open(&self.blob).unwrap();
        let mut workspace = vec![0xa5; product_workspace_len()];
        let view = OutputMut::new(&mut y, tokens, outputs, outputs).unwrap();
        product_i32(backend, &weights, &self.activations(), 0..tokens, 0..outputs, view, &mut workspace)
            .unwrap();
        y
    }

    fn floats(&self, backend: Backend, tokens: Range<usize>, outputs: Range<usize>) -> Vec<u32> {
        let mut y = vec![f32::NAN; tokens.len() * outputs.len()];
        let weights = Weights::open(&self.blob).unwrap();
        let mut workspace = vec![0xa5; product_workspace_len()];
        let view = OutputMut::new(&mut y, tokens.len(), outputs.len(), outputs.len()).unwrap();
        product(backend, &weights, &self.activations(), tokens, outputs, view, &mut workspace).unwrap();
        y.iter().map(|y| y.to_bits()).collect()
    }

    fn expected(&self) -> Vec<i32> {
        let (tokens, outputs, inputs) = self.shape;
        let mut y = Vec::with_capacity(tokens * outputs);
        for q in self.q.chunks_exact(inputs) {
            for w in self.ternary.chunks_exact(inputs) {
                y.push(w.iter().zip(q).map(|(&w, &q)| i32::from(w) * i32::from(q)).sum());
            }
        }
        y
    }
}

#[test]
fn integers_are_the_definition_on_every_backend() {
    for &layout in Layout::ALL {
        let shapes =
            [(1, 1, 1), (1, 17, 31), (2, 16, 16), (3, 33, 640), (5, 40, 1025), (13, 70, 300), (70, 20, 97)];
        for bits in [Bits::Four, Bits::Eight] {
            for (index, shape) in shapes.into_iter().enumerate() {
                let case = Case::random(shape, (layout, Scaling::Tensor), bits, index as u64);
                let expected = case.expected();
                for backend in Backend::available() {
                    assert!(case.integers(backend) == expected, "{backend:?} {layout:?} {bits:?} {shape:?}");
                }
            }
        }
    }
}

#[test]
fn tiles_are_even_and_whole_hardware_tiles() {
    let hardware = TileKernels { token_tile: 32, token_multiple: 16, staged_bytes: 1 << 20, ..ANY_LAYOUT };
    for (tokens, width, tile) in
        [(512, 14336, 32), (512, 1 << 24, 32), (40, 2560, 32), (16, 640, 16), (3, 640, 16), (17, 640, 32)]
    {
        assert_eq!(tile_tokens(&hardware, tokens, width), tile, "{tokens} {width}");
    }
    let dots = TileKernels { token_tile: 12, ..ANY_LAYOUT };
    for (tokens, width, tile) in [(16, 640, 8), (512, 640, 12), (1, 640, 1), (512, 1 << 15, 8)] {
        assert_eq!(tile_tokens(&dots, tokens, width), tile, "{tokens} {width}");
    }
}

#[test]
fn every_number_of_tokens_is_right() {
    for &layout in Layout::ALL {
        for bits in [Bits::Four, Bits::Eight] {
            for tokens in 0..40 {
                let case = Case::random((tokens, 35, 272), (layout, Scaling::Tensor), bits, tokens as u64);
                let expected = case.expected();
                for backend in Backend::available() {
                    assert!(
                        case.integers(backend) == expected,
                        "{backend:?} {layout:?} {bits:?} M = {tokens}"
                    );
                }
            }
        }
    }
}

/// The largest sums of every accumulator on the way, in both directions.
#[test]
fn extremes_do_not_overflow() {
    for &layout in Layout::ALL {
        for (bits, low, high) in [(Bits::Four, -8, 7), (Bits::Eight, -128, 127)] {
            for inputs in [16, 127, 128, 129, 8640, 70_001] {
                for (w, q) in [(1, low), (-1, low), (1, high), (-1, high)] {
                    for tokens in [1, 5, 9] {
                        let format = (layout, Scaling::Tensor);
                        let case = Case::new((tokens, 33, inputs), format, bits, || w, || q);
                        let expected = case.expected();
                        for backend in Backend::available() {
                            assert!(
                                case.integers(backend) == expected,
                                "{backend:?} {layout:?} {bits:?} K = {inputs}, {w} × {q}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn floats_have_the_same_bits_for_every_backend_and_cut() {
    for &layout in Layout::ALL {
        for &scaling in Scaling::ALL {
            for bits in [Bits::Four, Bits::Eight] {
                for shape in [(1, 50, 8640), (7, 37, 640), (14, 35, 333)] {
                    let case = Case::random(shape, (layout, scaling), bits, 5);
                    let (tokens, outputs, _) = shape;
                    let scalar = Backend::new(crate::BackendId::Scalar).unwrap();
                    let whole = case.floats(scalar, 0..tokens, 0..outputs);
                    for backend in Backend::available() {
                        assert!(
                            case.floats(backend, 0..tokens, 0..outputs) == whole,
                            "{backend:?} {layout:?} {scaling:?} {shape:?}"
                        );
                        for (from, to) in [(0, 3), (3, 17), (17, outputs), (20, 20)] {
                            let part = case.floats(backend, tokens / 2..tokens, from..to);
                            let rows = whole.chunks_exact(outputs).skip(tokens / 2);
                            let expected: Vec<u32> = rows.flat_map(|row| row[from..to].to_vec()).collect();
                            assert!(
                                part == expected,
                                "{backend:?} {layout:?} {scaling:?} {shape:?} {from}..{to}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The product that a layout has before it has one of its own, against those that are written out for each.
#[test]
fn products_of_any_layout() {
    const ANY: Product = Product { tiles: TileTable::new(ANY_LAYOUT), ..*scalar::KERNELS.product };
    let any = Kernels { product: &ANY, ..scalar::KERNELS }.of_product();
    let shapes = [(1, 1, 1), (4, 16, 16), (5, 17, 63), (1, 33, 64), (3, 19, 70), (9, 130, 257), (4, 18, 700)];
    for (&layout, &scaling) in Layout::ALL.iter().flat_map(|l| Scaling::ALL.iter().map(move |s| (l, s))) {
        for (&bits, shape) in Bits::ALL.iter().flat_map(|bits| shapes.map(|shape| (bits, shape))) {
            let case = Case::random(shape, (layout, scaling), bits, 9);
            let (tokens, outputs, _) = shape;
            let weights = Weights::open(&case.blob).unwrap();
            let mut y = vec![f32::NAN; tokens * outputs];
            let out = OutputMut::rows(&mut y, outputs).unwrap();
            let mut workspace = vec![0xa5; product_workspace_len()];
            let (x, workspace) = (case.activations(), Buffer::from(&mut workspace));
            // SAFETY: the kernels are portable.
            unsafe { product_with(any, &weights, &x, 0..tokens, 0..outputs, out, workspace) }.unwrap();
            let y: Vec<u32> = y.iter().map(|y| y.to_bits()).collect();
            let scalar = Backend::new(crate::BackendId::Scalar).unwrap();
            assert!(y == case.floats(scalar, 0..tokens, 0..outputs), "{layout} {scaling:?} {bits} {shape:?}");
        }
    }
}
