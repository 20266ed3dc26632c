//! The tile instructions, and the loop that multiplies a block of tokens and panels.
//!
//! Stable Rust knows no AMX, so the instructions are inline assembly. Tile registers live from one `asm!` to the next:
//! compiled code never touches them, calls included, and the operating system restores them. None of the `asm!` is
//! `pure`, so all stay in order, and those that move tiles see memory as it stands.
//!
//! Tiles 0 to 3 are sums, 4 and 5 activations, 6 and 7 codes. With tokens of two tiles, sums `2t + p` are those of
//! token tile `t` and panel `p`; with one, sums `p` those of panel `p`.

use core::arch::asm;
use core::arch::x86_64::__m512i;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::unpack::Unpack;
use super::{COLUMNS, ROWS, TILE_BYTES};
use crate::arch::kernels::Panels;
use crate::layout::PANEL_ROWS;

/// Bytes of a row of every tile, and from row to row wherever tiles are in memory.
const STRIDE: usize = 64;
const _: () = assert!(STRIDE == COLUMNS && STRIDE == 4 * PANEL_ROWS);

/// What `ldtilecfg` reads; palette 1 has tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
pub(super) struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    pub(super) row_bytes: [u16; 16],
    pub(super) rows: [u8; 16],
}

impl Config {
    /// For up to 32 tokens.
    pub(super) fn new(tokens: usize) -> Config {
        let first = tokens.min(ROWS) as u8;
        let second = tokens as u8 - first;
        let sums = if second == 0 { [first; 4] } else { [first, first, second, second] };
        let mut config =
            Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        config.rows[..4].copy_from_slice(&sums);
        config.rows[4..8].copy_from_slice(&[first, second, ROWS as u8, ROWS as u8]);
        for (bytes, &rows) in config.row_bytes.iter_mut().zip(&config.rows) {
            *bytes = if rows == 0 { 0 } else { STRIDE as u16 };
        }
        config
    }
}

/// Room for the codes of `P` panels.
#[repr(C, align(64))]
struct Codes<const P: usize>([[MaybeUninit<__m512i>; ROWS]; P]);

impl<const P: usize> Codes<P> {
    #[inline(always)]
    fn new() -> Self {
        Codes([const { [const { MaybeUninit::uninit() }; ROWS] }; P])
    }
}

/// The instructions. A tile's number is a constant, as it is part of the instruction.
///
/// # Safety
/// The thread may use AMX; tiles are set up for the shapes of those in memory, rows [`STRIDE`] bytes apart.
pub(super) trait Unit {
    unsafe fn configure(config: &Config);
    unsafe fn release();
    unsafe fn load<const TILE: u8>(from: *const u8);
    unsafe fn store<const TILE: u8>(to: *mut u8);
    /// Adds to sums the products of a tile of activations (signed) and one of codes (unsigned).
    unsafe fn dot<const SUMS: u8, const Q: u8, const CODES: u8>();
}

/// The CPU's.
pub(super) struct Amx;

impl Unit for Amx {
    #[inline(always)]
    unsafe fn configure(config: &Config) {
        // SAFETY: the caller's; the configuration is 64 bytes.
        unsafe {
            asm!(
                "ldtilecfg [{}]", in(reg) &raw const *config,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, readonly),
            );
        }
    }

    #[inline(always)]
    unsafe fn release() {
        // SAFETY: the caller's.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, nomem),
            );
        }
    }

    #[inline(always)]
    unsafe fn load<const TILE: u8>(from: *const u8) {
        // SAFETY: the caller's.
        unsafe {
            asm!(
                "tileloadd tmm{tile}, [{from} + {stride}]",
                tile = const TILE, from = in(reg) from, stride = in(reg) STRIDE,
                options(nostack, preserves_flags, readonly),
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const TILE: u8>(to: *mut u8) {
        // SAFETY: the caller's.
        unsafe {
            asm!(
                "tilestored [{to} + {stride}], tmm{tile}",
                tile = const TILE, to = in(reg) to, stride = in(reg) STRIDE,
                options(nostack, preserves_flags),
            );
        }
    }

    #[inline(always)]
    unsafe fn dot<const SUMS: u8, const Q: u8, const CODES: u8>() {
        // SAFETY: the caller's.
        unsafe {
            asm!(
                "tdpbsud tmm{sums}, tmm{q}, tmm{codes}",
                sums = const SUMS, q = const Q, codes = const CODES,
                options(nostack, preserves_flags, nomem),
            );
        }
    }
}

/// Loads the sums of `P` panels and `T` token tiles.
#[inline(always)]
unsafe fn load_sums<X: Unit, const T: usize, const P: usize>(sums: [*mut u8; 4]) {
    // SAFETY: the caller's.
    unsafe {
        X::load::<0>(sums[0]);
        if P > 1 {
            X::load::<1>(sums[1]);
        }
        if T == 2 || P > 2 {
            X::load::<2>(sums[2]);
        }
        if T * P == 4 {
            X::load::<3>(sums[3]);
        }
    }
}

/// Stores what [`load_sums`] loaded.
#[inline(always)]
unsafe fn store_sums<X: Unit, const T: usize, const P: usize>(sums: [*mut u8; 4]) {
    // SAFETY: the caller's.
    unsafe {
        X::store::<0>(sums[0]);
        if P > 1 {
            X::store::<1>(sums[1]);
        }
        if T == 2 || P > 2 {
            X::store::<2>(sums[2]);
        }
        if T * P == 4 {
            X::store::<3>(sums[3]);
        }
    }
}

/// Adds the products of 64 columns.
#[inline(always)]
unsafe fn add<X: Unit, const T: usize, const P: usize>(q: *const u8, codes: [*const u8; P]) {
    // SAFETY: the caller's.
    unsafe {
        X::load::<4>(q);
        X::load::<6>(codes[0]);
        X::dot::<0, 4, 6>();
        if T == 2 {
            X::load::<5>(q.add(TILE_BYTES));
            X::dot::<2, 5, 6>();
        }
        if P > 1 {
            X::load::<7>(codes[1]);
            X::dot::<1, 4, 7>();
            if T == 2 {
                X::dot::<3, 5, 7>();
            }
        }
        if P > 2 {
            X::load::<6>(codes[2]);
            X::dot::<2, 4, 6>();
            X::load::<7>(codes[3]);
            X::dot::<3, 4, 7>();
        }
    }
}

/// Arguments of a kernel.
pub(super) struct Block<'a, X: Unit> {
    panels: Panels<'a>,
    q: &'a [i8],
    tokens: usize,
    unit: PhantomData<X>,
}

impl<'a, X: Unit> Block<'a, X> {
    /// `q` holds whole tiles of all tokens, for all columns of the panels.
    pub(super) fn new(panels: Panels<'a>, q: &'a [i8], tokens: usize) -> Block<'a, X> {
        Block { panels, q, tokens, unit: PhantomData }
    }

    /// Unpacks a tile of codes of each of `P` panels. Not a closure: those are compiled without the caller's features, and
    /// every vector goes through memory there.
    ///
    /// # Safety
    /// As [`Unpack::unpack`]; there are as many panels.
    #[inline(always)]
    unsafe fn unpack<U: Unpack, const P: usize>(&self, first: usize, tile: usize, room: &mut Codes<P>) {
        for (p, room) in room.0.iter_mut().enumerate() {
            // SAFETY: the caller's, and the room is a tile.
            unsafe { U::unpack(self.panels, first + p, tile, room.as_mut_ptr().cast()) };
        }
    }

    /// Adds the products of `P` panels from `first` on and all tokens, which are of `T` tiles, to the sums; returns `P`.
    ///
    /// # Safety
    /// The CPU has AVX-512 BW, and the thread's tiles are set up for that many tokens. `q` is as [`Block::new`] wants it.
    /// `T · P` is 1, 2 or 4; there are as many panels.
    #[inline(always)]
    pub(super) unsafe fn multiply<U: Unpack, const T: usize, const P: usize>(
        &self,
        first: usize,
        sums: &mut [[i32; PANEL_ROWS]],
    ) -> usize {
        let tokens = self.tokens;
        let tiles = self.q.len() / (COLUMNS * tokens);
        let sums = sums[first * tokens..][..P * tokens].as_mut_ptr();
        let sums = core::array::from_fn(|i| {
            let (t, p) = if T == 2 { (i / 2, i % 2) } else { (0, i) };
            sums.wrapping_add(p * tokens + t * ROWS).cast()
        });
        let mut room = [Codes::<P>::new(), Codes::<P>::new()];
        // SAFETY: the caller's. Sums of panels below `P` are within the slice, and only those are used; every tile of
        // codes is unpacked before it is loaded; `q` holds `tiles` tiles of all tokens.
        unsafe {
            load_sums::<X, T, P>(sums);
            self.unpack::<U, P>(first, 0, &mut room[0]);
            for tile in 0..tiles {
                let q = self.q.as_ptr().add(tile * COLUMNS * tokens).cast();
                add::<X, T, P>(q, core::array::from_fn(|p| room[tile % 2].0[p].as_ptr().cast()));
                if tile + 1 < tiles {
                    self.unpack::<U, P>(first, tile + 1, &mut room[(tile + 1) % 2]);
                }
            }
            store_sums::<X, T, P>(sums);
        }
        P
    }
}
