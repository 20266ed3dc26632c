//! The macro that makes a backend's kernels of its vectors and features.

/// An expression, [`AttentionKernels`](super::AttentionKernels): of a [`Vector`](crate::kernels::float::Vector), a way to
/// multiply codes ([`Pairs`](super::formats::Pairs) or [`Fours`](super::formats::Fours)) with an integer vector, and how many
/// vectors of a head's elements a weighted sum takes at once: as many as registers hold two sums of. Codes of eight bits may
/// need another way: a signed dot takes none from 128 on.
macro_rules! attention_kernels {
    ($float:ty, $dots:ident<$vector:ty>, block: $block:literal, $features:literal) => {
        $crate::kernels::attention::instantiate::attention_kernels!(
            $float, $dots<$vector>, eight_bits: $dots, block: $block, $features
        )
    };
    (
        $float:ty, $dots:ident<$vector:ty>, eight_bits: $eight:ident, block: $block:literal, $features:literal
    ) => {{
        use core::ops::Range;
        use $crate::kernels::attention::{AttentionKernels, Tiles, Tokens, instantiate};
        use $crate::layout::StateBits;

        instantiate::featured! { $features;
            fn quantize(x: &[f32], gamma: f32, levels: u8, codes: &mut [u8]) = instantiate::quantize;
            fn exponentials(x: &mut [f32]) = instantiate::exponentials;
            fn multiply(x: &mut [f32], factor: f32) = instantiate::multiply;
            fn float_scores(keys: Tiles<'_>, gammas: &[f32], query: &[f32], factor: f32, scores: &mut [f32])
                = instantiate::float_scores::<$float>;
            fn float_values(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32])
                = instantiate::float_values::<$float>;

            fn scores_three(keys: Tiles<'_>, gammas: &[f32], query: &[i8], factor: f32, scores: &mut [f32])
                = instantiate::integer_scores::<instantiate::$dots<$vector>, instantiate::ThreeBits>;
            fn scores_four(keys: Tiles<'_>, gammas: &[f32], query: &[i8], factor: f32, scores: &mut [f32])
                = instantiate::integer_scores::<instantiate::$dots<$vector>, instantiate::FourBits>;
            fn scores_eight(keys: Tiles<'_>, gammas: &[f32], query: &[i8], factor: f32, scores: &mut [f32])
                = instantiate::integer_scores::<instantiate::$eight<$vector>, instantiate::EightBits>;
            fn values_three(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32])
                = instantiate::integer_values::<instantiate::$dots<$vector>, instantiate::ThreeBits, $block>;
            fn values_four(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32])
                = instantiate::integer_values::<instantiate::$dots<$vector>, instantiate::FourBits, $block>;
            fn values_eight(values: Tiles<'_>, tokens: Tokens<'_>, inputs: Range<usize>, out: &mut [f32])
                = instantiate::integer_values::<instantiate::$eight<$vector>, instantiate::EightBits, $block>;
        }

        /// # Safety
        /// The contract's: the CPU has the features, and the lengths are as it says.
        unsafe fn integer_scores(
            keys: Tiles<'_>,
            gammas: &[f32],
            query: &[i8],
            factor: f32,
            scores: &mut [f32],
        ) {
            // SAFETY: as promised, and each of the states it is for.
            unsafe {
                match keys.bits {
                    StateBits::Three => scores_three(keys, gammas, query, factor, scores),
                    StateBits::Four => scores_four(keys, gammas, query, factor, scores),
                    _ => scores_eight(keys, gammas, query, factor, scores),
                }
            }
        }

        /// # Safety
        /// The contract's: the CPU has the features, and the lengths are as it says.
        unsafe fn integer_values(
            values: Tiles<'_>,
            tokens: Tokens<'_>,
            inputs: Range<usize>,
            out: &mut [f32],
        ) {
            // SAFETY: as promised, and each of the states it is for.
            unsafe {
                match values.bits {
                    StateBits::Three => values_three(values, tokens, inputs, out),
                    StateBits::Four => values_four(values, tokens, inputs, out),
                    _ => values_eight(values, tokens, inputs, out),
                }
            }
        }

        AttentionKernels {
            quantize,
            integer_scores,
            float_scores,
            integer_values,
            float_values,
            exponentials,
            multiply,
        }
    }};
}
pub(crate) use attention_kernels;

/// Functions that are compiled with the features.
macro_rules! featured {
    ($features:literal; $( fn $name:ident($($arg:ident: $type:ty),*) = $function:expr; )+) => {$(
        /// # Safety
        /// The contract's: the CPU has the features, and the lengths are as it says.
        #[target_feature(enable = $features)]
        unsafe fn $name($($arg: $type),*) {
            // SAFETY: this function has the features; its callers keep the kernel's contract on the lengths.
            unsafe { $function($($arg),*) }
        }
    )+};
}
pub(crate) use featured;

pub(crate) use super::float::{scores as float_scores, values as float_values};
pub(crate) use super::formats::{EightBits, FourBits, Fours, Pairs, ThreeBits};
pub(crate) use super::integer::{scores as integer_scores, values as integer_values};
use super::per_token;

/// # Safety
/// None: it is unsafe to be like the others.
#[inline(always)]
pub(crate) unsafe fn quantize(x: &[f32], gamma: f32, levels: u8, codes: &mut [u8]) {
    per_token::quantize(x, gamma, levels, codes);
}

/// # Safety
/// None: it is unsafe to be like the others.
#[inline(always)]
pub(crate) unsafe fn exponentials(x: &mut [f32]) {
    per_token::exponentials(x);
}

/// # Safety
/// None: it is unsafe to be like the others.
#[inline(always)]
pub(crate) unsafe fn multiply(x: &mut [f32], factor: f32) {
    per_token::multiply(x, factor);
}
