//! [`LaneVector`] in NEON.

use core::arch::aarch64::*;

use super::Neon;
use crate::kernels::float::intrinsics;
use crate::kernels::isa::aarch64::int_vector::Rows4;
use crate::kernels::ternary::vector::LaneVector;

// SAFETY: each method is what the trait says, with NEON.
unsafe impl LaneVector for Rows4<Neon> {
    type Sixteen = int8x16_t;
    type Halves = [int16x8_t; 2];

    intrinsics! {
        fn sixteen(q: *const i8) -> int8x16_t { vld1q_s8(q) }
        fn load_flipped(from: *const u8) -> Self { Rows4::new(veorq_u8(vld1q_u8(from), vdupq_n_u8(128))) }
        fn zero_halves() -> [int16x8_t; 2] { [vdupq_n_s16(0); 2] }
        fn add_products(halves: [int16x8_t; 2], codes: Self, q: Self) -> [int16x8_t; 2] {{
            let (codes, q) = (codes.i8s(), q.i8s());
            [vmlal_s8(halves[0], vget_low_s8(codes), vget_low_s8(q)), vmlal_high_s8(halves[1], codes, q)]
        }}
        fn add_halves(self: Self, halves: [int16x8_t; 2]) -> Self {{
            let rows = vpaddq_s32(vpaddlq_s16(halves[0]), vpaddlq_s16(halves[1]));
            Self::of_i32s(vaddq_s32(self.i32s(), rows))
        }}
        fn halves_over_256(halves: [int16x8_t; 2]) -> Self {{
            Self::of_i8s(vshrn_high_n_s16::<8>(vshrn_n_s16::<8>(halves[0]), halves[1]))
        }}
        fn times_i8(self: Self, q: Self) -> Self { Self::of_i8s(vmulq_s8(self.i8s(), q.i8s())) }
        fn add_times_i8(self: Self, codes: Self, q: Self) -> Self {
            Self::of_i8s(vmlaq_s8(self.i8s(), codes.i8s(), q.i8s()))
        }
        fn add_pairs_i8(self: Self, bytes: Self) -> Self {
            Rows4::new(vreinterpretq_u8_s16(vpadalq_s8(self.i16s(), bytes.i8s())))
        }
        fn add_pairs_i16(self: Self, pairs: Self) -> Self { Self::of_i32s(vpadalq_s16(self.i32s(), pairs.i16s())) }
    }

    #[inline(always)]
    unsafe fn four<const S: usize>(q: int8x16_t) -> Self {
        // SAFETY: NEON, as promised.
        unsafe {
            let q = vreinterpretq_s32_s8(q);
            Self::of_i32s(match S {
                0 => vdupq_laneq_s32::<0>(q),
                1 => vdupq_laneq_s32::<1>(q),
                2 => vdupq_laneq_s32::<2>(q),
                _ => vdupq_laneq_s32::<3>(q),
            })
        }
    }
}
