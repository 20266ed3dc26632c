//! The products of an instruction set from the kernels for any [`Bytes`](super::Bytes).

/// `PRODUCT` of a vector with some features: for each number of tokens, which is a tile's last, how many vectors of rows
/// at once, and the same for one token of int4 times `T5`.
macro_rules! product {
    (
        $vector:ty, $features:literal,
        t2: 1 => $t2_one:literal, $($t2_tokens:literal => $t2_rows:literal,)+ last $t2_most:literal => $t2_most_rows:literal;
        t5: 1 => $t5_one:literal, $($t5_tokens:literal => $t5_rows:literal,)+ last $t5_most:literal => $t5_most_rows:literal;
        t5_int4: 1 => $t5_int4:literal;
    ) => {
        pub(super) const PRODUCT: Product = Product {
            token_tile: $t2_most,
            interleave: 4,
            t2,
            t5,
            t2_groups,
            t5_groups,
            t2_int4: Some(Calls {
                token_tile: tables::MAX_TOKENS,
                panels: tables::MAX_PANELS,
                tile: t2_int4,
                groups: t2_int4_groups,
            }),
            t5_int4: Some(Calls { token_tile: $t5_most, panels: 32, tile: t5_int4, groups: t5_int4_groups }),
        };

        const _: () = assert!($t2_most == $t5_most);

        product! { @kernels t2, t2_groups, any_t2, $features: panels, q, tokens, sums,
            match tokens {
                1 => fields::one_token::<$vector, S, $t2_one>(panels, q, sums),
                $($t2_tokens => fields::several_tokens::<$vector, S, $t2_rows, $t2_tokens>(panels, q, sums),)+
                _ => fields::several_tokens::<$vector, S, $t2_most_rows, $t2_most>(panels, q, sums),
            }
        }

        product! { @kernels t5, t5_groups, any_t5, $features: panels, q, tokens, sums,
            match tokens {
                1 => trits::several_tokens::<$vector, S, $t5_one, 1>(panels, q, sums),
                $($t5_tokens => trits::several_tokens::<$vector, S, $t5_rows, $t5_tokens>(panels, q, sums),)+
                _ => trits::several_tokens::<$vector, S, $t5_most_rows, $t5_most>(panels, q, sums),
            }
        }

        product! { @kernels t5_int4, t5_int4_groups, any_t5_int4, $features: panels, q, tokens, sums,
            match tokens {
                1 => trits::one_token_int4::<$vector, S, $t5_int4>(panels, q, sums),
                _ => any_t5(panels, q, tokens, sums),
            }
        }

        #[target_feature(enable = $features)]
        fn t2_int4(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
            match tokens {
                1..tables::MIN_TOKENS => t2(panels, q, tokens, sums),
                // SAFETY: this function has the features; the driver keeps to the panels and tokens it is told.
                _ => unsafe { tables::several_tokens::<$vector>(panels, q, tokens, sums) },
            }
        }

        #[target_feature(enable = $features)]
        fn t2_int4_groups(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            scratch: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            match tokens {
                1..tables::MIN_TOKENS => t2_groups(panels, q, tokens, groups, scratch, scaled),
                // SAFETY: this function has the kernel's features.
                _ => unsafe { scalar::by_group(t2_int4, panels, q, tokens, groups, scratch, scaled) },
            }
        }
    };

    (
        @kernels $whole:ident, $groups:ident, $any:ident, $features:literal:
        $panels:ident, $q:ident, $tokens:ident, $sums:ident, $kernel:expr
    ) => {
        #[target_feature(enable = $features)]
        fn $whole(panels: Panels<'_>, q: &[i8], tokens: usize, sums: &mut [[i32; PANEL_ROWS]]) {
            $any(panels, q, tokens, &mut Whole(sums));
        }

        #[target_feature(enable = $features)]
        fn $groups(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            _: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            $any(panels, q, tokens, &mut Scaled { tokens, groups, scaled });
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn $any<S: Sums>($panels: Panels<'_>, $q: &[i8], $tokens: usize, $sums: &mut S) {
            // SAFETY: this function has the features; the driver gives as many values as there are columns, and int4
            // where it is said.
            unsafe { $kernel }
        }
    };
}

pub(in crate::arch::x86_64) use product;
