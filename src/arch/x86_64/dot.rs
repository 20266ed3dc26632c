//! Ternary products on CPUs with a dot instruction (`vpdpbusd`): four u8 × s8 products added to an i32 lane.
//!
//! **Several tokens**: the codes of `R` vectors of rows are brought down field by field, and each is multiplied with
//! four columns of `T` tokens; `R · T` accumulators stay in registers, enough chains for the instruction's latency,
//! and an activation's broadcast serves `R` of them. On a core that starts one 512-bit dot a cycle (Zen 4), a block
//! of 4 × 6 takes 4 · 24 dots, and beside them 4 · (1 load + 3 shifts + 4 masks) and 24 broadcasts: the dots' port
//! is the only busy one.
//!
//! **One token**: there the unpacking counts as much as the dots. The four fields are masked where they are, worth 1,
//! 4, 16 and 64, and go to accumulators of their own that are shifted once at the end: per block four masks and four
//! dots. The last field's sums reach 2¹⁶ a block, so an i32 takes 2¹⁵ − 1 blocks, more than a run has.

use crate::arch::kernels::{MAX_RUN_COLUMNS, Panels};
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS};

/// A vector of i32 lanes, which hold the four code bytes of a row or its sum.
///
/// # Safety
/// The functions need the CPU features of the implementor; pointers are valid for a vector, aligned or not.
pub(super) unsafe trait Dot: Copy {
    /// Rows of a vector: 16, or 8 for half a panel.
    const ROWS: usize;
    unsafe fn splat(value: i32) -> Self;
    unsafe fn load(from: *const u8) -> Self;
    unsafe fn load_sums(from: *const i32) -> Self;
    unsafe fn store_sums(self, to: *mut i32);
    unsafe fn and(self, other: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// Every field of every byte down by one; bits cross from byte to byte above the lowest field.
    unsafe fn next_field(self) -> Self;
    /// i32 lanes divided by 4ˢ, for multiples.
    unsafe fn unscale<const BITS: u32>(self) -> Self;
    /// `self + Σ codes (u8) · q (s8)` in each lane.
    unsafe fn dot(self, codes: Self, q: Self) -> Self;
}

const _: () = assert!(MAX_RUN_COLUMNS / BLOCK_COLUMNS < 1 << 15);

/// Where the vectors of rows of some panels are, and where their sums go.
#[derive(Clone, Copy)]
struct Rows<'a> {
    panels: Panels<'a>,
    tokens: usize,
}

impl Rows<'_> {
    /// Code pointers of `R` vectors from number `first` on.
    #[inline(always)]
    fn codes<D: Dot, const R: usize>(&self, first: usize) -> [*const u8; R] {
        let halves = PANEL_ROWS / D::ROWS;
        core::array::from_fn(|r| {
            let panel = self.panels.panel((first + r) / halves);
            panel.as_ptr().wrapping_add((first + r) % halves * D::ROWS * 4)
        })
    }

    /// The sums of a vector of rows and a token.
    #[inline(always)]
    fn sums<D: Dot>(&self, vector: usize, token: usize, sums: &mut [[i32; PANEL_ROWS]]) -> *mut i32 {
        let halves = PANEL_ROWS / D::ROWS;
        sums[vector / halves * self.tokens + token][vector % halves * D::ROWS..].as_mut_ptr()
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `D`; `q` holds `T` values for each column of the panels.
#[inline(always)]
pub(super) unsafe fn several_tokens<D: Dot, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let rows = Rows { panels, tokens: T };
    let codes = rows.codes::<D, R>(first);
    // SAFETY: the pointers stay within the panels and within `q`, as the caller's lengths agree; the caller has
    // the features.
    unsafe {
        let mask = D::splat(0x0303_0303);
        let mut acc = [[D::splat(0); R]; T];
        let mut q = q.as_ptr();
        for at in (0..panels.bytes()).step_by(BLOCK_BYTES) {
            let mut fields = codes.map(|codes| D::load(codes.add(at)));
            for _ in 0..4 {
                let codes = fields.map(|field| field.and(mask));
                for (t, acc) in acc.iter_mut().enumerate() {
                    let x = D::splat(q.add(4 * t).cast::<i32>().read_unaligned());
                    for (acc, codes) in acc.iter_mut().zip(codes) {
                        *acc = acc.dot(codes, x);
                    }
                }
                fields = fields.map(|field| field.next_field());
                q = q.add(4 * T);
            }
        }
        for (t, acc) in acc.into_iter().enumerate() {
            for (r, acc) in acc.into_iter().enumerate() {
                let to = rows.sums::<D>(first + r, t, sums);
                D::load_sums(to).add(acc).store_sums(to);
            }
        }
    }
}

/// `R` vectors of rows from number `first` on, for one token.
///
/// # Safety
/// As [`several_tokens`].
#[inline(always)]
pub(super) unsafe fn one_token<D: Dot, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut [[i32; PANEL_ROWS]],
) {
    let rows = Rows { panels, tokens: 1 };
    let codes = rows.codes::<D, R>(first);
    // SAFETY: as above.
    unsafe {
        let masks =
            [0x0303_0303, 0x0c0c_0c0c, 0x3030_3030, 0xc0c0_c0c0_u32].map(|mask| D::splat(mask as i32));
        let mut acc = [[D::splat(0); 4]; R];
        let mut q = q.as_ptr();
        for at in (0..panels.bytes()).step_by(BLOCK_BYTES) {
            let x: [D; 4] = core::array::from_fn(|s| D::splat(q.add(4 * s).cast::<i32>().read_unaligned()));
            q = q.add(BLOCK_COLUMNS);
            for (acc, codes) in acc.iter_mut().zip(codes) {
                let block = D::load(codes.add(at));
                for ((acc, mask), x) in acc.iter_mut().zip(masks).zip(x) {
                    *acc = acc.dot(block.and(mask), x);
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            let low = acc[0].add(acc[1].unscale::<2>());
            let high = acc[2].unscale::<4>().add(acc[3].unscale::<6>());
            let to = rows.sums::<D>(first + r, 0, sums);
            D::load_sums(to).add(low.add(high)).store_sums(to);
        }
    }
}
