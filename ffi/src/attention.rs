//! Attention over quantised states: the cache, its parts, and all of them in one call.

use core::ops::Range;

use core_crate::{CacheSpec, Query, QueryBits, StateBits, States, attend, attend_workspace_len, softmax};

use super::backend::backend;
use super::describe::{Description, describe, description};
use super::error::{Result, guard, hbl_error};
use super::handle::{Prepared, Seal, open, prepare};
use super::input::{row_names, strided};
use super::memory::{Reads, Regions, Writes};
use super::product::hbl_range;
use super::status::hbl_status;

/// The shape of a cache of keys and values. Start from HBL_CACHE_SPEC_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_cache_spec {
    /// sizeof(hbl_cache_spec).
    pub struct_size: usize,
    /// 0.
    pub flags: u32,
    /// Bits of a key: 3, 4, 8, 16 (as f16) or 32 (as float).
    pub key_bits: u32,
    /// Elements of a head, 1 to 65536.
    pub head_size: usize,
    /// Heads of keys and of values, at least 1.
    pub kv_heads: usize,
    /// Most tokens, at least 1.
    pub capacity: usize,
    /// Bits of a value, as those of a key.
    pub value_bits: u32,
    /// 0.
    pub reserved: u32,
}
description!(hbl_cache_spec, "HBL_CACHE_SPEC_INIT", 0);

/// A cache of keys and values. A handle, made by hbl_cache_create; hbl_cache_append and hbl_cache_truncate write it. Its
/// memory must live as long as the handle is used, and only these functions may write it. Threads may read one cache at the
/// same time. There is nothing to free. Of copies, use the one that was written last.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hbl_cache {
    /// The library's own.
    pub opaque: [u64; 40],
}

/// The parts of a cache.
#[derive(Clone, Copy)]
struct Parts {
    spec: CacheSpec,
    memory: *mut u8,
    len: usize,
}

impl Prepared for Parts {
    type Opaque = hbl_cache;
    const MAKER: &'static str = "hbl_cache_create";
    const MAGIC: u64 = u64::from_le_bytes(*b"hblcac.1");

    #[inline(always)]
    fn fingerprint(&self, seal: &mut Seal) {
        let spec = &self.spec;
        seal.add(spec.head_size());
        seal.add(spec.kv_heads());
        seal.add(spec.capacity());
        seal.add((spec.keys() as usize) << 8 | spec.values() as usize);
        seal.add(spec.bytes_len());
        seal.add(self.memory.addr());
        seal.add(self.len);
    }
}

impl hbl_cache_spec {
    /// # Safety
    /// The description is null or a readable one.
    unsafe fn check(it: *const hbl_cache_spec) -> Result<CacheSpec> {
        // SAFETY: as promised.
        let it = unsafe { describe("cache spec", it) }?;
        if it.reserved != 0 {
            return Err(super::error::Failure::Reserved { argument: "cache spec" });
        }
        let (keys, values) = (StateBits::try_from(it.key_bits)?, StateBits::try_from(it.value_bits)?);
        Ok(CacheSpec::new(it.head_size, it.kv_heads, it.capacity, keys, values)?)
    }
}

/// A cache to be read.
///
/// # Safety
/// The pointer obeys the header's rules during `'a`.
#[inline(always)]
unsafe fn states<'a>(cache: *const hbl_cache, reads: &Reads<impl Regions>) -> Result<States<'a>> {
    // SAFETY: as promised.
    let parts: &Parts = unsafe { open("cache", cache) }?;
    let (start, bytes) = (parts.memory.addr(), parts.spec.bytes_len());
    reads.bytes("memory of the cache", start, start + bytes)?;
    // SAFETY: the memory that `hbl_cache_create` was given, written by these functions alone, as the header asks.
    Ok(unsafe { parts.spec.view(parts.memory, bytes, parts.len) }?)
}

/// Stores the bytes of memory of a cache. They may have any alignment and content.
///
/// Fails with HBL_STATUS_ZERO_SIZE, HBL_STATUS_SIZE_OVERFLOW or HBL_STATUS_VALUE (bits, reserved).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_cache_bytes_len(
    spec: *const hbl_cache_spec,
    bytes: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("bytes", bytes, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(hbl_cache_spec::check(spec)?.bytes_len()) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Makes an empty cache in `memory`, of hbl_cache_bytes_len bytes at least.
///
/// Fails as hbl_cache_bytes_len, or with HBL_STATUS_LENGTH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_cache_create(
    spec: *const hbl_cache_spec,
    memory: *mut u8,
    memory_len: usize,
    cache: *mut hbl_cache,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe {
            let spec = hbl_cache_spec::check(spec)?;
            let (writes, _) = Writes::new().and("cache", cache, 1)?;
            let (_, buffer) = writes.and("memory of the cache", memory, memory_len)?;
            spec.create(buffer.buffer())?;
            prepare(cache, Parts { spec, memory, len: 0 });
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Stores the number of tokens in a cache.
///
/// Fails with HBL_STATUS_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_cache_len(
    cache: *const hbl_cache,
    tokens: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("tokens", tokens, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(open::<Parts>("cache", cache)?.len) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Forgets all tokens but the first `tokens`.
///
/// Fails with HBL_STATUS_HANDLE, or HBL_STATUS_RANGE if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_cache_truncate(
    cache: *mut hbl_cache,
    tokens: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        // SAFETY: valid by the header's rules.
        unsafe { change(cache, |cache| cache.truncate(tokens)) }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Appends tokens, quantised: rows of kv_heads * head_size floats each, after the rotary embedding; head h of a row is its
/// elements from h * head_size on. Rows are a stride of floats apart (0 means contiguous), within the floats of their `len`.
/// A head's largest magnitude g makes the code q = round_half_even((x / g + 1) * (2^bits - 1) / 2) of an element, which is
/// worth (2q / (2^bits - 1) - 1) * g.
///
/// Fails with HBL_STATUS_HANDLE, HBL_STATUS_LENGTH, HBL_STATUS_STRIDE, HBL_STATUS_RANGE if the capacity does not suffice, or
/// HBL_STATUS_NON_FINITE naming the first token with a NaN or an infinity, or, for 16 bits, with a value from 65520 on. Then
/// nothing is appended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_cache_append(
    backend: u32,
    cache: *mut hbl_cache,
    tokens: usize,
    keys: *const f32,
    keys_len: usize,
    keys_stride: usize,
    values: *const f32,
    values_len: usize,
    values_stride: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let Parts { spec, memory, .. } = *open::<Parts>("cache", cache)?;
            let (writes, _) = Writes::new().and("cache", cache, 1)?;
            let (writes, _) = writes.and("memory of the cache", memory, spec.bytes_len())?;
            let (reads, row) = (writes.reads(), spec.kv_heads() * spec.head_size());
            let keys = strided(&reads, row_names!("keys"), keys, keys_len, tokens, row, keys_stride)?;
            let values =
                strided(&reads, row_names!("values"), values, values_len, tokens, row, values_stride)?;
            change(cache, |cache| cache.append(backend, keys, values))
        }
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Changes a cache, whose handle is written anew.
///
/// # Safety
/// The pointer obeys the header's rules, and nothing else uses the cache.
unsafe fn change(
    cache: *mut hbl_cache,
    change: impl FnOnce(&mut core_crate::Cache<'_>) -> core_crate::Result<()>,
) -> Result<()> {
    // SAFETY: as promised; the memory is what `hbl_cache_create` was given and these functions alone wrote.
    unsafe {
        let Parts { spec, memory, len } = *open::<Parts>("cache", cache)?;
        let buffer = core_crate::Buffer::from_raw(memory, spec.bytes_len());
        let mut resumed = spec.resume(buffer, len)?;
        change(&mut resumed)?;
        let len = resumed.len();
        prepare(cache, Parts { spec, memory, len });
    }
    Ok(())
}

/// Stores the bytes of workspace that hbl_attention and hbl_attention_scores need for heads of so many elements and so many
/// tokens. They may have any alignment and content.
///
/// Fails with HBL_STATUS_SIZE_OVERFLOW.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_attention_workspace_len(
    head_size: usize,
    tokens: usize,
    bytes: *mut usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (_, out) = Writes::new().and("bytes", bytes, 1)?;
        // SAFETY: valid by the header's rules.
        unsafe { out.set(attend_workspace_len(head_size, tokens)?) };
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// Attention of one token: for each query head of `heads`, softmax(scale * q k) v over the first `tokens_visible` tokens of
/// the cache. `queries` holds all heads of the token, after the rotary embedding: a multiple of kv_heads, and query head h
/// goes with kv head h / (query heads / kv_heads). `query_bits` is 4, quantised as keys are, or 32. `out` is where the first
/// head of `heads` goes; the others follow. Threads may take different heads at the same time, and any cut gives the same
/// result.
///
/// Fails with HBL_STATUS_HANDLE, HBL_STATUS_VALUE (query_bits), HBL_STATUS_MULTIPLE (queries that are not whole heads),
/// HBL_STATUS_ZERO_SIZE (tokens_visible), HBL_STATUS_RANGE, HBL_STATUS_LENGTH (out), HBL_STATUS_WORKSPACE, or
/// HBL_STATUS_NON_FINITE naming the first head of `heads` with a NaN or an infinity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_attention(
    backend: u32,
    cache: *const hbl_cache,
    queries: *const f32,
    queries_len: usize,
    query_bits: u32,
    heads: hbl_range,
    tokens_visible: usize,
    scale: f32,
    out: *mut f32,
    out_len: usize,
    workspace: *mut u8,
    workspace_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (backend, bits) = (self::backend(backend)?, QueryBits::try_from(query_bits)?);
        let (writes, out) = Writes::new().and("out", out, out_len)?;
        let (writes, workspace) = writes.and("workspace", workspace, workspace_len)?;
        let reads = writes.reads();
        let queries = reads.buffer("queries", queries, queries_len)?;
        let heads: Range<usize> = heads.start..heads.end;
        // SAFETY: valid by the header's rules.
        unsafe {
            let (states, queries) = (states(cache, &reads)?, queries.slice());
            let (out, workspace) = (out.buffer(), workspace.buffer());
            attend(backend, states, queries, bits, heads, tokens_visible, scale, out, workspace)?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The first step of hbl_attention alone, of one kv head and any range of tokens: scores[i] = scale * sum over a head's
/// elements of query * key of token tokens.start + i. There is a score for each token of the range.
///
/// Fails with HBL_STATUS_HANDLE, HBL_STATUS_VALUE (query_bits), HBL_STATUS_RANGE, HBL_STATUS_LENGTH, HBL_STATUS_ZERO_SIZE,
/// HBL_STATUS_WORKSPACE or, for 4 bits, HBL_STATUS_NON_FINITE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_attention_scores(
    backend: u32,
    cache: *const hbl_cache,
    kv_head: usize,
    query: *const f32,
    query_len: usize,
    query_bits: u32,
    tokens: hbl_range,
    scale: f32,
    scores: *mut f32,
    scores_len: usize,
    workspace: *mut u8,
    workspace_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let (backend, bits) = (self::backend(backend)?, QueryBits::try_from(query_bits)?);
        let (writes, scores) = Writes::new().and("scores", scores, scores_len)?;
        let (writes, workspace) = writes.and("workspace", workspace, workspace_len)?;
        let reads = writes.reads();
        let query = reads.buffer("query", query, query_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let (states, query) = (states(cache, &reads)?, query.slice());
            let query = match bits {
                QueryBits::Four => Query::quantized(backend, query, workspace.buffer())?,
                QueryBits::F32 => Query::plain(query)?,
            };
            states.scores(backend, kv_head, &query, tokens.start..tokens.end, scale, scores.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The second step: scores[i] = exp(scores[i] - max) / sum, in place. -infinity becomes 0; where one is NaN or +infinity, or
/// all are -infinity, all become NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_attention_softmax(
    backend: u32,
    scores: *mut f32,
    scores_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let (_, scores) = Writes::new().and("scores", scores, scores_len)?;
        // SAFETY: valid by the header's rules.
        softmax(backend, unsafe { scores.slice() });
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}

/// The third step, of one kv head and any range of its elements: out[i] = sum over t of weights[t] * value of element
/// elements.start + i of token t, over the first `weights_len` tokens.
///
/// Fails with HBL_STATUS_HANDLE, HBL_STATUS_RANGE or HBL_STATUS_LENGTH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbl_attention_weighted_sum(
    backend: u32,
    cache: *const hbl_cache,
    kv_head: usize,
    weights: *const f32,
    weights_len: usize,
    elements: hbl_range,
    out: *mut f32,
    out_len: usize,
    error: *mut hbl_error,
) -> hbl_status {
    let body = || {
        let backend = self::backend(backend)?;
        let (writes, out) = Writes::new().and("out", out, out_len)?;
        let reads = writes.reads();
        let weights = reads.buffer("weights", weights, weights_len)?;
        // SAFETY: valid by the header's rules.
        unsafe {
            let (states, weights) = (states(cache, &reads)?, weights.slice());
            states.weighted_sum(backend, kv_head, weights, elements.start..elements.end, out.buffer())?;
        }
        Ok(())
    };
    // SAFETY: `error` is valid by the header's rules.
    unsafe { guard(error, body) }
}
