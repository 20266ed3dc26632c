//! What the machine can do at most, with the registers of each backend.

use core::hint::black_box;

use hbitlinear::Backend;

use crate::measure::Scorecard;

/// Additions of one call of [`Limits::add`].
pub(crate) const ADDS: usize = 16 * 16 * 64;

/// The loops that measure a register width.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Name of the width.
    pub(crate) name: &'static str,
    /// [`ADDS`] f32 additions, independent enough to fill the adders.
    pub(crate) add: fn(),
    /// Reads all of the slice.
    pub(crate) read: fn(&[f32]),
}

const PLAIN: Limits = Limits { name: "as compiled", add: add_plain, read: read_plain };

impl Limits {
    /// Those of the registers that a backend uses.
    pub(crate) fn of(backend: Backend) -> Limits {
        match backend.name() {
            #[cfg(target_arch = "x86_64")]
            name if name.starts_with("avx512") || name.starts_with("amx") => x86_64::AVX512,
            #[cfg(target_arch = "x86_64")]
            name if name.starts_with("avx") => x86_64::AVX2,
            _ => PLAIN,
        }
    }
}

/// The table's head: additions, and bandwidths by size.
pub(crate) fn print(card: &mut Scorecard) {
    println!("limits of this machine, one core");
    let mut names = Vec::new();
    for backend in Backend::available() {
        let limits = Limits::of(backend);
        if names.contains(&limits.name) {
            continue;
        }
        names.push(limits.name);
        let [add, _] = card.versus(limits.add, || ());
        let mut line = format!("{:<12} add {:.1} G/s; read", limits.name, ADDS as f64 / add / 1e9);
        for (level, bytes) in [("L1", 16 << 10), ("L2", 256 << 10), ("DRAM", 256 << 20)] {
            let x = vec![1.0_f32; bytes / 4];
            let [read, _] = card.versus(|| (limits.read)(&x), || ());
            line += &format!(" {level} {:.1}", bytes as f64 / read / 1e9);
        }
        println!("{line} GB/s");
    }
    for (level, bytes) in [("L1", 8 << 10), ("L2", 128 << 10), ("DRAM", 128 << 20)] {
        let (x, mut y) = (vec![1.0_f32; bytes / 4], vec![0.0_f32; bytes / 4]);
        let [copy, _] = card.versus(|| black_box(&mut y[..]).copy_from_slice(black_box(&x)), || ());
        println!("memcpy {level} {:.1} GB/s read and as much written", bytes as f64 / copy / 1e9);
    }
    println!();
}

fn add_plain() {
    let mut sums = [0.0_f32; 32];
    let step = black_box(1.0);
    for _ in 0..ADDS / 32 {
        for sum in &mut sums {
            *sum += step;
        }
    }
    black_box(sums);
}

fn read_plain(x: &[f32]) {
    let mut bits = [0_u32; 32];
    for x in black_box(x).chunks_exact(32) {
        for (bits, x) in bits.iter_mut().zip(x) {
            *bits |= x.to_bits();
        }
    }
    black_box(bits);
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::x86_64::*;
    use core::hint::black_box;

    use super::{ADDS, Limits};

    // SAFETY (both): `Limits::of` hands these out only for a backend that the CPU has.
    pub(super) const AVX2: Limits = Limits {
        name: "256 bits",
        // SAFETY: see above.
        add: || unsafe { add_avx2() },
        // SAFETY: see above.
        read: |x| unsafe { read_avx2(x) },
    };
    pub(super) const AVX512: Limits = Limits {
        name: "512 bits",
        // SAFETY: see above.
        add: || unsafe { add_avx512() },
        // SAFETY: see above.
        read: |x| unsafe { read_avx512(x) },
    };

    // Eight chains: two adders of four cycles.
    #[target_feature(enable = "avx2")]
    fn add_avx2() {
        let step = _mm256_set1_ps(black_box(1.0));
        let mut sums = [_mm256_setzero_ps(); 8];
        for _ in 0..ADDS / 64 {
            for sum in &mut sums {
                *sum = _mm256_add_ps(*sum, step);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    fn add_avx512() {
        let step = _mm512_set1_ps(black_box(1.0));
        let mut sums = [_mm512_setzero_ps(); 8];
        for _ in 0..ADDS / 128 {
            for sum in &mut sums {
                *sum = _mm512_add_ps(*sum, step);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2")]
    fn read_avx2(x: &[f32]) {
        let mut bits = [_mm256_setzero_ps(); 8];
        for x in black_box(x).chunks_exact(64) {
            for (i, bits) in bits.iter_mut().enumerate() {
                // SAFETY: a chunk is 64 floats.
                *bits = _mm256_or_ps(*bits, unsafe { _mm256_loadu_ps(x.as_ptr().add(8 * i)) });
            }
        }
        black_box(bits);
    }

    #[target_feature(enable = "avx512f")]
    fn read_avx512(x: &[f32]) {
        let mut bits = [_mm512_setzero_si512(); 8];
        for x in black_box(x).chunks_exact(128) {
            for (i, bits) in bits.iter_mut().enumerate() {
                // SAFETY: a chunk is 128 floats.
                let read = unsafe { _mm512_loadu_si512(x.as_ptr().add(16 * i).cast()) };
                *bits = _mm512_or_si512(*bits, read);
            }
        }
        black_box(bits);
    }
}
