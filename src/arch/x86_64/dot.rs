//! Ternary products on CPUs with a dot instruction (`vpdpbusd`): four u8 × s8 products added to an i32 lane.
//!
//! **Several tokens**: the codes of `R` vectors of rows are brought down field by field, and each is multiplied with
//! four columns of `T` tokens; `R · T` accumulators stay in registers, enough chains for the instruction's latency,
//! and an activation's broadcast serves `R` of them. On a core that starts one 512-bit dot a cycle (Zen 4), a block
//! of 4 × 6 takes 4 · 24 dots, and beside them 4 · (1 load + 3 shifts + 4 masks) and 24 broadcasts: the dots' port
//! is the only busy one.
//!
//! **One token**: there the unpacking counts as much as the dots, and memory more than both. The fields of a nibble
//! are masked where they are, worth 1 and 4, and have an accumulator each: a shift, four masks and four dots a block.
//! `R` panels are read side by side, each fetched [`AHEAD`] bytes ahead, because one core reads several streams faster
//! than one. Measured on a shared Zen 4, 420 MB of weights, GB/s (best plain read: 17 to 19): four panels with four
//! accumulators each 13 to 15.6, with 512 bytes ahead 14 to 17.5; eight panels 15 to 18, with 256 ahead 16.6 to 19.1,
//! with 512 15.5 to 19.5, with 768 13.4 to 17.3. In cache all of them are within 5 %.

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use core::ops::Range;

use crate::arch::kernels::{Groups, MAX_RUN_COLUMNS, Panels};
use crate::layout::{
    BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS, T5_GROUP_BYTES, T5_QUARTER_BYTES, T5_QUARTER_COLUMNS,
};
use crate::weights::ScaleType;

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
    /// i32 lanes times 256.
    unsafe fn times_256(self) -> Self;
    /// i32 lanes divided by 256, for multiples.
    unsafe fn over_256(self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// i32 lanes divided by 4, for multiples.
    unsafe fn quarter(self) -> Self;
    /// `self + Σ codes (u8) · q (s8)` in each lane.
    unsafe fn dot(self, codes: Self, q: Self) -> Self;
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
    pub(super) tokens: usize,
    pub(super) groups: Groups<'a>,
    pub(super) scaled: &'a mut [[f32; PANEL_ROWS]],
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
        let scales = self.groups.scale_bytes(panel, leg)[row * scale_type.bytes()..].as_ptr();
        // SAFETY: a vector's rows are in the panel from its first one on; a fetch ahead may point anywhere.
        unsafe {
            // A panel's scales are a few cache lines, too few for the CPU to see a stream in them.
            _mm_prefetch::<_MM_HINT_T0>(scales.wrapping_add(self.groups.next_call()).cast());
            let scales = D::load_scales(scales, scale_type);
            for (to, sums) in self.scaled[panel * T..][..T].iter_mut().zip(sums) {
                sums.add_scaled(scales, to[row..].as_mut_ptr());
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

/// All panels times `T` tokens, `R` vectors of rows at once.
///
/// # Safety
/// The CPU has the features of `D`; `q` holds `T` values for each column of the panels.
#[inline(always)]
pub(super) unsafe fn several_tokens<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    let vectors = panels.count() * (PANEL_ROWS / D::ROWS);
    let whole = vectors / R * R;
    // SAFETY: the caller's.
    unsafe {
        for first in (0..whole).step_by(R) {
            several_rows::<D, S, R, T>(panels, first, q, sums);
        }
        for first in whole..vectors {
            several_rows::<D, S, 1, T>(panels, first, q, sums);
        }
    }
}

/// All panels times one token, `R` vectors of rows at once.
///
/// # Safety
/// As [`several_tokens`].
#[inline(always)]
pub(super) unsafe fn one_token<D: Dot, S: Sums, const R: usize>(panels: Panels<'_>, q: &[i8], sums: &mut S) {
    let vectors = panels.count() * (PANEL_ROWS / D::ROWS);
    let whole = vectors / R * R;
    // SAFETY: the caller's.
    unsafe {
        for first in (0..whole).step_by(R) {
            one_token_rows::<D, S, R>(panels, first, q, sums);
        }
        for first in whole..vectors {
            one_token_rows::<D, S, 1>(panels, first, q, sums);
        }
    }
}

/// `R` vectors of rows from number `first` on, for all `T` tokens.
///
/// # Safety
/// The CPU has the features of `D`; `q` holds `T` values for each column of the panels.
#[inline(always)]
unsafe fn several_rows<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let codes = codes::<D, R>(|panel| panels.t2(panel), first);
    // SAFETY: the pointers stay within the panels and within `q`, as the caller's lengths agree; the caller has
    // the features.
    unsafe {
        let mask = D::splat(0x0303_0303);
        let mut q = q.as_ptr();
        for (leg, bytes) in legs(panels.t2(0).len(), sums.leg() / BLOCK_COLUMNS * BLOCK_BYTES) {
            let mut acc = [[D::splat(0); R]; T];
            for (t, acc) in acc.iter_mut().enumerate() {
                *acc = [sums.start(leg, t); R];
            }
            for at in bytes.step_by(BLOCK_BYTES) {
                let mut fields = codes.map(|codes| D::load(codes.add(at)));
                for _ in 0..4 {
                    add_field(fields.map(|field| field.and(mask)), q, &mut acc);
                    fields = fields.map(|field| field.next_field());
                    q = q.add(4 * T);
                }
            }
            end(leg, first, acc, sums);
        }
    }
}

/// Bytes that a single token's walk fetches ahead of each vector of rows.
const AHEAD: usize = 256;

/// `R` vectors of rows from number `first` on, for one token.
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn one_token_rows<D: Dot, S: Sums, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let codes = codes::<D, R>(|panel| panels.t2(panel), first);
    // SAFETY: as above; a fetch ahead may point anywhere.
    unsafe {
        let masks = [0x0303_0303, 0x0c0c_0c0c].map(|mask| D::splat(mask));
        let mut q = q.as_ptr();
        for (leg, bytes) in legs(panels.t2(0).len(), sums.leg() / BLOCK_COLUMNS * BLOCK_BYTES) {
            let mut acc = [[sums.start(leg, 0), D::splat(0)]; R];
            for at in bytes.step_by(BLOCK_BYTES) {
                let x: [D; 4] =
                    core::array::from_fn(|s| D::splat(q.add(4 * s).cast::<i32>().read_unaligned()));
                q = q.add(BLOCK_COLUMNS);
                for (acc, codes) in acc.iter_mut().zip(codes) {
                    _mm_prefetch::<_MM_HINT_T0>(codes.wrapping_add(at + AHEAD).cast());
                    let low = D::load(codes.add(at));
                    let high = low.next_nibble();
                    for (s, x) in x.into_iter().enumerate() {
                        let field = if s < 2 { low } else { high }.and(masks[s % 2]);
                        acc[s % 2] = acc[s % 2].dot(field, x);
                    }
                }
            }
            for (r, [ones, fours]) in acc.into_iter().enumerate() {
                sums.end(leg, first + r, [ones.add(fours.quarter())]);
            }
        }
    }
}

/// As [`several_tokens`], for `T5` codes.
///
/// # Safety
/// As [`several_tokens`].
#[inline(always)]
pub(super) unsafe fn several_tokens_t5<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    let vectors = panels.count() * (PANEL_ROWS / D::ROWS);
    let whole = vectors / R * R;
    // SAFETY: the caller's.
    unsafe {
        for first in (0..whole).step_by(R) {
            several_rows_t5::<D, S, R, T>(panels, first, q, sums);
        }
        for first in whole..vectors {
            several_rows_t5::<D, S, 1, T>(panels, first, q, sums);
        }
    }
}

/// As [`one_token`], for `T5` codes.
///
/// # Safety
/// As [`several_tokens`].
#[inline(always)]
pub(super) unsafe fn one_token_t5<D: Dot, S: Sums, const R: usize>(
    panels: Panels<'_>,
    q: &[i8],
    sums: &mut S,
) {
    let vectors = panels.count() * (PANEL_ROWS / D::ROWS);
    let whole = vectors / R * R;
    // SAFETY: the caller's.
    unsafe {
        for first in (0..whole).step_by(R) {
            one_token_rows_t5::<D, S, R>(panels, first, q, sums);
        }
        for first in whole..vectors {
            one_token_rows_t5::<D, S, 1>(panels, first, q, sums);
        }
    }
}

/// As [`several_rows`], for `T5` codes.
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn several_rows_t5<D: Dot, S: Sums, const R: usize, const T: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let codes = codes::<D, R>(|panel| panels.whole(panel), first);
    // SAFETY: the pointers stay within the panels and within `q`, as the caller's lengths agree; the caller has
    // the features.
    unsafe {
        let mask = D::splat(0x0303_0303);
        let mut q = q.as_ptr();
        let from = panels.quarters().start;
        for (leg, quarters) in legs(panels.quarters().len(), sums.leg() / T5_QUARTER_COLUMNS) {
            let mut acc = [[D::splat(0); R]; T];
            for (t, acc) in acc.iter_mut().enumerate() {
                *acc = [sums.start(leg, t); R];
            }
            for quarter in quarters {
                let (rest, blocks) = quarter_offsets(from + quarter);
                let shift = ((from + quarter) % 4 * 2) as u32;
                let mut fields = [mask; R];
                let mut trits = [mask; R];
                for block in 0..3 {
                    for (trits, codes) in trits.iter_mut().zip(codes) {
                        *trits = D::load(codes.add(blocks + block * BLOCK_BYTES));
                    }
                    for _ in 0..5 {
                        for (field, trits) in fields.iter_mut().zip(&mut trits) {
                            *field = trits.front_trit().and(mask);
                            *trits = trits.triple();
                        }
                        add_field(fields, q, &mut acc);
                        q = q.add(4 * T);
                    }
                }
                for (field, codes) in fields.iter_mut().zip(codes) {
                    *field = D::load(codes.add(rest)).field_at(shift).and(mask);
                }
                add_field(fields, q, &mut acc);
                q = q.add(4 * T);
            }
            end(leg, first, acc, sums);
        }
    }
}

/// As [`one_token_rows`], for `T5` codes, without bringing out a single digit: if x is a byte and x' = 3x mod 256, its
/// digit is (3x − x') / 256. So `Σ digit · q = (3 · Σ x · q − Σ x' · q) / 256`: two dots and two adds a digit, where
/// bringing it out takes seven operations and a dot. The two sums may wrap; what is divided fits, see
/// [`MAX_RUN_COLUMNS`].
///
/// # Safety
/// As [`several_rows`].
#[inline(always)]
unsafe fn one_token_rows_t5<D: Dot, S: Sums, const R: usize>(
    panels: Panels<'_>,
    first: usize,
    q: &[i8],
    sums: &mut S,
) {
    let codes = codes::<D, R>(|panel| panels.whole(panel), first);
    // SAFETY: as above; a fetch ahead may point anywhere.
    unsafe {
        let mask = D::splat(0x0303_0303);
        let mut q = q.as_ptr();
        let from = panels.quarters().start;
        for (leg, quarters) in legs(panels.quarters().len(), sums.leg() / T5_QUARTER_COLUMNS) {
            let mut acc = [[D::splat(0); 2]; R];
            for quarter in quarters {
                let (rest, blocks) = quarter_offsets(from + quarter);
                for block in 0..3 {
                    // All panels' dots of a digit before the next digit's: a panel's own ones wait for each other.
                    let mut trits = codes.map(|codes| {
                        let at = codes.wrapping_add(blocks + block * BLOCK_BYTES);
                        _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD).cast());
                        D::load(at)
                    });
                    for _ in 0..5 {
                        let x = D::splat(q.cast::<i32>().read_unaligned());
                        q = q.add(4);
                        for (acc, trits) in acc.iter_mut().zip(&mut trits) {
                            acc[0] = acc[0].dot(*trits, x);
                            *trits = trits.triple();
                            acc[1] = acc[1].dot(*trits, x);
                        }
                    }
                }
                let x = D::splat(q.cast::<i32>().read_unaligned());
                q = q.add(4);
                for (acc, codes) in acc.iter_mut().zip(codes) {
                    let shift = ((from + quarter) % 4 * 2) as u32;
                    let field = D::load(codes.add(rest)).field_at(shift).and(mask);
                    acc[1] = acc[1].sub(D::splat(0).dot(field, x).times_256());
                }
            }
            for (r, [whole, next]) in acc.into_iter().enumerate() {
                let sum = whole.add(whole).add(whole).sub(next).over_256();
                sums.end(leg, first + r, [sums.start::<D>(leg, 0).add(sum)]);
            }
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
