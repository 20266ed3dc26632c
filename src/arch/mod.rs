//! The registry of backends: one line each, best first. Ids, names, tests, benches and fuzz targets follow
//! from it.
//!
//! A backend is a module with a `KERNELS` constant and a `detect` function; to add one, write the module and add
//! its line below. Ids are append-only, because C callers store them.
//!
//! Soft-float targets (`x86_64-unknown-none` and the like) may not touch vector registers: they have scalar alone.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::error::{Error, Result};

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) mod generic;
pub(crate) mod kernels;
pub(crate) mod scalar;

#[cfg(test)]
mod tests;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) mod x86_64;

use kernels::Kernels;

macro_rules! registry {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $id:literal, $name:literal, $arch:tt, $($path:ident)::+; )+) => {
        /// Every backend that exists, on whatever architecture. The numbers are the C ABI's.
        #[non_exhaustive]
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum BackendId {
            $( $(#[doc = $doc])+ $variant = $id, )+
        }

        impl BackendId {
            /// All of them, best first.
            pub const ALL: &'static [BackendId] = &[$( BackendId::$variant ),+];

            /// The name used on command lines and in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( BackendId::$variant => $name, )+ }
            }

            fn cpu_has_it(self) -> bool {
                match self {
                    $( BackendId::$variant => registry!(@detect $arch, $($path)::+), )+
                }
            }

            fn kernels(self) -> &'static Kernels {
                match self {
                    $( BackendId::$variant => registry!(@kernels $arch, $($path)::+), )+
                }
            }
        }
    };
    (@detect "any", $($path:ident)::+) => { $($path)::+::detect() };
    (@detect $arch:tt, $($path:ident)::+) => {{
        #[cfg(all(target_arch = $arch, any(target_feature = "sse2", target_feature = "neon")))]
        { $($path)::+::detect() }
        #[cfg(not(all(target_arch = $arch, any(target_feature = "sse2", target_feature = "neon"))))]
        { false }
    }};
    (@kernels "any", $($path:ident)::+) => { &$($path)::+::KERNELS };
    (@kernels $arch:tt, $($path:ident)::+) => {{
        #[cfg(all(target_arch = $arch, any(target_feature = "sse2", target_feature = "neon")))]
        { &$($path)::+::KERNELS }
        #[cfg(not(all(target_arch = $arch, any(target_feature = "sse2", target_feature = "neon"))))]
        { &scalar::KERNELS }
    }};
}

registry! {
    /// AMX int8 tiles, with AVX-512 VNNI for the rest.
    Amx = 5, "amx", "x86_64", x86_64::amx;
    /// AVX-512 with VNNI.
    Avx512Vnni = 3, "avx512vnni", "x86_64", x86_64::avx512vnni;
    /// 512-bit AVX-512 F, BW, VL and DQ.
    Avx512 = 2, "avx512", "x86_64", x86_64::avx512;
    /// AVX2 with 256-bit VNNI.
    AvxVnni = 4, "avxvnni", "x86_64", x86_64::avxvnni;
    /// 256-bit AVX2 with FMA and F16C.
    Avx2 = 1, "avx2", "x86_64", x86_64::avx2;
    /// Portable Rust, complete; the yardstick of every other backend.
    Scalar = 0, "scalar", "any", scalar;
}

impl BackendId {
    /// The backend with that name, or [`Error::UnknownBackend`].
    pub fn from_name(name: &str) -> Result<BackendId> {
        Self::ALL.iter().copied().find(|id| id.name() == name).ok_or(Error::UnknownBackend)
    }

    /// The backend with that number, or [`Error::UnknownBackend`].
    pub fn from_number(number: u32) -> Result<BackendId> {
        Self::ALL.iter().copied().find(|&id| u32::from(id as u8) == number).ok_or(Error::UnknownBackend)
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A backend that this CPU can run: holding one is the proof. Every backend computes the same bits, so the
/// choice is about speed alone.
///
/// ```
/// use hbitlinear::{Backend, BackendId};
/// let best = Backend::best();
/// let plain = Backend::new(BackendId::Scalar)?;
/// assert!(Backend::available().any(|backend| backend == best));
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    id: BackendId,
}

/// Cached choice of [`Backend::best`]: 0 = not chosen yet, otherwise id + 1. Racing threads store the same value.
static CHOICE: AtomicU8 = AtomicU8::new(0);

impl Backend {
    /// The best backend of this CPU, or the lower one that [`Backend::force`] set. Detected once and cached. On a CPU
    /// with tiles this asks Linux for leave to use them, as [`Backend::available`] and [`Backend::new`] do. The process
    /// then has it, and signal stacks that are set up later must have room for tiles.
    #[must_use]
    pub fn best() -> Backend {
        let cached = CHOICE.load(Ordering::Relaxed);
        if let Some(number) = cached.checked_sub(1)
            && let Ok(id) = BackendId::from_number(u32::from(number))
        {
            return Backend { id };
        }
        let best = Self::available().next().unwrap_or(Backend { id: BackendId::Scalar });
        // A concurrent `force` must win over this default.
        match CHOICE.compare_exchange(0, best.id as u8 + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => best,
            Err(_) => Self::best(),
        }
    }

    /// That backend, or [`Error::BackendUnavailable`] if this CPU cannot run it.
    pub fn new(id: BackendId) -> Result<Backend> {
        if id.cpu_has_it() {
            Ok(Backend { id })
        } else {
            Err(Error::BackendUnavailable { backend: id.name() })
        }
    }

    /// The backends this CPU can run, best first. Scalar is always the last.
    pub fn available() -> impl Iterator<Item = Backend> {
        BackendId::ALL.iter().filter_map(|&id| Self::new(id).ok())
    }

    /// Makes [`Backend::best`] return this backend from now on, in the whole process. It can only lower: a
    /// backend the CPU lacks is [`Error::BackendUnavailable`], and then nothing changes.
    pub fn force(id: BackendId) -> Result<Backend> {
        let backend = Self::new(id)?;
        CHOICE.store(id as u8 + 1, Ordering::Relaxed);
        Ok(backend)
    }

    /// Which one it is.
    #[must_use]
    pub const fn id(self) -> BackendId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.id.name()
    }

    pub(crate) fn kernels(self) -> &'static Kernels {
        self.id.kernels()
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.name())
    }
}
