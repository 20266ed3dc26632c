//! The macros that make a backend's products of many tokens: [`many_tokens`], of a unit of its vector. What they are made of is in
//! [`tiles`](super::tiles), [`vector_unit`](super::vector_unit) and [`lane_unit`](super::lane_unit).

/// Products whose codes are unpacked once for many tokens: from how many on for each layout, as many panels side by side, then
/// one, so many vectors of rows, for each number of tokens from 1 on; and others for fewer. The way is `dots`,
/// `dots_by_element` or `matrices`; or `maddubs` or `lanes` for int8 alone: several tokens of int4 go by table there.
macro_rules! many_tokens {
    (dots, $($unit:tt)*) => {
        $crate::kernels::ternary::many_tokens::many_tokens! { @ vector_unit::dots, Eight Four, $($unit)* }
    };
    (maddubs, $($unit:tt)*) => {
        $crate::kernels::ternary::many_tokens::many_tokens! { @ vector_unit::maddubs, Eight, $($unit)* }
    };
    (dots_by_element, $($unit:tt)*) => {
        $crate::kernels::ternary::many_tokens::many_tokens! { @ lane_unit::dots_by_element, Eight Four, $($unit)* }
    };
    (matrices, $($unit:tt)*) => {
        $crate::kernels::ternary::many_tokens::many_tokens! {
            @ lane_unit::matrices after pair_columns, Eight Four, $($unit)*
        }
    };
    (lanes, $($unit:tt)*) => {
        $crate::kernels::ternary::many_tokens::many_tokens! { @ lane_unit::lanes, Eight, $($unit)* }
    };
    (
        @ $module:ident::$way:ident $(after $arrange:ident)?, $($bits:ident)+, $vector:ty, $features:literal,
        two_bit from $two_bit:literal, five_trit from $five_trit:literal:
        $panels:literal panels => $rows:literal, 1 => $single_rows:literal; $($tokens:literal)+;
        fewer: $few:expr
    ) => {{
        use $crate::kernels::contract::Product;
        use $crate::kernels::ternary::{five_trit::FiveTritCodes, two_bit::TwoBitCodes};
        use $crate::layout::{Bits, Layout};
        $crate::kernels::ternary::many_tokens::vector_unit! {
            Unit = $module::$way $(after $arrange)?, $vector, $features, $panels panels => $rows, 1 => $single_rows; $($tokens)+
        }
        const FEW: Product = $few;
        static STATIC_FEW: Product = FEW;
        let two_bit =
            $crate::kernels::ternary::many_tokens::unit_kernels!(Unit, TwoBitCodes, $features, $two_bit);
        let five_trit =
            $crate::kernels::ternary::many_tokens::unit_kernels!(Unit, FiveTritCodes, $features, $five_trit);
        let mut tiles = FEW.tiles;
        $(
            tiles = tiles
                .set(Layout::TwoBit, Bits::$bits, two_bit)
                .set(Layout::FiveTrit, Bits::$bits, five_trit);
        )+
        Product { tiles, few: Some(&STATIC_FEW) }
    }};
}
pub(crate) use many_tokens;

/// A [`TileUnit`](crate::kernels::ternary::tiles::TileUnit) of vectors: with as many panels side by side, then one, so many
/// vectors of rows, for each number of tokens from 1 on. `after` names what arranges codes first.
macro_rules! vector_unit {
    (
        $unit:ident = $module:ident::$way:ident $(after $arrange:ident)?, $vector:ty, $features:literal,
        $panels:literal panels => $rows:literal, 1 => $single_rows:literal; $($tokens:literal)+
    ) => {
        struct $unit;

        // SAFETY: `multiply` does all rows and tokens of the block.
        unsafe impl $crate::kernels::ternary::tiles::TileUnit for $unit {
            type Vector = $vector;
            const TOKEN_MULTIPLE: usize = 1;
            const MAX_TOKENS: usize = $crate::kernels::ternary::vector_unit::MAX_TOKENS;
            const CODE_BYTES: usize = $crate::kernels::ternary::vector_unit::CODE_BYTES;

            #[inline(always)]
            fn side_by_side(_: usize) -> usize {
                $panels
            }

            $(
                #[inline(always)]
                unsafe fn arrange(codes: *mut u8, tiles: usize) {
                    // SAFETY: the features and the tiles, as promised.
                    unsafe { $crate::kernels::ternary::$module::$arrange::<$vector>(codes, tiles) }
                }
            )?

            #[inline(always)]
            unsafe fn begin() {}

            #[inline(always)]
            unsafe fn multiply(block: $crate::kernels::ternary::tiles::TileBlock) {
                use $crate::kernels::ternary::tiles::TileBlock;
                const MOST: usize = $crate::kernels::ternary::instantiate::token_tile(&[$($tokens),+]);

                // A function for each number of tokens, as in `any_tokens`.
                /// # Safety
                /// The CPU has the features, and the block the rows and tokens from the first one on.
                #[inline(never)]
                #[target_feature(enable = $features)]
                unsafe fn some<const R: usize, const T: usize>(block: &TileBlock, first: usize) {
                    // SAFETY: this function has the features; the rest as promised.
                    unsafe { $crate::kernels::ternary::$module::$way::<$vector, R, T>(block, first) }
                }

                // With the features itself: in one without, `some` is inlined in spite of its attribute, twelve loops into
                // one function, and registers are spilled.
                /// # Safety
                /// As `some`.
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn rows<const R: usize>(block: &TileBlock) {
                    // As even as possible.
                    let step = block.tokens.div_ceil(block.tokens.div_ceil(MOST));
                    for first in (0..block.tokens).step_by(step) {
                        // SAFETY: as promised.
                        unsafe {
                            match step.min(block.tokens - first) {
                                $($tokens => some::<R, $tokens>(block, first),)+
                                tokens => unreachable!("{tokens} tokens are more than there is a function for"),
                            }
                        }
                    }
                }

                // SAFETY: the features and the block, as promised.
                unsafe {
                    if block.panels == $panels {
                        rows::<$rows>(&block);
                    } else {
                        rows::<$single_rows>(&block);
                    }
                }
            }

            #[inline(always)]
            unsafe fn end() {}
        }
    };
}
pub(crate) use vector_unit;

/// [`TileKernels`](crate::kernels::contract::TileKernels) of a [`TileUnit`](crate::kernels::ternary::tiles::TileUnit) and a
/// layout.
macro_rules! unit_kernels {
    ($unit:ty, $codes:ty, $features:literal, $min_tokens:literal) => {{
        /// # Safety
        /// The CPU has the features; the rest is the generic function's.
        #[inline(never)]
        #[target_feature(enable = $features)]
        unsafe fn products(
            operands: $crate::kernels::contract::Operands<'_>,
            groups: Option<($crate::kernels::contract::Groups<'_>, &mut [[f32; $crate::layout::PANEL_ROWS]])>,
            scratch: &mut $crate::kernels::contract::Scratch,
            sums: &mut [[i32; $crate::layout::PANEL_ROWS]],
        ) {
            // SAFETY: this function has the features; the contract says which layout.
            unsafe {
                $crate::kernels::ternary::tiles::products::<$unit, $codes>(operands, groups, scratch, sums)
            }
        }

        /// # Safety
        /// The contract's.
        unsafe fn sums(
            operands: $crate::kernels::contract::Operands<'_>,
            scratch: &mut $crate::kernels::contract::Scratch,
            sums: &mut [[i32; $crate::layout::PANEL_ROWS]],
        ) {
            // SAFETY: as promised.
            unsafe { products(operands, None, scratch, sums) }
        }

        /// # Safety
        /// The contract's.
        unsafe fn groups(
            operands: $crate::kernels::contract::Operands<'_>,
            groups: $crate::kernels::contract::Groups<'_>,
            buffers: $crate::kernels::contract::GroupBuffers<'_>,
        ) {
            // SAFETY: as promised.
            unsafe { products(operands, Some((groups, buffers.scaled)), buffers.scratch, buffers.sums) }
        }

        let staged = $crate::kernels::contract::STAGED_BYTES;
        $crate::kernels::ternary::tiles::kernels::<$unit>($min_tokens, staged, sums, groups)
    }};
}
pub(crate) use unit_kernels;
