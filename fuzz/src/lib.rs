//! What the fuzz targets share: the backends, and inputs of any size stretched from few fuzzed values.

pub mod guarded;
pub mod matrix;
pub mod model_file;
pub mod rows;
pub mod transform;

use hbitlinear::{Backend, BackendId};

/// Unit roundoff of f32.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// Half of the smallest subnormal f32: what a rounding changes where there is no relative bound.
pub const TINY: f64 = f32::from_bits(1) as f64 / 2.0;

/// The yardstick.
///
/// # Panics
/// Never: every CPU runs it.
#[must_use]
pub fn scalar() -> Backend {
    Backend::new(BackendId::Scalar).expect("scalar runs everywhere")
}

/// The backends that are held against it.
pub fn others() -> impl Iterator<Item = Backend> {
    Backend::available().filter(|backend| backend.id() != BackendId::Scalar)
}

/// `len` values: the seeds again and again, or the default where there are none. A fuzzer would need long inputs for
/// long rows, and finds nothing more in them.
#[must_use]
pub fn cycle<T: Copy + Default>(seeds: &[T], len: usize) -> Vec<T> {
    if seeds.is_empty() { vec![T::default(); len] } else { seeds.iter().copied().cycle().take(len).collect() }
}

/// Same bits; which NaN it is does not count.
#[must_use]
pub fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| same_bits(a, b))
}

/// Same bits, or a NaN for a NaN.
#[must_use]
pub fn same_bits(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// Panics, naming the place, unless `actual` lies within `tolerance` of `expected`. It may be an infinity where a value
/// that near lies beyond f32 on the infinity's side.
#[track_caller]
pub fn assert_near(actual: f32, expected: f64, tolerance: f64, what: std::fmt::Arguments<'_>) {
    if actual.is_infinite() {
        let farthest = f64::from(actual.signum()) * expected + tolerance;
        assert!(farthest >= f64::from(f32::MAX), "{what}: {actual}, not {expected:e} within {tolerance:e}");
        return;
    }
    let error = (f64::from(actual) - expected).abs();
    assert!(error <= tolerance, "{what}: {actual:e}, not {expected:e}: off by {error:e} > {tolerance:e}");
}

/// A pseudo-random number made of `seed` and `index` (the mixing steps of SplitMix64).
#[must_use]
pub fn hash(seed: u64, index: usize) -> u64 {
    let mut z = seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
