//! Products on more threads than there are cores, interrupted by signals whose handler multiplies too: what a backend keeps
//! in registers, tiles among them, comes back.

#![cfg(target_os = "linux")]

mod common;

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use core::time::Duration;
use std::time::Instant;

use hbitlinear::{
    Activations, Backend, Bits, Layout, OutputMut, Scaling, WeightSpec, Weights, product_i32,
    product_workspace_len,
};

const SHAPE: (usize, usize, usize) = (70, 130, 1029);

/// One product and what it gives.
struct Job {
    backend: Backend,
    blob: Vec<u8>,
    values: Vec<u8>,
    sums: Vec<i32>,
    y: Vec<i32>,
    expected: Vec<i32>,
    workspace: Vec<u8>,
}

impl Job {
    fn new(backend: Backend, layout: Layout, seed: usize) -> Job {
        let (tokens, outputs, inputs) = SHAPE;
        let spec = WeightSpec::new(outputs, inputs, layout, Scaling::Tensor).unwrap();
        let mut blob = vec![0; spec.packed_len()];
        let ternary: Vec<i8> = (0..outputs * inputs).map(|i| ((i + seed) * i % 11 % 3) as i8 - 1).collect();
        spec.pack(&ternary, &[1.0], &mut blob).unwrap();
        let values: Vec<u8> = (0..tokens * inputs).map(|i| (i * (i + seed) % 509) as u8).collect();
        let sums = values.chunks(inputs).map(|q| q.iter().map(|&q| i32::from(q as i8)).sum()).collect();
        let y = vec![0; tokens * outputs];
        let workspace = vec![0; product_workspace_len()];
        let mut job =
            Job { backend: common::scalar(), blob, values, sums, expected: y.clone(), y, workspace };
        job.run();
        job.expected.copy_from_slice(&job.y);
        Job { backend, ..job }
    }

    fn run(&mut self) {
        let (tokens, outputs, inputs) = SHAPE;
        let weights = Weights::open_verified(&self.blob).unwrap();
        let scales = [1.0; SHAPE.0];
        let x = Activations::new(Bits::Eight, inputs, &self.values, &scales, &self.sums).unwrap();
        let y = OutputMut::rows(&mut self.y, outputs).unwrap();
        product_i32(self.backend, &weights, &x, 0..tokens, 0..outputs, y, &mut self.workspace).unwrap();
    }

    fn is_right(&mut self) -> bool {
        self.y.fill(-1);
        self.run();
        self.y == self.expected
    }
}

unsafe extern "C" {
    safe fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn setitimer(which: i32, new: *const [i64; 4], old: *mut [i64; 4]) -> i32;
}

/// Signals to the process, every 200 µs of real time, or none.
fn interrupt(microseconds: i64) {
    const REAL: i32 = 0;
    let times = [0, microseconds, 0, microseconds];
    // SAFETY: two pairs of seconds and microseconds; the old ones are not asked for.
    assert_eq!(unsafe { setitimer(REAL, &raw const times, core::ptr::null_mut()) }, 0);
}

/// What the handler multiplies, while no handler does.
static OF_HANDLER: AtomicPtr<Job> = AtomicPtr::new(core::ptr::null_mut());
static HANDLED: AtomicUsize = AtomicUsize::new(0);
static HANDLER_WAS_WRONG: AtomicBool = AtomicBool::new(false);

extern "C" fn handle(_: i32) {
    let job = OF_HANDLER.swap(core::ptr::null_mut(), Ordering::Acquire);
    // SAFETY: a job that lives as long as the test, taken by one handler at a time.
    let Some(taken) = (unsafe { job.as_mut() }) else { return };
    // No allocation, and no lock: a product may be called anywhere.
    if !taken.is_right() {
        HANDLER_WAS_WRONG.store(true, Ordering::Relaxed);
    }
    HANDLED.fetch_add(1, Ordering::Relaxed);
    OF_HANDLER.store(job, Ordering::Release);
}

#[test]
fn registers_come_back() {
    const ALARM: i32 = 14;
    let best = Backend::best();
    let mut of_handler = Job::new(best, Layout::TwoBit, 5);
    OF_HANDLER.store(&raw mut of_handler, Ordering::Release);
    signal(ALARM, handle);
    let others = Backend::available().nth(1).unwrap_or(best);
    let jobs =
        [(best, Layout::TwoBit), (best, Layout::FiveTrit), (best, Layout::TwoBit), (others, Layout::TwoBit)];
    interrupt(200);
    std::thread::scope(|scope| {
        for (seed, (backend, layout)) in jobs.into_iter().enumerate() {
            scope.spawn(move || {
                let mut job = Job::new(backend, layout, seed);
                let start = Instant::now();
                while start.elapsed() < Duration::from_secs(2) {
                    assert!(job.is_right(), "{backend} {layout}");
                }
            });
        }
    });
    interrupt(0);
    // A handler that still runs ends before its job goes.
    while OF_HANDLER.swap(core::ptr::null_mut(), Ordering::Acquire).is_null() {
        std::thread::yield_now();
    }
    let handled = HANDLED.load(Ordering::Relaxed);
    assert!(handled > 0 && !HANDLER_WAS_WRONG.load(Ordering::Relaxed), "{handled} signals");
    common::log(&format!("backend {best} beside {others}: {handled} signals"));
}
