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
        pub(super) const PRODUCT: Product =
            Product { t2: T2, t5: T5, t2_int4: T2_INT4, t5_int4: T5_INT4, ..scalar::KERNELS.product };

        const T2: Calls = Calls { token_tile: $t2_most, panels: CALL_PANELS, tile: t2, groups: t2_groups };
        const T5: Calls = Calls { token_tile: $t5_most, panels: CALL_PANELS, tile: t5, groups: t5_groups };
        const T2_INT4: Calls = Calls {
            token_tile: tables::MAX_TOKENS,
            panels: tables::MAX_PANELS,
            tile: t2_int4,
            groups: t2_int4_groups,
        };
        const T5_INT4: Calls = Calls { tile: t5_int4, groups: t5_int4_groups, ..T2_INT4 };

        const _: () = assert!(tables::T2::MIN_TOKENS <= $t2_most + 1);
        const _: () = assert!(tables::T5::MIN_TOKENS <= $t5_most + 1);

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

        product! { @kernels t5_few, t5_few_groups, any_t5_few, $features: panels, q, tokens, sums,
            match tokens {
                1 => trits::one_token_int4::<$vector, S, $t5_int4>(panels, q, sums),
                _ => any_t5(panels, q, tokens, sums),
            }
        }

        product! { @int4 t2_int4, t2_int4_groups, t2, t2_groups, tables::T2, $vector, $features }
        product! { @int4 t5_int4, t5_int4_groups, t5_few, t5_few_groups, tables::T5, $vector, $features }
    };

    (
        @int4 $whole:ident, $groups:ident, $few:ident, $few_groups:ident,
        $unpack:ty, $vector:ty, $features:literal
    ) => {
        #[target_feature(enable = $features)]
        fn $whole(panels: Panels<'_>, q: &[i8], tokens: usize, room: &mut Room, sums: &mut [[i32; PANEL_ROWS]]) {
            if tokens < <$unpack>::MIN_TOKENS {
                return $few(panels, q, tokens, room, sums);
            }
            // SAFETY: this function has the features; the driver keeps to the panels and tokens it is told.
            unsafe { tables::several_tokens::<$vector, $unpack>(panels, q, tokens, room, sums) }
        }

        #[target_feature(enable = $features)]
        fn $groups(
            panels: Panels<'_>,
            q: &[i8],
            tokens: usize,
            groups: Groups<'_>,
            room: &mut Room,
            scratch: &mut [[i32; PANEL_ROWS]],
            scaled: &mut [[f32; PANEL_ROWS]],
        ) {
            if tokens < <$unpack>::MIN_TOKENS {
                return $few_groups(panels, q, tokens, groups, room, scratch, scaled);
            }
            // SAFETY: this function has the kernel's features.
            unsafe { dot::by_group::<$vector>($whole, panels, q, tokens, groups, room, scratch, scaled) }
        }
    };

    (
        @kernels $whole:ident, $groups:ident, $any:ident, $features:literal:
        $panels:ident, $q:ident, $tokens:ident, $sums:ident, $kernel:expr
    ) => {
        kernels!($features: $whole, $groups = $any);

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
