//! [`IntVector`] in NEON, for all backends: they differ in what they do with it.

use core::arch::aarch64::*;
use core::marker::PhantomData;

use crate::kernels::float::intrinsics;
use crate::kernels::ternary::vector::IntVector;
use crate::layout::ScaleType;

/// Four rows, multiplied with what the instruction set `I` has.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Rows4<I>(pub(super) uint8x16_t, PhantomData<I>);

impl<I> Rows4<I> {
    #[inline(always)]
    pub(super) fn new(bytes: uint8x16_t) -> Self {
        Rows4(bytes, PhantomData)
    }

    /// # Safety
    /// None: every AArch64 CPU has NEON.
    #[inline(always)]
    pub(super) unsafe fn i32s(self) -> int32x4_t {
        // SAFETY: no instruction.
        unsafe { vreinterpretq_s32_u8(self.0) }
    }

    /// # Safety
    /// None, as above.
    #[inline(always)]
    pub(super) unsafe fn of_i32s(sums: int32x4_t) -> Self {
        // SAFETY: no instruction.
        Rows4::new(unsafe { vreinterpretq_u8_s32(sums) })
    }
}

// SAFETY: 4 · 4 bytes; each method is what the trait says, with NEON.
unsafe impl<I: Copy> IntVector for Rows4<I> {
    const ROWS: usize = 4;

    type Scales = float32x4_t;

    intrinsics! {
        fn splat(value: i32) -> Self { Self::of_i32s(vdupq_n_s32(value)) }
        fn load(from: *const u8) -> Self { Rows4::new(vld1q_u8(from)) }
        fn store(self: Self, to: *mut u8) { vst1q_u8(to, self.0) }
        fn and(self: Self, other: Self) -> Self { Rows4::new(vandq_u8(self.0, other.0)) }
        fn add(self: Self, other: Self) -> Self { Self::of_i32s(vaddq_s32(self.i32s(), other.i32s())) }
        fn sub(self: Self, other: Self) -> Self { Self::of_i32s(vsubq_s32(self.i32s(), other.i32s())) }
        fn sub_i8(self: Self, other: Self) -> Self { Rows4::new(vsubq_u8(self.0, other.0)) }
        fn quarter(self: Self) -> Self { Self::of_i32s(vshrq_n_s32::<2>(self.i32s())) }
        fn over_256(self: Self) -> Self { Self::of_i32s(vshrq_n_s32::<8>(self.i32s())) }
        fn times_256(self: Self) -> Self { Self::of_i32s(vshlq_n_s32::<8>(self.i32s())) }
        fn next_field(self: Self) -> Self { Rows4::new(vshrq_n_u8::<2>(self.0)) }
        fn next_nibble(self: Self) -> Self { Rows4::new(vshrq_n_u8::<4>(self.0)) }
        fn field_at(self: Self, bit: u32) -> Self { Rows4::new(vshlq_u8(self.0, vdupq_n_s8(-(bit as i8)))) }
        fn triple(self: Self) -> Self { Rows4::new(vaddq_u8(double(self.0), self.0)) }
        fn front_trit(self: Self) -> Self {{
            // ⌊3x / 4⌋ = ⌊(x + ⌊x / 2⌋) / 2⌋, and its upper two bits are the digit.
            Rows4::new(vshrq_n_u8::<6>(vhaddq_u8(self.0, vshrq_n_u8::<1>(self.0))))
        }}
        fn load_scales(from: *const u8, scale_type: ScaleType) -> float32x4_t {
            match scale_type {
                ScaleType::F32 => vld1q_f32(from.cast()),
                ScaleType::F16 => widen_halves(from),
            }
        }
        fn add_scaled(self: Self, scales: float32x4_t, to: *mut f32) {{
            let scaled = vmulq_f32(vcvtq_f32_s32(self.i32s()), scales);
            vst1q_f32(to, vaddq_f32(vld1q_f32(to), scaled));
        }}
    }

    // Fetching ahead is left to the CPU: what it would gain was not measured on one.
    #[inline(always)]
    unsafe fn fetch_near(_: *const u8) {}

    #[inline(always)]
    unsafe fn fetch_far(_: *const u8) {}

    #[inline(always)]
    unsafe fn opaque(value: usize) -> usize {
        value
    }
}

/// Every byte doubled. In assembly because the compiler sees through x + x + x and multiplies, which takes two cycles of one
/// pipe on many of these CPUs, where two additions take one of two.
///
/// # Safety
/// None: every AArch64 CPU has NEON.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn double(x: uint8x16_t) -> uint8x16_t {
    let double;
    // SAFETY: one NEON instruction on registers.
    unsafe {
        core::arch::asm!("add {0:v}.16b, {1:v}.16b, {1:v}.16b", out(vreg) double, in(vreg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    double
}

/// Four f16 as f32. In assembly because Rust 1.89 does not know the type.
///
/// # Safety
/// Eight initialised bytes from `from` on. Every AArch64 CPU has NEON.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn widen_halves(from: *const u8) -> float32x4_t {
    let wide;
    // SAFETY: the bytes, as promised, and one NEON instruction on registers.
    unsafe {
        let halves = vld1_u8(from);
        core::arch::asm!("fcvtl {:v}.4s, {:v}.4h", out(vreg) wide, in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags));
    }
    wide
}
