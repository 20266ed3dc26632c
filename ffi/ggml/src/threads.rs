//! Threads for a graph: the host's, if its CPU backend runs on OpenMP; otherwise helpers of our own that sleep between graphs.
//!
//! A second pool that spins would take the cores from the host's: with as many threads as cores that costs ten times what it
//! gives.

use core::ffi::{c_int, c_uint, c_void};
use core::hint::spin_loop;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::host::Objects;

/// How long a helper looks for the next graph before it sleeps: about what waking it costs.
const SPIN: Duration = Duration::from_micros(20);

/// One thread of those that compute a graph.
pub(crate) struct Member<'a> {
    pub(crate) index: usize,
    pub(crate) count: usize,
    barrier: &'a dyn Fn(),
}

impl Member<'_> {
    /// Waits for the others.
    pub(crate) fn barrier(&self) {
        if self.count > 1 {
            (self.barrier)();
        }
    }
}

/// What each thread does; it must not panic between barriers.
type Work<'a> = &'a (dyn Fn(&Member<'_>) + Sync);

pub(crate) enum Team {
    OpenMp(OpenMp),
    Pool(Pool),
}

impl Team {
    /// The host's threads if they can be had.
    pub(crate) fn find() -> Team {
        OpenMp::find().map_or_else(|| Team::Pool(Pool::default()), Team::OpenMp)
    }

    /// Runs `work` on up to `count` threads, of which the caller is one.
    pub(crate) fn run(&self, count: usize, work: Work<'_>) {
        if count < 2 {
            return work(&Member { index: 0, count: 1, barrier: &|| {} });
        }
        match self {
            Team::OpenMp(openmp) => openmp.run(count, work),
            Team::Pool(pool) => pool.run(count, work),
        }
    }
}

/// The entry points of the OpenMP runtime that the host's CPU backend is linked to, in GCC's spelling, which LLVM's has too.
pub(crate) struct OpenMp {
    parallel: unsafe extern "C" fn(unsafe extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint),
    barrier: unsafe extern "C" fn(),
    thread: unsafe extern "C" fn() -> c_int,
    threads: unsafe extern "C" fn() -> c_int,
}

impl OpenMp {
    fn find() -> Option<OpenMp> {
        Objects::named("ggml-cpu").into_iter().find_map(|object| {
            let [parallel, barrier, thread, threads] =
                [c"GOMP_parallel", c"GOMP_barrier", c"omp_get_thread_num", c"omp_get_num_threads"]
                    .map(|name| object.symbol(name));
            // SAFETY: the runtime's documented signatures. It stays loaded: libgomp cannot be unloaded.
            unsafe {
                Some(OpenMp {
                    parallel: core::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn(unsafe extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint),
                    >(parallel?),
                    barrier: core::mem::transmute::<*mut c_void, unsafe extern "C" fn()>(barrier?),
                    thread: core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(thread?),
                    threads: core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(threads?),
                })
            }
        })
    }

    fn run(&self, count: usize, work: Work<'_>) {
        unsafe extern "C" fn region(data: *mut c_void) {
            // SAFETY: `run` passes its pair, which lives until all threads are back.
            let (openmp, work) = unsafe { &*data.cast::<(&OpenMp, Work<'_>)>() };
            // SAFETY: called in a parallel region.
            let barrier = || unsafe { (openmp.barrier)() };
            // SAFETY: these two may be called anywhere.
            let (index, count) = unsafe { ((openmp.thread)(), (openmp.threads)()) };
            work(&Member { index: index as usize, count: count as usize, barrier: &barrier });
        }
        let mut data = (self, work);
        // SAFETY: the runtime gives each thread of the region the pointer, and returns when all are back.
        unsafe { (self.parallel)(region, (&raw mut data).cast(), count as c_uint, 0) };
    }
}

/// Helpers of one backend. They exist from the first graph that wants them until the backend is freed.
#[derive(Default)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    helpers: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    /// The number of the newest job; helpers wait for it to change.
    newest: AtomicU32,
    job: Mutex<Option<Job>>,
    /// Helpers that have not finished it.
    busy: AtomicUsize,
    end: AtomicBool,
    arrived: AtomicUsize,
    /// Counts the barriers that all have reached.
    phase: AtomicUsize,
}

/// A graph for some threads.
#[derive(Clone, Copy)]
struct Job {
    number: u32,
    work: *const (dyn Fn(&Member<'_>) + Sync),
    count: usize,
}

// SAFETY: the work is Sync, and alive as long as a helper is busy.
unsafe impl Send for Job {}

impl Shared {
    fn member(&self, job: &Job, index: usize) {
        let barrier = || {
            let phase = self.phase.load(Ordering::Acquire);
            if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == job.count {
                self.arrived.store(0, Ordering::Relaxed);
                self.phase.store(phase + 1, Ordering::Release);
            } else {
                wait(|| self.phase.load(Ordering::Acquire) != phase);
            }
        };
        // SAFETY: `run` keeps the work until no helper is busy.
        let work = unsafe { &*job.work };
        work(&Member { index, count: job.count, barrier: &barrier });
    }

    fn help(&self, index: usize) {
        let mut seen = 0;
        loop {
            let asleep_from = Instant::now() + SPIN;
            while self.newest.load(Ordering::Acquire) == seen && !self.end.load(Ordering::Acquire) {
                if Instant::now() < asleep_from { spin_loop() } else { thread::park() }
            }
            if self.end.load(Ordering::Acquire) {
                return;
            }
            let job = *self.job.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // A helper that was not wanted for a while may find a newer job than the number that it saw.
            let Some(job) = job.filter(|job| job.number != seen) else { continue };
            seen = job.number;
            if index < job.count {
                // A panic is reported by the work itself; the others must not wait for this thread.
                let _ = catch_unwind(AssertUnwindSafe(|| self.member(&job, index)));
                self.busy.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

/// Spins for a moment, then lets others run: there may be more threads than cores.
fn wait(done: impl Fn() -> bool) {
    let mut turns = 0_u32;
    while !done() {
        turns += 1;
        if turns.is_multiple_of(256) { thread::yield_now() } else { spin_loop() }
    }
}

impl Pool {
    fn run(&self, count: usize, work: Work<'_>) {
        let mut helpers = self.helpers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while helpers.len() + 1 < count {
            let (shared, index) = (Arc::clone(&self.shared), helpers.len() + 1);
            let builder = thread::Builder::new().name("hbitlinear".into());
            match builder.spawn(move || shared.help(index)) {
                Ok(helper) => helpers.push(helper),
                Err(_) => break,
            }
        }
        let count = count.min(helpers.len() + 1);
        // SAFETY: only the lifetime changes; `run` returns when no helper is busy with it.
        let work = unsafe { core::mem::transmute::<Work<'_>, *const (dyn Fn(&Member<'_>) + Sync)>(work) };
        let number = self.shared.newest.load(Ordering::Relaxed).wrapping_add(1);
        let job = Job { number, work, count };
        self.shared.busy.store(count - 1, Ordering::Release);
        *self.shared.job.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(job);
        self.shared.newest.store(number, Ordering::Release);
        for helper in helpers.iter().take(count - 1) {
            helper.thread().unpark();
        }
        let mine = catch_unwind(AssertUnwindSafe(|| self.shared.member(&job, 0)));
        wait(|| self.shared.busy.load(Ordering::Acquire) == 0);
        if let Err(panic) = mine {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        let helpers =
            core::mem::take(self.helpers.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()));
        for helper in helpers {
            helper.thread().unpark();
            // A helper's panic was caught in it.
            let _ = helper.join();
        }
    }
}
