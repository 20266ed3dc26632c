//! What packed codes are as vectors of bytes, by [`crate::layout::states`]; and the two ways to multiply those.

use core::marker::PhantomData;

use crate::kernels::ternary::vector::{ByteVector, DotVector, IntVector};

/// Most quads of a group.
pub(crate) const MAX_QUADS: usize = 8;

/// How codes become bytes.
pub(crate) trait Format {
    /// The largest code.
    const LEVELS: i32;
    /// Dwords of a group and lane.
    const DWORDS: usize;
    /// Times four depths of a group.
    const QUADS: usize;
    /// Depths of a group.
    const DEPTHS: usize = 4 * Self::QUADS;

    /// The group whose first dwords are at `from`, the next ones `stride` bytes on: four depths in the bytes of each lane. Of
    /// the array, [`Format::QUADS`].
    ///
    /// # Safety
    /// The CPU has the features, and a vector can be loaded from each of those places.
    unsafe fn quads<V: ByteVector>(from: *const u8, stride: usize) -> [V; MAX_QUADS];
}

pub(crate) struct ThreeBits;
pub(crate) struct FourBits;
pub(crate) struct EightBits;

/// Low and high nibbles.
#[inline(always)]
unsafe fn nibbles<V: IntVector>(codes: V) -> [V; 2] {
    // SAFETY: the features, as the caller promises.
    unsafe {
        let low = V::splat(0x0f0f_0f0f);
        [codes.and(low), codes.next_nibble().and(low)]
    }
}

impl Format for ThreeBits {
    const LEVELS: i32 = 7;
    const DWORDS: usize = 3;
    const QUADS: usize = 8;

    /// Eleven operations for the four vectors of nibbles, then as with four bits.
    #[inline(always)]
    unsafe fn quads<V: ByteVector>(from: *const u8, stride: usize) -> [V; MAX_QUADS] {
        // SAFETY: as promised.
        unsafe {
            let (twos, ones) = (V::splat(0x3333_3333), V::splat(0x4444_4444));
            let (first, second) = (V::load(from), V::load(from.add(stride)));
            let third = V::load(from.add(2 * stride));
            // The third bits of n come to bits 2 and 6.
            let [a, b] = nibbles(first.and(twos).add(third.up_a_field().and(ones)));
            let [c, d] = nibbles(first.next_field().and(twos).add(third.add(third).and(ones)));
            let [e, f] = nibbles(second.and(twos).add(third.and(ones)));
            let [g, h] = nibbles(second.next_field().and(twos).add(third.field_at(1).and(ones)));
            [a, b, c, d, e, f, g, h]
        }
    }
}

impl Format for FourBits {
    const LEVELS: i32 = 15;
    const DWORDS: usize = 1;
    const QUADS: usize = 2;

    #[inline(always)]
    unsafe fn quads<V: ByteVector>(from: *const u8, _: usize) -> [V; MAX_QUADS] {
        // SAFETY: as promised.
        unsafe {
            let [low, high] = nibbles(V::load(from));
            [low, high, low, low, low, low, low, low]
        }
    }
}

impl Format for EightBits {
    const LEVELS: i32 = 255;
    const DWORDS: usize = 1;
    const QUADS: usize = 1;

    #[inline(always)]
    unsafe fn quads<V: ByteVector>(from: *const u8, _: usize) -> [V; MAX_QUADS] {
        // SAFETY: as promised.
        unsafe { [V::load(from); MAX_QUADS] }
    }
}

/// How u8 codes are multiplied by s8 integers and added up.
pub(crate) trait Dots {
    type V: ByteVector;
    /// Whether running sums are i32: any code, and as many as there are. Otherwise they are pairs of i16.
    const WIDE: bool;
    /// Sums that should run side by side for a vector of lanes.
    const CHAINS: usize;

    /// Four products more for each lane.
    ///
    /// # Safety
    /// The CPU has the features.
    unsafe fn add(sum: Self::V, codes: Self::V, integers: Self::V) -> Self::V;
    /// A running sum as i32 lanes.
    ///
    /// # Safety
    /// As above.
    unsafe fn total(sum: Self::V) -> Self::V;
    /// Twice `256 · high + low` as i32 lanes.
    ///
    /// # Safety
    /// As above.
    unsafe fn join_twice(high: Self::V, low: Self::V) -> Self::V;
}

/// `maddubs`: pairs of products in i16.
pub(crate) struct Pairs<V>(PhantomData<V>);

impl<V: ByteVector> Dots for Pairs<V> {
    type V = V;
    const WIDE: bool = false;
    const CHAINS: usize = 1;

    #[inline(always)]
    unsafe fn add(sum: V, codes: V, integers: V) -> V {
        // SAFETY: the features, as promised.
        unsafe { sum.add_i16(codes.times(integers)) }
    }

    #[inline(always)]
    unsafe fn total(sum: V) -> V {
        // SAFETY: the features, as promised.
        unsafe { sum.times_i16(V::splat(0x0001_0001)) }
    }

    #[inline(always)]
    unsafe fn join_twice(high: V, low: V) -> V {
        // SAFETY: the features, as promised.
        unsafe { high.times_i16(V::splat(0x0200_0200)).add(low.times_i16(V::splat(0x0002_0002))) }
    }
}

/// A dot instruction: fours of products in i32. It takes several cycles, so that two chains are needed where a tile of keys is
/// no more than two vectors of tokens.
pub(crate) struct Fours<V>(PhantomData<V>);

impl<V: ByteVector + DotVector> Dots for Fours<V> {
    type V = V;
    const WIDE: bool = true;
    const CHAINS: usize = 2;

    #[inline(always)]
    unsafe fn add(sum: V, codes: V, integers: V) -> V {
        // SAFETY: the features, as promised.
        unsafe { sum.dot(codes, integers) }
    }

    #[inline(always)]
    unsafe fn total(sum: V) -> V {
        sum
    }

    #[inline(always)]
    unsafe fn join_twice(high: V, low: V) -> V {
        // SAFETY: the features, as promised.
        unsafe {
            let sum = high.times_256().add(low);
            sum.add(sum)
        }
    }
}
