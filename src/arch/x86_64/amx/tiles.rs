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
use core::mem::MaybeUninit;

use super::unpack::Unpack;
use super::{COLUMNS, ROWS, TILE_BYTES};
use crate::arch::kernels::Panels;
use crate::layout::PANEL_ROWS;

/// Bytes of a row of every tile, and from row to row wherever tiles are in memory.
const STRIDE: usize = 64;
const _: () = assert!(STRIDE == COLUMNS && STRIDE == 4 * PANEL_ROWS);

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
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

/// Loads a tile by its literal number from rows [`STRIDE`] bytes apart.
macro_rules! load {
    ($tile:literal, $from:expr) => {
        asm!(
            concat!("tileloadd tmm", $tile, ", [{from} + {stride}]"),
            from = in(reg) $from, stride = in(reg) STRIDE,
            options(nostack, preserves_flags, readonly),
        )
    };
}

/// Stores a tile to rows [`STRIDE`] bytes apart.
macro_rules! store {
    ($tile:literal, $to:expr) => {
        asm!(
            concat!("tilestored [{to} + {stride}], tmm", $tile),
            to = in(reg) $to, stride = in(reg) STRIDE,
            options(nostack, preserves_flags),
        )
    };
}

/// Adds to a tile of sums the products of a tile of activations (signed) and one of codes (unsigned).
macro_rules! dot {
    ($sums:literal, $q:literal, $codes:literal) => {
        asm!(
            concat!("tdpbsud tmm", $sums, ", tmm", $q, ", tmm", $codes),
            options(nostack, preserves_flags, nomem),
        )
    };
}

/// Loads the tiles of sums, or with `LOAD` false stores them.
#[inline(always)]
unsafe fn move_sums<const T: usize, const P: usize, const LOAD: bool>(sums: [*mut i32; 4]) {
    let used = |i: usize| if T == 2 { i % 2 < P } else { i < P };
    // SAFETY: the caller's.
    unsafe {
        match LOAD {
            true => {
                load!(0, sums[0]);
                if used(1) {
                    load!(1, sums[1]);
                }
                if used(2) {
                    load!(2, sums[2]);
                }
                if used(3) {
                    load!(3, sums[3]);
                }
            }
            false => {
                store!(0, sums[0]);
                if used(1) {
                    store!(1, sums[1]);
                }
                if used(2) {
                    store!(2, sums[2]);
                }
                if used(3) {
                    store!(3, sums[3]);
                }
            }
        }
    }
}

/// Adds the products of 64 columns.
#[inline(always)]
unsafe fn add<const T: usize, const P: usize>(q: *const i8, codes: [*const __m512i; P]) {
    // SAFETY: the caller's.
    unsafe {
        load!(4, q);
        load!(6, codes[0]);
        dot!(0, 4, 6);
        if T == 2 {
            load!(5, q.add(TILE_BYTES));
            dot!(2, 5, 6);
        }
        if P > 1 {
            load!(7, codes[1]);
            dot!(1, 4, 7);
            if T == 2 {
                dot!(3, 5, 7);
            }
        }
        if P > 2 {
            load!(6, codes[2]);
            dot!(2, 4, 6);
            load!(7, codes[3]);
            dot!(3, 4, 7);
        }
    }
}

/// Arguments of a kernel, with the thread's tiles set up for them until this is dropped.
pub(super) struct Block<'a> {
    panels: Panels<'a>,
    q: &'a [i8],
    tokens: usize,
}

impl<'a> Block<'a> {
    /// # Safety
    /// The thread may use AMX. `1 ≤ tokens ≤ 32`; `q` holds whole tiles of all tokens, for all columns of the panels.
    #[inline(always)]
    pub(super) unsafe fn new(panels: Panels<'a>, q: &'a [i8], tokens: usize) -> Block<'a> {
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
        // SAFETY: the caller's; the configuration is 64 bytes of palette 1 with at most 16 rows of 64 bytes.
        unsafe {
            asm!(
                "ldtilecfg [{}]", in(reg) &raw const config,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, readonly),
            );
        }
        Block { panels, q, tokens }
    }

    /// Adds the products of `P` panels from `first` on and all tokens, which are of `T` tiles, to the sums; returns `P`.
    ///
    /// # Safety
    /// The CPU has AVX-512 BW. `T · P` is 1, 2 or 4; there are as many panels.
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
            let unpack = |tile: usize, room: &mut Codes<P>| {
                for (p, room) in room.0.iter_mut().enumerate() {
                    U::unpack(self.panels, first + p, tile, room.as_mut_ptr().cast());
                }
            };
            move_sums::<T, P, true>(sums);
            unpack(0, &mut room[0]);
            for tile in 0..tiles {
                let q = self.q.as_ptr().add(tile * COLUMNS * tokens);
                add::<T, P>(q, core::array::from_fn(|p| room[tile % 2].0[p].as_ptr().cast()));
                if tile + 1 < tiles {
                    unpack(tile + 1, &mut room[(tile + 1) % 2]);
                }
            }
            move_sums::<T, P, false>(sums);
        }
        P
    }
}

impl Drop for Block<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the tiles were set up, so the thread may use AMX.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, nomem),
            );
        }
    }
}
