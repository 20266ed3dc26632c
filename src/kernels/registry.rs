//! The registry of backends: one line each, best first. Ids, names, tests, benches and fuzz targets follow
//! from it.
//!
//! A backend is a module with a `KERNELS` constant and a `detect` function; to add one, write the module and add
//! its line below. Ids are append-only, because C callers store them.

use core::fmt;
use core::str::FromStr;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::contract::Kernels;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
use super::isa::aarch64;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::isa::wasm32;
#[cfg(all(any(target_arch = "x86", target_arch = "x86_64"), target_feature = "sse2"))]
use super::isa::x86;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use super::isa::x86_64;
use super::scalar;
use crate::error::{Error, Result};

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

            /// Whether this build has it: all, unless `--cfg hbitlinear_only="<name>"` chose some. Scalar always is there.
            const fn is_built(self) -> bool {
                const ALL: bool = !(false $( || cfg!(hbitlinear_only = $name) )+);
                ALL || match self {
                    BackendId::Scalar => true,
                    $( #[allow(unreachable_patterns, reason = "scalar's")] BackendId::$variant => cfg!(hbitlinear_only = $name), )+
                }
            }

            /// Whether this build has it, and its architecture is the build's.
            const fn is_here(self) -> bool {
                self.is_built() && match self {
                    $( BackendId::$variant => registry!(@on $arch { true } else { false }), )+
                }
            }

            fn detect(self) -> bool {
                match self {
                    $( BackendId::$variant => self.is_built() && registry!(@detect $arch, $($path)::+), )+
                }
            }

            #[inline(always)]
            fn kernels<T>(self, part: impl Fn(&'static Kernels) -> T) -> T {
                match self {
                    $(
                        // Nothing refers to the others, so that they are not linked.
                        BackendId::$variant if const { BackendId::$variant.is_built() } => {
                            part(registry!(@kernels $arch, $($path)::+))
                        }
                    )+
                    _ => part(&scalar::KERNELS),
                }
            }
        }
    };
    (@detect $arch:tt, $($path:ident)::+) => { registry!(@on $arch { $($path)::+::detect() } else { false }) };
    (@kernels $arch:tt, $($path:ident)::+) => {
        registry!(@on $arch { &$($path)::+::KERNELS } else { &scalar::KERNELS })
    };
    (@on "any" $yes:tt else $no:tt) => { $yes };
    (@on "x86" $yes:tt else $no:tt) => {
        registry!(@if any(target_arch = "x86", target_arch = "x86_64"), $yes else $no)
    };
    (@on $arch:tt $yes:tt else $no:tt) => { registry!(@if any(target_arch = $arch), $yes else $no) };
    (@if $arch:meta, $yes:tt else $no:tt) => {{
        #[cfg(all(
            $arch,
            target_endian = "little",
            any(target_feature = "sse2", target_feature = "neon", target_feature = "simd128")
        ))]
        $yes
        #[cfg(not(all(
            $arch,
            target_endian = "little",
            any(target_feature = "sse2", target_feature = "neon", target_feature = "simd128")
        )))]
        $no
    }};
}

registry! {
    /// AMX int8 tiles, with AVX-512 VNNI for few tokens and all else. Linux is asked to permit tiles.
    Amx = 5, "amx", "x86_64", x86_64::amx;
    /// AVX-512 with VNNI.
    Avx512Vnni = 3, "avx512vnni", "x86_64", x86_64::avx512vnni;
    /// 512-bit AVX-512 F, BW, VL and DQ.
    Avx512 = 2, "avx512", "x86_64", x86_64::avx512;
    /// AVX2 with 256-bit VNNI.
    AvxVnni = 4, "avxvnni", "x86_64", x86_64::avxvnni;
    /// 256-bit AVX2 with FMA and F16C.
    Avx2 = 1, "avx2", "x86_64", x86_64::avx2;
    /// 128-bit SSE4.1 with SSSE3, on x86 of 32 bits too.
    Sse41 = 10, "sse41", "x86", x86::sse41;
    /// NEON with the int8 matrix products of Armv8.6.
    I8mm = 8, "i8mm", "aarch64", aarch64::i8mm;
    /// NEON with the dot product of Armv8.2.
    Dotprod = 7, "dotprod", "aarch64", aarch64::dotprod;
    /// 128-bit NEON, which every AArch64 CPU has.
    Neon = 6, "neon", "aarch64", aarch64::neon;
    /// WebAssembly's 128-bit vectors, in builds with that target feature.
    Simd128 = 9, "simd128", "wasm32", wasm32::simd128;
    /// Portable Rust, complete; the yardstick of every other backend.
    Scalar = 0, "scalar", "any", scalar;
}

/// A bit for each backend that was looked for, and from number `PRESENT` on one for each that is there. Racing threads find the
/// same.
static FOUND: AtomicU32 = AtomicU32::new(0);
const PRESENT: u32 = 16;
const _: () = assert!(BackendId::ALL.len() <= PRESENT as usize);

impl BackendId {
    /// Whether the CPU has what it needs: asked once, as a virtual machine may take microseconds to answer.
    #[inline]
    fn cpu_has_it(self) -> bool {
        let found = FOUND.load(Ordering::Relaxed);
        let bit = 1 << self as u32;
        if found & bit != 0 {
            return found & bit << PRESENT != 0;
        }
        let present = self.detect();
        self.note(present);
        present
    }

    /// Keeps what was found out about the CPU. What once was there stays.
    fn note(self, present: bool) {
        let bit = 1 << self as u32;
        FOUND.fetch_or(bit | if present { bit << PRESENT } else { 0 }, Ordering::Relaxed);
    }

    /// Whether somebody says if the CPU has it: CPUID, Linux, or the build's target, which then is all that is needed.
    const fn can_ask(self) -> bool {
        match self {
            BackendId::Dotprod | BackendId::I8mm => cfg!(any(target_os = "linux", target_os = "android")),
            BackendId::Amx => cfg!(target_os = "linux"),
            _ => true,
        }
    }
}

impl FromStr for BackendId {
    type Err = Error;

    /// The backend with that name, or [`Error::Name`].
    fn from_str(name: &str) -> Result<BackendId> {
        Self::ALL.iter().copied().find(|id| id.name() == name).ok_or(Error::Name { argument: "backend" })
    }
}

impl TryFrom<u32> for BackendId {
    type Error = Error;

    /// The backend with that number, or [`Error::BackendNumber`].
    #[inline]
    fn try_from(number: u32) -> Result<BackendId> {
        let found = Self::ALL.iter().copied().find(|&id| id as u32 == number);
        found.ok_or(Error::BackendNumber { number })
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
    /// The best backend of this CPU, or the one that [`Backend::force`] set. Detected once and cached. On a CPU with tiles
    /// the first call asks for them, see [`Backend::new`]; if Linux refuses, the best is the next one. A process that must
    /// not ask forces another backend first.
    #[must_use]
    #[inline]
    pub fn best() -> Backend {
        let cached = CHOICE.load(Ordering::Relaxed);
        if let Some(number) = cached.checked_sub(1)
            && let Ok(id) = BackendId::try_from(u32::from(number))
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

    /// That backend. Asking for `amx` on a CPU with tiles asks Linux to permit them, once: the process may then use them,
    /// and signal stacks that are set up later must have room for tiles (`getauxval(AT_MINSIGSTKSZ)`, about 11 KiB). Linux
    /// refuses where it is older than 5.16, a filter of system calls says so, or a thread has a smaller signal stack; that
    /// is final for the process.
    ///
    /// # Errors
    /// [`Error::BackendUnavailable`] if this CPU cannot run it.
    #[inline]
    pub fn new(id: BackendId) -> Result<Backend> {
        if id.cpu_has_it() {
            Ok(Backend { id })
        } else {
            Err(Error::BackendUnavailable { backend: id.name() })
        }
    }

    /// The backends this CPU can run, best first. Scalar is always the last. Looks for all of them, `amx` too (see
    /// [`Backend::new`]).
    pub fn available() -> impl Iterator<Item = Backend> {
        BackendId::ALL.iter().filter_map(|&id| Self::new(id).ok())
    }

    /// Makes [`Backend::best`] return this backend from now on, in the whole process.
    ///
    /// # Errors
    /// [`Error::BackendUnavailable`] for a backend the CPU lacks; then nothing changes.
    pub fn force(id: BackendId) -> Result<Backend> {
        let backend = Self::new(id)?;
        CHOICE.store(id as u8 + 1, Ordering::Relaxed);
        Ok(backend)
    }

    /// Takes the caller's word that this CPU can run the backend, where nobody says so to the library: `dotprod` and `i8mm`
    /// outside Linux and Android (Windows, or no operating system; a build with `-C target-feature=+dotprod` or `+i8mm`
    /// needs no word), `amx` outside Linux. From then on [`Backend::new`] and [`Backend::available`] give it. What
    /// [`Backend::best`] has chosen before stays, unless [`Backend::force`] changes it. Where the library can ask, the answer
    /// stands.
    ///
    /// ```
    /// use hbitlinear::{Backend, BackendId};
    /// // SAFETY: the device's data sheet says so.
    /// let backend = unsafe { Backend::assume(BackendId::Dotprod) }.unwrap_or(Backend::best());
    /// ```
    ///
    /// # Errors
    /// [`Error::BackendUnavailable`] if the build has no such kernels, as for another architecture, or if the CPU or the
    /// operating system was asked and said no.
    ///
    /// # Safety
    /// The CPU has the backend's instructions, those of lower backends of its architecture too, and the operating system
    /// lets all threads use their registers: the first call would end the process otherwise, or be undefined behaviour.
    pub unsafe fn assume(id: BackendId) -> Result<Backend> {
        if id.is_here() && !id.can_ask() {
            id.note(true);
        }
        Self::new(id)
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

    /// Some of its kernels. `part` takes them out of each backend's constant by itself, so that the optimiser sees which, and
    /// a program is linked with no others.
    #[inline(always)]
    pub(crate) fn kernels<T>(self, part: impl Fn(&'static Kernels) -> T) -> T {
        self.id.kernels(part)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.name())
    }
}
