//! `FiveTrit` with `maddubs`.
//!
//! **Any activations**: the five digits of a byte are brought out as [`nine`](super::nine) says, by 19 operations, and multiplied
//! as fields of `TwoBit` are: 19 + 10 · T operations for T · 160 products, where one digit after the other took 28 + 10 · T.
//!
//! **One token of int4** goes without bringing out a digit: [`recoding`](super::recoding), 24 operations for 5 · 32 products.
//!
//! **Against two bits**, whose 13 operations make 4 · 32 products (11 of int4 by now, and then 24 are 0.57 as fast), 24 are 0.68 as
//! fast and 29 are 0.56; a quarter's field of the
//! rest block is 5 more for its three blocks. Loops of this kind in C (clang 14), without rest blocks and a panel at a
//! time, made these GMAC/s with AVX2, weights in second-level cache of a Sapphire Rapids, where two bits made 96:
//!
//! | | operations a block | GMAC/s |
//! |---|---|---|
//! | int4, recoded | 24 | 68 |
//! | the sums of two blocks averaged before they are shifted | 23.25 | 71 |
//! | int8, one digit after the other | 38 | 44 |
//! | prefixes ⌊3^s · y / 256⌋ in 16-bit halves, `madd` with q_(s−1) − 3·q_s | 32 | 52 |
//! | two digits at a time | 31 to 29, ways differ | 57 |
//! | the same, the last digit from all five less three times four | 30 | 54 |
//! | int4 with other bytes: every second one chosen so that both are one 16-bit fraction, tripled by one multiplication | 19 | 87 |
//!
//! The average is not taken, as LLVM makes wide additions of it. The last is another layout, and its sums have to be
//! rounded for each block, so that dots would need more operations. No addition chain for 3, 9, 27, 81 and 243
//! modulo 256 of fewer than ten additions was found. All of them are at the limit of three operations a cycle.
//!
//! On a Zen 3 that other layout would gain 7 to 9 % only: whole panels in assembly, rest blocks and all, made 53 GMAC/s now and 57
//! so where two bits made 80, from memory 49 and 53 where they made 68. Multiplications go through two of its four pipes, and
//! its eleven a block take 5.5 cycles, while 24 operations take 6 to 8. Two panels at once, whose activations are loaded once, lost
//! there: 46 to 50 GMAC/s for 52 (61 to 64 for 60 in second-level cache).
//!
//! **What these kernels make** in cache of the Sapphire Rapids, AVX2, one token: int4 0.63 of two bits (0.59 one panel at a time, with the
//! operations before) and int8 0.54 (0.41), 63 and 53 GMAC/s where two bits make 99; in a busier run two tokens 80 and 79
//! (70 and 63), three 89 (75), four 94 and 98 (83 and 86). What C loops make more, scalar operations and fetches of the
//! walk take: with 30 of them a quarter instead of 20, int8 was at 0.52.
//!
//! From memory, 420 MB, on one core of the Sapphire Rapids, they read at these parts of the best plain read of the run, fetched
//! 2048 bytes ahead to second-level cache:
//!
//! | | 6912 columns, int4 and int8 | 2560 columns |
//! |---|---|---|
//! | one panel | 0.47, 0.46 | 0.56, 0.44 |
//! | eight, same run | 0.59, 0.58 | 0.56, 0.52 |
//! | eight, another run | 0.61, 0.61 | 0.63, 0.57 |
//! | four, that run | 0.59, 0.62 | 0.65, 0.59 |
//!
//! On a Zen 3 these are 0.43 to 0.53 on one core and 0.55 to 0.66 on two, four panels at once, where two bits read at 0.71 to 0.91 and
//! 0.88 to 1.0: 0.69 to 0.76 of their speed, and 0.79 to 0.86 on two. Decoding binds: 50 to 58 GMAC/s in cache and 45 to 53 from memory.
//! A piece without a branch, as two bits have it, was 4 to 9 % faster than a loop over quarters in cache while the neighbour was busy, 0
//! to 1 % while it was not, and is 7 KB more of a layer's code: it is a loop.

use super::quarter::{NARROW_QUARTERS, Quarter};
use super::quarters;
pub(crate) use super::recoding::one_token_int4;
use crate::kernels::contract::{Operands, Panels};
use crate::kernels::ternary::maddubs::{add_products, widen};
use crate::kernels::ternary::one_token::{Pieces, all_panels};
use crate::kernels::ternary::rows::{Rows, by_rows};
use crate::kernels::ternary::sinks::{Sink, end_segment, start_segment};
use crate::kernels::ternary::vector::ByteVector;
use crate::layout::BLOCK_BYTES;
use crate::layout::five_trit::{CHUNK_BYTES, QUARTER_BYTES, QUARTER_COLUMNS, quarter_offsets};

/// All panels times one token of any activations, `R` vectors of rows at once in registers; `R` divides a panel's.
///
/// # Safety
/// As [`several_tokens`], for one.
#[inline(always)]
pub(crate) unsafe fn one_token<V: ByteVector, const R: usize>(operands: Operands<'_>, sink: &mut Sink<'_>) {
    let Operands { panels, q, .. } = operands;
    let (q, _) = q.as_chunks();
    let pieces = Digits { run: quarters(panels).start };
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe { all_panels::<V, _, R>(&pieces, panels, 0, (0, q), sink) };
}

/// Digits brought out. The run starts with that quarter of its panels.
struct Digits {
    run: usize,
}

impl Pieces for Digits {
    type Step = [i8; QUARTER_COLUMNS];
    const STEP_COLUMNS: usize = QUARTER_COLUMNS;
    const PIECE_STEPS: usize = NARROW_QUARTERS;
    const PIECE_BYTES: usize = CHUNK_BYTES;

    #[inline(always)]
    fn offset(&self, first: usize) -> usize {
        quarter_offsets(self.run + first).0
    }

    #[inline(always)]
    unsafe fn piece<V: ByteVector, const R: usize>(
        &self,
        rows: Rows,
        ahead: usize,
        first: usize,
        steps: &[[i8; QUARTER_COLUMNS]],
    ) -> [V; R] {
        // SAFETY: as promised.
        unsafe {
            let mut narrow = [[V::splat(0); R]];
            let mut quarter = Quarter::new(self.run + first);
            let next = rows.vector::<V>(0).wrapping_add(ahead);
            for step in steps.iter().enumerate() {
                add_digits(rows, &mut quarter, next, step, &mut narrow);
            }
            let mut wide = [[V::splat(0); R]];
            widen(&mut wide, narrow);
            wide[0]
        }
    }

    #[inline(always)]
    fn total(_: &[[i8; QUARTER_COLUMNS]]) -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn end<V: ByteVector>(sums: V, _: V) -> V {
        sums
    }
}

/// Adds the products of a quarter of a piece, and fetches the same one of the next, and its rest block with the first one. All at
/// once: around fetches between the blocks' operations, the compiler would sort these so that registers spill.
///
/// # Safety
/// The CPU has the features of `V`; the quarter is in the panels of the vectors of rows.
#[inline(always)]
unsafe fn add_digits<V: ByteVector, const R: usize>(
    rows: Rows,
    quarter: &mut Quarter,
    next: *const u8,
    (number, q): (usize, &[i8; QUARTER_COLUMNS]),
    narrow: &mut [[V; R]; 1],
) {
    // SAFETY: as promised; a fetch may point anywhere.
    unsafe {
        if number == 0 {
            V::fetch_near(next);
        }
        for block in 0..3 {
            V::fetch_near(next.wrapping_add(BLOCK_BYTES + number * QUARTER_BYTES + block * BLOCK_BYTES));
        }
        add_quarter(rows, *quarter, q.as_ptr(), narrow);
        for narrow in &mut narrow[0] {
            *narrow = narrow.pin();
        }
        quarter.next();
    }
}

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `V`; the panels are `FiveTrit`, the tokens `T`, and the sink is made for these operands.
#[inline(always)]
pub(crate) unsafe fn several_tokens<V: ByteVector, const R: usize, const T: usize>(
    operands: Operands<'_>,
    sink: &mut Sink<'_>,
) {
    let Operands { panels, q, .. } = operands;
    // SAFETY: as promised; the sink's constructor checked the lengths.
    unsafe {
        by_rows!(panels, first => several_rows::<V, R, T>(panels, first, q, sink));
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `V`; the panels have the vectors of rows, and `q` holds `T` values for each column of
/// their quarters.
#[inline(always)]
unsafe fn several_rows<V: ByteVector, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sink: &mut Sink<'_>,
) {
    let rows = Rows::new::<V>(panels, 0, first);
    // SAFETY: the features, as promised; as many quarters are read as `q` has activations for.
    unsafe {
        let mut quarter = Quarter::new(quarters(panels).start);
        for (segment, q) in q.chunks(sink.segment().saturating_mul(T)).enumerate() {
            let mut wide = start_segment::<V, R, T>(segment, sink);
            for q in q.chunks(NARROW_QUARTERS * QUARTER_COLUMNS * T) {
                let mut narrow = [[V::splat(0); R]; T];
                for q in q.chunks_exact(QUARTER_COLUMNS * T) {
                    add_quarter(rows, quarter, q.as_ptr(), &mut narrow);
                    quarter.next();
                }
                widen(&mut wide, narrow);
            }
            end_segment(segment, first, wide, sink);
        }
    }
}

/// Adds the products of a quarter's digits and of its field of the rest block.
///
/// # Safety
/// The CPU has the features of `V`; the quarter is in the panels of the vectors of rows, and `q` points to its activations.
#[inline(always)]
unsafe fn add_quarter<V: ByteVector, const R: usize, const T: usize>(
    rows: Rows,
    quarter: Quarter,
    mut q: *const i8,
    narrow: &mut [[V; R]; T],
) {
    // SAFETY: as promised.
    unsafe {
        for block in 0..3 {
            let mut digits = [[V::splat(0); R]; 5];
            for (r, trits) in rows.load::<V, R>(quarter.blocks + block * BLOCK_BYTES).into_iter().enumerate()
            {
                for (digits, digit) in digits.iter_mut().zip(trits.trits()) {
                    digits[r] = digit;
                }
            }
            for digits in digits {
                add_products(digits, q, narrow);
                q = q.add(4 * T);
            }
        }
        add_products(quarter.rest_field::<V, R>(rows), q, narrow);
    }
}
