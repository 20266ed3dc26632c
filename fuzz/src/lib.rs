//! What the fuzz targets share: the scalar backend as yardstick, and inputs stretched from few fuzzed values.

use hbitlinear::{Backend, BackendId};

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

/// [`cycle`], the seeds being the bits of floats: any NaN, infinity and subnormal.
#[must_use]
pub fn cycle_floats(bits: &[u32], len: usize) -> Vec<f32> {
    cycle(bits, len).into_iter().map(f32::from_bits).collect()
}

/// Same bits; which NaN it is does not count.
#[must_use]
pub fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
}
