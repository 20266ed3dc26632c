//! The kernels with tiles in software, so that all but the instructions' encodings is tested on any CPU with AVX-512.

extern crate std;

use core::cell::RefCell;
use std::vec;
use std::vec::Vec;

use super::tiles::{Config, Unit};
use super::unpack::{T2, T5};
use super::{COLUMNS, ROWS, begin, end, kernels, tile};
use crate::arch::kernels::{Kernels, Panels, ROOM_BYTES, TileKernel};
use crate::arch::scalar;
use crate::gemm;
use crate::layout::PANEL_ROWS;
use crate::output::OutputMut;
use crate::quantize::{Activations, Bits};
use crate::weights::{Layout, Scaling, WeightSpec, Weights};

#[derive(Default)]
struct Tiles {
    rows: Vec<usize>,
    data: Vec<Vec<u8>>,
}

std::thread_local! {
    static TILES: RefCell<Tiles> = RefCell::default();
}

/// Tiles as the manual describes them; what faults there, panics here.
struct Model;

fn tiles<T>(run: impl FnOnce(&mut Tiles) -> T) -> T {
    TILES.with_borrow_mut(run)
}

impl Unit for Model {
    unsafe fn configure(config: &Config) {
        tiles(|tiles| {
            tiles.rows = config.rows.iter().map(|&rows| usize::from(rows)).collect();
            for (&rows, &bytes) in config.rows.iter().zip(&config.row_bytes) {
                assert!(rows <= 16 && bytes == if rows == 0 { 0 } else { 64 });
            }
            assert_eq!(tiles.rows[8..], [0; 8]);
            tiles.data = tiles.rows.iter().map(|rows| vec![0; 64 * rows]).collect();
        });
    }

    unsafe fn release() {
        tiles(|tiles| *tiles = Tiles::default());
    }

    unsafe fn load<const TILE: u8>(from: *const u8) {
        tiles(|tiles| {
            let tile = &mut tiles.data[usize::from(TILE)];
            assert!(!tile.is_empty());
            // SAFETY: the kernel's promise, which is what is tested.
            unsafe { tile.as_mut_ptr().copy_from_nonoverlapping(from, tile.len()) };
        });
    }

    unsafe fn store<const TILE: u8>(to: *mut u8) {
        tiles(|tiles| {
            let tile = &tiles.data[usize::from(TILE)];
            assert!(!tile.is_empty());
            // SAFETY: as above.
            unsafe { to.copy_from_nonoverlapping(tile.as_ptr(), tile.len()) };
        });
    }

    unsafe fn dot<const SUMS: u8, const Q: u8, const CODES: u8>() {
        tiles(|tiles| {
            let [sums, q, codes] = [SUMS, Q, CODES].map(usize::from);
            assert!(tiles.rows[sums] == tiles.rows[q] && tiles.rows[q] > 0 && tiles.rows[codes] == 16);
            for m in 0..tiles.rows[sums] {
                for n in 0..16 {
                    let at = 64 * m + 4 * n;
                    let mut sum = i32::from_le_bytes(tiles.data[sums][at..at + 4].try_into().unwrap());
                    for k in 0..64 {
                        let q = i32::from(tiles.data[q][64 * m + k] as i8);
                        sum =
                            sum.wrapping_add(q * i32::from(tiles.data[codes][64 * (k / 4) + 4 * n + k % 4]));
                    }
                    tiles.data[sums][at..at + 4].copy_from_slice(&sum.to_le_bytes());
                }
            }
        });
    }
}

fn check(layout: Layout, kernel: TileKernel, plain: TileKernel) {
    let mut room = [0; ROOM_BYTES];
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i32
    };
    let (rows, columns) = (9 * PANEL_ROWS, 700);
    let spec = WeightSpec::new(rows, columns, layout, Scaling::Tensor).unwrap();
    let ternary: Vec<i8> = (0..rows * columns).map(|_| (next() % 3 - 1) as i8).collect();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&ternary, &[1.0], &mut blob).unwrap();
    let weights = Weights::open(&blob).unwrap();
    for run in [0..700, 0..1, 0..64, 64..128, 128..200, 192..448, 256..512, 640..700] {
        for tokens in 2..=2 * ROWS {
            let first = tokens % 3;
            let count = [9, 1, 4, 5, 2, 3][tokens % 6].min(9 - first);
            let (codes, stride) = weights.panels(first);
            let panels = Panels::new(codes, stride, count, run.clone());
            let width = run.len().next_multiple_of(COLUMNS);
            let (mut q, mut interleaved) = (vec![0; width * tokens], vec![0; width * tokens]);
            for k in 0..run.len() {
                for t in 0..tokens {
                    let value = next() as i8;
                    q[(k / COLUMNS * tokens + t) * COLUMNS + k % COLUMNS] = value;
                    interleaved[(k / 4 * tokens + t) * 4 + k % 4] = value;
                }
            }
            interleaved.truncate(run.len().next_multiple_of(layout.column_multiple()) * tokens);
            let start: Vec<[i32; PANEL_ROWS]> = (0..count * tokens).map(|_| [next(); PANEL_ROWS]).collect();
            let (mut sums, mut expected) = (start.clone(), start);
            // SAFETY: the test's caller saw AVX-512; the arguments are those of a kernel.
            unsafe {
                // Once for several calls, as for a run of scale groups.
                begin::<Model>(tokens);
                for _ in 0..2 {
                    kernel(panels, &q, tokens, &mut room, &mut sums);
                    plain(panels, &interleaved, tokens, &mut room, &mut expected);
                }
                end::<Model>(tokens);
            }
            assert_eq!(sums, expected, "{layout:?} {run:?} tokens {tokens} panels {first} {count}");
        }
    }
}

#[test]
fn kernels_on_modelled_tiles() {
    if !super::avx512vnni::detect() {
        std::eprintln!("UNAVAILABLE: the kernels unpack with AVX-512");
        return;
    }
    let scalar = &scalar::KERNELS.product;
    check(Layout::T2, tile::<Model, T2>, scalar.t2.tile);
    check(Layout::T5, tile::<Model, T5>, scalar.t5.tile);
    let used = TILES.with_borrow(|tiles| tiles.data.len());
    assert_eq!(used, 0, "tiles are released");
}

/// Whole products, as the driver calls the kernels: numbers of tokens that fill tiles and that do not, more panels than a
/// call takes, long and short groups of scales, and columns that leave room for one tile of tokens.
#[test]
fn products_on_modelled_tiles() {
    if !super::avx512vnni::detect() {
        std::eprintln!("UNAVAILABLE: the kernels unpack with AVX-512");
        return;
    }
    let shapes = [(1, 33, 130), (2, 17, 64), (16, 150, 129), (17, 31, 700), (40, 150, 320), (70, 16, 1029)];
    let scalings = [Scaling::Tensor, Scaling::Row, Scaling::Group(64), Scaling::GroupF16(128)];
    for layout in [Layout::T2, Layout::T5] {
        for scaling in scalings {
            for (tokens, rows, columns) in shapes.into_iter().chain([(35, 17, 14336)]) {
                let spec = WeightSpec::new(rows, columns, layout, scaling).unwrap();
                let ternary: Vec<i8> = (0..rows * columns).map(|i| (i * i % 11 % 3) as i8 - 1).collect();
                let scales: Vec<f32> = (0..spec.scale_count()).map(|i| (1 + i % 31) as f32 / 64.0).collect();
                let mut blob = vec![0; spec.packed_len()];
                spec.pack(&ternary, &scales, &mut blob).unwrap();
                let weights = Weights::open(&blob).unwrap();
                let q: Vec<u8> = (0..tokens * columns).map(|i| (i * i % 509) as u8).collect();
                let sums: Vec<i32> =
                    q.chunks(columns).map(|q| q.iter().map(|&q| i32::from(q as i8)).sum()).collect();
                let scales: Vec<f32> = (0..tokens).map(|t| 0.1 + t as f32).collect();
                let x = Activations::new(Bits::Eight, columns, &q, &scales, &sums).unwrap();
                let product = |kernels: &Kernels| {
                    let (mut y, mut workspace) = (vec![0.0; tokens * rows], vec![0; gemm::workspace_len()]);
                    let mut out = OutputMut::new(&mut y, tokens, rows, rows).unwrap();
                    // SAFETY: the CPU has AVX-512 with VNNI, and tiles are modelled.
                    unsafe {
                        gemm::product_with(
                            kernels,
                            &weights,
                            &x,
                            0..tokens,
                            0..rows,
                            &mut out,
                            &mut workspace,
                        )
                    }
                    .unwrap();
                    y.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let what = format_args!("{layout:?} {scaling:?} M {tokens} N {rows} K {columns}");
                assert!(product(&kernels::<Model>()) == product(&scalar::KERNELS), "{what}");
                assert_eq!(TILES.with_borrow(|tiles| tiles.data.len()), 0, "tiles are released: {what}");
            }
        }
    }
}
