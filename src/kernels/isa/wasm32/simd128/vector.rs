//! [`Vector`] in 4 lanes. How many registers there are is the machine's affair: as many as x86-64 has are counted on.

use core::arch::wasm32::*;

use crate::kernels::float::{Vector, intrinsics};
use crate::layout::f16_at;

/// See the module.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct F32x4(v128);

// SAFETY: 4 lanes; each method is the instructions of its comment in the trait.
unsafe impl Vector for F32x4 {
    const LANES: usize = 4;
    const PASS: u32 = 3;
    const ROWS: usize = 14;
    const PAIRS: usize = 6;
    type Wide = v128;
    type Bytes = v128;

    intrinsics! {
        fn splat(value: f32) -> Self { F32x4(f32x4_splat(value)) }
        fn load(src: *const f32) -> Self { F32x4(v128_load(src.cast())) }
        fn load_f16(src: *const u8) -> Self {
            let bytes = core::slice::from_raw_parts(src, 8);
            F32x4(f32x4(f16_at(bytes, 0), f16_at(bytes, 2), f16_at(bytes, 4), f16_at(bytes, 6)))
        }
        fn store(self: Self, dst: *mut f32) { v128_store(dst.cast(), self.0) }
        fn add(self: Self, other: Self) -> Self { F32x4(f32x4_add(self.0, other.0)) }
        fn sub(self: Self, other: Self) -> Self { F32x4(f32x4_sub(self.0, other.0)) }
        fn mul(self: Self, other: Self) -> Self { F32x4(f32x4_mul(self.0, other.0)) }
        fn neg(self: Self) -> Self { F32x4(f32x4_neg(self.0)) }
        // Not fused, but kernels multiply by ±1 alone, which is exact.
        fn mul_add(self: Self, factor: Self, term: Self) -> Self { F32x4(f32x4_add(f32x4_mul(self.0, factor.0), term.0)) }
        fn sub_from(self: Self, _minus: Self, term: Self) -> Self { F32x4(f32x4_sub(term.0, self.0)) }
        fn butterfly_within(self: Self, stage: u32) -> Self {
            // The partner, then partner ± self.
            const MINUS: i32 = i32::MIN;
            let (partner, signs) = match stage {
                0 => (i32x4_shuffle::<1, 0, 3, 2>(self.0, self.0), i32x4(0, MINUS, 0, MINUS)),
                _ => (i32x4_shuffle::<2, 3, 0, 1>(self.0, self.0), i32x4(0, 0, MINUS, MINUS)),
            };
            F32x4(f32x4_add(partner, v128_xor(self.0, signs)))
        }

        fn flip(self: Self, signs: *const i8) -> Self {
            let signs = i32x4_extend_low_i16x8(i16x8_extend_low_i8x16(v128_load32_zero(signs.cast())));
            F32x4(v128_xor(self.0, v128_and(signs, i32x4_splat(i32::MIN))))
        }

        fn magnitude(self: Self) -> Self { F32x4(f32x4_abs(self.0)) }
        fn max_bits(self: Self, other: Self) -> Self { F32x4(i32x4_max(self.0, other.0)) }

        fn widen(self: Self) -> [v128; 2] {
            let high = i32x4_shuffle::<2, 3, 2, 3>(self.0, self.0);
            [f64x2_promote_low_f32x4(self.0), f64x2_promote_low_f32x4(high)]
        }
        fn wide_zero() -> v128 { f64x2_splat(0.0) }
        fn wide_store(wide: v128, dst: *mut f64) { v128_store(dst.cast(), wide) }
        fn wide_add(sum: v128, x: v128) -> v128 { f64x2_add(sum, x) }

        fn to_i8(block: [Self; 4]) -> v128 {
            let [a, b, c, d] = [
                i32x4_trunc_sat_f32x4(f32x4_nearest(block[0].0)),
                i32x4_trunc_sat_f32x4(f32x4_nearest(block[1].0)),
                i32x4_trunc_sat_f32x4(f32x4_nearest(block[2].0)),
                i32x4_trunc_sat_f32x4(f32x4_nearest(block[3].0)),
            ];
            i8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d))
        }
        fn bytes_store(bytes: v128, dst: *mut u8) { v128_store(dst.cast(), bytes) }
        fn bytes_zero() -> v128 { i64x2_splat(0) }
        fn bytes_sum(sum: v128, bytes: v128) -> v128 {
            let biased = v128_xor(bytes, u8x16_splat(128));
            let fours = u32x4_extadd_pairwise_u16x8(u16x8_extadd_pairwise_u8x16(biased));
            let eights = i64x2_add(v128_and(fours, u64x2_splat(u32::MAX as u64)), u64x2_shr(fours, 32));
            i64x2_add(sum, eights)
        }
        fn bytes_clamp_i4(bytes: v128) -> v128 { i8x16_min(i8x16_max(bytes, i8x16_splat(-8)), i8x16_splat(7)) }
        fn bytes_to_nibbles(first: v128, second: v128) -> v128 {
            let (low, byte) = (u8x16_splat(15), u16x8_splat(255));
            let (first, second) = (v128_and(first, low), v128_and(second, low));
            let first = v128_and(v128_or(first, u16x8_shr(first, 4)), byte);
            let second = v128_and(v128_or(second, u16x8_shr(second, 4)), byte);
            u8x16_narrow_i16x8(first, second)
        }
        fn nibbles_load(src: *const u8) -> v128 {
            let spread = u16x8_extend_low_u8x16(v128_load64_zero(src.cast()));
            let nibbles = v128_and(v128_or(spread, u16x8_shl(spread, 4)), u8x16_splat(15));
            i8x16_sub(v128_xor(nibbles, u8x16_splat(8)), u8x16_splat(8))
        }
    }
}
