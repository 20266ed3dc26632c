//! A backend's products from its vector and its features: [`dot_products`] for a
//! [`DotVector`](super::vector::DotVector), [`maddubs_products`] for a [`ByteVector`](super::vector::ByteVector),
//! [`multiply_add_products`] for a [`LaneVector`](super::vector::LaneVector). They are expressions, a [`Product`](crate::kernels::contract::Product), and need no imports around them.
//!
//! `tokens => rows` says how many vectors of rows a kernel multiplies at once with that many tokens: as many as
//! registers hold the accumulators of. The numbers of tokens begin with 1 and leave none out; the last one is a tile's. More than
//! a product of few tokens can have ([`TileKernels::min_tokens`](crate::kernels::contract::TileKernels::min_tokens) of what does
//! the others) are code that is never called.

/// Products with a dot instruction, or of several tokens with one of matrices: the way is `dot_u8s8`, `by_element` or `matrix`.
/// The fewer tokens of int4 that are listed for `FiveTrit` have kernels of their own; in brackets is that of one token.
macro_rules! dot_products {
    (
        $vector:ty, $features:literal, $way:ident,
        two_bit: 1 => $two_one:literal, $($two_tokens:literal => $two_rows:literal),+;
        five_trit: 1 => $five_one:literal, $($five_tokens:literal => $five_rows:literal),+;
        five_trit_int4[$int4_one_token:ident]: 1 => $int4_one:literal $(, $int4_tokens:literal => $int4_rows:literal)*;
    ) => {{
        use $crate::kernels::ternary;
        const TWO_TILE: usize = ternary::instantiate::token_tile(&[1 $(, $two_tokens)+]);
        const FIVE_TILE: usize = ternary::instantiate::token_tile(&[1 $(, $five_tokens)+]);

        ternary::instantiate::any_tokens! {
            two_bit = two_bit::$way [one_token several_tokens],
            $vector, $features, inline, 1 => $two_one $(, $two_tokens => $two_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }
        ternary::instantiate::any_tokens! {
            five_trit = five_trit::$way [one_token several_tokens],
            $vector, $features, inline, 1 => $five_one $(, $five_tokens => $five_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }
        ternary::instantiate::any_tokens! {
            five_trit_int4 = five_trit::dot_u8s8 [$int4_one_token several_tokens_int4],
            $vector, $features, inline, 1 => $int4_one $(, $int4_tokens => $int4_rows)*;
            _ => five_trit
        }

        let two_bit = ternary::instantiate::tile_kernels!(two_bit, $features, TWO_TILE);
        let five_trit_int8 = ternary::instantiate::tile_kernels!(five_trit, $features, FIVE_TILE);
        let five_trit_int4 = ternary::instantiate::tile_kernels!(five_trit_int4, $features, FIVE_TILE);
        $crate::kernels::contract::Product {
            tiles: ternary::PORTABLE
                .tiles
                .with($crate::layout::Layout::TwoBit, two_bit, two_bit)
                .with($crate::layout::Layout::FiveTrit, five_trit_int8, five_trit_int4),
            ..ternary::PORTABLE
        }
    }};
}
pub(crate) use dot_products;

/// Products with `maddubs`, and by table for int4 from so many tokens on; one token of int4 has kernels of its own.
macro_rules! maddubs_products {
    (
        $vector:ty, $features:literal,
        two_bit: 1 => $two_one:literal, $($two_tokens:literal => $two_rows:literal),+;
        five_trit: 1 => $five_one:literal, $($five_tokens:literal => $five_rows:literal),+;
        five_trit_int4: 1 => $int4_one:literal;
        by table: two_bit from $two_min:literal, in groups from $two_groups_min:literal, five_trit from $five_min:literal;
    ) => {{
        use $crate::kernels::ternary;
        const TWO_TILE: usize = ternary::instantiate::token_tile(&[1 $(, $two_tokens)+]);
        const FIVE_TILE: usize = ternary::instantiate::token_tile(&[1 $(, $five_tokens)+]);

        ternary::instantiate::any_tokens! {
            two_bit = two_bit::maddubs [one_token several_tokens],
            $vector, $features, inline(never), 1 => $two_one $(, $two_tokens => $two_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }
        ternary::instantiate::any_tokens! {
            two_bit_few = two_bit::maddubs [one_token_int4 several_tokens],
            $vector, $features, inline(never), 1 => $two_one;
            _ => two_bit
        }
        ternary::instantiate::any_tokens! {
            five_trit = five_trit::maddubs [one_token several_tokens],
            $vector, $features, inline(never), 1 => $five_one $(, $five_tokens => $five_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }
        ternary::instantiate::any_tokens! {
            five_trit_few = five_trit::maddubs [one_token_int4 several_tokens],
            $vector, $features, inline(never), 1 => $int4_one;
            _ => five_trit
        }

        let two_bit_int8 = ternary::instantiate::tile_kernels!(two_bit, $features, TWO_TILE);
        let two_bit_int4 = ternary::instantiate::lookup_kernels!(
            two_bit_few, ternary::two_bit::TwoBitCodes, $vector, $features, TWO_TILE, $two_min, $two_groups_min
        );
        let five_trit_int8 = ternary::instantiate::tile_kernels!(five_trit, $features, FIVE_TILE);
        let five_trit_int4 = ternary::instantiate::lookup_kernels!(
            five_trit_few, ternary::five_trit::FiveTritCodes, $vector, $features, FIVE_TILE, $five_min, $five_min
        );
        $crate::kernels::contract::Product {
            tiles: ternary::PORTABLE
                .tiles
                .with($crate::layout::Layout::TwoBit, two_bit_int8, two_bit_int4)
                .with($crate::layout::Layout::FiveTrit, five_trit_int8, five_trit_int4),
            ..ternary::PORTABLE
        }
    }};
}
pub(crate) use maddubs_products;

/// Products lane by lane, and by table for more tokens of int4 than are listed.
#[cfg_attr(not(target_arch = "aarch64"), allow(unused_macros))]
macro_rules! multiply_add_products {
    (
        $vector:ty, $features:literal,
        two_bit_int8: 1 => $two8_one:literal, $($two8_tokens:literal => $two8_rows:literal),+;
        two_bit_int4: 1 => $two4_one:literal, $($two4_tokens:literal => $two4_rows:literal),+;
        five_trit_int8: 1 => $five8_one:literal, $($five8_tokens:literal => $five8_rows:literal),+;
        five_trit_int4: 1 => $five4_one:literal, $($five4_tokens:literal => $five4_rows:literal),+;
    ) => {{
        use $crate::kernels::ternary;

        ternary::instantiate::any_tokens! {
            two_bit_int8 = two_bit::multiply_add [one_token_int8 several_tokens_int8],
            $vector, $features, inline, 1 => $two8_one $(, $two8_tokens => $two8_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }
        ternary::instantiate::any_tokens! {
            two_bit_int4 = two_bit::multiply_add [one_token_int4 several_tokens_int4],
            $vector, $features, inline, 1 => $two4_one $(, $two4_tokens => $two4_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }
        ternary::instantiate::any_tokens! {
            five_trit_int8 = five_trit::multiply_add [one_token_int8 several_tokens_int8],
            $vector, $features, inline, 1 => $five8_one $(, $five8_tokens => $five8_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }
        ternary::instantiate::any_tokens! {
            five_trit_int4 = five_trit::multiply_add [one_token_int4 several_tokens_int4],
            $vector, $features, inline, 1 => $five4_one $(, $five4_tokens => $five4_rows)+;
            _ => ternary::instantiate::too_many_tokens
        }

        use ternary::instantiate::{lookup_kernels, tile_kernels, token_tile};
        use ternary::{five_trit::FiveTritCodes, two_bit::TwoBitCodes};
        let two_bit_int8 = tile_kernels!(two_bit_int8, $features, token_tile(&[1 $(, $two8_tokens)+]));
        const TWO_FEW: usize = token_tile(&[1 $(, $two4_tokens)+]);
        const FIVE_FEW: usize = token_tile(&[1 $(, $five4_tokens)+]);
        let two_bit_int4 =
            lookup_kernels!(two_bit_int4, TwoBitCodes, $vector, $features, TWO_FEW, TWO_FEW + 1, TWO_FEW + 1);
        let five_trit_int8 = tile_kernels!(five_trit_int8, $features, token_tile(&[1 $(, $five8_tokens)+]));
        let five_trit_int4 =
            lookup_kernels!(five_trit_int4, FiveTritCodes, $vector, $features, FIVE_FEW, FIVE_FEW + 1, FIVE_FEW + 1);
        $crate::kernels::contract::Product {
            tiles: ternary::PORTABLE
                .tiles
                .with($crate::layout::Layout::TwoBit, two_bit_int8, two_bit_int4)
                .with($crate::layout::Layout::FiveTrit, five_trit_int8, five_trit_int4),
            ..ternary::PORTABLE
        }
    }};
}
#[cfg_attr(not(target_arch = "aarch64"), allow(unused_imports))]
pub(crate) use multiply_add_products;

/// A function of a layout for any number of tokens, compiled with the features; other numbers than those
/// listed are the last function's.
macro_rules! any_tokens {
    (
        $name:ident = $layout:ident::$way:ident [$one_token:ident $several_tokens:ident],
        $vector:ty, $features:literal, $inline:meta, 1 => $one:literal $(, $tokens:literal => $rows:literal)*;
        _ => $others:path
    ) => {
        /// # Safety
        /// The CPU has the features; the panels are of the layout, the activations of the width, and the sink is made
        /// for these operands.
        #[inline(never)]
        #[target_feature(enable = $features)]
        unsafe fn $name(
            operands: $crate::kernels::contract::Operands<'_>,
            sink: &mut $crate::kernels::ternary::sinks::Sink<'_>,
        ) {
            // A function for each number of tokens: of one with all their loops, the compiler makes slower ones.
            /// # Safety
            /// As the outer function, and there is one token.
            #[$inline]
            #[target_feature(enable = $features)]
            unsafe fn one(
                operands: $crate::kernels::contract::Operands<'_>,
                sink: &mut $crate::kernels::ternary::sinks::Sink<'_>,
            ) {
                // SAFETY: this function has the features; the rest as promised.
                unsafe {
                    $crate::kernels::ternary::$layout::$way::$one_token::<$vector, $one>(operands, sink)
                }
            }

            /// # Safety
            /// As the outer function, and there are `T` tokens.
            #[allow(dead_code)]
            #[$inline]
            #[target_feature(enable = $features)]
            unsafe fn several<const R: usize, const T: usize>(
                operands: $crate::kernels::contract::Operands<'_>,
                sink: &mut $crate::kernels::ternary::sinks::Sink<'_>,
            ) {
                // SAFETY: as above.
                unsafe {
                    $crate::kernels::ternary::$layout::$way::$several_tokens::<$vector, R, T>(operands, sink)
                }
            }

            // SAFETY: this function has the features; the rest as promised.
            unsafe {
                match operands.tokens {
                    1 => one(operands, sink),
                    $($tokens => several::<$rows, $tokens>(operands, sink),)*
                    _ => $others(operands, sink),
                }
            }
        }
    };
}
pub(crate) use any_tokens;

/// [`TileKernels`](crate::kernels::contract::TileKernels) of such a function.
macro_rules! tile_kernels {
    ($any_tokens:ident, $features:literal, $token_tile:expr) => {{
        /// # Safety
        /// The contract's.
        #[target_feature(enable = $features)]
        unsafe fn sums(
            operands: $crate::kernels::contract::Operands<'_>,
            _: &mut $crate::kernels::contract::Scratch,
            sums: &mut [[i32; $crate::layout::PANEL_ROWS]],
        ) {
            let mut sink = $crate::kernels::ternary::sinks::Sink::whole(operands, sums);
            // SAFETY: this function has the features; the contract says which layout and width.
            unsafe { $any_tokens(operands, &mut sink) }
        }

        /// # Safety
        /// The contract's.
        #[target_feature(enable = $features)]
        unsafe fn groups(
            operands: $crate::kernels::contract::Operands<'_>,
            groups: $crate::kernels::contract::Groups<'_>,
            buffers: $crate::kernels::contract::GroupBuffers<'_>,
        ) {
            let mut sink = $crate::kernels::ternary::sinks::Sink::groups(operands, groups, buffers.scaled);
            // SAFETY: as above.
            unsafe { $any_tokens(operands, &mut sink) }
        }

        $crate::kernels::contract::by_fours($token_tile, $crate::kernels::contract::CALL_PANELS, sums, groups)
    }};
}
pub(crate) use tile_kernels;

/// The same of int4: by table from some number of tokens on, and with scale groups from another, below it by such a function.
macro_rules! lookup_kernels {
    ($few_tokens:ident, $codes:ty, $vector:ty, $features:literal, $few_tile:expr, $min_tokens:expr, $groups_min_tokens:expr) => {{
        use $crate::kernels::ternary::int4_lookup::{LOOKUP_PANELS, LOOKUP_TOKENS};
        const FEW: $crate::kernels::contract::TileKernels =
            $crate::kernels::ternary::instantiate::tile_kernels!($few_tokens, $features, $few_tile);
        const _: () = assert!($min_tokens <= FEW.token_tile + 1 && $groups_min_tokens <= FEW.token_tile + 1);

        /// # Safety
        /// The contract's.
        #[target_feature(enable = $features)]
        unsafe fn sums(
            operands: $crate::kernels::contract::Operands<'_>,
            scratch: &mut $crate::kernels::contract::Scratch,
            sums: &mut [[i32; $crate::layout::PANEL_ROWS]],
        ) {
            /// # Safety
            /// As the outer function.
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn several(
                operands: $crate::kernels::contract::Operands<'_>,
                scratch: &mut $crate::kernels::contract::Scratch,
                sums: &mut [[i32; $crate::layout::PANEL_ROWS]],
            ) {
                // SAFETY: this function has the features; the rest as promised.
                unsafe {
                    $crate::kernels::ternary::int4_lookup::several_tokens::<$vector, $codes>(
                        operands, scratch, sums,
                    )
                }
            }
            // SAFETY: this function has the features; the contract says which layout and width.
            unsafe {
                if operands.tokens < $min_tokens {
                    (FEW.sums)(operands, scratch, sums)
                } else {
                    several(operands, scratch, sums)
                }
            }
        }

        /// # Safety
        /// The contract's.
        #[target_feature(enable = $features)]
        unsafe fn groups(
            operands: $crate::kernels::contract::Operands<'_>,
            groups: $crate::kernels::contract::Groups<'_>,
            buffers: $crate::kernels::contract::GroupBuffers<'_>,
        ) {
            // SAFETY: as above.
            unsafe {
                if operands.tokens < $groups_min_tokens {
                    (FEW.groups)(operands, groups, buffers)
                } else {
                    $crate::kernels::ternary::sinks::sums_by_group::<$vector>(sums, operands, groups, buffers)
                }
            }
        }

        $crate::kernels::contract::by_fours(LOOKUP_TOKENS, LOOKUP_PANELS, sums, groups)
    }};
}
pub(crate) use lookup_kernels;

/// The last of the numbers of tokens, which are 1, 2 and so on.
pub(crate) const fn token_tile(tokens: &[usize]) -> usize {
    let mut index = 0;
    while index < tokens.len() {
        assert!(tokens[index] == index + 1);
        index += 1;
    }
    tokens.len()
}

/// Where a driver gets to that ignores [`TileKernels::token_tile`](crate::kernels::contract::TileKernels::token_tile).
///
/// # Safety
/// None.
#[cold]
pub(crate) unsafe fn too_many_tokens(
    operands: crate::kernels::contract::Operands<'_>,
    _: &mut super::sinks::Sink<'_>,
) {
    panic!("{} tokens are more than a tile has", operands.tokens);
}
