//! [`Vector`] in NEON: 4 lanes, 32 registers.
//!
//! Additions and multiply-adds take the same pipes, so a difference is a subtraction here, which is done earlier.

use core::arch::aarch64::*;

use crate::kernels::float::{Vector, intrinsics};
use crate::kernels::isa::aarch64::int_vector::widen_halves;

/// See the module.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct F32x4(float32x4_t);

/// ±1 in runs of 2^stage lanes: the sign of the lane itself in a butterfly with its partner.
const SIGNS: [[f32; 4]; 2] = [[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]];

// SAFETY: 4 lanes; each method is the intrinsics of its comment in the trait.
unsafe impl Vector for F32x4 {
    const LANES: usize = 4;
    const PASS: u32 = 4;
    const ROWS: usize = 28;
    const PAIRS: usize = 12;
    type Wide = float64x2_t;
    type Bytes = int8x16_t;

    intrinsics! {
        fn splat(value: f32) -> Self { F32x4(vdupq_n_f32(value)) }
        fn load(src: *const f32) -> Self { F32x4(vld1q_f32(src)) }
        fn load_f16(src: *const u8) -> Self { F32x4(widen_halves(src)) }
        fn store(self: Self, dst: *mut f32) { vst1q_f32(dst, self.0) }
        fn add(self: Self, other: Self) -> Self { F32x4(vaddq_f32(self.0, other.0)) }
        fn sub(self: Self, other: Self) -> Self { F32x4(vsubq_f32(self.0, other.0)) }
        fn mul(self: Self, other: Self) -> Self { F32x4(vmulq_f32(self.0, other.0)) }
        fn neg(self: Self) -> Self { F32x4(vnegq_f32(self.0)) }
        fn mul_add(self: Self, factor: Self, term: Self) -> Self { F32x4(vfmaq_f32(term.0, self.0, factor.0)) }
        fn sub_from(self: Self, _minus: Self, term: Self) -> Self { F32x4(vsubq_f32(term.0, self.0)) }
        fn butterfly_within(self: Self, stage: u32) -> Self {
            // The partner, then partner ± self.
            let partner = match stage {
                0 => vrev64q_f32(self.0),
                _ => vextq_f32::<2>(self.0, self.0),
            };
            F32x4(vfmaq_f32(partner, self.0, vld1q_f32(SIGNS[stage as usize].as_ptr())))
        }

        fn flip(self: Self, signs: *const i8) -> Self {
            // The byte of each sign becomes the top one of its lane.
            let signs = vreinterpret_s8_s32(vdup_n_s32(signs.cast::<i32>().read_unaligned()));
            let signs = vmovl_s16(vget_low_s16(vmovl_s8(signs)));
            let signs = vandq_u32(vreinterpretq_u32_s32(signs), vdupq_n_u32(1 << 31));
            F32x4(vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(self.0), signs)))
        }

        fn magnitude(self: Self) -> Self { F32x4(vabsq_f32(self.0)) }
        fn max_bits(self: Self, other: Self) -> Self {
            F32x4(vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(self.0), vreinterpretq_u32_f32(other.0))))
        }

        fn widen(self: Self) -> [float64x2_t; 2] { [vcvt_f64_f32(vget_low_f32(self.0)), vcvt_high_f64_f32(self.0)] }
        fn wide_zero() -> float64x2_t { vdupq_n_f64(0.0) }
        fn wide_store(wide: float64x2_t, dst: *mut f64) { vst1q_f64(dst, wide) }
        fn wide_add(sum: float64x2_t, x: float64x2_t) -> float64x2_t { vaddq_f64(sum, x) }

        fn to_i8(block: [Self; 4]) -> int8x16_t {
            let [a, b, c, d] = [
                vcvtnq_s32_f32(block[0].0),
                vcvtnq_s32_f32(block[1].0),
                vcvtnq_s32_f32(block[2].0),
                vcvtnq_s32_f32(block[3].0),
            ];
            let (ab, cd) = (vqmovn_high_s32(vqmovn_s32(a), b), vqmovn_high_s32(vqmovn_s32(c), d));
            vqmovn_high_s16(vqmovn_s16(ab), cd)
        }
        fn bytes_store(bytes: int8x16_t, dst: *mut u8) { vst1q_s8(dst.cast(), bytes) }
        fn bytes_zero() -> int8x16_t { vdupq_n_s8(0) }
        fn bytes_sum(sum: int8x16_t, bytes: int8x16_t) -> int8x16_t {
            let biased = veorq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(128));
            let sum = vpadalq_u32(vreinterpretq_u64_s8(sum), vpaddlq_u16(vpaddlq_u8(biased)));
            vreinterpretq_s8_u64(sum)
        }
        fn bytes_clamp_i4(bytes: int8x16_t) -> int8x16_t { vminq_s8(vmaxq_s8(bytes, vdupq_n_s8(-8)), vdupq_n_s8(7)) }
        fn bytes_to_nibbles(first: int8x16_t, second: int8x16_t) -> int8x16_t {
            vsliq_n_s8::<4>(vuzp1q_s8(first, second), vuzp2q_s8(first, second))
        }
        fn nibbles_load(src: *const u8) -> int8x16_t {
            let bytes = vld1_s8(src.cast());
            let (low, high) = (vshr_n_s8::<4>(vshl_n_s8::<4>(bytes)), vshr_n_s8::<4>(bytes));
            vcombine_s8(vzip1_s8(low, high), vzip2_s8(low, high))
        }
    }
}
