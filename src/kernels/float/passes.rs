//! What the passes of [`super::butterflies`] have in common, and those after the first.
//!
//! **Differences.** `a − b` is a subtraction or a multiply-add by −1, which has the same bits and goes through other pipes. Where
//! those lie idle, every difference is one. On Zen 3 a multiply-add has its price: it reads three registers, and so one and an
//! addition start three a cycle, not four, one and a shuffle 2.5, not three (a multiplication: four and three), and beside
//! stores, of which there is one a cycle, it takes another half. Eight rows with F multiply-adds take the larger of 8 + F/2 and
//! (24 − F)/2 cycles a column: measured 12.0 with none, 10.2 with the four of any one stage, 11.2 with every other, 14.7 with all
//! 12, and 8.1 with all of them without the stores; four rows 8.0 in two columns with none, where the stores bind, and 11.8 with
//! all. So on AMD's CPUs only the third stage has some. A constant from memory instead of a register changes nothing.
//!
//! **Half a register off** are half of what an allocator gives, and everything large from glibc's. Stores of two lines take twice
//! as long; with columns that start where registers do, 4096 points take 1.05 times what they do elsewhere on Zen 3, instead of
//! 1.32, and 131072 points 1.04 times instead of 1.40. The first pass has time enough for such stores.
//!
//! **Rows.** Sixteen with AVX2's 16 registers, two of them put back meanwhile, by hand: 13.4 cycles for eight registers without a
//! scale, 14.7 with; as the compiler keeps its registers 15 and 16.3. Two passes of four take 16.3.

use core::mem::MaybeUninit;

use super::vector::Vector;

/// log2 of a stride from which all rows of a column fall into one set of an 8-way L1: no more than 8 of them then.
const ALIAS: u32 = 10;

/// Which differences between registers are multiply-adds: the sum of their strides in registers. All, those of the third stage,
/// none.
pub(crate) const ALL: usize = usize::MAX;
pub(crate) const THIRD: usize = 4;
pub(super) const NONE: usize = 0;

/// Stages of the first of as few passes as possible, at most `most` in each, spread evenly.
#[inline(always)]
pub(super) fn first_share(stages: u32, most: u32) -> u32 {
    /// For up to 3 and up to 4 in each: a division would take as long as a short pass.
    static SHARES: [[u8; 64]; 2] = {
        let mut shares = [[0; 64]; 2];
        let mut i = 0_u32;
        while i < 128 {
            let (stages, most) = (i % 64, 3 + i / 64);
            if stages > 0 {
                shares[i as usize / 64][stages as usize] = stages.div_ceil(stages.div_ceil(most)) as u8;
            }
            i += 1;
        }
        shares
    };
    u32::from(SHARES[usize::from(most > 3)][stages as usize % 64])
}

/// [`later_passes`] as functions of an instruction set.
#[derive(Clone, Copy)]
pub(crate) struct LaterPasses {
    /// With [`ALL`] differences by multiply-adds.
    pub(crate) fused: LaterPassesFn,
    /// With those of the [`THIRD`] stage.
    pub(crate) sparing: LaterPassesFn,
}

/// One of the two.
pub(crate) type LaterPassesFn =
    unsafe fn(x: &mut [MaybeUninit<f32>], from: u32, log2: u32, scale: Option<f32>);

/// `chunks_exact_mut` of a power of two, without its division: half the time of a short transform.
pub(super) struct Chunks<'a> {
    rest: &'a mut [MaybeUninit<f32>],
    len: usize,
}

impl<'a> Chunks<'a> {
    #[inline(always)]
    pub(super) fn new(rest: &'a mut [MaybeUninit<f32>], log2: u32) -> Self {
        Chunks { rest, len: 1 << log2 }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a mut [MaybeUninit<f32>];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a mut [MaybeUninit<f32>]> {
        let (chunk, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(self.len)?;
        self.rest = rest;
        Some(chunk)
    }
}

/// Constants of all passes.
#[derive(Clone, Copy)]
pub(super) struct Constants<V> {
    minus: V,
    pub(super) scale: V,
}

impl<V: Vector> Constants<V> {
    #[inline(always)]
    pub(super) unsafe fn new(scale: f32) -> Self {
        // The black box keeps `x · (−1) + y` a fused multiply-add: the compiler would turn it into a subtraction,
        // and so load the adders alone.
        // SAFETY: the module's contract.
        unsafe { Constants { minus: V::splat(core::hint::black_box(-1.0)), scale: V::splat(scale) } }
    }
}

/// The stages from stride 2^from up to a run of 2^log2, and the scale in the last pass if there is one.
///
/// # Safety
/// The module's contract; `x` is initialised and whole runs, and 2^from is a multiple of the lanes and below a run.
#[inline(always)]
pub(crate) unsafe fn later_passes<V: Vector, const FUSED: usize>(
    x: &mut [MaybeUninit<f32>],
    mut from: u32,
    log2: u32,
    scale: Option<f32>,
) {
    // SAFETY: the module's contract; 2^(from + stages) divides the length.
    unsafe {
        let constants = Constants::<V>::new(scale.unwrap_or(1.0));
        while from < log2 {
            let most = if from < ALIAS { V::PASS } else { V::PASS.min(3) };
            let stages = first_share(log2 - from, most);
            let (stride, scaled) = (1 << from, scale.is_some() && from + stages == log2);
            match (stages, scaled) {
                (1, false) => constants.rows::<2, false, FUSED>(x, stride),
                (1, true) => constants.rows::<2, true, FUSED>(x, stride),
                (2, false) => constants.rows::<4, false, FUSED>(x, stride),
                (2, true) => constants.rows::<4, true, FUSED>(x, stride),
                (4, false) if V::PASS > 3 => constants.rows::<16, false, FUSED>(x, stride),
                (4, true) if V::PASS > 3 => constants.rows::<16, true, FUSED>(x, stride),
                (_, false) => constants.rows::<8, false, FUSED>(x, stride),
                (_, true) => constants.rows::<8, true, FUSED>(x, stride),
            }
            from += stages;
        }
    }
}

impl<V: Vector> Constants<V> {
    /// Columns of `N` rows of `stride` floats. If `x` starts half a register off, so do the columns, and the first and the
    /// last half of a row make one more.
    #[inline(always)]
    unsafe fn rows<const N: usize, const LAST: bool, const FUSED: usize>(
        self,
        x: &mut [MaybeUninit<f32>],
        stride: usize,
    ) {
        let half = V::LANES / 2;
        let off = V::BY_HALVES && x.as_ptr().addr() % size_of::<V>() == size_of::<V>() / 2;
        let first = if off { half } else { 0 };
        // SAFETY: the module's contract; chunks are `N · stride` floats, a stride is whole registers.
        unsafe {
            for part in Chunks::new(x, (N * stride).trailing_zeros()) {
                let start = part.as_mut_ptr().cast::<f32>();
                for column in (first..stride - first).step_by(V::LANES) {
                    let p = start.add(column);
                    let mut v = [self.scale; N];
                    for (i, v) in v.iter_mut().enumerate() {
                        *v = V::load(p.add(i * stride));
                    }
                    self.store::<N, LAST>(self.stages::<N, FUSED>(v), p, stride);
                }
                if off {
                    let end = start.add(stride - half);
                    let mut v = [self.scale; N];
                    for (i, v) in v.iter_mut().enumerate() {
                        *v = V::load_halves(start.add(i * stride), end.add(i * stride));
                    }
                    for (i, v) in self.stages::<N, FUSED>(v).into_iter().enumerate() {
                        let v = if LAST { v.mul(self.scale) } else { v };
                        v.store_halves(start.add(i * stride), end.add(i * stride));
                    }
                }
            }
        }
    }

    /// All stages between registers.
    #[inline(always)]
    pub(super) unsafe fn stages<const N: usize, const FUSED: usize>(self, mut v: [V; N]) -> [V; N] {
        // SAFETY: the module's contract.
        unsafe {
            self.stage::<N, 1, FUSED>(&mut v);
            self.stage::<N, 2, FUSED>(&mut v);
            self.stage::<N, 4, FUSED>(&mut v);
            self.stage::<N, 8, FUSED>(&mut v);
        }
        v
    }

    /// The scale after the last stage, and the stores.
    #[inline(always)]
    pub(super) unsafe fn store<const N: usize, const LAST: bool>(
        self,
        v: [V; N],
        p: *mut f32,
        stride: usize,
    ) {
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: the module's contract; the callers pass room for `N` registers `stride` apart.
            unsafe { if LAST { v.mul(self.scale) } else { v }.store(p.add(i * stride)) };
        }
    }

    /// One stage between registers `HALF` apart, if there are as many. One loop a stage, for the unroller: nested
    /// loops over 16 registers stay loops, and the registers memory.
    #[inline(always)]
    unsafe fn stage<const N: usize, const HALF: usize, const FUSED: usize>(self, v: &mut [V; N]) {
        if HALF < N {
            for i in 0..N / 2 {
                let a = i / HALF * 2 * HALF + i % HALF;
                let b = a + HALF;
                // The sum first: a multiply-add overwrites an operand.
                // SAFETY: the module's contract.
                (v[a], v[b]) = unsafe {
                    let sum = v[a].add(v[b]);
                    (sum, if FUSED & HALF == 0 { v[a].sub(v[b]) } else { v[b].sub_from(self.minus, v[a]) })
                };
            }
        }
    }
}
