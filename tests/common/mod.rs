//! What all integration tests share: every backend, named loudly; deterministic data; awkward memory.

#![allow(dead_code, reason = "every test binary uses its own part of this module")]

pub(crate) mod blobs;
pub(crate) mod data;
pub(crate) mod expected;
#[cfg(unix)]
pub(crate) mod guarded;
pub(crate) mod owned;
pub(crate) mod run;
pub(crate) mod states;

use core::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;

use hbitlinear::{Backend, BackendId};

/// Set to a backend's name, makes the suite fail on a machine (or build) that cannot run it, so that a machine
/// bought for that backend never tests a lower one in silence.
const EXPECT: &str = "HBITLINEAR_EXPECT_BACKEND";

/// Set to anything, thins out the largest grids, for emulators. Says so in the log.
const REDUCED: &str = "HBITLINEAR_REDUCED_GRID";

/// Writes a line to the log even where libtest captures the output of passing tests.
pub(crate) fn log(line: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("test");
    writeln!(std::io::stdout(), "{test}: {line}").expect("stdout is writable");
}

/// The same, once a test.
fn log_once(line: String) {
    std::thread_local! {
        static SAID: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }
    if SAID.with_borrow_mut(|said| said.insert(line.clone())) {
        log(&line);
    }
}

/// Runs the test on every backend that this machine has; says which, and which it has not.
pub(crate) fn for_each_backend(test: impl Fn(Backend)) {
    check_expected_backend();
    for backend in Backend::available() {
        test(backend);
        log_once(format!("backend {backend}: ran"));
    }
    log_missing();
}

/// The backends that this machine has, for tests that cannot put all they do into [`for_each_backend`]; says which, and
/// which it has not.
pub(crate) fn backends() -> Vec<Backend> {
    check_expected_backend();
    let backends: Vec<_> = Backend::available().collect();
    for backend in &backends {
        log_once(format!("backend {backend}: runs"));
    }
    log_missing();
    backends
}

/// Names the backends that exist but cannot run on this machine, or in this build.
fn log_missing() {
    let missing = BackendId::ALL.iter().filter(|&&id| Backend::new(id).is_err());
    let names: Vec<_> = missing.map(|id| id.name()).collect();
    if !names.is_empty() {
        log_once(format!("NOT TESTED, as this machine cannot run them: {}", names.join(", ")));
    }
}

/// Panics if `HBITLINEAR_EXPECT_BACKEND` names a backend that is not there; returns the name.
pub(crate) fn check_expected_backend() -> Option<String> {
    let name = std::env::var(EXPECT).ok()?;
    assert!(
        Backend::available().any(|backend| backend.name() == name),
        "{EXPECT}={name}, but this machine has only {:?}",
        Backend::available().collect::<Vec<_>>()
    );
    Some(name)
}

/// Whether the largest grids are to be thinned out.
pub(crate) fn reduced(grid: &str) -> bool {
    let reduced = std::env::var_os(REDUCED).is_some();
    if reduced {
        log(&format!("{REDUCED} is set: {grid} is REDUCED"));
    }
    reduced
}

/// The yardstick.
pub(crate) fn scalar() -> Backend {
    Backend::new(BackendId::Scalar).expect("scalar runs everywhere")
}

/// Asserts equal bits (−0.0 and 0.0 differ), naming the first place that differs rather than printing two long rows.
#[track_caller]
pub(crate) fn assert_same_bits(expected: &[f32], actual: &[f32], what: core::fmt::Arguments<'_>) {
    assert_eq!(expected.len(), actual.len(), "{what}");
    for (i, (e, a)) in expected.iter().zip(actual).enumerate() {
        assert!(e.to_bits() == a.to_bits(), "{what}: element {i}: expected {e:e}, got {a:e}");
    }
}

/// Asserts equal bits, or NaN where NaN is expected: which of the NaNs is nobody's promise.
#[track_caller]
pub(crate) fn assert_same_or_nan(expected: &[f32], actual: &[f32], what: core::fmt::Arguments<'_>) {
    let plain = |x: &[f32]| x.iter().map(|&x| if x.is_nan() { f32::NAN } else { x }).collect::<Vec<_>>();
    assert_same_bits(&plain(expected), &plain(actual), what);
}

/// Asserts equal elements, naming the first place that differs.
#[track_caller]
pub(crate) fn assert_same<T: PartialEq + core::fmt::Debug>(
    expected: &[T],
    actual: &[T],
    what: core::fmt::Arguments<'_>,
) {
    assert_eq!(expected.len(), actual.len(), "{what}");
    for (i, (e, a)) in expected.iter().zip(actual).enumerate() {
        assert!(e == a, "{what}: element {i}: expected {e:?}, got {a:?}");
    }
}
