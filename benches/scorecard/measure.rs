//! Timing two things against each other, and collecting the scores.

use core::time::Duration;
use std::time::Instant;

/// What was asked for, and what came out.
pub(crate) struct Scorecard {
    /// Fewer sizes.
    pub(crate) quick: bool,
    budget: Duration,
    scores: Vec<(String, f64)>,
}

impl Scorecard {
    /// From the command line: `--quick`, `--test`.
    pub(crate) fn from_args(args: impl Iterator<Item = String>) -> Scorecard {
        let args: Vec<String> = args.collect();
        let has = |flag: &str| args.iter().any(|arg| arg == flag);
        let milliseconds = if has("--test") {
            1
        } else if has("--quick") {
            150
        } else {
            1000
        };
        Scorecard {
            quick: has("--quick") || has("--test"),
            budget: Duration::from_millis(milliseconds),
            scores: Vec::new(),
        }
    }

    /// Median seconds of one call of each, measured alternately.
    pub(crate) fn versus(&self, mut first: impl FnMut(), mut second: impl FnMut()) -> [f64; 2] {
        let start = Instant::now();
        let calls = [calls_of(&mut first), calls_of(&mut second)];
        let mut seconds = [Vec::new(), Vec::new()];
        while seconds[0].is_empty() || start.elapsed() < self.budget {
            seconds[0].push(time(calls[0], &mut first));
            seconds[1].push(time(calls[1], &mut second));
        }
        seconds.map(median)
    }

    /// Median seconds of each of two parts that a call times itself, where one of them, timed over and over on its own,
    /// would find its data in a nearer cache.
    pub(crate) fn parts(&self, mut call: impl FnMut() -> [Duration; 2]) -> [f64; 2] {
        call();
        let start = Instant::now();
        let mut seconds = [Vec::new(), Vec::new()];
        while seconds[0].is_empty() || start.elapsed() < self.budget {
            for (seconds, part) in seconds.iter_mut().zip(call()) {
                seconds.push(part.as_secs_f64());
            }
        }
        seconds.map(median)
    }

    /// One row of the table and one score.
    pub(crate) fn score(&mut self, name: String, seconds: f64, rate: &str, value: f64) {
        println!("{name:<58} {:>11} ns  {rate:>12}  {value:>7.3}", format!("{:.0}", seconds * 1e9));
        self.scores.push((name, value));
    }

    /// The lines for scripts. Figures of several shapes (a part `/<N>x<K>/` of the name) come out as one, their median.
    pub(crate) fn print_scores(&self) {
        let mut lines: Vec<(String, Vec<f64>)> = Vec::new();
        for (name, value) in &self.scores {
            let parts: Vec<&str> = name.split('/').filter(|part| !is_shape(part)).collect();
            let name = parts.join("/");
            match lines.iter_mut().find(|line| line.0 == name) {
                Some((_, values)) => values.push(*value),
                None => lines.push((name, vec![*value])),
            }
        }
        println!();
        for (name, values) in lines {
            println!("score {name} {:.4}", median(values));
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `2560x6912` and the like.
fn is_shape(part: &str) -> bool {
    part.split_once('x').is_some_and(|(n, k)| n.parse::<usize>().is_ok() && k.parse::<usize>().is_ok())
}

/// Calls that take about 50 µs, so that the clock does not count.
fn calls_of(call: &mut impl FnMut()) -> u32 {
    let mut calls = 1;
    while calls < 1 << 20 && time(calls, call) * f64::from(calls) < 50e-6 {
        calls *= 2;
    }
    calls
}

/// Seconds of one of that many calls.
fn time(calls: u32, call: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}
