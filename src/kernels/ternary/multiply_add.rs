//! Ternary products on CPUs that multiply bytes lane by lane and add (AArch64 without `sdot`).
//!
//! **Int8** goes to i16, eight products an instruction (`smlal`). A product is at most 2 · 128 in magnitude, so that an i16
//! takes [`Int8::TERMS`]: 128 · 256 is one more than it holds upwards, but only −128 reaches it, which goes downwards.
//!
//! **Int4** stays in bytes for some fields, sixteen products an instruction (`mla`): 2 · 8 each, so that seven fit. Then pairs
//! of neighbours, which are columns of one row, go to i16.

use super::vector::LaneVector;

/// How products of one width of activations are added up.
pub(crate) trait Width {
    /// Narrow sums of a vector of rows.
    type Narrow<V: LaneVector>: Copy;

    /// Fields that a narrow sum takes.
    const TERMS: usize;

    /// Whether fields are better added together than one by one.
    const TOGETHER: bool;

    /// # Safety
    /// The CPU has the features of `V`.
    unsafe fn zero<V: LaneVector>() -> Self::Narrow<V>;

    /// Adds `N` fields, up to seven, of four columns each, times their activations.
    ///
    /// # Safety
    /// The CPU has the features of `V`.
    unsafe fn add<V: LaneVector, const N: usize>(
        narrow: Self::Narrow<V>,
        fields: [V; N],
        q: [V; N],
    ) -> Self::Narrow<V>;

    /// Adds narrow sums to the i32 of their rows.
    ///
    /// # Safety
    /// The CPU has the features of `V`.
    unsafe fn widen<V: LaneVector>(wide: V, narrow: Self::Narrow<V>) -> V;
}

/// Any activations.
pub(crate) struct Int8;

/// Activations within −8..=7.
pub(crate) struct Int4;

impl Width for Int8 {
    type Narrow<V: LaneVector> = V::Halves;

    const TERMS: usize = 128;
    const TOGETHER: bool = false;

    #[inline(always)]
    unsafe fn zero<V: LaneVector>() -> V::Halves {
        // SAFETY: the features, as promised.
        unsafe { V::zero_halves() }
    }

    #[inline(always)]
    unsafe fn add<V: LaneVector, const N: usize>(
        mut narrow: V::Halves,
        fields: [V; N],
        q: [V; N],
    ) -> V::Halves {
        for (field, q) in fields.into_iter().zip(q) {
            // SAFETY: the features, as promised.
            narrow = unsafe { V::add_products(narrow, field, q) };
        }
        narrow
    }

    #[inline(always)]
    unsafe fn widen<V: LaneVector>(wide: V, narrow: V::Halves) -> V {
        // SAFETY: the features, as promised.
        unsafe { wide.add_halves(narrow) }
    }
}

impl Width for Int4 {
    type Narrow<V: LaneVector> = V;

    /// Two products to a lane, each at most 16: as with int8, only downwards.
    const TERMS: usize = 1024;
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn zero<V: LaneVector>() -> V {
        // SAFETY: the features, as promised.
        unsafe { V::splat(0) }
    }

    #[inline(always)]
    unsafe fn add<V: LaneVector, const N: usize>(narrow: V, fields: [V; N], q: [V; N]) -> V {
        const { assert!(N > 0 && N <= 7) };
        // SAFETY: the features, as promised.
        unsafe {
            let mut bytes = fields[0].times_i8(q[0]);
            for n in 1..N {
                bytes = bytes.add_times_i8(fields[n], q[n]);
            }
            narrow.add_pairs_i8(bytes)
        }
    }

    #[inline(always)]
    unsafe fn widen<V: LaneVector>(wide: V, narrow: V) -> V {
        // SAFETY: the features, as promised.
        unsafe { wide.add_pairs_i16(narrow) }
    }
}

/// Adds `N` fields of `R` vectors of rows times the activations of `T` tokens, whose fours are side by side for each field.
///
/// # Safety
/// The CPU has the features of `V`; `q` points to `4 · N` initialised values for each token.
#[inline(always)]
pub(super) unsafe fn add_fields<V: LaneVector, W: Width, const R: usize, const T: usize, const N: usize>(
    fields: [[V; N]; R],
    q: *const i8,
    narrow: &mut [[W::Narrow<V>; R]; T],
) {
    // Lanes of whole vectors of activations cost less than a load and its address each.
    // SAFETY: the features, as promised; of each field's fours, only whole vectors are read at once.
    unsafe {
        let (groups, rest) = narrow.as_chunks_mut::<4>();
        for (group, narrow) in groups.iter_mut().enumerate() {
            let mut x = [V::sixteen(q.add(16 * group)); N];
            for (n, x) in x.iter_mut().enumerate() {
                *x = V::sixteen(q.add(4 * n * T + 16 * group));
            }
            add_token::<V, W, R, N, 0>(fields, x, &mut narrow[0]);
            add_token::<V, W, R, N, 1>(fields, x, &mut narrow[1]);
            add_token::<V, W, R, N, 2>(fields, x, &mut narrow[2]);
            add_token::<V, W, R, N, 3>(fields, x, &mut narrow[3]);
        }
        for (t, narrow) in rest.iter_mut().enumerate() {
            let mut x = [fields[0][0]; N];
            for (n, x) in x.iter_mut().enumerate() {
                *x = V::splat(q.add(4 * (n * T + T / 4 * 4 + t)).cast::<i32>().read_unaligned());
            }
            for (narrow, fields) in narrow.iter_mut().zip(fields) {
                *narrow = W::add(*narrow, fields, x);
            }
        }
    }
}

/// The same for the token whose fours are number `S` of each vector of activations.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
unsafe fn add_token<V: LaneVector, W: Width, const R: usize, const N: usize, const S: usize>(
    fields: [[V; N]; R],
    q: [V::Sixteen; N],
    narrow: &mut [W::Narrow<V>; R],
) {
    // SAFETY: the features, as promised.
    unsafe {
        let mut x = [fields[0][0]; N];
        for (x, q) in x.iter_mut().zip(q) {
            *x = V::four::<S>(q);
        }
        for (narrow, fields) in narrow.iter_mut().zip(fields) {
            *narrow = W::add(*narrow, fields, x);
        }
    }
}

/// Adds narrow sums to the i32 of their rows.
///
/// # Safety
/// The CPU has the features of `V`.
#[inline(always)]
pub(super) unsafe fn widen<V: LaneVector, W: Width, const R: usize, const T: usize>(
    wide: &mut [[V; R]; T],
    narrow: [[W::Narrow<V>; R]; T],
) {
    for (wide, narrow) in wide.iter_mut().zip(narrow) {
        for (wide, narrow) in wide.iter_mut().zip(narrow) {
            // SAFETY: the features, as promised.
            *wide = unsafe { W::widen(*wide, narrow) };
        }
    }
}

/// The four activations of each of a block's `N` fields, of one token.
///
/// # Safety
/// The CPU has the features of `V`; 16 initialised values from `q` on.
#[inline(always)]
pub(super) unsafe fn sixteen_as_fours<V: LaneVector>(q: *const i8) -> [V; 4] {
    // SAFETY: both as promised.
    unsafe {
        let x = V::sixteen(q);
        [V::four::<0>(x), V::four::<1>(x), V::four::<2>(x), V::four::<3>(x)]
    }
}
