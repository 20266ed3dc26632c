//! The dot product of Armv8.2 on top of [`neon`]: `sdot` on 4 rows, with the activations of four columns by element.
//! Its loops' counts are in [`super`].

use core::arch::aarch64::*;

use super::dot::dot;
use super::int_vector::Rows4;
use super::{detect, neon};
use crate::kernels::attention::instantiate::attention_kernels;
use crate::kernels::contract::Kernels;
use crate::kernels::ternary::instantiate::dot_products;
use crate::kernels::ternary::many_tokens::many_tokens;

pub(crate) const KERNELS: Kernels = Kernels {
    product: &many_tokens! {
        dots_by_element, Rows4<Dotprod>, "neon,dotprod",
        two_bit from 9, five_trit from 6: 1 panels => 4, 1 => 4; 1 2 3 4;
        fewer: dot_products! {
            Rows4<Dotprod>, "neon,dotprod", by_element,
            two_bit: 1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 2, 6 => 2, 7 => 2, 8 => 2;
            five_trit: 1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 2;
            five_trit_int4[one_token_int4_shared]: 1 => 8, 2 => 2, 3 => 2, 4 => 2;
        }
    },
    attention: attention_kernels!(
        neon::vector::F32x4, Fours<Rows4<Dotprod>>, eight_bits: Pairs, block: 4, "neon,dotprod"
    ),
    ..neon::KERNELS
};

pub(crate) fn detect() -> bool {
    detect::dotprod()
}

/// The instruction set.
#[derive(Clone, Copy)]
pub(super) struct Dotprod;

dot! { Dotprod, true, "neon,dotprod", "sdot" }
