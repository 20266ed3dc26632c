//! The kernels with tiles in software, so that all but the instructions' encodings is tested on any CPU with AVX-512:
//! an interpreter of the programs that are assembled otherwise. What faults on a CPU, panics here.

extern crate std;

use core::cell::Cell;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use super::tiles::{Amx, FULL, TILE_TOKENS, one_by_four, one_by_one, one_by_two, two_by_one, two_by_two};
use super::{kernels, sums};
use crate::buffer::Buffer;
use crate::kernels::contract::{CALL_PANELS, Kernels, Operands, Panels, SCRATCH_BYTES, Scratch, SumKernel};
use crate::kernels::scalar;
use crate::kernels::ternary::five_trit::FiveTritCodes;
use crate::kernels::ternary::tile_codes::TILE_COLUMNS;
use crate::kernels::ternary::tiles::{TileBlock, TileUnit};
use crate::kernels::ternary::two_bit::TwoBitCodes;
use crate::layout::{Activations, Bits, GroupLen, Layout, PANEL_ROWS, Scaling, WeightSpec, Weights};

use crate::stages::{OutputMut, product_with, product_workspace_len};

/// Tiles as the manual describes them.
struct Tiles {
    rows: Vec<usize>,
    data: Vec<Vec<u8>>,
}

impl Tiles {
    /// As they are set up.
    fn full() -> Tiles {
        for (tile, (&rows, &bytes)) in FULL.rows.iter().zip(&FULL.row_bytes).enumerate() {
            assert_eq!((rows, bytes), if tile < 8 { (16, 64) } else { (0, 0) });
        }
        let rows: Vec<usize> = FULL.rows[..8].iter().map(|&rows| usize::from(rows)).collect();
        let data = rows.iter().map(|rows| vec![0; 64 * rows]).collect();
        Tiles { rows, data }
    }

    fn tile(&mut self, name: &str) -> &mut [u8] {
        let tile = &mut self.data[Self::number(name)];
        assert!(!tile.is_empty(), "{name} is not set up");
        tile
    }

    fn number(name: &str) -> usize {
        name.strip_prefix("tmm").unwrap().parse().unwrap()
    }

    fn dot(&mut self, operands: &[&str]) {
        let [sums, q, codes] = [operands[0], operands[1], operands[2]].map(Self::number);
        assert!(self.rows[sums] == self.rows[q] && self.rows[q] > 0 && self.rows[codes] == 16);
        for m in 0..self.rows[sums] {
            for n in 0..16 {
                let at = 64 * m + 4 * n;
                let mut sum = i32::from_le_bytes(self.data[sums][at..at + 4].try_into().unwrap());
                for k in 0..64 {
                    let q = i32::from(self.data[q][64 * m + k] as i8);
                    sum = sum.wrapping_add(q * i32::from(self.data[codes][64 * (k / 4) + 4 * n + k % 4]));
                }
                self.data[sums][at..at + 4].copy_from_slice(&sum.to_le_bytes());
            }
        }
    }
}

/// The address of `[{base} + {stride}*1 + displacement]`.
fn address(operand: &str, registers: &BTreeMap<&str, usize>) -> usize {
    assert_eq!(registers["{stride}"], 64);
    let inner = operand.strip_prefix('[').and_then(|operand| operand.strip_suffix(']')).unwrap();
    let mut terms = inner.split(" + ");
    let base = registers[terms.next().unwrap()];
    if let Some(index) = terms.next() {
        assert_eq!(index, "{stride}*1");
    }
    base + terms.next().map_or(0, |displacement| displacement.parse::<usize>().unwrap())
}

/// Runs a program on tiles in software.
///
/// # Safety
/// As [`TileUnit::multiply`].
unsafe fn interpret(program: &[&str], block: &TileBlock) {
    let mut registers = BTreeMap::from([
        ("{stride}", TILE_COLUMNS),
        ("{panel}", block.panel_stride),
        ("{step}", block.tokens * TILE_COLUMNS),
        ("{q}", block.q.expose_provenance()),
        ("{codes}", block.codes.expose_provenance()),
        ("{sums}", block.sums.expose_provenance()),
        ("{steps}", block.steps),
    ]);
    let (mut tiles, mut at, mut zero) = (Tiles::full(), 0, false);
    while let Some(line) = program.get(at) {
        at += 1;
        let (instruction, operands) = line.split_once(' ').unwrap_or((line, ""));
        let operands: Vec<&str> = operands.split(", ").collect();
        match instruction {
            "tileloadd" | "tileloaddt1" => {
                let tile = tiles.tile(operands[0]);
                let from = core::ptr::with_exposed_provenance::<u8>(address(operands[1], &registers));
                // SAFETY: the block's promise, which is what is tested.
                unsafe { tile.as_mut_ptr().copy_from_nonoverlapping(from, tile.len()) };
            }
            "tilestored" => {
                let tile = tiles.tile(operands[1]);
                let to = core::ptr::with_exposed_provenance_mut::<u8>(address(operands[0], &registers));
                // SAFETY: as above.
                unsafe { to.copy_from_nonoverlapping(tile.as_ptr(), tile.len()) };
            }
            "tdpbsud" => tiles.dot(&operands),
            "add" | "sub" => {
                let value = registers.get(operands[1]).copied();
                let value = value.unwrap_or_else(|| operands[1].parse().unwrap());
                let register = registers.get_mut(operands[0]).unwrap();
                *register = if instruction == "add" { *register + value } else { *register - value };
            }
            "dec" => {
                let register = registers.get_mut(operands[0]).unwrap();
                *register -= 1;
                zero = *register == 0;
            }
            "jnz" if zero => {}
            "jnz" => {
                assert_eq!(operands, ["2b"]);
                at = program[..at].iter().rposition(|line| *line == "2:").unwrap();
            }
            "2:" | "//" => {}
            _ => panic!("{line}"),
        }
    }
}

std::thread_local! {
    /// Whether this thread's tiles are set up.
    static SET_UP: Cell<bool> = const { Cell::new(false) };
}

struct Model;

/// Most tokens of a tile.
const MAX_TILE_TOKENS: usize = Amx::MAX_TOKENS;

// SAFETY: it computes what the programs say, which is what is tested.
unsafe impl TileUnit for Model {
    type Vector = <Amx as TileUnit>::Vector;
    const TOKEN_MULTIPLE: usize = Amx::TOKEN_MULTIPLE;
    const MAX_TOKENS: usize = Amx::MAX_TOKENS;
    const CODE_BYTES: usize = Amx::CODE_BYTES;

    fn side_by_side(tokens: usize) -> usize {
        Amx::side_by_side(tokens)
    }

    unsafe fn begin() {
        assert!(!SET_UP.replace(true), "tiles are set up once");
    }

    unsafe fn multiply(block: TileBlock) {
        assert!(SET_UP.get(), "tiles are set up");
        macro_rules! lines {
            ($($line:literal),+) => { &[$($line),+][..] };
        }
        let program = match (block.tokens, block.panels) {
            (MAX_TILE_TOKENS, 2) => two_by_two!(lines),
            (MAX_TILE_TOKENS, 1) => two_by_one!(lines),
            (TILE_TOKENS, 4) => one_by_four!(lines),
            (TILE_TOKENS, 2) => one_by_two!(lines),
            (TILE_TOKENS, 1) => one_by_one!(lines),
            _ => panic!("{} tokens, {} panels", block.tokens, block.panels),
        };
        // SAFETY: the caller's promise is the same.
        unsafe { interpret(program, &block) };
    }

    unsafe fn end() {
        assert!(SET_UP.replace(false), "tiles are released once");
    }
}

fn check(layout: Layout, kernel: SumKernel, plain: SumKernel) {
    let mut scratch = Scratch([const { core::mem::MaybeUninit::uninit() }; SCRATCH_BYTES]);
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i32
    };
    let (rows, columns) = (9 * PANEL_ROWS, 1024 + 700);
    let spec = WeightSpec::new(rows, columns, layout, Scaling::Tensor).unwrap();
    let ternary: Vec<i8> = (0..rows * columns).map(|_| (next() % 3 - 1) as i8).collect();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&ternary, &[1.0], &mut blob).unwrap();
    let weights = Weights::open(&blob).unwrap();
    let mut cases = 0;
    for run in [0..700, 0..1, 0..64, 64..128, 128..200, 192..448, 256..512, 640..700, 64..columns] {
        // A tile that is not full, one that is, and several; the last one full or not.
        for tokens in (TILE_TOKENS..=4 * MAX_TILE_TOKENS).step_by(TILE_TOKENS) {
            let tile = tokens.min(MAX_TILE_TOKENS);
            let first = cases % 3;
            let count = [CALL_PANELS, 1, 4, 5, 2, 3, 7][cases % 7].min(9 - first);
            cases += 1;
            let (codes, stride) = weights.panels(first);
            let panels = Panels::new(layout, codes, stride, count, run.clone());
            let width = run.len().next_multiple_of(TILE_COLUMNS);
            let plain_width = run.len().next_multiple_of(panels.layout().column_multiple);
            let (mut q, mut interleaved) = (vec![0; width * tokens], vec![0; plain_width * tokens]);
            for k in 0..run.len() {
                for t in 0..tokens {
                    let value = next() as i8;
                    let (before, t_in, of_tile) =
                        (t / tile * tile, t % tile, tile.min(tokens - t / tile * tile));
                    let at = (k / TILE_COLUMNS * of_tile + t_in) * TILE_COLUMNS + k % TILE_COLUMNS;
                    q[before * width + at] = value;
                    interleaved[(k / 4 * tokens + t) * 4 + k % 4] = value;
                }
            }
            let start: Vec<[i32; PANEL_ROWS]> = (0..count * tokens).map(|_| [next(); PANEL_ROWS]).collect();
            let (mut sums, mut expected) = (start.clone(), start);
            // SAFETY: the test's caller saw AVX-512; the arguments are those of a kernel.
            unsafe {
                kernel(Operands { panels, q: &q, tokens, tile }, &mut scratch, &mut sums);
                let plain_operands = Operands { panels, q: &interleaved, tokens, tile: tokens };
                plain(plain_operands, &mut scratch, &mut expected);
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
    let plain = |layout| scalar::KERNELS.product.tiles.get(layout, Bits::Eight).sums;
    check(Layout::TwoBit, sums::<Model, TwoBitCodes>, plain(Layout::TwoBit));
    check(Layout::FiveTrit, sums::<Model, FiveTritCodes>, plain(Layout::FiveTrit));
}

/// Whole products, as the driver calls the kernels: numbers of tokens that fill tiles and that do not, more panels than
/// a call takes, long and short groups of scales, and columns that leave room for one tile of tokens.
#[test]
fn products_on_modelled_tiles() {
    if !super::avx512vnni::detect() {
        std::eprintln!("UNAVAILABLE: the kernels unpack with AVX-512");
        return;
    }
    let shapes = [(1, 33, 130), (2, 17, 64), (16, 150, 129), (17, 31, 700), (40, 150, 320), (70, 16, 1029)];
    let scalings =
        [Scaling::Tensor, Scaling::Row, Scaling::Group(GroupLen::L64), Scaling::GroupF16(GroupLen::L128)];
    for &layout in Layout::ALL {
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
                    let (mut y, mut workspace) = (vec![0.0; tokens * rows], vec![0; product_workspace_len()]);
                    let y_mut = OutputMut::rows(&mut y, rows).unwrap();
                    let workspace = Buffer::from(&mut workspace);
                    // SAFETY: the CPU has AVX-512 with VNNI, and tiles are modelled.
                    unsafe {
                        product_with(kernels.of_product(), &weights, &x, 0..tokens, 0..rows, y_mut, workspace)
                    }
                    .unwrap();
                    y.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let what = format_args!("{layout:?} {scaling:?} M {tokens} N {rows} K {columns}");
                assert!(product(&kernels::<Model>()) == product(&scalar::KERNELS), "{what}");
            }
        }
    }
}
