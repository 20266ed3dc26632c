//! [`TileUnit`](super::tiles::TileUnit)s of vectors. Sums of `R` vectors of rows and `T` tokens are in registers; for each four
//! columns the vectors of codes are loaded once, and each token's activations are broadcast once for all of them.
//!
//! **The limit** with `maddubs` is its multiplication and an add for 32 products of 256 bits: 64 additions of i16 are widened
//! at once, and nothing is unpacked here. Cores with three vector ports, and Zen's for what they read of registers, start
//! three of these a cycle: 48 products. On a Sapphire Rapids 6 tokens × 2 vectors of codes in first-level cache
//! ran at 98 % of that. Loops over columns stay loops: unrolled by four, LLVM adds the products of four columns first and spills
//! registers (110 GMAC/s for 150).
//! A Zen 3 starts 2.9 to 3.2 of the two: 149 to 160 GMAC/s at 3.24 GHz from first-level cache, of which 6 tokens × 2 vectors
//! make 142 with 64 tokens. Both vectors' products before their adds ([`ByteVector::at_once`]) gained 3 to 6 % in that loop
//! alone and of a product of 7 and 8 tokens, 16 were between 0.98 and 1.05, 64 the same. Tried there: 2 tokens × 4 vectors
//! (0.92 to 1.0; 166 in the loop alone), 4 and 5 × 2 (0.9 to 1.0), four columns written out with sums in order (0.87), adds
//! with saturation (0.7).
//!
//! **What is left** of a product with 64 tokens and more: unpacking (3 %), writing outputs, whose rows are pages apart (5 % and
//! more, the slower the memory is), staging (2 %). Fetching the lines of outputs before they are written changed nothing
//! with `avx2` and `avx512vnni`, and cost `amx` 3 to 8 %.

use super::rows::place;
use super::tile_codes::{TILE_BYTES, TILE_COLUMNS, TILE_ROWS};
use super::tiles::TileBlock;
use super::vector::{ByteVector, DotVector, IntVector};
use crate::layout::{BLOCK_BYTES, PANEL_ROWS};

/// Most bytes of unpacked codes: a quarter of 32 KiB.
pub(crate) const CODE_BYTES: usize = 8 << 10;

/// Most tokens of a staged tile.
pub(crate) const MAX_TOKENS: usize = 32;

/// Tiles of columns that an i16 of `maddubs` takes.
const NARROW_STEPS: usize = 4;

/// Where a block's tokens from number `first` on are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    q: *const i8,
    q_step: usize,
    codes: *const u8,
    code_step: usize,
    sums: *mut i32,
    panel_stride: usize,
}

impl Place {
    #[inline(always)]
    pub(super) fn new(block: &TileBlock, first: usize) -> Place {
        Place {
            q: block.q.wrapping_add(first * TILE_COLUMNS),
            q_step: block.tokens * TILE_COLUMNS,
            codes: block.codes,
            code_step: block.panels * TILE_BYTES,
            sums: block.sums.wrapping_add(first * PANEL_ROWS),
            panel_stride: block.panel_stride,
        }
    }

    /// The vector of codes `r` of four columns.
    ///
    /// # Safety
    /// The CPU has the features of `V`, and there is such a vector.
    #[inline(always)]
    pub(super) unsafe fn codes<V: IntVector>(self, four: usize, r: usize) -> V {
        let (panel, row) = place::<V>(r);
        // SAFETY: as promised.
        unsafe { V::load(self.codes.add(panel * TILE_BYTES + four * BLOCK_BYTES + 4 * row)) }
    }

    /// Where it is.
    #[inline(always)]
    pub(super) fn codes_at<V: IntVector>(self, four: usize, r: usize) -> *const u8 {
        let (panel, row) = place::<V>(r);
        self.codes.wrapping_add(panel * TILE_BYTES + four * BLOCK_BYTES + 4 * row)
    }

    /// Where four columns of a token are, and the next ones after them.
    #[inline(always)]
    pub(super) fn fours(self, four: usize, t: usize) -> *const i8 {
        self.q.wrapping_add(t * TILE_COLUMNS + 4 * four)
    }

    /// Four columns of a token in every lane.
    ///
    /// # Safety
    /// The CPU has the features of `V`, and there are such activations.
    #[inline(always)]
    unsafe fn q<V: IntVector>(self, four: usize, t: usize) -> V {
        // SAFETY: as promised.
        unsafe { V::splat(self.q.add(t * TILE_COLUMNS + 4 * four).cast::<i32>().read_unaligned()) }
    }

    /// The sums of a vector of rows and a token.
    #[inline(always)]
    pub(super) fn sums<V: IntVector>(self, r: usize, t: usize) -> *mut u8 {
        let (panel, row) = place::<V>(r);
        self.sums.cast::<u8>().wrapping_add(panel * self.panel_stride + 4 * (t * PANEL_ROWS + row))
    }

    #[inline(always)]
    pub(super) fn next_step(&mut self) {
        self.q = self.q.wrapping_add(self.q_step);
        self.codes = self.codes.wrapping_add(self.code_step);
    }
}

/// `R` vectors of rows times `T` tokens of a block from number `first` on, with dots.
///
/// # Safety
/// The CPU has the features of `V`; the block's pointers are as it says, and it has these rows and tokens.
#[inline(always)]
pub(crate) unsafe fn dots<V: DotVector, const R: usize, const T: usize>(block: &TileBlock, first: usize) {
    let mut at = Place::new(block, first);
    // SAFETY: as promised.
    unsafe {
        let mut sums = [[V::splat(0); R]; T];
        for (t, sums) in sums.iter_mut().enumerate() {
            for (r, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(at.sums::<V>(r, t));
            }
        }
        for _ in 0..block.steps {
            for four in 0..TILE_ROWS {
                let mut codes = [V::splat(0); R];
                for (r, codes) in codes.iter_mut().enumerate() {
                    *codes = at.codes(four, r);
                }
                for (t, sums) in sums.iter_mut().enumerate() {
                    let q = at.q(four, t);
                    for (sum, codes) in sums.iter_mut().zip(codes) {
                        *sum = sum.dot(codes, q);
                    }
                }
            }
            at.next_step();
        }
        for (t, sums) in sums.into_iter().enumerate() {
            for (r, sum) in sums.into_iter().enumerate() {
                sum.store(at.sums::<V>(r, t));
            }
        }
    }
}

/// The same with `maddubs`.
///
/// # Safety
/// As [`dots`].
#[inline(always)]
pub(crate) unsafe fn maddubs<V: ByteVector, const R: usize, const T: usize>(block: &TileBlock, first: usize) {
    let mut at = Place::new(block, first);
    // SAFETY: as promised.
    unsafe {
        for start in (0..block.steps).step_by(NARROW_STEPS) {
            let mut narrow = [[V::splat(0); R]; T];
            for _ in start..block.steps.min(start + NARROW_STEPS) {
                for four in 0..TILE_ROWS {
                    let mut codes = [V::splat(0); R];
                    for (r, codes) in codes.iter_mut().enumerate() {
                        *codes = at.codes(four, r);
                    }
                    for (t, narrow) in narrow.iter_mut().enumerate() {
                        let q = at.q(four, t);
                        let mut products = codes;
                        for product in &mut products {
                            *product = product.times(q);
                        }
                        for (narrow, product) in narrow.iter_mut().zip(V::at_once(products)) {
                            *narrow = narrow.add_i16(product);
                        }
                    }
                }
                at.next_step();
            }
            for (t, narrow) in narrow.into_iter().enumerate() {
                for (r, narrow) in narrow.into_iter().enumerate() {
                    let sums = at.sums::<V>(r, t);
                    V::load(sums).add(narrow.times_i16(V::splat(0x0001_0001))).store(sums);
                }
            }
        }
    }
}
