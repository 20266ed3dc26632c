//! [`IntVector`] and [`ByteVector`] in 128 bits.

use core::arch::wasm32::*;

use crate::kernels::float::intrinsics;
use crate::kernels::ternary::int4_lookup::sizes::PICK_TERMS;
use crate::kernels::ternary::vector::{ByteVector, IntVector};
use crate::layout::{ScaleType, f16_at};

// SAFETY: 4 · 4 bytes; each method is what the trait says.
unsafe impl IntVector for v128 {
    const ROWS: usize = 4;

    type Scales = v128;

    intrinsics! {
        fn splat(value: i32) -> Self { i32x4_splat(value) }
        fn load(from: *const u8) -> Self { v128_load(from.cast()) }
        fn store(self: Self, to: *mut u8) { v128_store(to.cast(), self) }
        fn and(self: Self, other: Self) -> Self { v128_and(self, other) }
        fn add(self: Self, other: Self) -> Self { i32x4_add(self, other) }
        fn sub(self: Self, other: Self) -> Self { i32x4_sub(self, other) }
        fn sub_i8(self: Self, other: Self) -> Self { i8x16_sub(self, other) }
        fn quarter(self: Self) -> Self { i32x4_shr(self, 2) }
        fn over_256(self: Self) -> Self { i32x4_shr(self, 8) }
        fn times_256(self: Self) -> Self { i32x4_shl(self, 8) }
        fn next_field(self: Self) -> Self { u32x4_shr(self, 2) }
        fn next_nibble(self: Self) -> Self { u32x4_shr(self, 4) }
        fn field_at(self: Self, bit: u32) -> Self { u32x4_shr(self, bit) }
        // By a shift of i16 lanes, because the compiler makes a product of x + x + x, and there is none of bytes.
        fn triple(self: Self) -> Self { i8x16_add(v128_and(i16x8_shl(self, 1), u8x16_splat(254)), self) }
        fn front_trit(self: Self) -> Self {{
            // ⌊3x / 4⌋ = x − ⌈⌈x / 2⌉ / 2⌉, and its upper two bits are the digit.
            let zero = u8x16_splat(0);
            let quarter = u8x16_avgr(u8x16_avgr(self, zero), zero);
            v128_and(u32x4_shr(i8x16_sub(self, quarter), 6), u8x16_splat(3))
        }}
        fn load_scales(from: *const u8, scale_type: ScaleType) -> v128 {
            match scale_type {
                ScaleType::F32 => v128_load(from.cast()),
                ScaleType::F16 => {
                    let bytes = core::slice::from_raw_parts(from, 8);
                    f32x4(f16_at(bytes, 0), f16_at(bytes, 2), f16_at(bytes, 4), f16_at(bytes, 6))
                }
            }
        }
        fn add_scaled(self: Self, scales: v128, to: *mut f32) {{
            let scaled = f32x4_mul(f32x4_convert_i32x4(self), scales);
            v128_store(to.cast(), f32x4_add(v128_load(to.cast()), scaled));
        }}
    }

    // There is no instruction that fetches ahead.
    #[inline(always)]
    unsafe fn fetch_near(_: *const u8) {}

    #[inline(always)]
    unsafe fn fetch_far(_: *const u8) {}

    #[inline(always)]
    unsafe fn opaque(value: usize) -> usize {
        value
    }
}

// SAFETY: each method is what the trait says.
unsafe impl ByteVector for v128 {
    type Totals = v128;

    intrinsics! {
        fn add_i8(self: Self, other: Self) -> Self { i8x16_add(self, other) }
        fn add_i16(self: Self, other: Self) -> Self { i16x8_add(self, other) }
        fn up_a_field(self: Self) -> Self { i16x8_shl(self, 2) }
        fn down_a_byte(self: Self) -> Self { u16x8_shr(self, 8) }
        fn times(self: Self, q: Self) -> Self {{
            let even = i16x8_mul(v128_and(self, u16x8_splat(0xff)), i16x8_shr(i16x8_shl(q, 8), 8));
            i16x8_add(even, i16x8_mul(u16x8_shr(self, 8), i16x8_shr(q, 8)))
        }}
        fn times_i16(self: Self, other: Self) -> Self { i32x4_dot_i16x8(self, other) }
        fn table(from: *const u8) -> Self { v128_load(from.cast()) }
        fn lookup(self: Self, indices: Self) -> Self { i8x16_swizzle(self, indices) }
        fn unskew(vectors: [Self; 4]) -> [Self; 4] {{
            let [a, b, c, d] = vectors;
            let (ab, ba) = (i32x4_shuffle::<0, 5, 2, 7>(a, b), i32x4_shuffle::<0, 5, 2, 7>(b, a));
            let (cd, dc) = (i32x4_shuffle::<0, 5, 2, 7>(c, d), i32x4_shuffle::<0, 5, 2, 7>(d, c));
            [
                i32x4_shuffle::<0, 1, 6, 7>(ab, cd),
                i32x4_shuffle::<1, 2, 7, 4>(ba, dc),
                i32x4_shuffle::<2, 3, 4, 5>(ab, cd),
                i32x4_shuffle::<3, 0, 5, 6>(ba, dc),
            ]
        }}
        fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]) {{
            let even = i16x8_add(i16x8_sub(pairs, i16x8_shl(upper, 8)), start);
            let odd = i16x8_add(upper, start);
            let low = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(even, odd);
            let high = i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(even, odd);
            let rows = [
                i32x4_extend_low_i16x8(low),
                i32x4_extend_high_i16x8(low),
                i32x4_extend_low_i16x8(high),
                i32x4_extend_high_i16x8(high),
            ];
            for (rows, to) in rows.into_iter().zip(to) {
                let to = to.cast::<v128>();
                v128_store(to, i32x4_add(v128_load(to), i32x4_add(rows, total)));
            }
        }}
        fn no_totals() -> v128 { i16x8_splat(0) }
        fn total(totals: v128) -> i32 {{
            let fours = i32x4_extadd_pairwise_i16x8(totals);
            let twos = i32x4_add(fours, i32x4_shuffle::<2, 3, 0, 1>(fours, fours));
            i32x4_extract_lane::<0>(twos) + i32x4_extract_lane::<1>(twos)
        }}
        fn make_tables(columns: [i32; 4], to: *mut [u8; 16], step: usize, totals: v128) -> v128 {{
            let values = i32x4(columns[0], columns[1], columns[2], columns[3]);
            // The columns of a nibble and their negatives, first the low nibble's.
            let minus = i8x16_neg(values);
            let nibbles = [i64x2_shuffle::<0, 2>(values, minus), i64x2_shuffle::<1, 3>(values, minus)];
            for (j, [first, second]) in PICK_TERMS.iter().enumerate() {
                let (first, second) = (v128_load(first.as_ptr().cast()), v128_load(second.as_ptr().cast()));
                for (h, values) in nibbles.into_iter().enumerate() {
                    let entries = i8x16_add(i8x16_swizzle(values, first), i8x16_swizzle(values, second));
                    v128_store(to.add((2 * j + h) * step).cast(), entries);
                }
            }
            i16x8_add(totals, i16x8_extadd_pairwise_i8x16(values))
        }}
    }
}
