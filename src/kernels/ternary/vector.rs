//! The vectors that ternary kernels are written over. An instruction set implements [`IntVector`] and, as its
//! instructions are, [`DotVector`], [`ByteVector`] or [`LaneVector`]; the macros of [`super::instantiate`] do the rest.

use core::ops::Range;

use crate::layout::ScaleType;
use crate::layout::five_trit::QUARTER_COLUMNS;

use super::five_trit::recoded::{QUARTER_FACTORS, RECODED_QUARTER, recode};
use super::int4_lookup::sizes::{BLOCK_LOOKUPS, BYTE_LOOKUPS};

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
    /// i8 lanes, wrapping.
    unsafe fn sub_i8(self, other: Self) -> Self;
    /// i32 lanes divided by 4, for multiples.
    unsafe fn quarter(self) -> Self;
    /// i32 lanes divided by 256, for multiples.
    unsafe fn over_256(self) -> Self;
    /// i32 lanes times 256, wrapping.
    unsafe fn times_256(self) -> Self;

    /// Every field of every byte down by one; bits cross from byte to byte above the lowest field.
    unsafe fn next_field(self) -> Self;
    /// Every byte's high nibble in the low one; bits cross from byte to byte above it.
    unsafe fn next_nibble(self) -> Self;
    /// The field at a bit of every byte brought down, as [`IntVector::next_field`] does; `bit < 8`.
    unsafe fn field_at(self, bit: u32) -> Self;
    /// Every byte times 3 modulo 256: the next digit of five trits comes to the front.
    unsafe fn triple(self) -> Self;
    /// The digit at the front of every byte, ⌊3 · byte / 256⌋. An implementor has this or [`IntVector::trits`].
    #[inline(always)]
    unsafe fn front_trit(self) -> Self {
        // SAFETY: the features, as promised.
        unsafe { self.trits()[0] }
    }
    /// The five digits of every byte: at the front, and after each [`IntVector::triple`].
    #[inline(always)]
    unsafe fn trits(self) -> [Self; 5] {
        let (mut digits, mut rest) = ([self; 5], self);
        for digit in &mut digits {
            // SAFETY: the features, as promised.
            unsafe {
                *digit = rest.front_trit();
                rest = rest.triple();
            }
        }
        digits
    }

    /// `ROWS` stored scales from `from` on.
    unsafe fn load_scales(from: *const u8, scale_type: ScaleType) -> Self::Scales;
    /// `to[lane] += self · scale`, self rounded to f32 first, and no fused multiply-add. `ROWS` initialised f32 from
    /// `to` on, which are valid for writes.
    unsafe fn add_scaled(self, scales: Self::Scales, to: *mut f32);

    /// Asks for the cache line of an address, to first-level cache, or leaves that to the CPU. Any address may be given.
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
    /// Sixteen activations next to each other.
    type Sixteen: Copy;

    /// Whether the dot takes bytes as signed. Then [`DotVector::load_trits`] flips their top bits, which takes 128 off
    /// each and makes their digits the weights, −1, 0 and 1.
    const SIGNED: bool;

    /// Sums that there are registers for, beside what they are made of: kernels that can save operations with twice as many
    /// do so up to this. 0 if they shall not.
    const SUMS: usize;

    /// `self + Σ codes · q (s8)` in each lane, wrapping. Where the dot is signed, the codes are below 128,
    /// or bytes of five trits that were loaded for it.
    unsafe fn dot(self, codes: Self, q: Self) -> Self;
    /// The 16 initialised bytes from `q` on.
    unsafe fn sixteen(q: *const i8) -> Self::Sixteen;
    /// The same dot with four of the sixteen, number `S` of the fours, in every lane.
    unsafe fn dot_four<const S: usize>(self, codes: Self, q: Self::Sixteen) -> Self;
    /// [`IntVector::load`] of bytes of five trits. They may be tripled: 3 · 128 is 128 modulo 256.
    unsafe fn load_trits(from: *const u8) -> Self;

    /// Adds the dots of four columns of every vector of rows and token. `q` points to four initialised values for each
    /// token.
    #[inline(always)]
    unsafe fn add_dots<const R: usize, const T: usize>(
        codes: [Self; R],
        q: *const i8,
        sums: &mut [[Self; R]; T],
    ) {
        for (t, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the features and the values, as promised.
            unsafe {
                let x = Self::splat(q.add(4 * t).cast::<i32>().read_unaligned());
                for (sum, codes) in sums.iter_mut().zip(codes) {
                    *sum = sum.dot(codes, x);
                }
            }
        }
    }
}

/// A [`DotVector`] that recodes the activations of one token for itself.
///
/// # Safety
/// As [`IntVector`].
pub(crate) unsafe trait FactorVector: DotVector {
    /// The factors of [`five_trit::dot_u8s8`](super::five_trit::dot_u8s8) for the int4 activations of a quarter: for
    /// each of three blocks six times four columns, then the four of the rest block.
    unsafe fn digit_factors(q: &[i8; QUARTER_COLUMNS], factors: &mut [i8; QUARTER_FACTORS]);
}

/// A [`DotVector`] of a CPU that multiplies matrices of two rows and eight columns.
///
/// # Safety
/// As [`IntVector`].
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
pub(crate) unsafe trait MatrixVector: DotVector {
    /// Four columns of each row, and four more, as vectors of eight columns of the first half of the rows and of the second.
    unsafe fn pair_rows(first: Self, second: Self) -> [Self; 2];
    /// `self +` each row's eight codes, below 128, times each token's eight activations, wrapping: a row's two sums are side
    /// by side.
    unsafe fn multiply(self, codes: Self, q: Self) -> Self;
    /// Sixteen columns of two tokens, as vectors of both tokens' first eight columns and of their last.
    unsafe fn pair_tokens(first: Self, second: Self) -> [Self; 2];
    /// The sums of both halves of the rows, as a vector for each of two tokens.
    unsafe fn by_token(sums: [Self; 2]) -> [Self; 2];
}

/// An [`IntVector`] whose bytes are multiplied lane by lane, of a CPU without any instruction that adds the products of
/// neighbours (NEON before `sdot`).
///
/// # Safety
/// As [`IntVector`].
#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
pub(crate) unsafe trait LaneVector: IntVector {
    /// Sixteen activations next to each other.
    type Sixteen: Copy;
    /// An i16 for each byte.
    type Halves: Copy;

    /// The 16 initialised bytes from `q` on.
    unsafe fn sixteen(q: *const i8) -> Self::Sixteen;
    /// Four of the sixteen, number `S` of the fours, in every lane.
    unsafe fn four<const S: usize>(q: Self::Sixteen) -> Self;
    /// [`IntVector::load`] of bytes with their top bits flipped: as signed ones, they are 128 less.
    unsafe fn load_flipped(from: *const u8) -> Self;

    unsafe fn zero_halves() -> Self::Halves;
    /// `halves + codes · q` of signed bytes, wrapping.
    unsafe fn add_products(halves: Self::Halves, codes: Self, q: Self) -> Self::Halves;
    /// `self +` the four halves of each row.
    unsafe fn add_halves(self, halves: Self::Halves) -> Self;
    /// The halves divided by 256, for multiples, as bytes.
    unsafe fn halves_over_256(halves: Self::Halves) -> Self;

    /// i8 products, wrapping.
    unsafe fn times_i8(self, q: Self) -> Self;
    /// `self + codes · q` in i8, wrapping.
    unsafe fn add_times_i8(self, codes: Self, q: Self) -> Self;
    /// i16 lanes `self +` two signed bytes each.
    unsafe fn add_pairs_i8(self, bytes: Self) -> Self;
    /// i32 lanes `self +` two i16 each.
    unsafe fn add_pairs_i16(self, pairs: Self) -> Self;
}

/// An [`IntVector`] whose pairs of bytes are i16 lanes too, of a CPU without a dot instruction.
///
/// # Safety
/// As [`IntVector`].
pub(crate) unsafe trait ByteVector: IntVector {
    /// Whether the compiler keeps the order of what is between [`ByteVector::pin`]s: it does not where that does nothing.
    const PINS: bool = false;
    /// Whether [`int4_lookup`](super::int4_lookup) keeps its i16 sums in registers, for half as many tokens at once.
    const KEEPS_NARROW: bool = false;
    /// Numbers of tokens that [`int4_lookup`](super::int4_lookup) looks up at once with bringing codes in order.
    const AT_ONCE: Range<usize> = 0..0;

    /// What the activations of a token add up to, in lanes of the implementor's choice: at most 16 bytes, and any bits
    /// are a value.
    type Totals: Copy;

    unsafe fn add_i8(self, other: Self) -> Self;
    unsafe fn add_i16(self, other: Self) -> Self;
    /// The same, which the compiler has to finish before it begins with what comes after.
    #[inline(always)]
    unsafe fn pin(self) -> Self {
        self
    }
    /// The same value, which the compiler may be told nothing of: then it leaves a chain of sums in the order that it is written
    /// in. Otherwise it adds up the terms of unrolled steps first, and has no registers for them.
    #[inline(always)]
    unsafe fn in_turn(self) -> Self {
        self
    }
    /// The same values, which the compiler may be told to have all of before it goes on with any: instructions of one kind next
    /// to each other are spread over the ports of that kind, where others between them take one.
    #[inline(always)]
    unsafe fn at_once<const N: usize>(values: [Self; N]) -> [Self; N] {
        values
    }
    /// Every field of every byte up by one, if there is room.
    unsafe fn up_a_field(self) -> Self;
    /// u16 lanes divided by 256.
    unsafe fn down_a_byte(self) -> Self;
    /// `maddubs`: u8 codes times s8 activations, two neighbours added to an i16. What does not fit saturates or wraps.
    unsafe fn times(self, q: Self) -> Self;
    /// `madd`: i16 lanes times others, two neighbours added to an i32.
    unsafe fn times_i16(self, other: Self) -> Self;
    /// Recodes the int4 activations of a quarter as [`five_trit::recoding`](super::five_trit) says; returns
    /// their sum.
    #[inline(always)]
    unsafe fn recode(q: &[i8; QUARTER_COLUMNS], recoded: &mut [u8; RECODED_QUARTER]) -> i32 {
        recode(q, recoded)
    }

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
    ///
    /// An implementor has this or [`ByteVector::make_group_tables`].
    unsafe fn make_tables(
        columns: [i32; 4],
        to: *mut [u8; 16],
        step: usize,
        mut totals: Self::Totals,
    ) -> Self::Totals {
        debug_assert!(step == 1);
        let totals_of_one = core::slice::from_mut(&mut totals);
        // SAFETY: as promised to this function: a block of a single token.
        unsafe {
            Self::make_group_tables(columns.as_ptr().cast(), 1, 1, BYTE_LOOKUPS, to, totals_of_one);
        };
        totals
    }
    /// The same of some blocks of a group of tokens, as many as there are totals: from `q` on, four columns of each of `tokens`
    /// are next to each other, those of the group first. The tokens' tables `i` of a block are next to each other, those of a
    /// block follow in order of `i`, and there is room for all. With
    /// [`ByteVector::KEEPS_NARROW`] every entry begins with as much that a byte's lookups make `KEPT_START`.
    #[inline(always)]
    unsafe fn make_group_tables(
        q: *const i8,
        tokens: usize,
        blocks: usize,
        _byte_lookups: usize,
        to: *mut [u8; 16],
        totals: &mut [Self::Totals],
    ) {
        let step = totals.len();
        for (t, total) in totals.iter_mut().enumerate() {
            let (mut q, mut to) = (q.wrapping_add(4 * t).cast::<i32>(), to.wrapping_add(t));
            for _ in 0..blocks {
                let mut columns = [0; 4];
                for (s, columns) in columns.iter_mut().enumerate() {
                    // SAFETY: the values are there, as promised; pointers past the last block are not used.
                    *columns = unsafe { q.add(s * tokens).read_unaligned() };
                }
                // SAFETY: the features and the room, as promised.
                *total = unsafe { Self::make_tables(columns, to, step, *total) };
                q = q.wrapping_add(4 * tokens);
                to = to.wrapping_add(BLOCK_LOOKUPS * step);
            }
        }
    }
    /// How many lookups of a group of `count` tokens fit in a byte, of the same blocks: with [`ByteVector::KEEPS_NARROW`] 16, 8 or
    /// 4, a divisor of all.
    #[inline(always)]
    unsafe fn byte_lookups(_q: *const i8, _tokens: usize, _blocks: usize, _count: usize) -> usize {
        BYTE_LOOKUPS
    }
    /// Adds the lookups of a quad's blocks for 2 to 4 tokens to their i16 sums, which `narrow` points to. The first of `tables` are those of
    /// the first two tokens and the second those of the others, as [`ByteVector::make_group_tables`] makes them, whose bytes take
    /// 16, 8 or 4 lookups, a divisor of all. An implementor that has numbers of tokens [`ByteVector::AT_ONCE`] has this.
    ///
    /// # Safety
    /// The CPU has the features; the codes of all blocks, their tables and the sums are there.
    unsafe fn look_up_at_once(
        _codes: QuadCodes,
        _tokens: usize,
        _tables: [*const [u8; 16]; 2],
        _byte_lookups: usize,
        _narrow: *mut [Self; 2],
    ) {
        unreachable!("no numbers of tokens are looked up at once");
    }
}

/// Blocks of a quad whose vectors are two panels.
#[derive(Clone, Copy)]
pub(crate) struct QuadCodes {
    /// The first block of each panel; the others follow.
    pub(crate) codes: [*const u8; 2],
    /// Lines that are fetched, one for each block.
    pub(crate) next: [*const u8; 2],
    /// At least one.
    pub(crate) blocks: usize,
}
