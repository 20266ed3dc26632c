//! How many scales weights have, and how they are stored: as f32, or as f16 where the models have no more (every public
//! format with a scale for a group stores f16) and reading them counts: an f32 for each 128 weights adds an eighth to the
//! bytes of `TwoBit`.

use crate::error::{Error, Result};

/// Inputs that share a scale within a row of weights.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupLen {
    /// 64.
    L64 = 64,
    /// 128.
    L128 = 128,
    /// 256.
    L256 = 256,
}

impl GroupLen {
    /// All of them.
    pub const ALL: &'static [GroupLen] = &[GroupLen::L64, GroupLen::L128, GroupLen::L256];

    /// The shortest.
    pub(crate) const MIN: usize = GroupLen::L64 as usize;

    /// As a number.
    #[must_use]
    pub const fn get(self) -> usize {
        self as usize
    }
}

impl TryFrom<usize> for GroupLen {
    type Error = Error;

    /// The group of that length, or [`Error::Value`].
    fn try_from(value: usize) -> Result<GroupLen> {
        let found = Self::ALL.iter().copied().find(|len| len.get() == value);
        found.ok_or(Error::Value { argument: "scale group", value })
    }
}

/// How many scales a weight matrix has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scaling {
    /// One.
    Tensor,
    /// One for each of the N rows (outputs).
    Row,
    /// One for each run of so many inputs of each row; the last run may be shorter.
    Group(GroupLen),
    /// The same, stored as f16: the scales must be f16 values, as those of the published formats with groups are. Half
    /// the bytes, and the same results.
    GroupF16(GroupLen),
}

impl Scaling {
    /// All of them.
    pub const ALL: &'static [Scaling] = &[
        Scaling::Tensor,
        Scaling::Row,
        Scaling::Group(GroupLen::L64),
        Scaling::Group(GroupLen::L128),
        Scaling::Group(GroupLen::L256),
        Scaling::GroupF16(GroupLen::L64),
        Scaling::GroupF16(GroupLen::L128),
        Scaling::GroupF16(GroupLen::L256),
    ];

    /// The group, if the scaling is by group.
    #[must_use]
    pub const fn group(self) -> Option<GroupLen> {
        match self {
            Scaling::Tensor | Scaling::Row => None,
            Scaling::Group(len) | Scaling::GroupF16(len) => Some(len),
        }
    }
}

/// How a scale is stored; little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScaleType {
    F32,
    F16,
}

impl ScaleType {
    pub(super) const fn of(scaling: Scaling) -> ScaleType {
        match scaling {
            Scaling::Tensor | Scaling::Row | Scaling::Group(_) => ScaleType::F32,
            Scaling::GroupF16(_) => ScaleType::F16,
        }
    }

    /// Bytes of a scale.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            ScaleType::F32 => 4,
            ScaleType::F16 => 2,
        }
    }

    /// Whether it is finite and stored without loss.
    pub(super) fn holds(self, scale: f32) -> bool {
        let exact = match self {
            ScaleType::F32 => true,
            ScaleType::F16 => f32_of_f16(f16_of_f32(scale)).to_bits() == scale.to_bits(),
        };
        exact && scale.is_finite()
    }

    /// Writes a scale that [`ScaleType::holds`].
    pub(super) fn write(self, scale: f32, bytes: &mut [u8]) {
        match self {
            ScaleType::F32 => bytes.copy_from_slice(&scale.to_le_bytes()),
            ScaleType::F16 => bytes.copy_from_slice(&f16_of_f32(scale).to_le_bytes()),
        }
    }

    /// The scale in bytes of that length.
    pub(super) fn read(self, bytes: &[u8]) -> f32 {
        match self {
            ScaleType::F32 => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            ScaleType::F16 => f16_at(bytes, 0),
        }
    }
}

/// The value of an f16, without a branch, so that a loop over it becomes vectors. The smallest ones go by way of an
/// integer: a host may have told its CPU to take an f32 as small as their bits for zero.
#[inline(always)]
pub(crate) fn f32_of_f16(bits: u16) -> f32 {
    const TO_F32: u32 = 127 - 15;
    const SMALLEST: f32 = 1.0 / (1 << 24) as f32;
    const INFINITE: u32 = 0x1f << 10;
    let magnitude = u32::from(bits & 0x7fff);
    let normal = (magnitude << 13) + (TO_F32 << 23);
    let subnormal = (magnitude as f32 * SMALLEST).to_bits();
    let not_finite = (magnitude << 13) | 0xff << 23;
    let value = if magnitude < 1 << 10 { subnormal } else { normal };
    let value = if magnitude < INFINITE { value } else { not_finite };
    f32::from_bits(value | u32::from(bits & 0x8000) << 16)
}

/// The value of a little-endian f16.
#[inline(always)]
pub(crate) fn f16_at(bytes: &[u8], at: usize) -> f32 {
    f32_of_f16(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// The bits of the f16 of that value, if there is one and it is finite.
pub(crate) fn exact_f16(value: f32) -> Option<u16> {
    ScaleType::F16.holds(value).then(|| f16_of_f32(value))
}

/// The f16 of that value where there is one, otherwise some other.
fn f16_of_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    // Times 2²⁴, every f16 below 2⁻¹⁴ is an integer below 2¹⁰.
    let magnitude = if value.abs() < 1.0 / (1 << 14) as f32 {
        (value.abs() * (1 << 24) as f32) as u32
    } else {
        ((bits & 0x7fff_ffff) >> 13).wrapping_sub(112 << 10)
    };
    sign | (magnitude & 0x7fff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16() {
        for bits in 0..=u16::MAX {
            let value = f32_of_f16(bits);
            let expected = half::f16::from_bits(bits).to_f32();
            assert!(value.to_bits() == expected.to_bits() || value.is_nan() && expected.is_nan(), "{bits:x}");
            assert_eq!(ScaleType::F16.holds(value), expected.is_finite(), "{bits:x}");
            if value.is_finite() {
                assert_eq!(f16_of_f32(value), bits);
            }
        }
    }

    /// Around every f16, the nearest f32s are none; nor is anything beyond the largest.
    #[test]
    fn no_other_f32() {
        for bits in 0..0x7c00_u16 {
            let value = half::f16::from_bits(bits).to_f32();
            for other in [value.to_bits() + 1, value.to_bits().wrapping_sub(1)].map(f32::from_bits) {
                assert!(!ScaleType::F16.holds(other) && !ScaleType::F16.holds(-other), "{other}");
            }
        }
        for value in [65_520.0, 65_536.0, 1e9, f32::MAX, f32::INFINITY, f32::NAN, f32::MIN_POSITIVE, 1e-40] {
            assert!(!ScaleType::F16.holds(value) && !ScaleType::F16.holds(-value), "{value}");
        }
    }
}
