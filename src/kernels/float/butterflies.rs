//! Butterflies of a power of two, in place, stages in ascending stride.
//!
//! A pass loads 2^r registers, does r stages between them and stores them. The first pass also does the stages
//! between lanes of a register, on neighbouring registers; later passes walk columns of 2^r rows. A block of
//! [`BLOCK`] floats finishes all its stages before the next one is touched, so that a long transform streams
//! through the outer caches once for the block and once for each later pass.
//!
//! **Why so.** A stage between lanes is one shuffle and one multiply-add by ±1; a transposition to keep all stages
//! between registers costs two shuffles a register and stage more. Between registers `a + b` is an addition and
//! `a − b` one too or a multiply-add by −1: see [`super::passes`].
//! The sizes of the passes are those at which no register is spilled: 8 of AVX2's 16, 16 of AVX-512's 32. One stage more in
//! AVX2's first pass, with half of the registers put back meanwhile, saves a pass where there are 4, 7 or 10 stages between
//! registers: of 128 points alone 15 % on Zen 3, of 1024 2 %, of 8192 2 %; rows of 128 one after the other lose 3 %.
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
//! **What binds on Zen 3**, with AVX2: 4096 points take 49.6 cycles for eight registers, 0.96 of the additions' limit, of which the
//! first pass is 28 and each of the others 10.5. Its 24 shuffles, 24 multiply-adds and 24 additions or differences would be
//! 18 cycles if four pipes shared them at will; 19.0 are spent on the first two kinds alone, 22 with their stores. Tried in
//! assembly, cycles of this pass: 240 orders of the same instructions, 27.7 to 31; register after register, 29.1 (so they go side
//! by side: 64 points 8 % faster, with a norm on the way 16 %); all differences by multiply-adds 31.6, those of one stage 28.0 to 28.4; the
//! partner's sign by a multiplication or an exclusive or and an addition, 30 to 35; signs from memory 29 to 31; `vaddsubps` for
//! the first stage, lanes left swapped, 28.0; two registers' pairs by `vshufps`, put in order at once 31.5 to 34, never 28 to 29;
//! partners by loads one float to the left and right and a blend, 28.3 to 28.9; shuffles of one group beside additions of
//! another, with memory between them, 26.2 at best. `vpermpd`, which the compiler makes of `vperm2f128`, is two operations: 4
//! cycles more.
//!
//! From the second-level cache a pass of two rows takes 11.3 cycles, of four 12, of eight 14, of 16 83, since they fall into one
//! set; strips of 16 rows through a buffer 33 to 59, where two passes of four take 24. 8192 points still go through the first
//! level in three passes, 4 % faster than 4096 twice and a pass of two rows, and 65536 points as eight times 8192, 5 %. Tried:
//! 2048 points eight times for 16384, and 64 times for 131072, no gain.
//! The limit is near: to read, change and write 256 bytes there takes 9.5 cycles, to read them 8.0, in a quieter hour, when two rows took
//! 9.9 cycles, four 10.4 and eight 12.7. Tried: two or four registers of a row next to each other, the same; lines fetched by hand 16
//! to 128 floats ahead, four rows 11.2 to 12.7, eight 12.9 to 15.2; four rows of what has its first stages behind it in one loop with
//! the first pass, whose pipes they leave alone, 32.7 cycles for 38.6 from that cache and 32.6 to 33.4 for 36.4 from the first, if they take
//! turns by two registers (stage by stage it spills). That is 1.3 to 3 % of 1024 to 65536 points and 7 to 8 % of 131072, 2^19 and
//! 2^20, which save a pass, none of 2^18, for another kernel and two more ways to walk: left.
//!
//! **Tried for the last four stages of 65536 points**, at strides from 16 KiB, with AVX2 on a Xeon (Sapphire Rapids), of which
//! two passes of four rows take 7.7 µs: eight rows and then two, 7.8; 16 rows in one pass, 24; the two passes on strips of 16
//! to 128 columns with the stack between them, 10.6 to 13.5.
//!
//! **Size.** There is a first pass for each way to load, and one function for the later passes, which have nothing to do with
//! it: written out in each first pass they were three quarters of the code.

use core::mem::MaybeUninit;

use super::passes::{ALL, Chunks, Constants, LaterPasses, LaterPassesFn, NONE, first_share};
use super::vector::Vector;
use crate::kernels::contract::Prologue;
use crate::kernels::scalar::transform;

/// log2 of the floats that finish their stages while they are in L1: 16 KiB of its 32.
const BLOCK: u32 = 12;

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
    /// Whether [`Vector::DOUBLE_GROUPS`] counts: for each other way to load, as much code again would save 2 %.
    const DOUBLES: bool = false;
    unsafe fn load(self, index: usize, x: *const f32) -> V;
}

#[derive(Clone, Copy)]
struct InPlace;

impl<V: Vector> Load<V> for InPlace {
    const DOUBLES: bool = V::DOUBLE_GROUPS;

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

/// The first pass, and what it has to know of the later ones.
#[derive(Clone, Copy)]
struct FirstPass<V> {
    constants: Constants<V>,
    scale: f32,
    later: LaterPassesFn,
}

impl<V: Vector> FirstPass<V> {
    #[inline(always)]
    unsafe fn new(scale: f32, later: LaterPasses) -> Self {
        let later = if V::spares_multiply_adds() { later.sparing } else { later.fused };
        // SAFETY: the module's contract.
        FirstPass { constants: unsafe { Constants::new(scale) }, scale, later }
    }

    /// All stages of whole runs of 2^log2, at least a register each.
    #[inline(always)]
    unsafe fn run<L: Load<V>>(self, prologue: L, x: &mut [MaybeUninit<f32>], log2: u32) {
        let between = log2 - V::LOG2;
        // SAFETY: the module's contract; 2^log2 is whole groups of 2^stages registers.
        unsafe {
            // Before outer factors there is nothing to multiply by, which the first of several passes does not do either.
            let scale = if self.scale == 1.0 { None } else { Some(self.scale) };
            // One pass over all runs, without a step from run to run.
            match (between, scale.is_some()) {
                (0, _) => return self.neighbours::<1, true>(prologue, 0, x),
                (1, false) => return self.neighbours::<2, false>(prologue, 0, x),
                (1, true) => return self.neighbours::<2, true>(prologue, 0, x),
                (2, true) => return self.neighbours::<4, true>(prologue, 0, x),
                (3, true) => return self.neighbours::<8, true>(prologue, 0, x),
                (4, true) if V::PASS > 3 => return self.neighbours::<16, true>(prologue, 0, x),
                (4, true) if L::DOUBLES => return self.double_groups::<8, true>(prologue, 0, x),
                _ => {}
            }
            // Where a block of all of L1 saves a pass.
            let block = match log2 {
                13 | 16 if L::DOUBLES => 13,
                _ => log2.min(BLOCK),
            };
            let between = block - V::LOG2;
            let stages = if L::DOUBLES && between % 3 == 1 { 4 } else { first_share(between, V::PASS) };
            // A long run block after block, and at last what is left to do on the whole of it; short runs a block together.
            let (long, log2_piece, log2_part) = (log2 > block, log2.max(BLOCK), block.max(BLOCK));
            for (i, piece) in x.chunks_mut(1 << log2_piece).enumerate() {
                for (j, part) in piece.chunks_mut(1 << log2_part).enumerate() {
                    let at = (i << log2_piece) + (j << log2_part);
                    match stages {
                        2 => self.neighbours::<4, false>(prologue, at, part),
                        4 if V::PASS > 3 => self.neighbours::<16, false>(prologue, at, part),
                        4 if L::DOUBLES => self.double_groups::<8, false>(prologue, at, part),
                        _ => self.neighbours::<8, false>(prologue, at, part),
                    }
                    if V::LOG2 + stages < block {
                        (self.later)(part, V::LOG2 + stages, block, if long { None } else { scale });
                    }
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
                let v = self.group::<N>(prologue, at + j * N * V::LANES, p);
                self.constants.store::<N, LAST>(v, p, V::LANES);
            }
        }
    }

    /// The same with twice as many, of which the first `N` are put back while the others are at work.
    #[inline(always)]
    unsafe fn double_groups<const N: usize, const LAST: bool>(
        self,
        prologue: impl Load<V>,
        at: usize,
        x: &mut [MaybeUninit<f32>],
    ) {
        let half = N * V::LANES;
        // SAFETY: the module's contract; chunks are `2 · N · LANES` floats.
        unsafe {
            for (j, part) in Chunks::new(x, (2 * half).trailing_zeros()).enumerate() {
                let p = part.as_mut_ptr().cast::<f32>();
                let low = self.group::<N>(prologue, at + j * 2 * half, p);
                self.constants.store::<N, false>(low, p, V::LANES);
                // Or the compiler would put them on the stack instead, which need not be aligned.
                let p = core::hint::black_box(p);
                let high = self.group::<N>(prologue, at + j * 2 * half + half, p.add(half));
                for (i, &high) in high.iter().enumerate() {
                    let (low, p) = (V::load(p.add(i * V::LANES)), p.add(i * V::LANES));
                    self.constants.store::<2, LAST>([low.add(high), low.sub(high)], p, half);
                }
            }
        }
    }

    /// `N` neighbouring registers after all stages within and between them.
    #[inline(always)]
    unsafe fn group<const N: usize>(self, prologue: impl Load<V>, at: usize, p: *const f32) -> [V; N] {
        let mut v = [self.constants.scale; N];
        // SAFETY: the module's contract; the callers pass room for `N` registers.
        unsafe {
            for (i, v) in v.iter_mut().enumerate() {
                let k = i * V::LANES;
                *v = prologue.load(at + k, p.add(k));
                if !V::SIDE_BY_SIDE {
                    *v = v.butterfly_within(0).butterfly_within(1);
                    if V::LOG2 > 2 {
                        *v = v.butterfly_within(2);
                    }
                    if V::LOG2 > 3 {
                        *v = v.butterfly_within(3);
                    }
                }
            }
            if V::SIDE_BY_SIDE {
                for v in &mut v {
                    *v = v.butterfly_within(0);
                }
                for v in &mut v {
                    *v = v.butterfly_within(1);
                }
                for v in &mut v {
                    *v = v.butterfly_within(2);
                }
            }
            if V::FUSED_FIRST {
                self.constants.stages::<N, ALL>(v)
            } else {
                self.constants.stages::<N, NONE>(v)
            }
        }
    }
}
