//! The product on rayon's threads, for Rust hosts that have no pool of their own (feature `rayon`).
//!
//! Every thread begins with a part of the outputs of its own, the same for all blocks of tokens, so that its weights stay in its
//! cache; then it **claims** what others have not begun, half of what is left at a time, and waits for the last of it without
//! sleeping. A thread of rayon sleeps after some 10 µs without work, and waking it takes some 50 µs in a virtual machine, by what
//! products lost: as long as two threads take for one token and 2560 × 2560 weights. So nobody waits for a thread that is still waking, and
//! between products that follow each other none goes to sleep.
//!
//! On two cores of a Sapphire Rapids (2560 × 2560, int8, medians of interleaved runs of products that follow each other), 1, 4,
//! 16, 64 and 512 tokens are 1.95, 1.90, 1.92, 1.94 and 1.95 times as fast as on one with `avx2`, where halves of the outputs alone
//! were 1.38, 1.36, 1.73, 1.85 and 1.90; with `amx` 2.04, 1.91, 1.99, 2.14 and 2.28 times, where they were 1.51, 1.43, 1.31, 1.51
//! and 1.78. One token and 400 MB of weights: 1.62 times with `avx2`, 1.71 with `avx512vnni`, where halves were 0.91 and 0.94.
//! Threads that took whole blocks of tokens instead made 248 GMAC/s of 512 tokens for 269 with `avx2`: twice the weights are
//! in each core's cache.

extern crate std;

use core::hint::spin_loop;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::thread::yield_now;
use std::vec::Vec;

use super::driver::{Cut, Driver, Piece};
use super::{dequantized, product_workspace_len};
use crate::buffer::Buffer;
use crate::error::{Error, Result, checked_size};
use crate::kernels::Backend;
use crate::kernels::contract::Kernels;
use crate::layout::{Activations, Weights};
use crate::stages::output::OutputMut;

/// Most panels of a group: what threads take is whole groups, and few large ones cannot be shared evenly.
const GROUP_PANELS: usize = 32;

/// Turns of a waiting loop before it lets other threads run, some 10 µs.
const SPINS: usize = 300;

/// Bytes of workspace that [`par_product`] needs to use that many threads.
///
/// # Errors
/// [`Error::SizeOverflow`].
pub fn par_workspace_len(threads: usize) -> Result<usize> {
    checked_size(threads, product_workspace_len(), "threads * product_workspace_len")
}

/// [`product`], on as many of rayon's threads as the workspace has room for ([`par_workspace_len`]). The bits are those of
/// [`product`].
///
/// # Errors
/// As [`product`]. Then `y` is untouched.
///
/// [`product`]: super::product
///
/// ```
/// use hbitlinear::{
///     Activations, Backend, Bits, Layout, OutputMut, Scaling, WeightSpec, Weights, par_product, par_workspace_len,
/// };
/// let spec = WeightSpec::new(40, 2, Layout::TwoBit, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1; 80], &[0.5], &mut blob)?;
/// let weights = Weights::open(&blob)?;
/// let x = Activations::new(Bits::Eight, 2, &[3, 4], &[2.0], &[7])?;
/// let (mut y, mut workspace) = ([0.0; 40], vec![0; par_workspace_len(2)?]);
/// par_product(Backend::best(), &weights, &x, 0..1, 0..40, OutputMut::rows(&mut y, 40)?, &mut workspace)?;
/// assert_eq!(y, [7.0; 40]);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn par_product<'w>(
    backend: Backend,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    y: OutputMut<'_, f32>,
    workspace: impl Into<Buffer<'w, u8>>,
) -> Result<()> {
    let (workspace, expected) = (workspace.into(), product_workspace_len());
    if workspace.len() < expected {
        return Err(Error::Workspace { expected, actual: workspace.len() });
    }
    let kernels = backend.kernels(Kernels::of_product);
    let driver = Driver::new(kernels, weights, x, tokens, outputs, &y, weights.spec().has_groups())?;
    let cut = driver.cut().with_groups_of(GROUP_PANELS);
    let threads = (workspace.len() / expected).min(rayon::current_num_threads());
    let claims = Claims::new(&cut, threads);
    on_threads(&driver, &claims, y, workspace, 0..threads)
}

/// All pieces, in a queue for each thread.
struct Claims<'a> {
    cut: &'a Cut,
    queues: Vec<Queue>,
    /// Groups of panels, in all blocks of tokens.
    total: usize,
    done: AtomicUsize,
}

/// Some groups of panels of every block of tokens, block by block, which threads take from the front. With a cache line of its
/// own.
#[repr(align(128))]
struct Queue {
    first: usize,
    groups: usize,
    blocks: usize,
    taken: AtomicUsize,
}

impl Queue {
    /// How many are taken after so many: half of what is left, of a block.
    fn next(&self, taken: usize) -> usize {
        let left = self.groups * self.blocks - taken;
        left.div_ceil(2).min(self.groups - taken % self.groups)
    }

    /// Block, first group and number of what nobody else gets.
    fn take(&self) -> Option<(usize, usize, usize)> {
        let all = self.groups * self.blocks;
        let take = |taken| (taken < all).then(|| taken + self.next(taken));
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some((taken / self.groups, self.first + taken % self.groups, self.next(taken)))
    }
}

impl Claims<'_> {
    fn new(cut: &Cut, threads: usize) -> Claims<'_> {
        let (groups, blocks) = (cut.panels.len().div_ceil(cut.group), cut.blocks());
        let border = |thread| groups * thread / threads;
        let queue = |thread| Queue {
            first: border(thread),
            groups: border(thread + 1) - border(thread),
            blocks,
            taken: AtomicUsize::new(0),
        };
        let queues = (0..threads).map(queue).collect();
        Claims { cut, queues, total: groups * blocks, done: AtomicUsize::new(0) }
    }

    fn of_thread(&self, thread: usize) -> Claimed<'_> {
        Claimed { claims: self, queues: thread..thread + self.queues.len(), mine: 0 }
    }

    fn wait(&self) {
        let mut spins = 0;
        while self.done.load(Ordering::Relaxed) < self.total {
            // Where there are more threads than cores, what one waits for may be another's turn.
            if spins < SPINS {
                spin_loop();
            } else {
                yield_now();
            }
            spins += 1;
        }
    }
}

/// The pieces of one thread: its own, then those of others. It waits at the end until all are done.
struct Claimed<'a> {
    claims: &'a Claims<'a>,
    /// Those that may have pieces left, modulo their number.
    queues: Range<usize>,
    /// Groups of the piece at hand.
    mine: usize,
}

impl Claimed<'_> {
    fn finish(&mut self) {
        self.claims.done.fetch_add(core::mem::take(&mut self.mine), Ordering::Relaxed);
    }
}

impl Iterator for Claimed<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        self.finish();
        let Claims { cut, queues, .. } = self.claims;
        while !self.queues.is_empty() {
            if let Some((block, group, count)) = queues[self.queues.start % queues.len()].take() {
                self.mine = count;
                let first = cut.panels.start + group * cut.group;
                return Some(cut.piece(block, first..cut.panels.end.min(first + count * cut.group)));
            }
            self.queues.start += 1;
        }
        self.claims.wait();
        None
    }
}

/// So that nobody waits for a thread that panicked.
impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Calls `dequantized` on some of the threads, as far as they are free.
fn on_threads(
    driver: &Driver<'_>,
    claims: &Claims<'_>,
    y: OutputMut<'_, f32>,
    workspace: Buffer<'_, u8>,
    threads: Range<usize>,
) -> Result<()> {
    if threads.len() < 2 {
        return dequantized(driver, claims.cut, claims.of_thread(threads.start), y, workspace);
    }
    let middle = threads.start + threads.len() / 2;
    let (left, right) = workspace.split_at(threads.len() / 2 * product_workspace_len());
    // SAFETY: every piece is of elements of its own, and one thread's.
    let other = unsafe { y.again() };
    let (left, right) = rayon::join(
        || on_threads(driver, claims, y, left, threads.start..middle),
        || on_threads(driver, claims, other, right, middle..threads.end),
    );
    left.and(right)
}
