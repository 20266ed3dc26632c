//! AVX-512 with VNNI on top of [`avx512`]: `vpdpbusd` on 16 rows.

use core::arch::x86_64::*;

use crate::arch::generic::intrinsics;
use crate::arch::kernels::{CALL_PANELS, Calls, Groups, Kernels, Panels, Product, Room};
use crate::arch::scalar;
use crate::arch::x86_64::dot::trits::PAIRED;
use crate::arch::x86_64::dot::{Dot, Scaled, Sums, Whole, fields, kernels, trits};
use crate::arch::x86_64::{avx512, detect};
use crate::layout::{PANEL_ROWS, T5_QUARTER_COLUMNS};
use crate::weights::ScaleType;

pub(crate) const KERNELS: Kernels = Kernels {
    product: Product { t2: T2, t5: T5, t2_int4: T2, t5_int4: T5_INT4, ..scalar::KERNELS.product },
    ..avx512::KERNELS
};

const T2: Calls = Calls { token_tile: 12, panels: CALL_PANELS, tile: t2, groups: t2_groups };
const T5: Calls = Calls { tile: t5, groups: t5_groups, ..T2 };
const T5_INT4: Calls = Calls { tile: t5_int4, groups: t5_int4_groups, ..T2 };

pub(crate) fn detect() -> bool {
    detect::avx512_vnni()
}

/// Every byte doubled. In assembly because the compiler sees through x + x + x and multiplies, with five instructions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn double(x: __m512i) -> __m512i {
    let double;
    // SAFETY: one AVX-512 BW instruction on registers.
    unsafe {
        core::arch::asm!("vpaddb {}, {x}, {x}", out(zmm_reg) double, x = in(zmm_reg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    double
}

// SAFETY: each method is what the trait says, with AVX-512 F, BW, VL and, for `dot` alone, VNNI.
unsafe impl Dot for __m512i {
    const ROWS: usize = 16;

    type Scales = __m512;

    intrinsics! {
        fn splat(value: i32) -> Self { _mm512_set1_epi32(value) }
        fn load(from: *const u8) -> Self { _mm512_loadu_si512(from.cast()) }
        fn load_sums(from: *const i32) -> Self { _mm512_loadu_si512(from.cast()) }
        fn store_sums(self: Self, to: *mut i32) { _mm512_storeu_si512(to.cast(), self) }
        fn and(self: Self, other: Self) -> Self { _mm512_and_si512(self, other) }
        fn add(self: Self, other: Self) -> Self { _mm512_add_epi32(self, other) }
        fn sub(self: Self, other: Self) -> Self { _mm512_sub_epi32(self, other) }
        fn next_field(self: Self) -> Self { _mm512_srli_epi32::<2>(self) }
        fn next_nibble(self: Self) -> Self { _mm512_srli_epi32::<4>(self) }
        fn field_at(self: Self, bit: u32) -> Self { _mm512_srl_epi32(self, _mm_cvtsi32_si128(bit as i32)) }
        fn quarter(self: Self) -> Self { _mm512_srai_epi32::<2>(self) }
        fn over_256(self: Self) -> Self { _mm512_srai_epi32::<8>(self) }
        fn triple(self: Self) -> Self { _mm512_add_epi8(double(self), self) }
        fn front_trit(self: Self) -> Self {{
            // ⌊3x / 4⌋ = x − ⌈⌈x / 2⌉ / 2⌉, and its upper two bits are the digit.
            let zero = _mm512_setzero_si512();
            let quarter = _mm512_avg_epu8(_mm512_avg_epu8(self, zero), zero);
            _mm512_srli_epi32::<6>(_mm512_sub_epi8(self, quarter))
        }}
        fn dot(self: Self, codes: Self, q: Self) -> Self { _mm512_dpbusd_epi32(self, codes, q) }
        fn load_scales(from: *const u8, scale_type: ScaleType) -> __m512 {
            match scale_type {
                ScaleType::F32 => _mm512_loadu_ps(from.cast()),
                ScaleType::F16 => _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())),
            }
        }
        fn add_scaled(self: Self, scales: __m512, to: *mut f32) {{
            let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(self), scales);
            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), scaled));
        }}
    }

    #[inline(always)]
    unsafe fn pair(q: &[i8; T5_QUARTER_COLUMNS], p: &mut [i8; PAIRED]) {
        // In fours, of which each of three blocks has five of activations and six of factors, and the rest one of each.
        // SAFETY: the caller has AVX-512; there are sixteen fours of activations and nineteen of factors.
        unsafe {
            let (fours, to) = (q.as_ptr().cast::<i32>(), p.as_mut_ptr().cast::<i32>());
            let q = _mm512_loadu_si512(fours.cast());
            let own = _mm512_setr_epi32(0, 1, 2, 3, 4, 0, 5, 6, 7, 8, 9, 0, 10, 11, 12, 13);
            let own = _mm512_maskz_permutexvar_epi32(0b1111_0111_1101_1111, own, q);
            let last = _mm512_setr_epi32(0, 0, 1, 2, 3, 4, 0, 5, 6, 7, 8, 9, 0, 10, 11, 12);
            let last = _mm512_maskz_permutexvar_epi32(0b1110_1111_1011_1110, last, q);
            _mm512_storeu_si512(to.cast(), _mm512_sub_epi8(own.triple(), last));
            let own = _mm_cvtsi32_si128(fours.add(14).read_unaligned());
            let last = _mm_loadl_epi64(fours.add(13).cast());
            let own = _mm_add_epi8(_mm_add_epi8(own, own), own);
            _mm_storel_epi64(to.add(16).cast(), _mm_sub_epi8(own, last));
            to.add(18).write_unaligned(fours.add(15).read_unaligned());
        }
    }
}

/// Instantiates a layout's function for every number of tokens. A tile of 12 tokens × 2 panels or 6 × 4 has 24
/// accumulators of the 32 registers.
macro_rules! any {
    ($any:ident = $layout:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
        fn $any<S: Sums>(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut S) {
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
            fn tile<S: Sums, const R: usize, const T: usize>(p: Panels<'_>, q: &[i8], sums: &mut S) {
                // SAFETY: this function has the features; the driver gives as many values as there are columns.
                unsafe { $layout::several_tokens::<__m512i, S, R, T>(p, q, sums) }
            }
            match tokens {
                // SAFETY: as above.
                1 => unsafe { $layout::one_token::<__m512i, S, 8>(panels, q, sums) },
                2 => tile::<S, 4, 2>(panels, q, sums),
                3 => tile::<S, 4, 3>(panels, q, sums),
                4 => tile::<S, 4, 4>(panels, q, sums),
                5 => tile::<S, 4, 5>(panels, q, sums),
                6 => tile::<S, 4, 6>(panels, q, sums),
                7 => tile::<S, 2, 7>(panels, q, sums),
                8 => tile::<S, 2, 8>(panels, q, sums),
                9 => tile::<S, 2, 9>(panels, q, sums),
                10 => tile::<S, 2, 10>(panels, q, sums),
                11 => tile::<S, 2, 11>(panels, q, sums),
                _ => tile::<S, 2, 12>(panels, q, sums),
            }
        }
    };
}

any!(any_t2 = fields);
any!(any_t5 = trits);

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn any_t5_int4<S: Sums>(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut S) {
    match tokens {
        // SAFETY: this function has the features; the driver gives as many values as there are columns, of int4.
        1 => unsafe { trits::one_token_int4::<__m512i, S, 8>(panels, q, sums) },
        // SAFETY: as above.
        2 => unsafe { trits::several_tokens_int4::<__m512i, S, 4, 2>(panels, q, sums) },
        // SAFETY: as above.
        3 => unsafe { trits::several_tokens_int4::<__m512i, S, 4, 3>(panels, q, sums) },
        // SAFETY: as above.
        4 => unsafe { trits::several_tokens_int4::<__m512i, S, 4, 4>(panels, q, sums) },
        _ => any_t5(panels, q, tokens, sums),
    }
}

kernels!("avx512f,avx512bw,avx512vl,avx512vnni": t2, t2_groups = any_t2);
kernels!("avx512f,avx512bw,avx512vl,avx512vnni": t5, t5_groups = any_t5);
kernels!("avx512f,avx512bw,avx512vl,avx512vnni": t5_int4, t5_int4_groups = any_t5_int4);
