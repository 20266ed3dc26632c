//! Ternary products on CPUs with a dot instruction (`vpdpbusd`): four u8 × s8 products added to an i32 lane.
//!
//! **Several tokens** ([`fields`], [`trits`]): the codes of `R` vectors of rows are brought down field by field, and each is
//! multiplied with four columns of `T` tokens; `R · T` accumulators stay in registers, enough chains for the instruction's
//! latency, and an activation's broadcast serves `R` of them. On a core that starts one 512-bit dot a cycle (Zen 4), a block
//! of 4 × 6 takes 4 · 24 dots, and beside them 4 · (1 load + 3 shifts + 4 masks) and 24 broadcasts: the dots' port
//! is the only busy one.
//!
//! **One token**: there the unpacking counts as much as the dots, and memory more than both. `R` panels are read side by
//! side, and each is fetched far ahead, to second-level cache: the CPU's own fetching ends with every page of 4 KiB, and a
//! panel with a few of them. Measured on a shared Zen 4, GB/s of the `T2` kernel alone, 420 MB of weights in such pages,
//! while the best plain read made 24 to 25:
//!
//! | panels | fetched ahead, bytes | GB/s |
//! |---|---|---|
//! | 8 | nothing | 20 |
//! | 8 | 256, 512, 1024 to first-level cache | 19 to 20, 19, 16 |
//! | 8 | 512, 1024, 2048, 4096 to second-level cache | 20, 22.7, 23.1, 23 |
//! | 8 | 2048, behind a panel's end the panel after it, not the next to be read | 21.4 |
//! | 8 | 2048 to second-level cache, then 256 to the first | 24.2 |
//! | 4, 2 | 4096 to second-level cache | 21.3, 21 |
//! | 1 | 8192 to second-level cache | 22.8 |
//!
//! With pages of 2 MiB the plain read made 29 to 30, and the kernel 26.4 where it makes 23.1 with pages of 4 KiB.

pub(super) mod fields;
pub(super) mod trits;

use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
use core::ops::Range;

use crate::arch::kernels::{Groups, MAX_RUN_COLUMNS, Panels, Room, TileKernel};
use crate::layout::{BLOCK_BYTES, PANEL_ROWS, T5_GROUP_BYTES, T5_QUARTER_BYTES, T5_QUARTER_COLUMNS};
use crate::weights::ScaleType;
use trits::PAIRED;

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
    /// Every byte's high nibble in the low one; bits cross from byte to byte above it.
    unsafe fn next_nibble(self) -> Self;
    /// The field at a bit of every byte brought down, as [`Dot::next_field`] does.
    unsafe fn field_at(self, bit: u32) -> Self;
    /// Every byte times 3 modulo 256: the next digit of five trits comes to the front.
    unsafe fn triple(self) -> Self;
    /// The digit at the front of every byte, ⌊3 · byte / 256⌋, under higher bits that mean nothing.
    unsafe fn front_trit(self) -> Self;
    /// i32 lanes divided by 256, for multiples.
    unsafe fn over_256(self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// i32 lanes divided by 4, for multiples.
    unsafe fn quarter(self) -> Self;
    /// `self + Σ codes (u8) · q (s8)` in each lane.
    unsafe fn dot(self, codes: Self, q: Self) -> Self;
    /// The activations of a `T5` quarter as the factors of [`trits`].
    unsafe fn pair(q: &[i8; T5_QUARTER_COLUMNS], p: &mut [i8; PAIRED]);
    /// As many f32.
    type Scales: Copy;
    /// Stored scales.
    unsafe fn load_scales(from: *const u8, scale_type: ScaleType) -> Self::Scales;
    /// `to[lane] += self · scale`, self rounded to f32 first, and no fused multiply-add.
    unsafe fn add_scaled(self, scales: Self::Scales, to: *mut f32);
}

/// `T5` divides by 256 what has to fit in an i32, `T2` only by 4.
const _: () = assert!(256 * 2 * 128 * MAX_RUN_COLUMNS <= 1 << 31);

/// Code pointers of `R` vectors of rows from number `first` on, to the first block or, of `T5`, to the panel's start.
#[inline(always)]
pub(super) fn codes<'a, D: Dot, const R: usize>(
    panel: impl Fn(usize) -> &'a [u8],
    first: usize,
) -> [*const u8; R] {
    let halves = PANEL_ROWS / D::ROWS;
    core::array::from_fn(|r| {
        panel((first + r) / halves).as_ptr().wrapping_add((first + r) % halves * D::ROWS * 4)
    })
}

/// Where the codes of neighbouring vectors of rows are. Not a pointer each: eight do not fit in the registers.
#[derive(Clone, Copy)]
struct Rows {
    first: *const u8,
    stride: usize,
}

impl Rows {
    /// From vector `first` on; `start` is the run's first byte of a panel.
    #[inline(always)]
    fn new<D: Dot>(panels: Panels<'_>, start: usize, first: usize) -> Rows {
        let rows = Rows { first: panels.codes().as_ptr().wrapping_add(start), stride: panels.whole(0).len() };
        Rows { first: rows.vector::<D>(first), ..rows }
    }

    /// The first codes of the vector of that number from the first one on.
    #[inline(always)]
    fn vector<D: Dot>(self, number: usize) -> *const u8 {
        let halves = PANEL_ROWS / D::ROWS;
        self.first.wrapping_add(number / halves * self.stride + number % halves * D::ROWS * 4)
    }

    /// The codes of `R` vectors from byte `at` of the run on.
    ///
    /// # Safety
    /// They are in the panels, and the CPU has the features of `D`.
    #[inline(always)]
    unsafe fn load<D: Dot, const R: usize>(self, at: usize) -> [D; R] {
        // SAFETY: the caller's.
        unsafe {
            let mut codes = [D::splat(0); R];
            for (r, codes) in codes.iter_mut().enumerate() {
                *codes = D::load(self.vector::<D>(r).wrapping_add(at));
            }
            codes
        }
    }
}

/// Calls a kernel of `R` vectors of rows for all vectors of the panels: `R` at once, and singly what is left.
macro_rules! by_rows {
    ($panels:ident, $first:ident => $kernel:ident::<$vector:ty, $sums:ty, $rows:ident $(, $tokens:ident)?>($($argument:expr),*)) => {{
        let vectors = $panels.count() * ($crate::layout::PANEL_ROWS / <$vector as $crate::arch::x86_64::dot::Dot>::ROWS);
        let whole = vectors / $rows * $rows;
        for $first in (0..whole).step_by($rows) {
            $kernel::<$vector, $sums, $rows $(, $tokens)?>($($argument),*);
        }
        for $first in whole..vectors {
            $kernel::<$vector, $sums, 1 $(, $tokens)?>($($argument),*);
        }
    }};
}
pub(super) use by_rows;

/// The two kernels, with some features, of a function that takes any [`Sums`].
macro_rules! kernels {
    ($features:literal: $whole:ident, $groups:ident = $any:ident) => {
        #[target_feature(enable = $features)]
        fn $whole(panels: Panels<'_>, q: &[i8], tokens: usize, _: &mut Room, sums: &mut [[i32; PANEL_ROWS]]) {
            $any(panels, q, tokens, &mut Whole(sums));
        }

        #[target_feature(enable = $features)]
        fn $groups(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            _: &mut Room,
            _: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            $any(panels, q, tokens, &mut Scaled::new(panels, tokens, groups, scaled));
        }
    };
}
pub(super) use kernels;

/// What becomes of sums: a **leg** of columns is summed in integers, from a start to an end.
///
/// # Safety
/// The functions need the CPU features of the vector, and panels and tokens within those of the product.
pub(super) unsafe trait Sums {
    /// Columns of a leg: a multiple of a `T5` quarter, or all.
    fn leg(&self) -> usize;
    /// What the accumulators of a token begin with.
    unsafe fn start<D: Dot>(&self, leg: usize, token: usize) -> D;
    /// Takes the sums of a vector of rows for each token.
    unsafe fn end<D: Dot, const T: usize>(&mut self, leg: usize, vector: usize, sums: [D; T]);
}

/// The contract of a [`TileKernel`](crate::arch::kernels::TileKernel): all columns in one leg, added to integers.
pub(super) struct Whole<'a>(pub(super) &'a mut [[i32; PANEL_ROWS]]);

// SAFETY: nothing but what the functions say.
unsafe impl Sums for Whole<'_> {
    #[inline(always)]
    fn leg(&self) -> usize {
        MAX_RUN_COLUMNS
    }

    #[inline(always)]
    unsafe fn start<D: Dot>(&self, _: usize, _: usize) -> D {
        // SAFETY: the caller's.
        unsafe { D::splat(0) }
    }

    #[inline(always)]
    unsafe fn end<D: Dot, const T: usize>(&mut self, _: usize, vector: usize, sums: [D; T]) {
        let (panel, row) = place::<D>(vector);
        for (to, sums) in self.0[panel * T..][..T].iter_mut().zip(sums) {
            let to = to[row..].as_mut_ptr();
            // SAFETY: a vector's rows are in the panel from its first one on.
            unsafe { D::load_sums(to).add(sums).store_sums(to) };
        }
    }
}

/// The contract of a [`GroupKernel`](crate::arch::kernels::GroupKernel): a leg is a scale group. Ending it where its sums
/// are, in registers, is what makes groups cheap: by a call of the other kernel for each group, one token took 1.9 times
/// as long with groups of 128 as without, 64 tokens 1.3 times.
pub(super) struct Scaled<'a> {
    tokens: usize,
    groups: Groups<'a>,
    scaled: &'a mut [[f32; PANEL_ROWS]],
}

impl<'a> Scaled<'a> {
    /// Of a kernel's arguments.
    #[inline(always)]
    pub(super) fn new(
        panels: Panels<'_>,
        tokens: usize,
        groups: Groups<'a>,
        scaled: &'a mut [[f32; PANEL_ROWS]],
    ) -> Scaled<'a> {
        // All that is read and written behind pointers later on.
        let last = groups.scale_bytes(panels.count() - 1, panels.width().div_ceil(groups.columns()) - 1);
        assert!(!last.is_empty() && scaled.len() == panels.count() * tokens);
        Scaled { tokens, groups, scaled }
    }
}

// SAFETY: nothing but what the functions say.
unsafe impl Sums for Scaled<'_> {
    #[inline(always)]
    fn leg(&self) -> usize {
        self.groups.columns()
    }

    #[inline(always)]
    unsafe fn start<D: Dot>(&self, leg: usize, token: usize) -> D {
        // Codes are w + 1, so Σ w·q starts from −Σ q.
        // SAFETY: the caller's.
        unsafe { D::splat(-self.groups.sums(leg, self.tokens)[token]) }
    }

    #[inline(always)]
    unsafe fn end<D: Dot, const T: usize>(&mut self, leg: usize, vector: usize, sums: [D; T]) {
        let (panel, row) = place::<D>(vector);
        let scale_type = self.groups.scale_type();
        // SAFETY: `new` checked the ends of both; a vector's rows are in the panel from its first one on; a fetch ahead
        // may point anywhere.
        unsafe {
            let scales = self.groups.scales_at(panel, leg).add(row * scale_type.bytes());
            // A panel's scales are a few cache lines, too few for the CPU to see a stream in them.
            _mm_prefetch::<_MM_HINT_T1>(scales.wrapping_add(self.groups.ahead()).cast());
            let scales = D::load_scales(scales, scale_type);
            let to = self.scaled.as_mut_ptr().add(panel * T).cast::<f32>().add(row);
            for (t, sums) in sums.into_iter().enumerate() {
                sums.add_scaled(scales, to.add(t * PANEL_ROWS));
            }
        }
    }
}

/// A [`GroupKernel`](crate::arch::kernels::GroupKernel) made of a [`TileKernel`] that cannot end a group itself: a call of it
/// for each group. In vectors of rows by hand, as loops over arrays become gathers and scatters over the tokens.
///
/// # Safety
/// As the kernel, and the CPU has the features of `D`.
#[inline(always)]
pub(super) unsafe fn by_group<D: Dot>(
    kernel: TileKernel,
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    groups: Groups<'_>,
    room: &mut Room,
    sums: &mut [[i32; PANEL_ROWS]],
    scaled: &mut [[f32; PANEL_ROWS]],
) {
    let width = panels.width();
    let starts = (0..width).step_by(groups.columns());
    for (group, (start, q)) in starts.zip(q.chunks(groups.columns() * tokens)).enumerate() {
        // SAFETY: the caller's; each group but the last is a multiple of what `q` is padded to. Vectors of rows are within
        // the 16 of scales, sums and products.
        unsafe {
            for sums in sums.chunks_exact_mut(tokens) {
                for (sums, sum) in sums.iter_mut().zip(groups.sums(group, tokens)) {
                    for row in (0..PANEL_ROWS).step_by(D::ROWS) {
                        D::splat(-sum).store_sums(sums.as_mut_ptr().add(row));
                    }
                }
            }
            kernel(panels.columns(start..width.min(start + groups.columns())), q, tokens, room, sums);
            let panels = sums.chunks_exact(tokens).zip(scaled.chunks_exact_mut(tokens));
            for (panel, (sums, scaled)) in panels.enumerate() {
                for row in (0..PANEL_ROWS).step_by(D::ROWS) {
                    let scales = groups.scale_bytes(panel, group).as_ptr();
                    let scales = scales.add(row * groups.scale_type().bytes());
                    let scales = D::load_scales(scales, groups.scale_type());
                    for (sums, scaled) in sums.iter().zip(&mut *scaled) {
                        let sums = D::load_sums(sums.as_ptr().add(row));
                        sums.add_scaled(scales, scaled.as_mut_ptr().add(row));
                    }
                }
            }
        }
    }
}

/// Panel and first row of a vector of rows.
#[inline(always)]
pub(super) fn place<D: Dot>(vector: usize) -> (usize, usize) {
    let halves = PANEL_ROWS / D::ROWS;
    (vector / halves, vector % halves * D::ROWS)
}

/// Bytes that a single token's walk fetches ahead of each vector of rows, to second-level cache.
const AHEAD: usize = 2048;

/// What a single token's walk fetches ahead of its `R` vectors of rows: [`AHEAD`] bytes on in their panels and, behind a
/// panel's end, the start of the one that takes its place. What follows in memory is the next panel of this walk, which
/// is read already.
#[derive(Clone, Copy)]
struct Ahead {
    /// Bytes of a panel from the run's first on.
    left: usize,
    /// Bytes from a panel's end to the start of the one that takes its place.
    skip: usize,
}

impl Ahead {
    /// Of `R` vectors of rows; `start` is the run's first byte of a panel.
    #[inline(always)]
    fn new<D: Dot, const R: usize>(panels: Panels<'_>, start: usize) -> Ahead {
        let panel = panels.whole(0).len();
        let neighbours = (R * D::ROWS / PANEL_ROWS).max(1);
        Ahead { left: panel - start, skip: (neighbours - 1) * panel }
    }

    /// Fetches for the byte `at` of the run, of each vector.
    #[inline(always)]
    fn fetch<D: Dot, const R: usize>(self, rows: Rows, at: usize) {
        let ahead = at + AHEAD;
        let mut ahead = if ahead < self.left { ahead } else { ahead + self.skip };
        // Hidden from the compiler, which adds its parts to every pointer otherwise and runs out of registers.
        // SAFETY: no instruction.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) ahead, options(pure, nomem, nostack, preserves_flags))
        };
        for r in 0..R {
            // SAFETY: a fetch may point anywhere.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(rows.vector::<D>(r).wrapping_add(ahead).cast()) };
        }
    }
}

/// Ends a leg of `R` vectors of rows.
///
/// # Safety
/// As [`Sums::end`].
#[inline(always)]
pub(super) unsafe fn end<D: Dot, S: Sums, const R: usize, const T: usize>(
    leg: usize,
    first: usize,
    acc: [[D; R]; T],
    sums: &mut S,
) {
    for r in 0..R {
        let mut tokens = [acc[0][r]; T];
        for (token, acc) in tokens.iter_mut().zip(acc) {
            *token = acc[r];
        }
        // SAFETY: the caller's.
        unsafe { sums.end(leg, first + r, tokens) };
    }
}

/// The legs of a run, numbered; of bytes or quarters, whatever `total` counts.
#[inline(always)]
fn legs(total: usize, leg: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (0..total).step_by(leg).map(move |start| start..total.min(start + leg)).enumerate()
}

/// Four columns of every vector of rows and token. A function and loops, because closures, those of array
/// maps too, are not always inlined into the kernel and then run without the CPU features, forty times slower.
///
/// # Safety
/// The CPU has the features of `D`; `q` points to four values for each token.
#[inline(always)]
unsafe fn add_field<D: Dot, const R: usize, const T: usize>(
    codes: [D; R],
    q: *const i8,
    acc: &mut [[D; R]; T],
) {
    for (t, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let x = D::splat(q.add(4 * t).cast::<i32>().read_unaligned());
            for (acc, codes) in acc.iter_mut().zip(codes) {
                *acc = acc.dot(codes, x);
            }
        }
    }
}

/// Offsets of a quarter's rest block and five-trit blocks within its panel.
#[inline(always)]
pub(super) fn quarter_offsets(quarter: usize) -> (usize, usize) {
    let group = quarter / 4 * T5_GROUP_BYTES;
    (group, group + BLOCK_BYTES + quarter % 4 * T5_QUARTER_BYTES)
}
