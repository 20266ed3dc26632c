//! What the CPU has and the operating system saves, without std.

use raw_cpuid::CpuId;

/// AVX2 and FMA, with the OS saving the 256-bit registers.
pub(crate) fn avx2_fma() -> bool {
    let cpuid = CpuId::new();
    let (Some(basic), Some(extended)) = (cpuid.get_feature_info(), cpuid.get_extended_feature_info()) else {
        return false;
    };
    basic.has_oxsave() && os_saves(0b110) && basic.has_avx() && basic.has_fma() && extended.has_avx2()
}

/// AVX-512 F, BW, VL and DQ on top of [`avx2_fma`], with the OS saving the 512-bit and mask registers.
pub(crate) fn avx512() -> bool {
    avx2_fma()
        && os_saves(0b1110_0110)
        && CpuId::new().get_extended_feature_info().is_some_and(|extended| {
            extended.has_avx512f()
                && extended.has_avx512bw()
                && extended.has_avx512vl()
                && extended.has_avx512dq()
        })
}

/// VNNI on top of [`avx512`].
pub(crate) fn avx512_vnni() -> bool {
    avx512() && CpuId::new().get_extended_feature_info().is_some_and(|extended| extended.has_avx512vnni())
}

/// Whether XCR0 has all those bits: 1 = XMM, 2 = YMM, 5 to 7 = AVX-512, 17 and 18 = AMX tiles.
fn os_saves(state: u64) -> bool {
    // SAFETY: callers saw CPUID's OSXSAVE bit, so XGETBV exists.
    let xcr0 = unsafe { xgetbv() };
    xcr0 & state == state
}

#[target_feature(enable = "xsave")]
fn xgetbv() -> u64 {
    // SAFETY: register 0 always exists.
    unsafe { core::arch::x86_64::_xgetbv(0) }
}
