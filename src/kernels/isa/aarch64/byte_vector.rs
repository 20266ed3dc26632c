//! [`ByteVector`] in NEON, for all backends: tables of int4, and attention.

use core::arch::aarch64::*;

use super::int_vector::Rows4;
use crate::kernels::float::intrinsics;
use crate::kernels::ternary::int4_lookup::sizes::PICK_TERMS;
use crate::kernels::ternary::vector::ByteVector;

impl<I> Rows4<I> {
    /// # Safety
    /// None: every AArch64 CPU has NEON.
    #[inline(always)]
    pub(super) unsafe fn i8s(self) -> int8x16_t {
        // SAFETY: no instruction.
        unsafe { vreinterpretq_s8_u8(self.0) }
    }

    /// # Safety
    /// None, as above.
    #[inline(always)]
    pub(super) unsafe fn i16s(self) -> int16x8_t {
        // SAFETY: no instruction.
        unsafe { vreinterpretq_s16_u8(self.0) }
    }

    /// # Safety
    /// None, as above.
    #[inline(always)]
    pub(super) unsafe fn of_i8s(bytes: int8x16_t) -> Self {
        // SAFETY: no instruction.
        Rows4::new(unsafe { vreinterpretq_u8_s8(bytes) })
    }

    /// # Safety
    /// None, as above.
    #[inline(always)]
    pub(super) unsafe fn of_i16s(halves: int16x8_t) -> Self {
        // SAFETY: no instruction.
        Rows4::new(unsafe { vreinterpretq_u8_s16(halves) })
    }
}

// SAFETY: each method is what the trait says, with NEON.
unsafe impl<I: Copy> ByteVector for Rows4<I> {
    type Totals = int16x8_t;

    intrinsics! {
        fn add_i8(self: Self, other: Self) -> Self { Rows4::new(vaddq_u8(self.0, other.0)) }
        fn add_i16(self: Self, other: Self) -> Self { Self::of_i16s(vaddq_s16(self.i16s(), other.i16s())) }
        fn up_a_field(self: Self) -> Self { Self::of_i16s(vshlq_n_s16::<2>(self.i16s())) }
        fn down_a_byte(self: Self) -> Self {
            Rows4::new(vreinterpretq_u8_u16(vshrq_n_u16::<8>(vreinterpretq_u16_u8(self.0))))
        }
        fn times(self: Self, q: Self) -> Self {{
            // k · q = (k − 128) · q + 128 · q, which is an i16.
            let (codes, q) = (vreinterpretq_s8_u8(veorq_u8(self.0, vdupq_n_u8(128))), q.i8s());
            let low = vmlal_s8(vshll_n_s8::<7>(vget_low_s8(q)), vget_low_s8(codes), vget_low_s8(q));
            let high = vmlal_high_s8(vshll_high_n_s8::<7>(q), codes, q);
            Self::of_i16s(vpaddq_s16(low, high))
        }}
        fn times_i16(self: Self, other: Self) -> Self {{
            let (a, b) = (self.i16s(), other.i16s());
            let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
            Self::of_i32s(vpaddq_s32(low, vmull_high_s16(a, b)))
        }}
        fn table(from: *const u8) -> Self { Rows4::new(vld1q_u8(from)) }
        fn lookup(self: Self, indices: Self) -> Self { Rows4::new(vqtbl1q_u8(self.0, indices.0)) }
        fn unskew(vectors: [Self; 4]) -> [Self; 4] {{
            let odd = vreinterpretq_u8_u64(vdupq_n_u64(u64::MAX << 32));
            let upper = vreinterpretq_u8_u64(vcombine_u64(vdup_n_u64(0), vdup_n_u64(u64::MAX)));
            let outer = veorq_u8(odd, upper);
            let [a, b, c, d] = [vectors[0].0, vectors[1].0, vectors[2].0, vectors[3].0];
            // Lanes of the first two vectors in turn, and of the last two.
            let (ab, ba) = (vbslq_u8(odd, b, a), vbslq_u8(odd, a, b));
            let (cd, dc) = (vbslq_u8(odd, d, c), vbslq_u8(odd, c, d));
            // All four in turn, but for what lane they begin with.
            let (first, third) = (vbslq_u8(upper, cd, ab), vextq_u8::<8>(ab, cd));
            let (second, fourth) = (vbslq_u8(outer, ba, dc), vbslq_u8(outer, dc, ba));
            [
                Rows4::new(first),
                Rows4::new(vextq_u8::<4>(second, second)),
                Rows4::new(third),
                Rows4::new(vextq_u8::<12>(fourth, fourth)),
            ]
        }}
        fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]) {{
            let (upper, start) = (upper.i16s(), start.i16s());
            let even = vaddq_s16(vsubq_s16(pairs.i16s(), vshlq_n_s16::<8>(upper)), start);
            let odd = vaddq_s16(upper, start);
            let (low, high) = (vzip1q_s16(even, odd), vzip2q_s16(even, odd));
            let total = total.i32s();
            let rows = [
                vaddw_s16(total, vget_low_s16(low)),
                vaddw_high_s16(total, low),
                vaddw_s16(total, vget_low_s16(high)),
                vaddw_high_s16(total, high),
            ];
            for (rows, to) in rows.into_iter().zip(to) {
                vst1q_s32(to, vaddq_s32(vld1q_s32(to), rows));
            }
        }}
        fn no_totals() -> int16x8_t { vdupq_n_s16(0) }
        fn total(totals: int16x8_t) -> i32 { vaddlvq_s16(totals) }
        fn make_tables(
            columns: [i32; 4],
            to: *mut [u8; 16],
            step: usize,
            totals: int16x8_t
        ) -> int16x8_t {{
            let values = vreinterpretq_s8_s32(vld1q_s32(columns.as_ptr()));
            // The columns of a nibble and their negatives, first the low nibble's.
            let (wide, minus) = (vreinterpretq_u64_s8(values), vreinterpretq_u64_s8(vnegq_s8(values)));
            let nibbles = [
                vreinterpretq_u8_u64(vzip1q_u64(wide, minus)),
                vreinterpretq_u8_u64(vzip2q_u64(wide, minus)),
            ];
            for (j, [first, second]) in PICK_TERMS.iter().enumerate() {
                let (first, second) = (vld1q_u8(first.as_ptr()), vld1q_u8(second.as_ptr()));
                for (h, values) in nibbles.into_iter().enumerate() {
                    let entries = vaddq_u8(vqtbl1q_u8(values, first), vqtbl1q_u8(values, second));
                    vst1q_u8(to.add((2 * j + h) * step).cast(), entries);
                }
            }
            vpadalq_s8(totals, values)
        }}
    }
}
