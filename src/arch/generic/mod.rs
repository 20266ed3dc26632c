//! The float kernels (stages 1 and 2), written once over a private [`Vector`] trait.
//!
//! An instruction set brings a `Vector` (one file of intrinsics) and, for each kernel, an outermost function that
//! carries `#[target_feature]`; everything here is `#[inline(always)]` into it. No closures on the way: they would
//! be compiled without the features.
//!
//! **Safety contract of this module:** the CPU has the features of `V`; pointers cover what the function says.

pub(crate) mod butterflies;
pub(crate) mod folded;
pub(crate) mod known_signs;
pub(crate) mod quantize;
pub(crate) mod rows;
pub(crate) mod signs;
pub(crate) mod tile;

/// A register of f32, and the few integer and f64 views of it that the kernels need.
///
/// # Safety
/// `LANES` is a power of two and at most 16, and every method computes what its comment says, lane by lane.
pub(crate) unsafe trait Vector: Copy {
    /// f32 lanes.
    const LANES: usize;
    /// `log2(LANES)`.
    const LOG2: u32 = Self::LANES.trailing_zeros();
    /// Most stages of butterflies between registers in one pass: 2^this registers of data.
    const PASS: u32;
    /// Most sums that are kept at a time, in registers but for a few, while their terms are made.
    const ROWS: usize;
    /// Most pairs of sums that are kept in registers beside a pair of terms.
    const PAIRS: usize;
    /// f64 lanes, half as many.
    type Wide: Copy;
    /// `4 · LANES` bytes.
    type Bytes: Copy;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(src: *const f32) -> Self;
    unsafe fn store(self, dst: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn neg(self) -> Self;
    /// `self · factor + term`, rounded once.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// One stage of butterflies between lanes `2^stage` apart; `stage < LOG2`.
    unsafe fn butterfly_within(self, stage: u32) -> Self;

    /// Negates the lanes whose sign at `signs`, one byte a lane, is negative.
    unsafe fn flip(self, signs: *const i8) -> Self;

    /// The bits of |self|.
    unsafe fn magnitude(self) -> Self;
    /// The larger bits of each lane of two [`Vector::magnitude`]s, as integers.
    unsafe fn max_bits(self, other: Self) -> Self;

    /// The low and the high half of the lanes.
    unsafe fn widen(self) -> [Self::Wide; 2];
    unsafe fn wide_zero() -> Self::Wide;
    unsafe fn wide_store(wide: Self::Wide, dst: *mut f64);
    unsafe fn wide_add(sum: Self::Wide, x: Self::Wide) -> Self::Wide;

    /// Rounds half to even and saturates to i8; every lane's magnitude is below 2^31. Lanes of the first register
    /// come first.
    unsafe fn to_i8(block: [Self; 4]) -> Self::Bytes;
    unsafe fn bytes_store(bytes: Self::Bytes, dst: *mut u8);
    /// Zero, and `sum +` each run of eight bytes, signed, `+ 8·128`, in 64-bit lanes.
    unsafe fn bytes_zero() -> Self::Bytes;
    unsafe fn bytes_sum(sum: Self::Bytes, bytes: Self::Bytes) -> Self::Bytes;
    /// Clamps signed bytes to −8..=7.
    unsafe fn bytes_clamp_i4(bytes: Self::Bytes) -> Self::Bytes;
    /// Low nibbles of neighbours to one byte, the even one low; `first` before `second`.
    unsafe fn bytes_to_nibbles(first: Self::Bytes, second: Self::Bytes) -> Self::Bytes;
    /// `2 · LANES` bytes of nibbles at `src` to `4 · LANES` sign-extended bytes.
    unsafe fn nibbles_load(src: *const u8) -> Self::Bytes;
}

/// Repeats a statement for each of the numbers, as a constant.
macro_rules! unroll {
    ($constant:ident in $($value:literal)+ => $body:block) => {
        $({
            const $constant: usize = $value;
            $body
        })+
    };
}
pub(crate) use unroll;

/// Methods of a [`Vector`] made of intrinsics.
macro_rules! intrinsics {
    ($( fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $body:block )+) => {$(
        #[inline(always)]
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: the caller's: the CPU has the features, and the pointers cover what the trait says.
            unsafe { $body }
        }
    )+};
}
pub(crate) use intrinsics;

/// The kernels of a [`Vector`], compiled with the features in the string, as functions of those names.
macro_rules! instantiate {
    ($vector:ty, $features:literal: $( fn $name:ident = $module:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?; )+) => {$(
        #[target_feature(enable = $features)]
        fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: this function has the features; its callers keep the kernel's contract on the lengths.
            unsafe { crate::arch::generic::$module::$name::<$vector>($($arg),*) }
        }
    )+};
}
pub(crate) use instantiate;

/// `sign_columns`: one copy of the straight-line and of the folded kernels for each matrix known to them, the table kernel
/// for the others.
macro_rules! instantiate_signs {
    ($vector:ty, $features:literal) => {
        fn sign_columns(x: &mut [f32], stride: usize, matrix: SignRows<'_>, scale: f32) {
            use crate::arch::generic::{Vector, folded, known_signs, signs, tile};
            use crate::hadamard::known::{Folded, Known, Visitor, visit};

            struct Choice(tile::Kernel);

            impl Visitor for Choice {
                fn visit<K: Known>(&mut self) {
                    #[target_feature(enable = $features)]
                    fn known<K: Known>(
                        x: *mut f32,
                        stride: usize,
                        count: usize,
                        _: SignRows<'_>,
                        scale: f32,
                    ) {
                        // SAFETY: this function has the features; its callers keep the contract of a `Kernel`.
                        unsafe { known_signs::columns::<$vector, K>(x, stride, count, scale) }
                    }
                    self.0 = known::<K>;
                }

                fn visit_folded<F: Folded>(&mut self) {
                    #[target_feature(enable = $features)]
                    fn pairs<F: Folded>(
                        x: *mut f32,
                        stride: usize,
                        count: usize,
                        matrix: SignRows<'_>,
                        scale: f32,
                    ) {
                        // SAFETY: as above.
                        unsafe { folded::columns::<$vector, F>(x, stride, count, matrix, scale) }
                    }
                    self.0 = pairs::<F>;
                }
            }

            #[target_feature(enable = $features)]
            fn table(x: *mut f32, stride: usize, count: usize, matrix: SignRows<'_>, scale: f32) {
                // SAFETY: as above.
                unsafe { signs::columns::<$vector>(x, stride, count, matrix, scale) }
            }

            let mut choice = Choice(table);
            visit(matrix, &mut choice);
            // SAFETY: the caller's: the CPU has the features, and `x` is whole runs.
            unsafe { tile::columns(x, stride, <$vector>::LANES, choice.0, matrix, scale) }
        }
    };
}
pub(crate) use instantiate_signs;
