//! The cache: appending and forgetting.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::codes::quantize_each;
use super::spec::{ALIGN, CacheSpec, Part};
use super::states::States;
use crate::buffer::{Buffer, init};
use crate::error::{Error, Result, check_range};
use crate::kernels::Backend;
use crate::layout::StateBits;
use crate::layout::states::{F16_OVERFLOW, TILE_TOKENS, set_code, set_float};
use crate::stages::input::{Input, Rows};
use crate::stages::statistics::max_magnitude;

/// Keys and values of a sequence, in the caller's memory.
///
/// ```
/// use hbitlinear::{Backend, CacheSpec, QueryBits, StateBits, attend, attend_workspace_len};
/// let spec = CacheSpec::new(2, 1, 100, StateBits::Four, StateBits::Four)?;
/// let mut memory = vec![0; spec.bytes_len()];
/// let mut cache = spec.create(&mut memory)?;
/// cache.append(Backend::best(), &[1.0, -1.0, 0.0, 2.0], &[3.0, 0.0, 0.0, 4.0])?; // two tokens
///
/// let (mut out, mut workspace) = ([0.0; 2], vec![0; attend_workspace_len(2, 2)?]);
/// let (queries, bits) = ([5.0, -5.0], QueryBits::Four);
/// attend(Backend::best(), cache.states(), &queries, bits, 0..1, 2, 0.7, &mut out, &mut workspace)?;
/// assert!(out[0] > 2.9); // the first token's key is the query's direction
/// # Ok::<(), hbitlinear::Error>(())
/// ```
#[derive(Debug)]
pub struct Cache<'m> {
    spec: CacheSpec,
    /// The first aligned byte. All tiles up to the one of token `len − 1` are initialised, with their γs and first tokens.
    start: *mut u8,
    len: usize,
    lifetime: PhantomData<&'m mut [u8]>,
}

// SAFETY: a `Cache` is the only access to its memory, like `&mut [u8]`.
unsafe impl Send for Cache<'_> {}
// SAFETY: through a shared reference it is only read.
unsafe impl Sync for Cache<'_> {}

impl CacheSpec {
    /// An empty cache in the caller's memory, which need not be initialised and is not written yet.
    ///
    /// # Errors
    /// [`Error::Length`] if the memory is shorter than [`CacheSpec::bytes_len`].
    pub fn create<'m>(&self, memory: impl Into<Buffer<'m, u8>>) -> Result<Cache<'m>> {
        let memory = memory.into();
        self.check(memory.len(), 0)?;
        Ok(Cache::new(*self, memory, 0))
    }

    /// A cache that was made in this memory, by the same spec, and holds `len` tokens: for hosts that keep the parts of one
    /// themselves, such as other languages' structs.
    ///
    /// # Errors
    /// [`Error::Length`] if the memory is shorter than [`CacheSpec::bytes_len`]; [`Error::Range`] if `len` is above the
    /// capacity.
    ///
    /// # Safety
    /// The memory is where a [`Cache`] of this spec was, at the same address, and has not been written since by anything else;
    /// `len` is no more than that cache's last [`Cache::len`].
    pub unsafe fn resume<'m>(&self, memory: impl Into<Buffer<'m, u8>>, len: usize) -> Result<Cache<'m>> {
        let memory = memory.into();
        self.check(memory.len(), len)?;
        Ok(Cache::new(*self, memory, len))
    }

    /// The same to be read, by any number of threads at a time.
    ///
    /// # Errors
    /// As [`CacheSpec::resume`].
    ///
    /// # Safety
    /// As [`CacheSpec::resume`] for the `bytes` bytes from `memory` on, and nothing writes them during `'m`.
    pub unsafe fn view<'m>(&self, memory: *const u8, bytes: usize, len: usize) -> Result<States<'m>> {
        self.check(bytes, len)?;
        let padding = memory.align_offset(ALIGN);
        // SAFETY: within the bytes, of which there are ALIGN − 1 more than the parts take; the rest as promised.
        Ok(unsafe { States::new(*self, memory.add(padding), len) })
    }

    fn check(&self, bytes: usize, len: usize) -> Result<()> {
        if bytes < self.bytes_len() {
            let argument = "memory of the cache";
            return Err(Error::Length { argument, expected: self.bytes_len(), actual: bytes });
        }
        check_range("tokens of the cache", &(0..len), self.capacity())
    }
}

impl<'m> Cache<'m> {
    /// The memory has the bytes of the spec, and holds so many tokens.
    pub(super) fn new(spec: CacheSpec, memory: Buffer<'m, u8>, len: usize) -> Cache<'m> {
        let memory = memory.into_uninit();
        let padding = memory.as_ptr().align_offset(ALIGN);
        let start = memory[padding..].as_mut_ptr().cast();
        Cache { spec, start, len, lifetime: PhantomData }
    }

    /// The cache's shape.
    #[must_use]
    pub const fn spec(&self) -> &CacheSpec {
        &self.spec
    }

    /// Tokens in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all tokens but the first `len`.
    ///
    /// # Errors
    /// [`Error::Range`] if there are fewer.
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        if len > self.len {
            return Err(Error::Range { argument: "tokens to keep", start: 0, end: len, limit: self.len });
        }
        self.len = len;
        Ok(())
    }

    /// What is in it, to be read by any number of threads.
    #[must_use]
    pub fn states(&self) -> States<'_> {
        // SAFETY: as the fields say, and nothing is written while `self` is borrowed.
        unsafe { States::new(self.spec, self.start, self.len) }
    }

    /// Appends tokens, quantised: `keys` and `values` are `[tokens, kv_heads · head_size]`, row-major, after the rotary
    /// embedding. Head h of a row is its elements from `h · head_size` on.
    ///
    /// # Errors
    /// [`Error::Length`] and the like unless both are whole rows, and as many; [`Error::Range`] if the capacity does not
    /// suffice; [`Error::NonFiniteHead`] naming the first token and head with a NaN or an infinity, or, for f16, with a value
    /// from 65520 on. Then nothing is appended.
    pub fn append<'k, 'v>(
        &mut self,
        backend: Backend,
        keys: impl Into<Input<'k, f32>>,
        values: impl Into<Input<'v, f32>>,
    ) -> Result<()> {
        let (keys, values, row) = (keys.into(), values.into(), self.spec.row_len());
        let tokens = keys.tokens(row);
        let (keys, values) = (keys.rows(tokens, row)?, values.rows(tokens, row)?);
        let limit = self.spec.capacity();
        let end = self.len.checked_add(tokens).filter(|&end| end <= limit);
        let end = end.ok_or(Error::Range {
            argument: "tokens of the cache",
            start: self.len,
            end: self.len.saturating_add(tokens),
            limit,
        })?;
        for (argument, part, rows) in
            [("keys", self.spec.key_part(), keys), ("values", self.spec.value_part(), values)]
        {
            check(backend, argument, part, rows, tokens)?;
        }
        for token in 0..tokens {
            for head in 0..self.spec.kv_heads() {
                self.write(backend, self.len + token, head, keys.row(token), true);
                self.write(backend, self.len + token, head, values.row(token), false);
            }
        }
        self.len = end;
        Ok(())
    }

    /// One head's key or value of a token; all before it are written.
    fn write(&mut self, backend: Backend, token: usize, head: usize, row: &[f32], is_keys: bool) {
        let part = if is_keys { *self.spec.key_part() } else { *self.spec.value_part() };
        let x = &row[head * part.head_size..][..part.head_size];
        let (tile, place) = (token / TILE_TOKENS, token % TILE_TOKENS);
        let start = part.head_start(head);
        // A tile is written whole before it is read; so are its γs.
        // SAFETY: the spec's bytes reach as far; what was not written before is now.
        let bytes = unsafe {
            let bytes = self.bytes(start + tile * part.tile, part.tile);
            if place == 0 {
                bytes.fill(MaybeUninit::new(0));
            }
            init(bytes)
        };
        // Lane and depth of element i.
        let lanes = part.lanes(is_keys);
        let at = |i: usize| if is_keys { (place, i) } else { (i, place) };
        let Some(levels) = part.bits.levels() else {
            for (i, &x) in x.iter().enumerate() {
                let (lane, depth) = at(i);
                set_float(part.bits, bytes, depth * lanes + lane, x);
            }
            return;
        };
        let gamma = max_magnitude(backend, x);
        // A loop for each width, so that a code's place is found with constants.
        let mut write = |bits, i, code| {
            let (lane, depth) = at(i);
            set_code(bits, bytes, lanes, lane, depth, code);
        };
        match part.bits {
            StateBits::Three => {
                quantize_each(backend, x, gamma, levels, |i, q| write(StateBits::Three, i, q))
            }
            StateBits::Four => quantize_each(backend, x, gamma, levels, |i, q| write(StateBits::Four, i, q)),
            _ => quantize_each(backend, x, gamma, levels, |i, q| write(StateBits::Eight, i, q)),
        }
        // SAFETY: as above.
        unsafe {
            let gammas = self.bytes(start + part.gammas + tile * 4 * TILE_TOKENS, 4 * TILE_TOKENS);
            if place == 0 {
                gammas.fill(MaybeUninit::new(0));
            }
            init(gammas)[4 * place..][..4].copy_from_slice(&gamma.to_ne_bytes());
        }
        if token == 0 && part.first_apart() {
            // SAFETY: as above; written from end to end.
            let first = unsafe { self.bytes(start + part.first, part.head_size) };
            quantize_each(backend, x, gamma, 255, |i, code| {
                first[i].write(code);
            });
        }
    }

    /// # Safety
    /// The bytes lie within those of the spec; only initialised ones may be stored.
    unsafe fn bytes(&mut self, start: usize, len: usize) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as promised; borrowed with `self`.
        unsafe { core::slice::from_raw_parts_mut(self.start.add(start).cast(), len) }
    }
}

/// [`Error::NonFiniteHead`] naming the first token and head of which a part cannot store an element.
fn check(
    backend: Backend,
    argument: &'static str,
    part: &Part,
    rows: Rows<'_, f32>,
    tokens: usize,
) -> Result<()> {
    let limit = if part.bits == StateBits::F16 { F16_OVERFLOW } else { f32::INFINITY };
    for token in 0..tokens {
        for (head, x) in rows.row(token).chunks_exact(part.head_size).enumerate() {
            let max = max_magnitude(backend, x);
            if max.is_nan() || max >= limit {
                return Err(Error::NonFiniteHead { argument, token, head });
            }
        }
    }
    Ok(())
}
