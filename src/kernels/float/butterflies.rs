//! Butterflies of a power of two, in place, stages in ascending stride.
//!
//! A pass loads 2^r registers, does r stages between them and stores them. The first pass also does the stages
//! between lanes of a register, on neighbouring registers; later passes walk columns of 2^r rows. A block of
//! [`BLOCK`] floats finishes all its stages before the next one is touched, so that a long transform streams
//! through the outer caches once for the block and once for each later pass.
//!
//! **Why so.** A stage between lanes is one shuffle and one multiply-add by ±1; a transposition to keep all stages
//! between registers costs two shuffles a register and stage more. Between registers `a + b` is an addition and
//! `a − b` a multiply-add by −1, as Zen 4 has two pipes for each kind; with plain subtractions AVX2 is 8 % slower.
//! The sizes of the passes are those at which no register is spilled: 8 of AVX2's 16, 16 of AVX-512's 32.
//!
//! **What binds.** Registers of 512 bits have two ports on Intel's cores for additions, multiply-adds and shuffles alike. So the
//! four stages within a register cost eight operations, not four, and at most 0.71, 0.75 and 0.78 of the additions' limit can be
//! had at 1024, 4096 and 16384 points; 0.60, 0.64 and 0.67 are (Xeon, Sapphire Rapids). A C loop of the same operations makes 0.86
//! to 0.90 of these in its first pass, 0.85 to 0.95 in the second. Tried in it: the first stage without a shuffle, from two loads
//! that double elements (`vmovsldup`, `vmovshdup`), 9 to 10 % of the first pass; Intel's load ports do that, while on a Zen it
//! would be one shuffle more. By count: blends that let two registers share a shuffle are five operations for four; the
//! first pass on registers of 256 bits, with three ports, is 14 for 8, 4.7 cycles instead of 4. AVX2, with its third port, is at
//! the limit at 4096 and 16384 points.
//!
//! **Tried for the last four stages of 65536 points**, at strides from 16 KiB, with AVX2 on a Xeon (Sapphire Rapids), of which
//! two passes of four rows take 7.7 µs: eight rows and then two, 7.8; 16 rows in one pass, 24; the two passes on strips of 16
//! to 128 columns with the stack between them, 10.6 to 13.5.
//!
//! **Size.** There is a first pass for each way to load, and one function for the later passes, which have nothing to do with
//! it: written out in each first pass they were three quarters of the code.

use core::mem::MaybeUninit;

use super::vector::Vector;
use crate::kernels::contract::Prologue;
use crate::kernels::scalar::transform;

/// log2 of the floats that finish their stages while they are in L1: 16 KiB of its 32.
const BLOCK: u32 = 12;

/// log2 of a stride from which all rows of a column fall into one set of an 8-way L1: no more than 8 of them then.
const ALIAS: u32 = 10;

/// Stages of the first of as few passes as possible, at most `most` in each, spread evenly.
#[inline(always)]
fn first_share(stages: u32, most: u32) -> u32 {
    let mut passes = 1;
    while passes * most < stages {
        passes += 1;
    }
    let mut share = most;
    while (share - 1) * passes >= stages {
        share -= 1;
    }
    share
}

/// [`later_passes`] as a function of an instruction set.
type LaterPasses = unsafe fn(x: &mut [MaybeUninit<f32>], from: u32, log2: u32, scale: Option<f32>);

/// See [`Kernels::butterflies`](crate::kernels::contract::Kernels::butterflies). `later` is [`later_passes`] of the same
/// vector.
#[inline(always)]
pub(crate) unsafe fn butterflies<V: Vector>(
    prologue: Prologue<'_>,
    x: &mut [MaybeUninit<f32>],
    log2: u32,
    scale: f32,
    later: LaterPasses,
) {
    // SAFETY: the module's contract; `x` is whole runs of 2^log2, the prologue is as long.
    unsafe {
        if log2 < V::LOG2 {
            let x = prologue.apply(x, crate::kernels::scalar::scale_row);
            let whole = x.len() - x.len() % V::LANES;
            short_runs::<V>(&mut x[..whole], log2, scale);
            transform::butterflies(&mut x[whole..], log2, scale);
        } else if prologue.is_in_place() {
            FirstPass::<V>::new(scale, later).run(InPlace, x, log2);
        } else {
            let pass = FirstPass::<V>::new(scale, later);
            match (prologue.values, prologue.weight, prologue.signs) {
                (Some(_), None, None) => pass.run(Elsewhere::<V, false, false>::new(prologue), x, log2),
                (Some(_), Some(_), None) => pass.run(Elsewhere::<V, true, false>::new(prologue), x, log2),
                _ => pass.run(Elsewhere::<V, true, true>::new(prologue), x, log2),
            }
        }
    }
}

/// Where the first pass reads: the element's index, and where it will be written.
trait Load<V>: Copy {
    unsafe fn load(self, index: usize, x: *const f32) -> V;
}

#[derive(Clone, Copy)]
struct InPlace;

impl<V: Vector> Load<V> for InPlace {
    #[inline(always)]
    unsafe fn load(self, _: usize, x: *const f32) -> V {
        // SAFETY: the module's contract.
        unsafe { V::load(x) }
    }
}

/// From another row and with the norm and the signs applied on the way. The two cases without signs, a norm with and
/// without gain, have no branch on the load; with signs, which may come without values or gain, there is one.
#[derive(Clone, Copy)]
struct Elsewhere<V, const WEIGHT: bool, const SIGNS: bool> {
    values: *const f32,
    factor: V,
    weight: *const f32,
    signs: *const i8,
}

impl<V: Vector, const WEIGHT: bool, const SIGNS: bool> Elsewhere<V, WEIGHT, SIGNS> {
    #[inline(always)]
    unsafe fn new(prologue: Prologue<'_>) -> Self {
        Elsewhere {
            values: prologue.values.map_or(core::ptr::null(), <[f32]>::as_ptr),
            // SAFETY: the module's contract.
            factor: unsafe { V::splat(prologue.factor) },
            weight: prologue.weight.map_or(core::ptr::null(), <[f32]>::as_ptr),
            signs: prologue.signs.map_or(core::ptr::null(), <[i8]>::as_ptr),
        }
    }
}

impl<V: Vector, const WEIGHT: bool, const SIGNS: bool> Load<V> for Elsewhere<V, WEIGHT, SIGNS> {
    #[inline(always)]
    unsafe fn load(self, index: usize, x: *const f32) -> V {
        // SAFETY: the module's contract; the slices of a prologue have one length.
        unsafe {
            let mut value = if SIGNS && self.values.is_null() {
                V::load(x)
            } else {
                V::load(self.values.add(index)).mul(self.factor)
            };
            if WEIGHT && !(SIGNS && self.weight.is_null()) {
                value = value.mul(V::load(self.weight.add(index)));
            }
            if SIGNS {
                value = value.flip(self.signs.add(index));
            }
            value
        }
    }
}

/// `chunks_exact_mut` of a power of two, without its division: half the time of a short transform.
struct Chunks<'a> {
    rest: &'a mut [MaybeUninit<f32>],
    len: usize,
}

impl<'a> Chunks<'a> {
    #[inline(always)]
    fn new(rest: &'a mut [MaybeUninit<f32>], log2: u32) -> Self {
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

/// Runs shorter than a register.
#[inline(always)]
unsafe fn short_runs<V: Vector>(x: &mut [f32], log2: u32, scale: f32) {
    // SAFETY: the module's contract; `x` is whole registers.
    unsafe {
        let scale = V::splat(scale);
        for part in x.chunks_exact_mut(V::LANES) {
            let mut v = V::load(part.as_ptr());
            for stage in 0..log2 {
                // A match makes the stage a constant for the shuffle.
                v = match stage {
                    0 => v.butterfly_within(0),
                    1 => v.butterfly_within(1),
                    2 => v.butterfly_within(2),
                    _ => v.butterfly_within(3),
                };
            }
            v.mul(scale).store(part.as_mut_ptr());
        }
    }
}

/// Constants of all passes.
#[derive(Clone, Copy)]
struct Constants<V> {
    minus: V,
    scale: V,
}

impl<V: Vector> Constants<V> {
    #[inline(always)]
    unsafe fn new(scale: f32) -> Self {
        // The black box keeps `x · (−1) + y` a fused multiply-add: the compiler would turn it into a subtraction,
        // and so load the adders alone.
        // SAFETY: the module's contract.
        unsafe { Constants { minus: V::splat(core::hint::black_box(-1.0)), scale: V::splat(scale) } }
    }
}

/// The first pass, and what it has to know of the later ones.
#[derive(Clone, Copy)]
struct FirstPass<V> {
    constants: Constants<V>,
    scale: f32,
    later: LaterPasses,
}

impl<V: Vector> FirstPass<V> {
    #[inline(always)]
    unsafe fn new(scale: f32, later: LaterPasses) -> Self {
        // SAFETY: the module's contract.
        FirstPass { constants: unsafe { Constants::new(scale) }, scale, later }
    }

    /// All stages of whole runs of 2^log2, at least a register each.
    #[inline(always)]
    unsafe fn run(self, prologue: impl Load<V>, x: &mut [MaybeUninit<f32>], log2: u32) {
        let between = log2 - V::LOG2;
        // SAFETY: the module's contract; 2^log2 is whole groups of 2^stages registers.
        unsafe {
            // Before outer factors there is nothing to multiply by, which the first of several passes does not do either.
            let scale = if self.scale == 1.0 { None } else { Some(self.scale) };
            if between < 2 || between <= V::PASS && scale.is_some() {
                // One pass over all runs, without a step from run to run.
                match between {
                    0 => self.neighbours::<1, true>(prologue, 0, x),
                    1 => self.neighbours::<2, true>(prologue, 0, x),
                    2 => self.neighbours::<4, true>(prologue, 0, x),
                    4 if V::PASS > 3 => self.neighbours::<16, true>(prologue, 0, x),
                    _ => self.neighbours::<8, true>(prologue, 0, x),
                }
                return;
            }
            let block = log2.min(BLOCK);
            let stages = first_share(block - V::LOG2, V::PASS);
            // A long run block after block, and at last what is left to do on the whole of it; short runs a block together.
            let (long, log2_piece) = (log2 > block, log2.max(BLOCK));
            for (i, piece) in x.chunks_mut(1 << log2_piece).enumerate() {
                for (j, part) in piece.chunks_mut(1 << BLOCK).enumerate() {
                    let at = (i << log2_piece) + (j << BLOCK);
                    match stages {
                        2 => self.neighbours::<4, false>(prologue, at, part),
                        4 if V::PASS > 3 => self.neighbours::<16, false>(prologue, at, part),
                        _ => self.neighbours::<8, false>(prologue, at, part),
                    }
                    (self.later)(part, V::LOG2 + stages, block, if long { None } else { scale });
                }
                if long {
                    (self.later)(piece, block, log2, scale);
                }
            }
        }
    }

    /// Groups of `N` neighbouring registers, all stages within and between them.
    #[inline(always)]
    unsafe fn neighbours<const N: usize, const LAST: bool>(
        self,
        prologue: impl Load<V>,
        at: usize,
        x: &mut [MaybeUninit<f32>],
    ) {
        // SAFETY: the module's contract; chunks are `N · LANES` floats.
        unsafe {
            for (j, part) in Chunks::new(x, (N * V::LANES).trailing_zeros()).enumerate() {
                let p = part.as_mut_ptr().cast::<f32>();
                let mut v = [self.constants.scale; N];
                for (i, v) in v.iter_mut().enumerate() {
                    let k = i * V::LANES;
                    let mut t = prologue.load(at + j * N * V::LANES + k, p.add(k));
                    t = t.butterfly_within(0).butterfly_within(1);
                    if V::LOG2 > 2 {
                        t = t.butterfly_within(2);
                    }
                    if V::LOG2 > 3 {
                        t = t.butterfly_within(3);
                    }
                    *v = t;
                }
                self.constants.finish::<N, LAST>(v, p, V::LANES);
            }
        }
    }
}

/// The stages from stride 2^from up to a run of 2^log2, and the scale in the last pass if there is one.
///
/// # Safety
/// The module's contract; `x` is initialised and whole runs, and 2^from is a multiple of the lanes and below a run.
#[inline(always)]
pub(crate) unsafe fn later_passes<V: Vector>(
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
                (1, false) => constants.rows::<2, false>(x, stride),
                (1, true) => constants.rows::<2, true>(x, stride),
                (2, false) => constants.rows::<4, false>(x, stride),
                (2, true) => constants.rows::<4, true>(x, stride),
                (4, false) if V::PASS > 3 => constants.rows::<16, false>(x, stride),
                (4, true) if V::PASS > 3 => constants.rows::<16, true>(x, stride),
                (_, false) => constants.rows::<8, false>(x, stride),
                (_, true) => constants.rows::<8, true>(x, stride),
            }
            from += stages;
        }
    }
}

impl<V: Vector> Constants<V> {
    /// Columns of `N` rows of `stride` floats.
    #[inline(always)]
    unsafe fn rows<const N: usize, const LAST: bool>(self, x: &mut [MaybeUninit<f32>], stride: usize) {
        // SAFETY: the module's contract; chunks are `N · stride` floats, a stride is whole registers.
        unsafe {
            for part in Chunks::new(x, (N * stride).trailing_zeros()) {
                for column in (0..stride).step_by(V::LANES) {
                    let p = part.as_mut_ptr().cast::<f32>().add(column);
                    let mut v = [self.scale; N];
                    for (i, v) in v.iter_mut().enumerate() {
                        *v = V::load(p.add(i * stride));
                    }
                    self.finish::<N, LAST>(v, p, stride);
                }
            }
        }
    }

    /// Stages between registers, the scale, and the stores.
    #[inline(always)]
    unsafe fn finish<const N: usize, const LAST: bool>(self, mut v: [V; N], p: *mut f32, stride: usize) {
        // SAFETY: the module's contract; the callers pass room for `N` registers `stride` apart.
        unsafe {
            self.stage::<N, 1>(&mut v);
            self.stage::<N, 2>(&mut v);
            self.stage::<N, 4>(&mut v);
            self.stage::<N, 8>(&mut v);
            for (i, v) in v.iter().enumerate() {
                let v = if LAST { v.mul(self.scale) } else { *v };
                v.store(p.add(i * stride));
            }
        }
    }

    /// One stage between registers `HALF` apart, if there are as many. One loop a stage, for the unroller: nested
    /// loops over 16 registers stay loops, and the registers memory.
    #[inline(always)]
    unsafe fn stage<const N: usize, const HALF: usize>(self, v: &mut [V; N]) {
        if HALF < N {
            for i in 0..N / 2 {
                let a = i / HALF * 2 * HALF + i % HALF;
                // SAFETY: the module's contract.
                (v[a], v[a + HALF]) =
                    unsafe { (v[a].add(v[a + HALF]), v[a + HALF].sub_from(self.minus, v[a])) };
            }
        }
    }
}
