//! The sizes of a cache and where in its memory everything lies.

use crate::error::{Error, Result, check_nonzero};
use crate::layout::StateBits;
use crate::layout::states::{MAX_HEAD_SIZE, TILE_TOKENS};

/// Alignment of every part: a cache line, and the widest vector.
pub(super) const ALIGN: usize = 64;

/// The shape of a cache of keys and values: plain numbers, checked.
///
/// Its memory holds, for each kv head, the keys of all tokens, then for each kv head the values, each in tiles of 32 tokens
/// ([`layout::states`](crate::layout::states)) followed by a γ for each token and, below 8 bits, the first token at 8 bits. So
/// one head is read from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSpec {
    kv_heads: usize,
    capacity: usize,
    keys: Part,
    values: Part,
    bytes: usize,
}

/// Keys or values of all heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bits: StateBits,
    pub(super) head_size: usize,
    /// Bytes of a tile.
    pub(super) tile: usize,
    /// From the start of a head on: the γs, and the first token's codes.
    pub(super) gammas: usize,
    pub(super) first: usize,
    /// Bytes of a head, a multiple of [`ALIGN`].
    head: usize,
    /// Where head 0 starts.
    start: usize,
}

impl CacheSpec {
    /// A cache for `capacity` tokens of `kv_heads` heads of `head_size` elements, each at least 1; keys and values each have
    /// their own width.
    ///
    /// # Errors
    /// [`Error::Zero`] naming a size of 0; [`Error::SizeOverflow`] if the head size is above
    /// [`MAX_HEAD_SIZE`](crate::layout::states::MAX_HEAD_SIZE) or the bytes do not fit in `usize`.
    ///
    /// ```
    /// use hbitlinear::{CacheSpec, StateBits};
    /// let spec = CacheSpec::new(128, 8, 4096, StateBits::Four, StateBits::Three)?;
    /// // 4 + 3 bits a number, two γs of 32 bits and the first token.
    /// assert!(spec.bytes_len() < 8 * 4096 * (128 * 7 / 8 + 8) + 8 * 512);
    /// # Ok::<(), hbitlinear::Error>(())
    /// ```
    pub fn new(
        head_size: usize,
        kv_heads: usize,
        capacity: usize,
        keys: StateBits,
        values: StateBits,
    ) -> Result<CacheSpec> {
        check_nonzero("head size", head_size)?;
        check_nonzero("kv heads", kv_heads)?;
        check_nonzero("capacity", capacity)?;
        if head_size > MAX_HEAD_SIZE {
            return Err(Error::SizeOverflow { argument: "head size" });
        }
        let build = || {
            let tiles = capacity.div_ceil(TILE_TOKENS);
            let keys = Part::new(keys, head_size, keys.tile_bytes(TILE_TOKENS, head_size), tiles, 0)?;
            let start = keys.head.checked_mul(kv_heads)?;
            let values =
                Part::new(values, head_size, values.tile_bytes(head_size, TILE_TOKENS), tiles, start)?;
            let bytes = values.head.checked_mul(kv_heads)?.checked_add(start)?.checked_add(ALIGN - 1)?;
            isize::try_from(bytes).ok()?;
            Some(CacheSpec { kv_heads, capacity, keys, values, bytes })
        };
        build().ok_or(Error::SizeOverflow { argument: "bytes of the cache" })
    }

    /// Bytes of memory that [`CacheSpec::create`] asks for.
    #[must_use]
    pub const fn bytes_len(&self) -> usize {
        self.bytes
    }

    /// Elements of a head.
    #[must_use]
    pub const fn head_size(&self) -> usize {
        self.keys.head_size
    }

    /// Heads of keys and of values.
    #[must_use]
    pub const fn kv_heads(&self) -> usize {
        self.kv_heads
    }

    /// Most tokens.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Width of the keys.
    #[must_use]
    pub const fn keys(&self) -> StateBits {
        self.keys.bits
    }

    /// Width of the values.
    #[must_use]
    pub const fn values(&self) -> StateBits {
        self.values.bits
    }

    pub(super) fn key_part(&self) -> &Part {
        &self.keys
    }

    pub(super) fn value_part(&self) -> &Part {
        &self.values
    }

    /// `kv_heads · head_size`: elements of a token's keys, or of its values.
    pub(super) fn row_len(&self) -> usize {
        self.kv_heads * self.keys.head_size
    }
}

impl Part {
    fn new(bits: StateBits, head_size: usize, tile: usize, tiles: usize, start: usize) -> Option<Part> {
        let part = Part { bits, head_size, tile, gammas: 0, first: 0, head: 0, start };
        let gammas = tile.checked_mul(tiles)?.checked_next_multiple_of(ALIGN)?;
        let gamma_bytes = if bits.levels().is_some() { tiles.checked_mul(4 * TILE_TOKENS)? } else { 0 };
        let first = gammas.checked_add(gamma_bytes)?;
        let first_bytes = if part.first_apart() { head_size } else { 0 };
        let head = first.checked_add(first_bytes)?.checked_next_multiple_of(ALIGN)?;
        Some(Part { gammas, first, head, ..part })
    }

    /// Whether the first token is kept at 8 bits beside the others.
    pub(super) fn first_apart(&self) -> bool {
        self.bits.levels().is_some_and(|levels| levels < 255)
    }

    /// Where a head starts, from the first aligned byte of the cache on.
    pub(super) fn head_start(&self, head: usize) -> usize {
        self.start + head * self.head
    }

    /// Lanes of a tile, of keys or of values.
    pub(super) fn lanes(&self, is_keys: bool) -> usize {
        if is_keys { TILE_TOKENS } else { self.head_size }
    }
}
