//! Butterflies of a power of two, in place, stages in ascending stride.
//!
//! A pass loads 2^r registers, does r stages between them and stores them. The first pass also does the stages
//! between lanes of a register, on neighbouring registers; later passes walk columns of 2^r rows. A block of
//! [`BLOCK`] floats finishes all its stages before the next one is touched, so that a long transform streams
//! through the outer caches once for the block and once for each later pass.

use super::Vector;
use crate::hadamard::portable;

/// log2 of the floats that finish their stages while they are in L1: 16 KiB of its 32.
const BLOCK: u32 = 12;

/// See [`Kernels::butterflies`](crate::arch::kernels::Kernels::butterflies).
#[inline(always)]
pub(crate) unsafe fn butterflies<V: Vector>(x: &mut [f32], log2: u32, scale: f32) {
    // SAFETY: the module's contract; `x` is whole runs of 2^log2.
    unsafe {
        if log2 < V::LOG2 {
            let whole = x.len() - x.len() % V::LANES;
            short_runs::<V>(&mut x[..whole], log2, scale);
            portable::butterflies(&mut x[whole..], log2, scale);
            return;
        }
        let passes = Passes::<V>::new(scale);
        for run in x.chunks_exact_mut(1 << log2) {
            let block = log2.min(BLOCK);
            for part in run.chunks_exact_mut(1 << block) {
                passes.first(part, block, block == log2);
            }
            passes.columns(run, block, log2, true);
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

/// Constants of all passes.
#[derive(Clone, Copy)]
struct Passes<V> {
    minus: V,
    scale: V,
}

impl<V: Vector> Passes<V> {
    #[inline(always)]
    unsafe fn new(scale: f32) -> Self {
        // The black box keeps `x · (−1) + y` a fused multiply-add: the compiler would turn it into a subtraction,
        // and so load the adders alone.
        // SAFETY: the module's contract.
        unsafe { Passes { minus: V::splat(core::hint::black_box(-1.0)), scale: V::splat(scale) } }
    }

    /// All stages of a run of 2^log2 that fits L1, the scale only if `last`.
    #[inline(always)]
    unsafe fn first(self, x: &mut [f32], log2: u32, last: bool) {
        let between = log2 - V::LOG2;
        let passes = between.div_ceil(V::PASS).max(1);
        let stages = between.div_ceil(passes);
        let scaled = last && stages == between;
        // SAFETY: the module's contract; 2^log2 is whole groups of 2^stages registers.
        unsafe {
            match (stages, scaled) {
                (0, false) => self.neighbours::<1, false>(x),
                (0, true) => self.neighbours::<1, true>(x),
                (1, false) => self.neighbours::<2, false>(x),
                (1, true) => self.neighbours::<2, true>(x),
                (2, false) => self.neighbours::<4, false>(x),
                (2, true) => self.neighbours::<4, true>(x),
                (3, false) => self.neighbours::<8, false>(x),
                (3, true) => self.neighbours::<8, true>(x),
                (_, false) => self.neighbours::<16, false>(x),
                (_, true) => self.neighbours::<16, true>(x),
            }
            self.columns(x, V::LOG2 + stages, log2, last);
        }
    }

    /// The stages from stride 2^from up to a run of 2^log2, the scale in the last pass if `last`.
    #[inline(always)]
    unsafe fn columns(self, x: &mut [f32], mut from: u32, log2: u32, last: bool) {
        while from < log2 {
            let passes = (log2 - from).div_ceil(V::PASS);
            let stages = (log2 - from).div_ceil(passes);
            let (stride, scaled) = (1 << from, last && passes == 1);
            // SAFETY: the module's contract; 2^(from + stages) divides the length.
            unsafe {
                match (stages, scaled) {
                    (1, false) => self.rows::<2, false>(x, stride),
                    (1, true) => self.rows::<2, true>(x, stride),
                    (2, false) => self.rows::<4, false>(x, stride),
                    (2, true) => self.rows::<4, true>(x, stride),
                    (3, false) => self.rows::<8, false>(x, stride),
                    (3, true) => self.rows::<8, true>(x, stride),
                    (_, false) => self.rows::<16, false>(x, stride),
                    (_, true) => self.rows::<16, true>(x, stride),
                }
            }
            from += stages;
        }
    }

    /// First pass: groups of `N` neighbouring registers, all stages within and between them.
    #[inline(always)]
    unsafe fn neighbours<const N: usize, const LAST: bool>(self, x: &mut [f32]) {
        // SAFETY: the module's contract; chunks are `N · LANES` floats.
        unsafe {
            for part in x.chunks_exact_mut(N * V::LANES) {
                let p = part.as_mut_ptr();
                let mut v = [self.scale; N];
                for (i, v) in v.iter_mut().enumerate() {
                    let mut t = V::load(p.add(i * V::LANES)).butterfly_within(0).butterfly_within(1);
                    if V::LOG2 > 2 {
                        t = t.butterfly_within(2);
                    }
                    if V::LOG2 > 3 {
                        t = t.butterfly_within(3);
                    }
                    *v = t;
                }
                self.finish::<N, LAST>(v, p, V::LANES);
            }
        }
    }

    /// Later pass: columns of `N` rows of `stride` floats.
    #[inline(always)]
    unsafe fn rows<const N: usize, const LAST: bool>(self, x: &mut [f32], stride: usize) {
        // SAFETY: the module's contract; chunks are `N · stride` floats, a stride is whole registers.
        unsafe {
            for part in x.chunks_exact_mut(N * stride) {
                for column in (0..stride).step_by(V::LANES) {
                    let p = part.as_mut_ptr().add(column);
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
            let mut half = 1;
            while half < N {
                for i in 0..N / 2 {
                    let a = i / half * 2 * half + i % half;
                    (v[a], v[a + half]) = (v[a].add(v[a + half]), v[a + half].mul_add(self.minus, v[a]));
                }
                half *= 2;
            }
            for (i, v) in v.iter().enumerate() {
                let v = if LAST { v.mul(self.scale) } else { *v };
                v.store(p.add(i * stride));
            }
        }
    }
}
