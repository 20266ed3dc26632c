//! [`DotVector`] in NEON, for a CPU with `sdot` or with `usdot`. In assembly, because stable Rust has no intrinsics of
//! them.

use core::arch::aarch64::*;

use super::int_vector::Rows4;
use crate::kernels::float::intrinsics;
use crate::kernels::ternary::vector::{DotVector, IntVector};

/// A dot of bytes with activations.
///
/// # Safety
/// To call the methods the CPU must have the instruction, which [`DotVector::dot`] with that `SIGNED` is.
pub(super) unsafe trait Dot: Copy {
    /// See [`DotVector::SIGNED`].
    const SIGNED: bool;
    /// Of each lane's own four activations.
    unsafe fn dot(sums: int32x4_t, codes: uint8x16_t, q: int8x16_t) -> int32x4_t;
    /// Of the four activations in lane `S`.
    unsafe fn dot_lane<const S: usize>(sums: int32x4_t, codes: uint8x16_t, q: int8x16_t) -> int32x4_t;
}

/// Implements [`Dot`] with an instruction.
macro_rules! dot {
    ($set:ty, $signed:literal, $features:literal, $instruction:literal) => {
        // SAFETY: the instruction, of vectors and by element.
        unsafe impl $crate::kernels::isa::aarch64::dot::Dot for $set {
            const SIGNED: bool = $signed;

            #[inline(always)]
            unsafe fn dot(sums: int32x4_t, codes: uint8x16_t, q: int8x16_t) -> int32x4_t {
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn dot(mut sums: int32x4_t, codes: uint8x16_t, q: int8x16_t) -> int32x4_t {
                    // SAFETY: one instruction on registers, which the CPU has.
                    unsafe {
                        core::arch::asm!(
                            concat!($instruction, " {0:v}.4s, {1:v}.16b, {2:v}.16b"),
                            inout(vreg) sums, in(vreg) codes, in(vreg) q,
                            options(pure, nomem, nostack, preserves_flags)
                        );
                    }
                    sums
                }
                // SAFETY: the CPU has the instruction, as promised.
                unsafe { dot(sums, codes, q) }
            }

            #[inline(always)]
            unsafe fn dot_lane<const S: usize>(
                sums: int32x4_t,
                codes: uint8x16_t,
                q: int8x16_t,
            ) -> int32x4_t {
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn dot<const S: usize>(
                    mut sums: int32x4_t,
                    codes: uint8x16_t,
                    q: int8x16_t,
                ) -> int32x4_t {
                    // SAFETY: as above.
                    unsafe {
                        core::arch::asm!(
                            concat!($instruction, " {0:v}.4s, {1:v}.16b, {2:v}.4b[{3}]"),
                            inout(vreg) sums, in(vreg) codes, in(vreg) q, const S,
                            options(pure, nomem, nostack, preserves_flags)
                        );
                    }
                    sums
                }
                // SAFETY: as above.
                unsafe { dot::<S>(sums, codes, q) }
            }
        }
    };
}
pub(super) use dot;

// SAFETY: each method is what the trait says, with NEON and the instructions of `D`.
unsafe impl<D: Dot> DotVector for Rows4<D> {
    type Sixteen = int8x16_t;
    const SIGNED: bool = D::SIGNED;
    const SUMS: usize = 0;

    intrinsics! {
        fn dot(self: Self, codes: Self, q: Self) -> Self {
            Self::of_i32s(D::dot(self.i32s(), codes.0, vreinterpretq_s8_u8(q.0)))
        }
        fn sixteen(q: *const i8) -> int8x16_t { vld1q_s8(q) }
        fn load_trits(from: *const u8) -> Self {
            let trits = vld1q_u8(from);
            Rows4::new(if D::SIGNED { veorq_u8(trits, vdupq_n_u8(128)) } else { trits })
        }
    }

    #[inline(always)]
    unsafe fn dot_four<const S: usize>(self, codes: Self, q: int8x16_t) -> Self {
        // SAFETY: the features, as promised.
        unsafe { Self::of_i32s(D::dot_lane::<S>(self.i32s(), codes.0, q)) }
    }

    /// Four tokens' activations are a vector.
    #[inline(always)]
    unsafe fn add_dots<const R: usize, const T: usize>(
        codes: [Self; R],
        q: *const i8,
        sums: &mut [[Self; R]; T],
    ) {
        let (fours, rest) = sums.as_chunks_mut::<4>();
        for (group, sums) in fours.iter_mut().enumerate() {
            // SAFETY: the features and the values, as promised.
            unsafe {
                let x = Self::sixteen(q.add(16 * group));
                for (r, &codes) in codes.iter().enumerate() {
                    sums[0][r] = sums[0][r].dot_four::<0>(codes, x);
                    sums[1][r] = sums[1][r].dot_four::<1>(codes, x);
                    sums[2][r] = sums[2][r].dot_four::<2>(codes, x);
                    sums[3][r] = sums[3][r].dot_four::<3>(codes, x);
                }
            }
        }
        for (t, sums) in rest.iter_mut().enumerate() {
            // SAFETY: as above.
            unsafe {
                let x = Self::splat(q.add(T / 4 * 16 + 4 * t).cast::<i32>().read_unaligned());
                for (sum, codes) in sums.iter_mut().zip(codes) {
                    *sum = sum.dot(codes, x);
                }
            }
        }
    }
}
