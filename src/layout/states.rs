//! Attention states in memory: keys and values of a head in tiles of 32 tokens.
//!
//! A tile is a matrix of numbers, `lanes` × `depth`, packed so that a vector holds neighbouring lanes and a kernel walks
//! along the depth, with no sum across a vector. In a tile of keys the 32 tokens are the lanes and the head's elements the
//! depth, because a score is a sum over elements; in a tile of values the elements are the lanes and the 32 tokens the depth,
//! because an output is a sum over tokens.
//!
//! Codes lie in dwords, one for each lane, side by side; byte `j` of a dword belongs to a depth that is `j` modulo 4:
//!
//! | bits | depths of a group | dwords of a group and lane | depth `i` of the group |
//! |---|---|---|---|
//! | 8 | 4 | 1 | byte `i` |
//! | 4 | 8 | 1 | byte `i % 4`, low nibble for `i < 4`, high nibble for the others |
//! | 3 | 32 | 3 | below |
//!
//! At 3 bits, `i = 8n + 4h + j`: the low two bits are in dword `n / 2`, byte `j`, from bit `2 (n % 2) + 4h` on; the third one
//! is in dword 2, byte `j`, bit `n + 4h`. So a mask and a shift make the nibbles of the 4-bit format of it. f16 and f32 lie
//! depth by depth, the lanes side by side.

use crate::error::{Error, Result};

/// Tokens of a tile.
pub const TILE_TOKENS: usize = 32;

/// Most elements of a head.
pub const MAX_HEAD_SIZE: usize = 1 << 16;

/// How a key or a value is stored.
#[non_exhaustive]
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateBits {
    /// 8 levels, in two bits and one.
    Three = 3,
    /// 16 levels, in nibbles.
    Four = 4,
    /// 256 levels, in bytes.
    Eight = 8,
    /// As it is, rounded to f16 (half to even).
    F16 = 16,
    /// As it is.
    F32 = 32,
}

impl StateBits {
    /// All of them.
    pub const ALL: &'static [StateBits] =
        &[StateBits::Three, StateBits::Four, StateBits::Eight, StateBits::F16, StateBits::F32];

    /// The largest code, 2^b − 1; `None` for floats.
    #[must_use]
    pub const fn levels(self) -> Option<u8> {
        match self {
            StateBits::Three => Some(7),
            StateBits::Four => Some(15),
            StateBits::Eight => Some(255),
            StateBits::F16 | StateBits::F32 => None,
        }
    }

    /// Depths of a group.
    pub(crate) const fn group(self) -> usize {
        match self {
            StateBits::Three => 32,
            StateBits::Four => 8,
            StateBits::Eight => 4,
            StateBits::F16 | StateBits::F32 => 1,
        }
    }

    /// Bytes of a group, for each lane.
    pub(crate) const fn group_bytes(self) -> usize {
        match self {
            StateBits::Three => 12,
            StateBits::Four | StateBits::Eight | StateBits::F32 => 4,
            StateBits::F16 => 2,
        }
    }

    /// Bytes of a tile; none of its sizes is beyond [`MAX_HEAD_SIZE`].
    pub(crate) const fn tile_bytes(self, lanes: usize, depth: usize) -> usize {
        depth.div_ceil(self.group()) * self.group_bytes() * lanes
    }
}

impl TryFrom<u32> for StateBits {
    type Error = Error;

    /// 3, 4, 8, 16 or 32, or [`Error::Value`].
    fn try_from(number: u32) -> Result<StateBits> {
        let found = Self::ALL.iter().copied().find(|&bits| bits as u32 == number);
        found.ok_or(Error::Value { argument: "bits of the states", value: number as usize })
    }
}

impl core::fmt::Display for StateBits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            StateBits::Three => "3 bits",
            StateBits::Four => "4 bits",
            StateBits::Eight => "8 bits",
            StateBits::F16 => "f16",
            StateBits::F32 => "f32",
        })
    }
}

/// Some bits of a code.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    /// Byte of the tile at which the dword of lane 0 begins; the other lanes' follow.
    pub(crate) dword: usize,
    /// The lowest bit, of the dword as a little-endian number.
    pub(crate) shift: u32,
    pub(crate) bits: u32,
}

/// Where the bits of a depth's codes are, the lowest first.
#[inline(always)]
pub(crate) fn pieces(bits: StateBits, lanes: usize, depth: usize) -> [Piece; 2] {
    let (group, i) = (depth / bits.group(), depth % bits.group());
    let (byte, half, n) = (i as u32 % 4, i as u32 / 4 % 2, i / 8);
    let piece =
        |dword: usize, bit: u32, bits: u32| Piece { dword: dword * lanes * 4, shift: 8 * byte + bit, bits };
    match bits {
        StateBits::Three => [
            piece(3 * group + n / 2, 2 * (n as u32 % 2) + 4 * half, 2),
            piece(3 * group + 2, n as u32 + 4 * half, 1),
        ],
        StateBits::Four => [piece(group, 4 * half, 4), piece(group, 0, 0)],
        _ => [piece(group, 0, 8), piece(group, 0, 0)],
    }
}

/// A code of a tile.
#[inline(always)]
pub(crate) fn code(bits: StateBits, tile: &[u8], lanes: usize, lane: usize, depth: usize) -> u8 {
    let (mut code, mut taken) = (0, 0);
    for Piece { dword, shift, bits } in pieces(bits, lanes, depth) {
        let byte = u32::from(tile[dword + 4 * lane + shift as usize / 8]);
        code |= (byte >> (shift % 8) & ((1 << bits) - 1)) << taken;
        taken += bits;
    }
    code as u8
}

/// Replaces a code of a tile.
#[inline(always)]
pub(crate) fn set_code(bits: StateBits, tile: &mut [u8], lanes: usize, lane: usize, depth: usize, code: u8) {
    let mut rest = u32::from(code);
    for Piece { dword, shift, bits } in pieces(bits, lanes, depth) {
        let byte = &mut tile[dword + 4 * lane + shift as usize / 8];
        let (mask, bit) = ((1 << bits) - 1, shift % 8);
        *byte = (u32::from(*byte) & !(mask << bit) | (rest & mask) << bit) as u8;
        rest >>= bits;
    }
}

/// A float of a tile.
#[inline(always)]
pub(crate) fn float(bits: StateBits, tile: &[u8], index: usize) -> f32 {
    match bits {
        StateBits::F16 => super::f32_of_f16(u16::from_ne_bytes([tile[2 * index], tile[2 * index + 1]])),
        _ => {
            let bytes = &tile[4 * index..4 * index + 4];
            f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        }
    }
}

/// Replaces a float of a tile.
#[inline(always)]
pub(crate) fn set_float(bits: StateBits, tile: &mut [u8], index: usize, value: f32) {
    match bits {
        StateBits::F16 => tile[2 * index..2 * index + 2].copy_from_slice(&round_to_f16(value).to_ne_bytes()),
        _ => tile[4 * index..4 * index + 4].copy_from_slice(&value.to_ne_bytes()),
    }
}

/// The least magnitude that rounds to an infinite f16.
pub(crate) const F16_OVERFLOW: f32 = 65_520.0;

/// The nearest f16, halves to even, of a value below [`F16_OVERFLOW`].
#[inline(always)]
fn round_to_f16(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16 & 0x8000) as u16;
    let magnitude = value.to_bits() & 0x7fff_ffff;
    // Below 2⁻¹⁴ an f16 is a multiple of 2⁻²⁴: adding 0.5, whose last bit is worth that, rounds to one.
    if magnitude < 113 << 23 {
        return sign | ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()) as u16;
    }
    let odd = magnitude >> 13 & 1;
    sign | ((magnitude + 0xfff + odd - (112 << 23)) >> 13) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec;

    #[test]
    fn codes_keep_apart() {
        for bits in [StateBits::Three, StateBits::Four, StateBits::Eight] {
            let levels = u32::from(bits.levels().unwrap()) + 1;
            for (lanes, depth) in [(32, 1), (32, 45), (5, 32), (1, 32), (32, 130)] {
                let mut tile = vec![0xff; bits.tile_bytes(lanes, depth)];
                let value = |lane: usize, i: usize| ((lane * 37 + i * 11 + lane * i) as u32 % levels) as u8;
                for (lane, i) in (0..lanes).flat_map(|lane| (0..depth).map(move |i| (lane, i))) {
                    set_code(bits, &mut tile, lanes, lane, i, value(lane, i));
                }
                for (lane, i) in (0..lanes).flat_map(|lane| (0..depth).map(move |i| (lane, i))) {
                    assert_eq!(code(bits, &tile, lanes, lane, i), value(lane, i), "{bits} {lane} {i}");
                }
            }
        }
    }

    #[test]
    fn rounds_to_f16() {
        let mut bits = 0_u32;
        while bits < F16_OVERFLOW.to_bits() {
            let value = f32::from_bits(bits);
            for value in [value, -value] {
                assert_eq!(round_to_f16(value), half::f16::from_f32(value).to_bits(), "{value:e}");
            }
            bits += if bits.is_multiple_of(3) { 1021 } else { 4097 };
        }
        for f16 in 0..0x7bff_u16 {
            // The middle of two neighbours, and beside it.
            let low = half::f16::from_bits(f16).to_f32();
            let middle = (low + half::f16::from_bits(f16 + 1).to_f32()) / 2.0;
            for value in [middle.to_bits() - 1, middle.to_bits(), middle.to_bits() + 1].map(f32::from_bits) {
                assert_eq!(round_to_f16(value), half::f16::from_f32(value).to_bits(), "{value:e}");
            }
        }
    }
}
