//! The int8 matrix products of Armv8.6 on top of [`dotprod`](super::dotprod): `smmla` of two rows and two tokens, and for one
//! token `usdot`, which takes bytes of five trits as they are.

use core::arch::aarch64::*;

use super::dot::dot;
use super::int_vector::Rows4;
use super::{detect, neon};
use crate::kernels::attention::instantiate::attention_kernels;
use crate::kernels::contract::Kernels;
use crate::kernels::float::intrinsics;
use crate::kernels::ternary::instantiate::dot_products;
use crate::kernels::ternary::many_tokens::many_tokens;
use crate::kernels::ternary::vector::MatrixVector;

pub(crate) const KERNELS: Kernels = Kernels {
    product: &many_tokens! {
        matrices, Rows4<I8mm>, "neon,dotprod,i8mm",
        two_bit from 17, five_trit from 9: 1 panels => 4, 1 => 4; 1 2 3 4;
        fewer: dot_products! {
            Rows4<I8mm>, "neon,dotprod,i8mm", matrix,
            two_bit: 1 => 4, 2 => 4, 3 => 2, 4 => 2, 5 => 2, 6 => 2, 7 => 2, 8 => 2;
            five_trit: 1 => 4, 2 => 4, 3 => 2, 4 => 2, 5 => 2, 6 => 2, 7 => 2, 8 => 2;
            five_trit_int4[one_token_int4_shared]: 1 => 8, 2 => 2, 3 => 2, 4 => 2;
        }
    },
    attention: attention_kernels!(
        neon::vector::F32x4, Fours<Rows4<I8mm>>, block: 4, "neon,dotprod,i8mm"
    ),
    ..neon::KERNELS
};

pub(crate) fn detect() -> bool {
    detect::i8mm()
}

/// The instruction set.
#[derive(Clone, Copy)]
pub(super) struct I8mm;

dot! { I8mm, false, "neon,dotprod,i8mm", "usdot" }

/// # Safety
/// The CPU has `smmla`.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn smmla(mut sums: int32x4_t, codes: uint8x16_t, q: uint8x16_t) -> int32x4_t {
    // SAFETY: one instruction on registers, which the CPU has.
    unsafe {
        core::arch::asm!("smmla {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sums, in(vreg) codes, in(vreg) q,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

// SAFETY: each method is what the trait says, with NEON and for `multiply` alone i8mm.
unsafe impl MatrixVector for Rows4<I8mm> {
    intrinsics! {
        fn pair_rows(first: Self, second: Self) -> [Self; 2] {
            let (first, second) = (first.i32s(), second.i32s());
            [Self::of_i32s(vzip1q_s32(first, second)), Self::of_i32s(vzip2q_s32(first, second))]
        }
        fn multiply(self: Self, codes: Self, q: Self) -> Self { Self::of_i32s(smmla(self.i32s(), codes.0, q.0)) }
        fn pair_tokens(first: Self, second: Self) -> [Self; 2] {{
            let (first, second) = (vreinterpretq_s64_u8(first.0), vreinterpretq_s64_u8(second.0));
            let pairs = [vzip1q_s64(first, second), vzip2q_s64(first, second)];
            [Rows4::new(vreinterpretq_u8_s64(pairs[0])), Rows4::new(vreinterpretq_u8_s64(pairs[1]))]
        }}
        fn by_token(sums: [Self; 2]) -> [Self; 2] {{
            let (low, high) = (sums[0].i32s(), sums[1].i32s());
            [Self::of_i32s(vuzp1q_s32(low, high)), Self::of_i32s(vuzp2q_s32(low, high))]
        }}
    }
}
