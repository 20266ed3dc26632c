//! What the CPU has and the operating system saves, without std.

use core::sync::atomic::{AtomicU8, Ordering};

use raw_cpuid::CpuId;

/// Whether AMD (or Hygon, under licence) made the CPU. Asked once: CPUID takes microseconds in a virtual machine.
#[inline]
pub(crate) fn is_amd() -> bool {
    /// 2 for yes, 1 for no, 0 for not asked yet.
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    #[cold]
    fn ask() -> u8 {
        let amd = CpuId::new()
            .get_vendor_info()
            .is_some_and(|vendor| matches!(vendor.as_str(), "AuthenticAMD" | "HygonGenuine"));
        let known = if amd { 2 } else { 1 };
        KNOWN.store(known, Ordering::Relaxed);
        known
    }
    let known = match KNOWN.load(Ordering::Relaxed) {
        0 => ask(),
        known => known,
    };
    known == 2
}

/// AVX2, FMA and F16C, with the OS saving the 256-bit registers.
pub(crate) fn avx2() -> bool {
    let cpuid = CpuId::new();
    let (Some(basic), Some(extended)) = (cpuid.get_feature_info(), cpuid.get_extended_feature_info()) else {
        return false;
    };
    basic.has_oxsave()
        && os_saves(0b110)
        && basic.has_avx()
        && basic.has_fma()
        && basic.has_f16c()
        && extended.has_avx2()
}

/// AVX-512 F, BW, VL and DQ on top of [`avx2`], with the OS saving the 512-bit and mask registers.
pub(crate) fn avx512() -> bool {
    avx2()
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

/// AVX-VNNI on top of [`avx2`].
pub(crate) fn avx_vnni() -> bool {
    avx2() && CpuId::new().get_extended_feature_info().is_some_and(|extended| extended.has_avx_vnni())
}

/// AMX tiles with int8 products, which the OS saves and lets this process use.
pub(crate) fn amx_int8() -> bool {
    avx2()
        && os_saves(1 << 17 | 1 << 18)
        && CpuId::new()
            .get_extended_feature_info()
            .is_some_and(|extended| extended.has_amx_tile() && extended.has_amx_int8())
        && amx_permitted()
}

/// Asks Linux for tiles: without it, the first use is a SIGILL. It holds for the process's threads from now on, changes
/// nothing if it was given before, and fails if a thread has a signal stack too small for the tiles.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn amx_permitted() -> bool {
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: a system call with the kernel's convention; this one writes no memory.
    unsafe {
        core::arch::asm!(
            "syscall", inout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack),
        );
    }
    result == 0
}

/// How other systems give out tiles is not known here.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn amx_permitted() -> bool {
    false
}

/// Whether XCR0 has all those bits: 1 = XMM, 2 = YMM, 5 to 7 = AVX-512, 17 and 18 = AMX tiles.
fn os_saves(state: u64) -> bool {
    // SAFETY: callers saw CPUID's OSXSAVE bit, so XGETBV exists.
    let xcr0 = unsafe { xgetbv() };
    xcr0 & state == state
}

/// # Safety
/// The operating system has switched XSAVE on (CPUID's OSXSAVE).
#[target_feature(enable = "xsave")]
unsafe fn xgetbv() -> u64 {
    // SAFETY: as promised; register 0 always exists.
    unsafe { core::arch::x86_64::_xgetbv(0) }
}
