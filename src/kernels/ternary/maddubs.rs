//! Ternary products on CPUs without a dot instruction, in vectors of bytes: codes times activations with `maddubs`, for
//! every width of activation.
//!
//! A lane of `maddubs` sums two products, at most 2 · 2 · 128 = 512 in magnitude. So an i16 takes 64 of them: 64 · 512
//! is one more than it holds upwards, but only −128 reaches it, which goes downwards.

use super::vector::ByteVector;

/// Four activations, or two i16, in every lane.
///
/// # Safety
/// Four bytes from `q` on, and the CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn splat_four<V: ByteVector>(q: *const i8) -> V {
    // SAFETY: both as promised.
    unsafe { V::splat(q.cast::<i32>().read_unaligned()) }
}

/// Adds i16 accumulators to i32 ones.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn widen<V: ByteVector, const R: usize, const T: usize>(
    wide: &mut [[V; R]; T],
    narrow: [[V; R]; T],
) {
    for (wide, narrow) in wide.iter_mut().zip(narrow) {
        for (wide, narrow) in wide.iter_mut().zip(narrow) {
            // SAFETY: the features, as promised.
            *wide = unsafe { wide.add(narrow.times_i16(V::splat(0x0001_0001))) };
        }
    }
}

/// Four columns of every vector of rows and token.
///
/// # Safety
/// The CPU has the features of `V`; `q` points to four values for each token.
#[inline(always)]
pub(super) unsafe fn add_products<V: ByteVector, const R: usize, const T: usize>(
    codes: [V; R],
    q: *const i8,
    narrow: &mut [[V; R]; T],
) {
    for (t, narrow) in narrow.iter_mut().enumerate() {
        // SAFETY: the features and the values, as promised.
        unsafe {
            let x = splat_four::<V>(q.add(4 * t));
            for (narrow, codes) in narrow.iter_mut().zip(codes) {
                *narrow = narrow.add_i16(codes.times(x));
            }
        }
    }
}
