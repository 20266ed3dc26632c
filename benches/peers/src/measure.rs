//! One interleaved run: every contestant a few milliseconds, round after round, so that a slow moment falls on all of
//! them. A ratio is the median of the rounds' ratios; a speed comes from the median of the rounds' times. Time is the
//! thread's CPU time, which does not count when others have the core.

use std::time::Duration;

use cpu_time::ThreadTime;

/// Seconds of a call: from f32 inputs to f32 outputs; and of the product alone, where they can be told apart.
pub type Seconds = [f64; 2];

/// A way to compute rows of f32 from rows of f32: the product `Y = X Wᵀ`, or a transform.
pub trait Work {
    /// Calls compute this many rows from now on.
    fn set_rows(&mut self, rows: usize);
    /// Computes them, with that copy of the weights, and returns the seconds of one time.
    fn call(&mut self, copy: usize) -> Seconds;
    /// What comes out for the last row.
    fn outputs(&mut self) -> Vec<f32>;
}

/// Who is measured.
pub struct Contestant<'a> {
    /// What tables and lines call it.
    pub name: String,
    /// The relative root-mean-square error that its quantisation explains.
    pub tolerance: f64,
    /// How many copies of the weights it has.
    pub copies: usize,
    /// What it does.
    pub work: Box<dyn Work + 'a>,
}

/// Where the weights are before a call.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    /// The same copy every time: in the caches as far as it fits.
    Warm,
    /// The next copy of a working set far beyond the caches.
    Dram,
}

/// Seconds of a call, by contestant and round.
pub fn run(contestants: &mut [Contestant<'_>], place: Place, rounds: usize) -> Vec<Vec<Seconds>> {
    let mut times = vec![Vec::new(); contestants.len()];
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    let (mut next, mut random) = (0, fastrand::Rng::with_seed(1));
    if place == Place::Dram {
        // A virtual machine may have to find pages again that nobody touched for some seconds.
        for contestant in &mut *contestants {
            (0..contestant.copies).for_each(|copy| _ = contestant.work.call(copy));
        }
    }
    for _ in 0..rounds {
        // Nobody always inherits the caches of the same predecessor.
        random.shuffle(&mut order);
        for &index in &order {
            let contestant = &mut contestants[index];
            // Code and activations come back into the caches; with `Place::Warm` the weights too.
            contestant.work.call(next % contestant.copies);
            let (start, mut calls, mut sums) = (ThreadTime::now(), 0.0, [0.0; 2]);
            while start.elapsed() < Duration::from_millis(4) {
                next += usize::from(place == Place::Dram);
                let seconds = contestant.work.call(next % contestant.copies);
                calls += 1.0;
                sums = [sums[0] + seconds[0], sums[1] + seconds[1]];
            }
            times[index].push(sums.map(|sum| sum / calls));
        }
    }
    times
}

/// The median.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// That a call gives what floats give, up to quantisation: so the contestant is called right.
///
/// # Errors
/// Says who is wrong, and by how much.
pub fn check(contestant: &mut Contestant<'_>, reference: &[f32]) -> Result<(), String> {
    contestant.work.call(contestant.copies - 1);
    let square = |x: f32| f64::from(x) * f64::from(x);
    let error: f64 = contestant.work.outputs().iter().zip(reference).map(|(y, r)| square(y - r)).sum();
    let relative = (error / reference.iter().map(|&r| square(r)).sum::<f64>()).sqrt();
    let Contestant { name, tolerance, .. } = contestant;
    if relative <= *tolerance {
        return Ok(());
    }
    Err(format!("{name}: relative error {relative:.4} against floats; quantisation explains {tolerance}"))
}
