//! The float kernels (stages 1 and 2), written once over a private [`Vector`] trait.
//!
//! An instruction set brings a `Vector` (one file of intrinsics) and, for each kernel, an outermost function that
//! carries `#[target_feature]`; everything here is `#[inline(always)]` into it. No closures on the way: they would
//! be compiled without the features.
//!
//! **Safety contract of this module:** the CPU has the features of `V`; pointers cover what the function says.

pub(crate) mod butterflies;
pub(crate) mod column_tiles;
pub(crate) mod conference;
pub(crate) mod const_signs;
pub(crate) mod paley_pairs;
pub(crate) mod passes;
pub(crate) mod quantize;
pub(crate) mod rows;
pub(crate) mod sign_sums;
mod vector;

pub(crate) use vector::{Vector, intrinsics};

/// The float kernels of a [`Vector`] as functions of an instruction set: each is compiled with the features in the string.
///
/// `sign_columns` has one copy of the straight-line code for each matrix that is a type, one of the code in pairs for each
/// of those, one for each conference matrix, and one for all others.
macro_rules! float_kernels {
    ($vector:ty, $features:literal) => {
        $crate::kernels::float::float_kernels! { @rows $vector, $features:
            fn max_magnitude_bits = rows(x: &[f32]) -> u32;
            fn sum_magnitude = rows(x: &[f32]) -> f64;
            fn sum_square = rows(x: &[f32]) -> f64;
            fn scale_row = rows(
                src: &[f32], factor: f32, weight: Option<&[f32]>, dst: &mut [core::mem::MaybeUninit<f32>]
            );
            fn quantize_i8 = quantize(x: &[f32], factor: f32, q: &mut [core::mem::MaybeUninit<u8>]) -> i32;
            fn quantize_i4 = quantize(x: &[f32], factor: f32, q: &mut [core::mem::MaybeUninit<u8>]) -> i32;
            fn widen_i4 = quantize(src: &[u8], dst: &mut [i8]);
        }

        /// # Safety
        /// The contract's: the CPU has the features, and the lengths are as it says.
        #[target_feature(enable = $features)]
        unsafe fn butterflies(
            prologue: $crate::kernels::contract::Prologue<'_>,
            x: &mut [core::mem::MaybeUninit<f32>],
            log2: u32,
            scale: f32,
        ) {
            // SAFETY: this function has the features; its callers keep the kernel's contract on the lengths.
            unsafe {
                $crate::kernels::float::butterflies::butterflies::<$vector>(
                    prologue,
                    x,
                    log2,
                    scale,
                    $crate::kernels::float::passes::LaterPasses {
                        fused: later_passes::<{ $crate::kernels::float::passes::ALL }>,
                        sparing: later_passes::<{ $crate::kernels::float::passes::THIRD }>,
                    },
                )
            }
        }

        /// # Safety
        /// The CPU has the features; the rest is the generic function's.
        #[inline(never)]
        #[target_feature(enable = $features)]
        unsafe fn later_passes<const FUSED: usize>(
            x: &mut [core::mem::MaybeUninit<f32>],
            from: u32,
            log2: u32,
            scale: Option<f32>,
        ) {
            // SAFETY: this function has the features; the rest as promised.
            unsafe {
                $crate::kernels::float::passes::later_passes::<$vector, FUSED>(x, from, log2, scale)
            }
        }

        /// # Safety
        /// The contract's: the CPU has the features, and the lengths are as it says.
        #[target_feature(enable = $features)]
        unsafe fn dequantize(
            sums: &[[i32; $crate::layout::PANEL_ROWS]],
            stride: usize,
            total: i32,
            alphas: &[f32],
            scale: f32,
            y: &mut [core::mem::MaybeUninit<f32>],
        ) {
            $crate::kernels::scalar::dequantize(sums, stride, total, alphas, scale, y);
        }

        /// # Safety
        /// The contract's: the CPU has the features, and `x` is whole runs.
        #[target_feature(enable = $features)]
        unsafe fn sign_columns(
            x: &mut [f32],
            stride: usize,
            stages: u32,
            matrix: $crate::matrices::SignRows<'_>,
            scale: f32,
        ) {
            struct Choice($crate::kernels::float::column_tiles::Kernel);

            impl $crate::matrices::const_matrices::Visitor for Choice {
                fn visit<M: $crate::matrices::const_matrices::ConstMatrix>(&mut self) {
                    #[target_feature(enable = $features)]
                    unsafe fn signs<M: $crate::matrices::const_matrices::ConstMatrix>(
                        x: *mut f32,
                        stride: usize,
                        count: usize,
                        runs: usize,
                        _: $crate::matrices::SignRows<'_>,
                        scale: f32,
                    ) {
                        // SAFETY: this function has the features; its callers keep the contract of a `Kernel`.
                        unsafe {
                            $crate::kernels::float::const_signs::columns::<$vector, M>(x, stride, count, runs, scale)
                        }
                    }
                    self.0 = signs::<M>;
                }

                fn visit_pairing<P: $crate::matrices::const_matrices::ConstPairing>(&mut self) {
                    #[target_feature(enable = $features)]
                    unsafe fn pairs<P: $crate::matrices::const_matrices::ConstPairing>(
                        x: *mut f32,
                        stride: usize,
                        count: usize,
                        runs: usize,
                        matrix: $crate::matrices::SignRows<'_>,
                        scale: f32,
                    ) {
                        // SAFETY: as above.
                        unsafe {
                            $crate::kernels::float::paley_pairs::columns::<$vector, P>(
                                x, stride, count, runs, matrix, scale,
                            )
                        }
                    }
                    self.0 = pairs::<P>;
                }

                fn visit_conference<C: $crate::matrices::const_matrices::ConstConference>(&mut self) {
                    #[target_feature(enable = $features)]
                    unsafe fn halves<C: $crate::matrices::const_matrices::ConstConference>(
                        x: *mut f32,
                        stride: usize,
                        count: usize,
                        runs: usize,
                        _: $crate::matrices::SignRows<'_>,
                        scale: f32,
                    ) {
                        // SAFETY: as above.
                        unsafe {
                            $crate::kernels::float::conference::columns::<$vector, C>(x, stride, count, runs, scale)
                        }
                    }
                    self.0 = halves::<C>;
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn any(
                x: *mut f32,
                stride: usize,
                count: usize,
                runs: usize,
                matrix: $crate::matrices::SignRows<'_>,
                scale: f32,
            ) {
                // SAFETY: as above.
                unsafe {
                    $crate::kernels::float::sign_sums::columns::<$vector>(x, stride, count, runs, matrix, scale)
                }
            }

            let mut choice = Choice(any);
            $crate::matrices::const_matrices::visit(matrix, &mut choice);
            // SAFETY: the caller's: the CPU has the features, and `x` is whole runs.
            unsafe {
                $crate::kernels::float::column_tiles::columns::<$vector>(x, stride, stages, choice.0, matrix, scale)
            }
        }

        fn stages_of_columns(order: usize, stride: usize) -> u32 {
            $crate::kernels::float::column_tiles::stages::<$vector>(order, stride)
        }
    };

    (@rows $vector:ty, $features:literal: $( fn $name:ident = $module:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?; )+) => {$(
        /// # Safety
        /// The contract's: the CPU has the features, and the lengths are as it says.
        #[target_feature(enable = $features)]
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: this function has the features; its callers keep the kernel's contract on the lengths.
            unsafe { $crate::kernels::float::$module::$name::<$vector>($($arg),*) }
        }
    )+};
}
pub(crate) use float_kernels;
