//! Ternary products in 256-bit vectors: see [`bytes`](crate::arch::x86_64::bytes).

use core::arch::x86_64::*;

use crate::arch::kernels::{Calls, Groups, Panels, Product};
use crate::arch::scalar;
use crate::arch::x86_64::bytes::{Bytes, fields, tables, trits};
use crate::arch::x86_64::dot::{Scaled, Sums, Whole};
use crate::layout::PANEL_ROWS;

pub(super) const PRODUCT: Product = Product {
    token_tile: 6,
    interleave: 4,
    t2,
    t5,
    t2_groups,
    t5_groups,
    t2_int4: Some(Calls {
        token_tile: tables::MAX_TOKENS,
        panels: tables::MAX_PANELS,
        tile: t2_int4,
        groups: t2_int4_groups,
    }),
    t5_int4: Some(Calls { token_tile: 6, panels: 32, tile: t5_int4, groups: t5_int4_groups }),
};

/// Instantiates the kernels of a layout for every number of tokens, with and without scale groups.
macro_rules! kernels {
    ($whole:ident, $groups:ident, $any:ident: |$panels:ident, $q:ident, $count:ident, $sums:ident| $($tokens:pat => $kernel:expr,)+) => {
        #[target_feature(enable = "avx2,f16c")]
        fn $whole(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
            $any(panels, q, tokens, &mut Whole(sums));
        }

        #[target_feature(enable = "avx2,f16c")]
        fn $groups(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            _: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            $any(panels, q, tokens, &mut Scaled { tokens, groups, scaled });
        }

        #[inline]
        #[target_feature(enable = "avx2,f16c")]
        fn $any<S: Sums>($panels: Panels<'_>, $q: &[i8], $count: usize, $sums: &mut S) {
            // SAFETY: this function has the features; the driver gives as many values as there are columns, and int4
            // where it is said.
            unsafe {
                match $count {
                    $($tokens => $kernel,)+
                }
            }
        }
    };
}

type V = __m256i;

kernels! { t2, t2_groups, any_t2: |panels, q, tokens, sums|
    1 => fields::one_token::<V, S, 4>(panels, q, sums),
    2 => fields::several_tokens::<V, S, 2, 2>(panels, q, sums),
    3 => fields::several_tokens::<V, S, 2, 3>(panels, q, sums),
    4 => fields::several_tokens::<V, S, 1, 4>(panels, q, sums),
    5 => fields::several_tokens::<V, S, 1, 5>(panels, q, sums),
    _ => fields::several_tokens::<V, S, 1, 6>(panels, q, sums),
}

kernels! { t5, t5_groups, any_t5: |panels, q, tokens, sums|
    1 => trits::several_tokens::<V, S, 4, 1>(panels, q, sums),
    2 => trits::several_tokens::<V, S, 2, 2>(panels, q, sums),
    3 => trits::several_tokens::<V, S, 2, 3>(panels, q, sums),
    4 => trits::several_tokens::<V, S, 2, 4>(panels, q, sums),
    5 => trits::several_tokens::<V, S, 1, 5>(panels, q, sums),
    _ => trits::several_tokens::<V, S, 1, 6>(panels, q, sums),
}

kernels! { t5_int4, t5_int4_groups, any_t5_int4: |panels, q, tokens, sums|
    1 => trits::one_token_int4::<V, S, 4>(panels, q, sums),
    _ => any_t5(panels, q, tokens, sums),
}

#[target_feature(enable = "avx2,f16c")]
fn t2_int4(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
    match tokens {
        1..tables::MIN_TOKENS => t2(panels, q, tokens, sums),
        // SAFETY: as above; the driver keeps to the panels and tokens it is told.
        _ => unsafe { tables::several_tokens::<V>(panels, q, tokens, sums) },
    }
}

#[target_feature(enable = "avx2,f16c")]
fn t2_int4_groups(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    groups: Groups<'_>,
    scratch: &mut [[i32; PANEL_ROWS]],
    scaled: &mut [[f32; PANEL_ROWS]],
) {
    match tokens {
        1..tables::MIN_TOKENS => t2_groups(panels, q, tokens, groups, scratch, scaled),
        // SAFETY: this function has the kernel's features.
        _ => unsafe { scalar::by_group(t2_int4, panels, q, tokens, groups, scratch, scaled) },
    }
}

/// A method that is some AVX2 instructions on its arguments.
macro_rules! instructions {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? { $body:expr })+) => {$(
        #[inline(always)]
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: the caller has AVX2, and a vector where a pointer points.
            unsafe { $body }
        }
    )+};
}

// SAFETY: each method is what the trait says.
unsafe impl Bytes for __m256i {
    instructions! {
        fn add_i8(self: Self, other: Self) -> Self { _mm256_add_epi8(self, other) }
        fn add_i16(self: Self, other: Self) -> Self { _mm256_add_epi16(self, other) }
        fn up_a_byte(self: Self) -> Self { _mm256_slli_epi16::<8>(self) }
        fn down_a_byte(self: Self) -> Self { _mm256_srli_epi16::<8>(self) }
        fn flipped_trit(self: Self) -> Self {{
            // From 86 and from 171 on; the compares are signed, as the bytes are with their top bits flipped.
            let (one, two) = (_mm256_set1_epi8(-43), _mm256_set1_epi8(42));
            _mm256_abs_epi8(_mm256_add_epi8(_mm256_cmpgt_epi8(self, one), _mm256_cmpgt_epi8(self, two)))
        }}
        fn times(self: Self, q: Self) -> Self { _mm256_maddubs_epi16(self, q) }
        fn times_i16(self: Self, other: Self) -> Self { _mm256_madd_epi16(self, other) }
        fn table(from: *const u8) -> Self { _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast())) }
        fn lookup(self: Self, indices: Self) -> Self { _mm256_shuffle_epi8(self, indices) }
        fn unskew(vectors: [Self; 4]) -> [Self; 4] {{
            let [a, b, c, d] = vectors;
            let (ac, bd) = (_mm256_blend_epi32::<0b1010_1010>(a, b), _mm256_blend_epi32::<0b1010_1010>(c, d));
            let (db, ca) = (_mm256_blend_epi32::<0b0101_0101>(a, b), _mm256_blend_epi32::<0b0101_0101>(c, d));
            [
                _mm256_blend_epi32::<0b1100_1100>(ac, bd),
                _mm256_shuffle_epi32::<0b00_11_10_01>(_mm256_blend_epi32::<0b1001_1001>(db, ca)),
                _mm256_shuffle_epi32::<0b01_00_11_10>(_mm256_blend_epi32::<0b1100_1100>(bd, ac)),
                _mm256_shuffle_epi32::<0b10_01_00_11>(_mm256_blend_epi32::<0b1001_1001>(ca, db)),
            ]
        }}
        fn add_rows(pairs: Self, upper: Self, start: Self, total: Self, to: [*mut i32; 4]) {{
            let even = _mm256_add_epi16(_mm256_sub_epi16(pairs, _mm256_slli_epi16::<8>(upper)), start);
            let odd = _mm256_add_epi16(upper, start);
            let halves = [_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd)];
            for (half, to) in halves.into_iter().zip(to.as_chunks::<2>().0) {
                let rows = _mm256_permute4x64_epi64::<0b11_01_10_00>(half);
                for (rows, to) in [_mm256_castsi256_si128(rows), _mm256_extracti128_si256::<1>(rows)].into_iter().zip(to) {
                    let sums = _mm256_add_epi32(_mm256_cvtepi16_epi32(rows), total);
                    _mm256_storeu_si256(to.cast(), _mm256_add_epi32(_mm256_loadu_si256(to.cast()), sums));
                }
            }
        }}
    }
}
