//! Ternary products on CPUs without a dot instruction, in vectors of bytes: codes times activations with `maddubs`, for
//! every width of activation.
//!
//! A lane of `maddubs` sums two products, at most 2 · 2 · 128 = 512 in magnitude. So an i16 takes 64 of them: 64 · 512
//! is one more than it holds upwards, but only −128 reaches it, which goes downwards.

use super::vector::ByteVector;

/// Bytes that a single token's walk, of one panel at a time, fetches ahead of each vector of rows to first-level cache.
const STREAM_AHEAD: usize = 512;

/// And to the second one: some pages of 4 KiB, whose addresses take long to look up in a virtual machine. On one of
/// Sapphire Rapids a loop of the two-bit walk read 5.0 to 5.4 GB/s from memory without, 8.2 to 9.5 with, and on two cores
/// 9 to 11 and 14 to 18; 4096 bytes did as well.
const STREAM_FAR_AHEAD: usize = 8192;

/// Fetches ahead of a vector of rows.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn fetch_stream<V: ByteVector>(from: *const u8) {
    // SAFETY: the features, as promised; a fetch may point anywhere.
    unsafe {
        V::fetch_near(from.wrapping_add(STREAM_AHEAD));
        V::fetch_far(from.wrapping_add(STREAM_FAR_AHEAD));
    }
}

/// Four activations, or two i16, in every lane.
///
/// # Safety
/// Four bytes from `q` on, and the CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn splat_four<V: ByteVector>(q: *const i8) -> V {
    // SAFETY: both as promised.
    unsafe { V::splat(q.cast::<i32>().read_unaligned()) }
}

/// A vector of bytes with their top bits flipped, as [`ByteVector::flipped_trit`] wants them. They stay so while they
/// are tripled: 3 · 128 is 128 modulo 256.
///
/// # Safety
/// A vector from `from` on, and the CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn load_flipped<V: ByteVector>(from: *const u8) -> V {
    // SAFETY: both as promised.
    unsafe { V::load(from).add_i8(V::splat(0x8080_8080_u32 as i32)) }
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
