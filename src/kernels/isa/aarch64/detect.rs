//! What the CPU has, without std: what the build takes for granted, and on Linux what the kernel says. The instruction
//! that reads it from the CPU itself is the kernel's own. Other systems promise it in their ABI or are not asked: on a
//! Mac the compiler's baseline has the dot product. There [`Backend::assume`](crate::Backend::assume) takes the caller's word.

/// `sdot` and `udot`.
pub(crate) fn dotprod() -> bool {
    const AT_HWCAP: usize = 16;
    const ASIMDDP: usize = 1 << 20;
    cfg!(target_feature = "dotprod") || auxiliary(AT_HWCAP) & ASIMDDP != 0
}

/// `smmla` and `usdot`, on top of [`dotprod`].
pub(crate) fn i8mm() -> bool {
    const AT_HWCAP2: usize = 26;
    const I8MM: usize = 1 << 13;
    dotprod() && (cfg!(target_feature = "i8mm") || auxiliary(AT_HWCAP2) & I8MM != 0)
}

/// An entry of the auxiliary vector that Linux gives to a process, 0 if there is none.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn auxiliary(entry: usize) -> usize {
    // `unsigned long` of the C library, which is a `usize` on Linux.
    unsafe extern "C" {
        safe fn getauxval(entry: usize) -> usize;
    }
    getauxval(entry)
}

/// Nobody to ask.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn auxiliary(_: usize) -> usize {
    0
}
