//! Which layouts there are, one line each.

use super::codes::Codes;
use super::{five_trit, two_bit};
use crate::error::{Error, Result};

macro_rules! layouts {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal, $module:ident; )+) => {
        /// How weight codes are packed. The numbers are those of the blob's header and of the C ABI.
        #[non_exhaustive]
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Layout {
            $( $(#[doc = $doc])+ $variant = $number, )+
        }

        impl Layout {
            /// All of them.
            pub const ALL: &'static [Layout] = &[$( Layout::$variant ),+];

            /// The name used on command lines and in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Layout::$variant => $name, )+ }
            }

            pub(crate) const fn codes(self) -> &'static Codes {
                match self { $( Layout::$variant => &$module::CODES, )+ }
            }
        }
    };
}

layouts! {
    /// Two bits a weight. The faster one wherever memory is not what limits.
    TwoBit = 2, "two-bit", two_bit;
    /// Five weights (trits) a byte, 1.625 bits each. The faster one for few tokens and weights that no cache holds.
    FiveTrit = 5, "five-trit", five_trit;
}

impl TryFrom<u32> for Layout {
    type Error = Error;

    /// The layout with that number, or [`Error::Value`].
    fn try_from(number: u32) -> Result<Layout> {
        let found = Self::ALL.iter().copied().find(|&layout| layout as u32 == number);
        found.ok_or(Error::Value { argument: "layout", value: number as usize })
    }
}

impl core::str::FromStr for Layout {
    type Err = Error;

    /// The layout with that [`Layout::name`], or [`Error::Name`].
    fn from_str(name: &str) -> Result<Layout> {
        let found = Self::ALL.iter().copied().find(|layout| layout.name() == name);
        found.ok_or(Error::Name { argument: "layout" })
    }
}

impl core::fmt::Display for Layout {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
