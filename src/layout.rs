//! The single source of truth on bits and bytes, and on the order of every float reduction.
//!
//! # Weight codes
//! A ternary weight `w ∈ {−1, 0, 1}` is stored as `code = w + 1 ∈ {0, 1, 2}`. A product therefore sums
//! `code · q` and subtracts the integer sum of the quantised row: `Σ w·q = Σ code·q − Σ q`.
//!
//! # `T2`: two bits a weight
//! Rows (outputs) are grouped into **panels** of [`PANEL_ROWS`] = 16, columns (inputs) into **blocks** of
//! [`BLOCK_COLUMNS`] = 16. A block of a panel is [`BLOCK_BYTES`] = 64 bytes; blocks of a panel follow each
//! other along K, panels follow each other along N. Within a block
//!
//! ```text
//! byte 4·r + j   holds   Σ_s code(row r, column 4·s + j) << 2s      r < 16, j < 4, s < 4
//! ```
//!
//! So each of the four 2-bit fields of a block, masked out, is 64 bytes of 16 rows × 4 consecutive columns:
//!
//! - AVX2: two 32-byte halves of 8 rows; `maddubs` against a broadcast of four activations.
//! - AVX-512 VNNI: one `vpdpbusd` a field against a broadcast of four activations, one i32 lane a row.
//! - AMX: a field is one row of a B tile (16 columns of 4 bytes); four blocks make a tile of 64 inputs.
//! - NEON dotprod: four 16-byte quarters of 4 rows, `sdot` by element; i8mm: `zip` of two fields gives the
//!   2 rows × 8 inputs that `smmla` wants.
//!
//! Rows beyond N and columns beyond K hold code 1 (weight 0).
//!
//! # `T5`: five trits a byte
//! 1.625 bits a weight. The same panels, and bytes of the same order; columns come in **groups** of
//! [`T5_GROUP_COLUMNS`] = 256 and those in four **quarters** of [`T5_QUARTER_COLUMNS`] = 64, so that every scale group
//! is a whole number of quarters:
//!
//! ```text
//! group    = rest block, quarter 0, 1, 2, 3        64 + 4 · 192 bytes; the last group of a row ends with its
//! quarter  = three blocks of 20 columns            last quarter, so a row is padded to a multiple of 64 columns
//! byte 4·r + j of block b   holds   codes c_s of row r, columns 20·b + 4·s + j of the quarter, s < 5
//! rest block                is a `T2` block whose field s holds the columns 60 to 63 of quarter s
//! ```
//!
//! The five codes are `n = Σ c_s · 3^(4−s)`, stored as `⌈n · 256 / 243⌉`: a fraction of 256 whose base-3 digits are
//! the codes. Tripling modulo 256 brings the next digit to the front, and what a tripling carries out of the byte is
//! the digit. Bytes that are no such number are refused.
//!
//! # Activations
//! int8: one byte each. int4: two's-complement nibbles, input `2i` in the low and `2i + 1` in the high half of
//! byte `i`; a row takes ⌈K/2⌉ bytes and the spare nibble of an odd row is 0.
//!
//! # Float reductions
//! A sum over a row of f32 has terms `t_i = |x_i|`, or `x_i · x_i` rounded to f32. They are grouped by eights in f32,
//! and the groups are added in f64 over [`SUM_LANES`] = 32 virtual lanes: an eighth of the conversions, which are what a
//! sum in f64 takes longest over. A row is cut into runs of [`SUM_RUN`] = 256, the last one padded with terms of +0. In
//! ascending order of runs, from +0, lane `j` takes, with `u_k = t_(j+32k)` of the run and each sum rounded to f32,
//!
//! ```text
//! ((u_0 + u_1) + (u_2 + u_3)) + ((u_4 + u_5) + (u_6 + u_7))
//! ```
//!
//! and the lanes are folded by halves (lane `j` takes lane `j + 16`, then `j + 8`, 4, 2, 1). No rounding is fused away.
//! No term is negative, so the f32 steps change a sum by at most 4 · 2⁻²⁴ of it (magnitudes: 3 · 2⁻²⁴), and in
//! proportion; the f64 steps do not count beside that.
//!
//! Where f32 does not reach, the row is summed again in f64 throughout: if the sum is not finite, or if it is of squares
//! with a mean below 2⁻¹⁰⁰, where underflow could count. There lane `j` takes the terms, exact in f64, of elements
//! `j`, `j + 32`, … Such a sum of finite elements is always finite, and any other never is.

/// Version of every packed format. Readers refuse any other.
pub const LAYOUT_VERSION: u16 = 1;

/// Rows of a weight panel.
pub const PANEL_ROWS: usize = 16;

/// Columns of a weight block.
pub const BLOCK_COLUMNS: usize = 16;

/// Bytes of a `T2` block: 16 rows × 16 columns × 2 bits.
pub const BLOCK_BYTES: usize = 64;

/// Columns of a five-trit block.
pub const T5_BLOCK_COLUMNS: usize = 20;

/// Columns of a `T5` quarter: three five-trit blocks and one field of the rest block.
pub const T5_QUARTER_COLUMNS: usize = 64;

/// Bytes of the five-trit blocks of a `T5` quarter.
pub const T5_QUARTER_BYTES: usize = 3 * BLOCK_BYTES;

/// Columns of a `T5` group.
pub const T5_GROUP_COLUMNS: usize = 4 * T5_QUARTER_COLUMNS;

/// Bytes of a whole `T5` group.
pub const T5_GROUP_BYTES: usize = BLOCK_BYTES + 4 * T5_QUARTER_BYTES;

/// Virtual lanes of a row sum.
pub const SUM_LANES: usize = 32;

/// Elements that a row sum takes at a time: eight for each lane.
pub const SUM_RUN: usize = 8 * SUM_LANES;

/// Largest number of columns: up to here `Σ w·q` fits in an i32 for every int8 input. (`Σ code·q` may wrap on
/// the way; the subtraction of `Σ q` wraps back, and the result is exact.)
pub const MAX_COLUMNS: usize = (1 << 24) - 1;

/// Largest number of rows of a weight matrix.
pub const MAX_ROWS: usize = 1 << 31;

/// A `T2` byte of four zero weights.
pub const ZERO_WEIGHTS_BYTE: u8 = 0b01_01_01_01;

/// A five-trit byte of zero weights.
pub const ZERO_WEIGHTS_TRITS: u8 = 0x80;

/// Folds the lanes of a row sum in the canonical order.
#[inline(always)]
pub(crate) fn fold_lanes(mut lanes: [f64; SUM_LANES]) -> f64 {
    let mut width = SUM_LANES;
    while width > 1 {
        width /= 2;
        for j in 0..width {
            lanes[j] += lanes[j + width];
        }
    }
    lanes[0]
}
