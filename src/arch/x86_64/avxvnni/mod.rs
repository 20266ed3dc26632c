//! AVX-VNNI on top of [`avx2`]: `vpdpbusd` on 8 rows, for client CPUs that have no AVX-512.
//!
//! Such a core starts two 256-bit dots a cycle (Golden Cove, Gracemont), each of 32 products: twice what `maddubs`
//! and its add reach on the same ports. A dot takes 5 cycles, so ten accumulators keep both ports busy, and 5 tokens ×
//! 2 vectors of rows with their codes, mask and activations are the 16 registers.

use core::arch::x86_64::*;

use crate::arch::generic::intrinsics;
use crate::arch::kernels::{CALL_PANELS, Calls, Groups, Kernels, Panels, Product, Room};
use crate::arch::scalar;
use crate::arch::x86_64::dot::trits::PAIRED;
use crate::arch::x86_64::dot::{Dot, Scaled, Sums, Whole, fields, kernels, trits};
use crate::arch::x86_64::{avx2, detect};
use crate::layout::{PANEL_ROWS, T5_QUARTER_COLUMNS};
use crate::weights::ScaleType;

pub(crate) const KERNELS: Kernels = Kernels {
    product: Product { t2: T2, t5: T5, t2_int4: T2, t5_int4: T5_INT4, ..scalar::KERNELS.product },
    ..avx2::KERNELS
};

const T2: Calls = Calls { token_tile: 5, panels: CALL_PANELS, tile: t2, groups: t2_groups };
const T5: Calls = Calls { tile: t5, groups: t5_groups, ..T2 };
const T5_INT4: Calls = Calls { tile: t5_int4, groups: t5_int4_groups, ..T2 };

pub(crate) fn detect() -> bool {
    detect::avx_vnni()
}

/// Every byte doubled. In assembly because the compiler sees through x + x + x and multiplies, with five instructions.
#[inline]
#[target_feature(enable = "avx2")]
fn double(x: __m256i) -> __m256i {
    let double;
    // SAFETY: one AVX2 instruction on registers.
    unsafe {
        core::arch::asm!("vpaddb {}, {x}, {x}", out(ymm_reg) double, x = in(ymm_reg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    double
}

// SAFETY: each method is what the trait says, with AVX2, F16C and, for `dot` alone, AVX-VNNI.
unsafe impl Dot for __m256i {
    const ROWS: usize = 8;

    type Scales = __m256;

    intrinsics! {
        fn splat(value: i32) -> Self { _mm256_set1_epi32(value) }
        fn load(from: *const u8) -> Self { _mm256_loadu_si256(from.cast()) }
        fn load_sums(from: *const i32) -> Self { _mm256_loadu_si256(from.cast()) }
        fn store_sums(self: Self, to: *mut i32) { _mm256_storeu_si256(to.cast(), self) }
        fn and(self: Self, other: Self) -> Self { _mm256_and_si256(self, other) }
        fn add(self: Self, other: Self) -> Self { _mm256_add_epi32(self, other) }
        fn sub(self: Self, other: Self) -> Self { _mm256_sub_epi32(self, other) }
        fn next_field(self: Self) -> Self { _mm256_srli_epi32::<2>(self) }
        fn next_nibble(self: Self) -> Self { _mm256_srli_epi32::<4>(self) }
        fn field_at(self: Self, bit: u32) -> Self { _mm256_srl_epi32(self, _mm_cvtsi32_si128(bit as i32)) }
        fn quarter(self: Self) -> Self { _mm256_srai_epi32::<2>(self) }
        fn over_256(self: Self) -> Self { _mm256_srai_epi32::<8>(self) }
        fn triple(self: Self) -> Self { _mm256_add_epi8(double(self), self) }
        fn front_trit(self: Self) -> Self {{
            // ⌊3x / 4⌋ = x − ⌈⌈x / 2⌉ / 2⌉, and its upper two bits are the digit.
            let zero = _mm256_setzero_si256();
            let quarter = _mm256_avg_epu8(_mm256_avg_epu8(self, zero), zero);
            _mm256_srli_epi32::<6>(_mm256_sub_epi8(self, quarter))
        }}
        fn dot(self: Self, codes: Self, q: Self) -> Self { _mm256_dpbusd_avx_epi32(self, codes, q) }
        fn load_scales(from: *const u8, scale_type: ScaleType) -> __m256 {
            match scale_type {
                ScaleType::F32 => _mm256_loadu_ps(from.cast()),
                ScaleType::F16 => _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
            }
        }
        fn add_scaled(self: Self, scales: __m256, to: *mut f32) {{
            let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(self), scales);
            _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), scaled));
        }}
    }

    #[inline(always)]
    unsafe fn pair(q: &[i8; T5_QUARTER_COLUMNS], p: &mut [i8; PAIRED]) {
        for block in 0..3 {
            let q = &q[20 * block..][..20];
            let p = &mut p[24 * block..][..24];
            // In fours, five of activations and six of factors: four and four of them, then the last and two.
            // SAFETY: the caller has AVX2; both are as long.
            unsafe {
                let first = _mm_loadu_si128(q.as_ptr().cast());
                let last = _mm_loadl_epi64(q[12..].as_ptr().cast());
                let paired = |own, last| _mm_sub_epi8(_mm_add_epi8(_mm_add_epi8(own, own), own), last);
                _mm_storeu_si128(p.as_mut_ptr().cast(), paired(first, _mm_slli_si128::<4>(first)));
                _mm_storel_epi64(p[16..].as_mut_ptr().cast(), paired(_mm_srli_si128::<4>(last), last));
            }
        }
        p[72..].copy_from_slice(&q[60..]);
    }
}

/// Instantiates a layout's function for every number of tokens.
macro_rules! any {
    ($any:ident = $layout:ident) => {
        #[target_feature(enable = "avx2,f16c,avxvnni")]
        fn $any<S: Sums>(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut S) {
            // SAFETY: this function has the features; the driver gives as many values as there are columns.
            unsafe {
                match tokens {
                    1 => $layout::one_token::<__m256i, S, 4>(panels, q, sums),
                    2 => $layout::several_tokens::<__m256i, S, 2, 2>(panels, q, sums),
                    3 => $layout::several_tokens::<__m256i, S, 2, 3>(panels, q, sums),
                    4 => $layout::several_tokens::<__m256i, S, 2, 4>(panels, q, sums),
                    _ => $layout::several_tokens::<__m256i, S, 2, 5>(panels, q, sums),
                }
            }
        }
    };
}

any!(any_t2 = fields);
any!(any_t5 = trits);

#[target_feature(enable = "avx2,f16c,avxvnni")]
fn any_t5_int4<S: Sums>(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut S) {
    match tokens {
        // SAFETY: this function has the features; the driver gives as many values as there are columns, of int4.
        1 => unsafe { trits::one_token_int4::<__m256i, S, 4>(panels, q, sums) },
        _ => any_t5(panels, q, tokens, sums),
    }
}

kernels!("avx2,f16c,avxvnni": t2, t2_groups = any_t2);
kernels!("avx2,f16c,avxvnni": t5, t5_groups = any_t5);
kernels!("avx2,f16c,avxvnni": t5_int4, t5_int4_groups = any_t5_int4);
