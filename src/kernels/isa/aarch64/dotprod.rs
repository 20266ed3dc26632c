//! The dot product of Armv8.2 on top of [`neon`]: `sdot` on 4 rows, with the activations of four columns by element.
//!
//! Instructions of a `TwoBit` block's loop, counted in a disassembly, the loop's own ones included, and cycles by `llvm-mca`
//! (14; it has no model of its own for Neoverse-N1 and takes Cortex-A57's):
//!
//! | tokens × vectors of rows | instructions | for each 64 products | cycles for each 64, Neoverse-N1 | Cortex-A55 |
//! |---|---|---|---|---|
//! | 1 × 4, two chains each | 41 | 10.3 | 4.5 | 13.8 |
//! | 4 × 4 | 95 | 5.9 | 2.8 | 5.1 |
//! | 8 × 2 | 85 | 5.3 (42.5 for each 512) | 2.1 | 4.8 |

use core::arch::aarch64::*;

use super::dot::dot;
use super::int_vector::Rows4;
use super::{detect, neon};
use crate::kernels::contract::Kernels;
use crate::kernels::ternary::instantiate::dot_products;

pub(crate) const KERNELS: Kernels = Kernels {
    product: &dot_products! {
        Rows4<Dotprod>, "neon,dotprod", dot_u8s8,
        1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 2, 6 => 2, 7 => 2, 8 => 2;
        five_trit_int4[one_token_int4_shared]: 1 => 8, 2 => 2, 3 => 2, 4 => 2;
    },
    ..neon::KERNELS
};

pub(crate) fn detect() -> bool {
    detect::dotprod()
}

/// The instruction set.
#[derive(Clone, Copy)]
pub(super) struct Dotprod;

dot! { Dotprod, true, "neon,dotprod", "sdot" }
