//! The vectors that ternary kernels are written over. An instruction set implements [`IntVector`] and, as its
//! instructions are, [`DotVector`] or [`ByteVector`]; the macros of [`super::instantiate`] do the rest.

use crate::layout::ScaleType;
use crate::layout::five_trit::QUARTER_COLUMNS;

use super::five_trit::recoded::{QUARTER_FACTORS, RECODED_QUARTER};

/// A vector of i32 lanes, each of which holds the four code bytes of a row, or the row's sum.
///
/// # Safety
/// `ROWS` divides [`PANEL_ROWS`](crate::layout::PANEL_ROWS) and every method computes what its comment says.
///
/// To call a method the CPU must have the implementor's features; what pointers must cover, with any alignment, is said
/// of each that takes one.
pub(crate) unsafe trait IntVector: Copy {
    /// Rows of a vector: lanes.
    const ROWS: usize;
    /// As many f32.
    type Scales: Copy;

    unsafe fn splat(value: i32) -> Self;
    /// `4 · ROWS` initialised bytes from `from` on.
    unsafe fn load(from: *const u8) -> Self;
    /// To `4 · ROWS` bytes from `to` on, which are valid for writes.
    unsafe fn store(self, to: *mut u8);

    unsafe fn and(self, other: Self) -> Self;
    /// i32 lanes, wrapping.
    unsafe fn add(self, other: Self) -> Self;
    /// i32 lanes, wrapping.
    unsafe fn sub(self, other: Self) -> Self;
    /// i32 lanes divided by 4, for multiples.
    unsafe fn quarter(self) -> Self;
    /// i32 lanes divided by 256, for multiples.
    unsafe fn over_256(self) -> Self;

    /// Every field of every byte down by one; bits cross from byte to byte above the lowest field.
    unsafe fn next_field(self) -> Self;
    /// Every byte's high nibble in the low one; bits cross from byte to byte above it.
    unsafe fn next_nibble(self) -> Self;
    /// The field at a bit of every byte brought down, as [`IntVector::next_field`] does; `bit < 8`.
    unsafe fn field_at(self, bit: u32) -> Self;
    /// Every byte times 3 modulo 256: the next digit of five trits comes to the front.
    unsafe fn triple(self) -> Self;
    /// The digit at the front of every byte, ⌊3 · byte / 256⌋, under higher bits that mean nothing.
    unsafe fn front_trit(self) -> Self;

    /// `ROWS` stored scales from `from` on.
    unsafe fn load_scales(from: *const u8, scale_type: ScaleType) -> Self::Scales;
    /// `to[lane] += self · scale`, self rounded to f32 first, and no fused multiply-add. `ROWS` initialised f32 from
    /// `to` on, which are valid for writes.
    unsafe fn add_scaled(self, scales: Self::Scales, to: *mut f32);

    /// Asks for the cache line of an address, to first-level cache. Any address may be given.
    unsafe fn fetch_near(at: *const u8);
    /// The same to second-level cache.
    unsafe fn fetch_far(at: *const u8);
    /// The same value, of which the compiler knows nothing any more. In a register: `core::hint::black_box` goes
    /// through memory.
    unsafe fn opaque(value: usize) -> usize;
}

/// An [`IntVector`] of a CPU with a dot instruction.
///
/// # Safety
/// As [`IntVector`].
pub(crate) unsafe trait DotVector: IntVector {
    /// `self + Σ codes (u8) · q (s8)` in each lane, wrapping.
    unsafe fn dot(self, codes: Self, q: Self) -> Self;
    /// i8 lanes, wrapping.
    unsafe fn sub_i8(self, other: Self) -> Self;
    /// The factors of [`five_trit::dot_u8s8`](super::five_trit::dot_u8s8) for the int4 activations of a quarter: for
    /// each of three blocks six times four columns, then the four of the rest block.
    unsafe fn digit_factors(q: &[i8; QUARTER_COLUMNS], factors: &mut [i8; QUARTER_FACTORS]);
}

/// An [`IntVector`] whose pairs of bytes are i16 lanes too, of a CPU without a dot instruction.
///
/// # Safety
/// As [`IntVector`].
pub(crate) unsafe trait ByteVector: IntVector {
    /// What the activations of a token add up to, in lanes of the implementor's choice: at most 16 bytes, and any bits
    /// are a value.
    type Totals: Copy;

    unsafe fn add_i8(self, other: Self) -> Self;
    unsafe fn add_i16(self, other: Self) -> Self;
    /// Every field of every byte up by one, if there is room.
    unsafe fn up_a_field(self) -> Self;
    /// i16 lanes times 256.
    unsafe fn up_a_byte(self) -> Self;
    /// u16 lanes divided by 256.
    unsafe fn down_a_byte(self) -> Self;
    /// The digit at the front of every byte, ⌊3 · (byte + 128 modulo 256) / 256⌋.
    unsafe fn flipped_trit(self) -> Self;
    /// `maddubs`: u8 codes times s8 activations, two neighbours added to an i16, which saturates.
    unsafe fn times(self, q: Self) -> Self;
    /// `madd`: i16 lanes times others, two neighbours added to an i32.
    unsafe fn times_i16(self, other: Self) -> Self;
    /// Recodes the int4 activations of a quarter as [`five_trit::maddubs`](super::five_trit::maddubs) says; returns
    /// their sum.
    unsafe fn recode(q: &[i8; QUARTER_COLUMNS], recoded: &mut [u8; RECODED_QUARTER]) -> i32;

    /// The 16 initialised bytes from `from` on in every 128-bit lane.
    unsafe fn table(from: *const u8) -> Self;
    /// `pshufb`: the byte of the table, in each 128-bit lane, that each index below 16 says.
    unsafe fn lookup(self, indices: Self) -> Self;
    /// Takes 32-bit lanes, within 128 bits, of four vectors that hold a0 b1 c2 d3, d0 a1 b2 c3, c0 d1 a2 b3 and b0 c1
    /// d2 a3, and gives a0 to a3 of the four vectors and so on.
    unsafe fn unskew(vectors: [Self; 4]) -> [Self; 4];
    /// Adds to i32 sums of four vectors of rows: to the even rows the lower byte sums, `pairs` − 256 · `upper`, to the
    /// odd ones `upper`, both in i16 and plus `start`; `total` to all. A 128-bit lane holds four rows of each vector.
    /// Each of `to` points to `ROWS` initialised i32 that are valid for writes.
    unsafe fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]);

    unsafe fn no_totals() -> Self::Totals;
    /// The sum; its parts fit in i16.
    unsafe fn total(totals: Self::Totals) -> i32;
    /// The tables of [`int4_lookup`](super::int4_lookup) for a block of a token, whose four fields hold `columns`, four
    /// each: for codes c and d, entry `c + 4·d` of table `2·j + h` is `(c − 1) · columns[2·h][j] + (d − 1) ·
    /// columns[2·h + 1][j]`, where `h < 2` and `j < 4`. Table `i` goes to `to.add(i · step)`; all eight are valid for
    /// writes. Returns the totals with the columns added.
    unsafe fn make_tables(
        columns: [i32; 4],
        to: *mut [u8; 16],
        step: usize,
        totals: Self::Totals,
    ) -> Self::Totals;
}
