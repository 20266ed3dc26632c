//! Caches of keys and values, and attention over them.

use core::ops::Range;

use core_crate::{CacheSpec, Query, QueryBits, StateBits, attend, attend_workspace_len, softmax};
use hbitlinear_fuzz::rows::Floats;
use hbitlinear_fuzz::{same, scalar};

use super::buffers::{Buffers, Described, Kind, call};
use super::input::{CacheShape, Size, Wrong};
use super::kept::{Kept, Line};
use super::library::attention::{
    hbl_attention, hbl_attention_scores, hbl_attention_softmax, hbl_attention_weighted_sum,
    hbl_attention_workspace_len, hbl_cache, hbl_cache_append, hbl_cache_bytes_len, hbl_cache_create,
    hbl_cache_spec, hbl_cache_truncate,
};
use super::library::error::hbl_error;
use super::library::product::hbl_range;
use super::program::Program;

const NULL: *mut hbl_error = core::ptr::null_mut();
const BITS: &[u32] = &[3, 4, 8, 16, 32];

impl Program {
    pub(super) fn cache(&mut self, b: &mut Buffers<'_>, w: &mut Wrong, silent: bool, shape: &CacheShape) {
        let it = hbl_cache_spec {
            struct_size: 0,
            flags: w.zero(),
            key_bits: w.known(shape.key_bits, BITS),
            head_size: shape.head_size.get(w, 40),
            kv_heads: shape.kv_heads.get(w, 2),
            capacity: shape.capacity.get(w, 9),
            value_bits: w.known(shape.value_bits, BITS),
            reserved: w.zero(),
        };
        let described = Described::new(it, w);
        let mut bytes = 7;
        // SAFETY: a description with so many bytes.
        let sized =
            call(b, silent, |_, error| unsafe { hbl_cache_bytes_len(&described.it, &mut bytes, error) });
        assert!(sized || bytes == 7);
        if bytes > 1 << 16 {
            return;
        }
        let mut handle = hbl_cache { opaque: [0; 40] };
        let memory = b.add(Kind::Written, &vec![0xA5_u8; bytes]);
        // SAFETY: as for all calls.
        let ok = call(b, silent, |b, error| unsafe {
            hbl_cache_create(&described.it, b.ptr(memory), b.len(memory), &mut handle, error)
        });
        assert!(sized || !ok);
        if !ok {
            return;
        }
        let bits = |bits: u32| StateBits::try_from(bits).expect("what C accepts");
        let spec =
            CacheSpec::new(it.head_size, it.kv_heads, it.capacity, bits(it.key_bits), bits(it.value_bits));
        let spec = spec.expect("what C accepts");
        assert_eq!(spec.bytes_len(), bytes);
        // Again, in memory that stays.
        let lines = vec![Line([0xA5; 64]); bytes.div_ceil(64)];
        let (mut memory, same) = (lines.clone(), lines);
        // SAFETY: as above.
        let status =
            unsafe { hbl_cache_create(&described.it, memory.as_mut_ptr().cast(), bytes, &mut handle, NULL) };
        assert_eq!(status, 0);
        self.cache = Some(Kept { handle, memory, spec, same, len: 0 });
    }

    pub(super) fn append(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        (tokens, gap): (u8, u8),
        keys: &Floats,
        values: &Floats,
    ) {
        let (backend, Some(mut kept)) = (self.backend, self.cache.take()) else { return };
        let row = kept.spec.kv_heads() * kept.spec.head_size();
        let (tokens, stride) = (usize::from(tokens % 5), row + usize::from(gap % 3));
        if stride > 1 << 12 {
            return;
        }
        let keys = keys.take((tokens * stride).saturating_sub(stride - row));
        let values = values.take(tokens * row);
        let claimed_stride = if w.next().is_some() { gap.into() } else { stride };
        let rows = b.add(Kind::Read, &keys);
        let contiguous = b.add(Kind::Read, &values);
        // SAFETY: as for all calls; the cache's memory is its own.
        let ok = call(b, silent, |b, error| unsafe {
            let (k, v) = ((b.ptr(rows), b.len(rows)), (b.ptr(contiguous), b.len(contiguous)));
            let handle = &mut kept.handle;
            hbl_cache_append(backend, handle, tokens, k.0, k.1, claimed_stride, v.0, v.1, 0, error)
        });
        if !ok {
            // Nothing was appended; bytes of no token may be anything.
            kept.check();
            kept.same.clone_from(&kept.memory);
            self.cache = Some(kept);
        } else if b.odd.is_none() && claimed_stride == stride {
            let keys: Vec<f32> =
                (0..tokens).flat_map(|token| keys[token * stride..][..row].iter().copied()).collect();
            let mut core = kept.core();
            core.append(scalar(), &keys, &values).expect("what C appends");
            kept.len = core.len();
            kept.check();
            assert!(kept.memory == kept.same, "the states differ from the core's");
            self.cache = Some(kept);
        }
        // What was appended otherwise is not known here.
    }

    pub(super) fn truncate(&mut self, b: &mut Buffers<'_>, w: &mut Wrong, silent: bool, tokens: Size) {
        let Some(kept) = &mut self.cache else { return };
        let tokens = tokens.get(w, kept.len / 2);
        // SAFETY: as for all calls.
        let ok = call(b, silent, |_, error| unsafe { hbl_cache_truncate(&mut kept.handle, tokens, error) });
        assert_eq!(ok, tokens <= kept.len);
        kept.len = if ok { tokens } else { kept.len };
        kept.check();
    }

    pub(super) fn attend(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        (query_bits, groups, scale): (u8, u8, i8),
        (from, to): (Size, Size),
        queries: &Floats,
    ) {
        let (backend, Some(kept)) = (self.backend, &mut self.cache) else { return };
        let (size, scale) = (kept.spec.head_size(), f32::from(scale) / 64.0);
        let all = kept.spec.kv_heads() * (1 + usize::from(groups % 3));
        let query_bits = w.known(query_bits, &[4, 32]);
        let (visible, heads) = (w.known(0, &[kept.len as u32]) as usize, range(w, from, to, all));
        let count = heads.len().min(all);
        if all * size > 1 << 12 {
            return;
        }
        let x = queries.take(all * size);
        let queries = b.add(Kind::Read, &x);
        let out = b.add(Kind::Written, &vec![-1.5_f32; count * size]);
        let mut bytes = 7;
        // SAFETY: a place for a number.
        let sized = unsafe { hbl_attention_workspace_len(size, visible, &mut bytes, NULL) } == 0;
        assert_eq!(sized.then_some(bytes), attend_workspace_len(size, visible).ok());
        let workspace = b.workspace(bytes);
        let range = hbl_range { start: heads.start, end: heads.end };
        // SAFETY: as for all calls.
        let ok = call(b, silent, |b, error| unsafe {
            let (q, o, s) = (
                (b.ptr(queries), b.len(queries)),
                (b.ptr(out), b.len(out)),
                (b.ptr(workspace), b.len(workspace)),
            );
            hbl_attention(
                backend,
                &kept.handle,
                q.0,
                q.1,
                query_bits,
                range,
                visible,
                scale,
                o.0,
                o.1,
                s.0,
                s.1,
                error,
            )
        });
        if ok && b.odd.is_none() {
            let (mut expected, mut workspace) = (vec![0.0; count * size], vec![0; bytes]);
            let bits = QueryBits::try_from(query_bits).expect("what C accepts");
            let core = kept.core();
            let (states, out_buffer, room) = (core.states(), &mut expected[..], &mut workspace[..]);
            let done = attend(scalar(), states, &x, bits, heads, visible, scale, out_buffer, room);
            done.expect("what C accepts");
            assert!(same(&expected, &b.get::<f32>(out)));
        }
    }

    pub(super) fn attention_part(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        (part, query_bits, scale): (u8, u8, i8),
        (head, from, to): (Size, Size, Size),
        x: &Floats,
    ) {
        let (backend, Some(kept)) = (self.backend, &mut self.cache) else { return };
        let (size, scale) = (kept.spec.head_size(), f32::from(scale) / 64.0);
        let (head, bits) = (head.get(w, 0), w.known(query_bits, &[4, 32]));
        if size > 1 << 12 {
            return;
        }
        match part % 3 {
            0 => {
                let range = range(w, from, to, kept.len);
                let x = x.take(size);
                let query = b.add(Kind::Read, &x);
                let scores = b.add(Kind::Written, &vec![-1.5_f32; range.len().min(kept.len)]);
                let workspace = b.workspace(attend_workspace_len(size, 1).expect("small"));
                let (start, end) = (range.start, range.end);
                // SAFETY: as for all calls.
                let ok = call(b, silent, |b, error| unsafe {
                    let (q, o) = ((b.ptr(query), b.len(query)), (b.ptr(scores), b.len(scores)));
                    let (s, range) = ((b.ptr(workspace), b.len(workspace)), hbl_range { start, end });
                    let cache = &kept.handle;
                    hbl_attention_scores(
                        backend, cache, head, q.0, q.1, bits, range, scale, o.0, o.1, s.0, s.1, error,
                    )
                });
                if ok && b.odd.is_none() {
                    let mut expected = vec![0.0; range.len()];
                    let mut workspace = vec![0; attend_workspace_len(size, 1).expect("small")];
                    let query = match bits {
                        4 => Query::quantized(scalar(), &x, &mut workspace[..]),
                        _ => Query::plain(&x),
                    };
                    let (core, query) = (kept.core(), query.expect("what C accepts"));
                    let done = core.states().scores(scalar(), head, &query, range, scale, &mut expected[..]);
                    done.expect("what C accepts");
                    assert!(same(&expected, &b.get::<f32>(scores)));
                }
            }
            1 => {
                let mut expected = x.take(kept.len);
                let scores = b.add(Kind::Written, &expected);
                // SAFETY: as for all calls.
                let ok = call(b, silent, |b, error| unsafe {
                    hbl_attention_softmax(backend, b.ptr(scores), b.len(scores), error)
                });
                if ok && b.odd.is_none() {
                    softmax(scalar(), &mut expected);
                    assert!(same(&expected, &b.get::<f32>(scores)));
                }
            }
            _ => {
                let range = range(w, from, to, size);
                let x = x.take(kept.len);
                let weights = b.add(Kind::Read, &x);
                let out = b.add(Kind::Written, &vec![-1.5_f32; range.len().min(size)]);
                let (start, end) = (range.start, range.end);
                // SAFETY: as for all calls.
                let ok = call(b, silent, |b, error| unsafe {
                    let (x, o) = ((b.ptr(weights), b.len(weights)), (b.ptr(out), b.len(out)));
                    let (cache, range) = (&kept.handle, hbl_range { start, end });
                    hbl_attention_weighted_sum(backend, cache, head, x.0, x.1, range, o.0, o.1, error)
                });
                if ok && b.odd.is_none() {
                    let mut expected = vec![0.0; range.len()];
                    let core = kept.core();
                    let done = core.states().weighted_sum(scalar(), head, &x, range, &mut expected[..]);
                    done.expect("what C accepts");
                    assert!(same(&expected, &b.get::<f32>(out)));
                }
            }
        }
    }
}

/// A range that mostly is within `0..limit`.
fn range(w: &mut Wrong, from: Size, to: Size, limit: usize) -> Range<usize> {
    let (start, end) = (from.get(w, 0), to.get(w, limit));
    match w.next() {
        None => start.min(limit)..end.clamp(start.min(limit), limit),
        Some(_) => start..end,
    }
}
