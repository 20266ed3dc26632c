//! Work on the rows of a tensor, shared by threads.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

/// How many threads there are for work: those that were asked for, or all cores.
#[must_use]
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, core::num::NonZero::get))
}

/// Calls `work` for every piece of `0..len`, each `piece` long, on that many threads, and gives the results in the pieces'
/// order. `state` makes what a thread keeps, such as buffers. After an error no new piece is begun.
///
/// # Errors
/// The error of the first piece that has one.
pub fn pieces<S, T: Send, E: Send>(
    threads: usize,
    len: usize,
    piece: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Range<usize>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let (next, count) = (AtomicUsize::new(0), len.div_ceil(piece));
    let run = || {
        let (mut state, mut done) = (state(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            let result = work(&mut state, index * piece..((index + 1) * piece).min(len));
            if result.is_err() {
                next.store(count, Ordering::Relaxed);
            }
            done.push((index, result));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(count)).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().expect("work that does not panic"));
        }
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
