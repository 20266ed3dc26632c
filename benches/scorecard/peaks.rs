//! What the multipliers of a backend do at most.

use hbitlinear::Backend;

/// A loop of nothing but a multiply-and-add of bytes, and the products it makes: of tiles, of the dot instruction with 512
/// bits, or of `maddubs` with 256, also where the backend has more.
pub(crate) fn peak(backend: Backend) -> Option<(fn(), f64)> {
    match backend.name() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the backend proves the instructions, and that the process may use them.
        "amx" => Some((|| unsafe { x86_64::tiles() }, (x86_64::ROUNDS * 4 * 16 * 16 * 64) as f64)),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the backend proves the instructions.
        "avx512vnni" => Some((|| unsafe { x86_64::dots() }, (x86_64::ROUNDS * 16 * 64) as f64)),
        #[cfg(target_arch = "x86_64")]
        name if name.starts_with("avx") => {
            // SAFETY: the backend proves the instructions.
            Some((|| unsafe { x86_64::maddubs() }, (x86_64::ROUNDS * 12 * 32) as f64))
        }
        _ => None,
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::x86_64::*;
    use core::hint::black_box;

    pub(super) const ROUNDS: usize = 1000;

    /// What `ldtilecfg` reads.
    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    /// Four sums in turn, of tiles that stay where they are.
    ///
    /// # Safety
    /// The CPU has AMX int8, and the process may use it.
    pub(super) unsafe fn tiles() {
        let mut config =
            Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        config.row_bytes[..8].fill(64);
        config.rows[..8].fill(16);
        // SAFETY: as promised; all tiles are set up before their use, and released.
        unsafe {
            core::arch::asm!(
                "ldtilecfg [{config}]",
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
                "2:",
                "tdpbsud tmm0, tmm4, tmm6",
                "tdpbsud tmm1, tmm4, tmm7",
                "tdpbsud tmm2, tmm5, tmm6",
                "tdpbsud tmm3, tmm5, tmm7",
                "dec {rounds}",
                "jnz 2b",
                "tilerelease",
                config = in(reg) &raw const config,
                rounds = inout(reg) ROUNDS => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly),
            );
        }
    }

    // Sixteen chains: more than any latency.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn dots() {
        let (codes, q) = (black_box(_mm512_set1_epi8(1)), black_box(_mm512_set1_epi8(2)));
        let mut sums = [_mm512_setzero_si512(); 16];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, codes, q);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn maddubs() {
        let (codes, mut q) = (black_box(_mm256_set1_epi8(1)), black_box(_mm256_set1_epi8(2)));
        let mut sums = [_mm256_setzero_si256(); 12];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                q = hidden(q);
                *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(codes, q));
            }
        }
        black_box(sums);
    }

    /// The same, unknown to the compiler: or the product would leave the loop.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn hidden(mut q: __m256i) -> __m256i {
        // SAFETY: no instruction.
        unsafe { core::arch::asm!("/* {0} */", inout(ymm_reg) q, options(nomem, nostack)) };
        q
    }
}
