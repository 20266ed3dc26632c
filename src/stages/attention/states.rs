//! Reading a cache: scores of a query, weighted sums of values.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::query::Query;
use super::spec::{CacheSpec, Part};
use crate::buffer::{Buffer, init};
use crate::error::{Error, Result, check_len, check_range};
use crate::kernels::Backend;
use crate::kernels::attention::{Tiles, Tokens};
use crate::layout::states::{TILE_TOKENS, code, float};

/// What is in a [`Cache`](super::Cache): a view to copy and to share among threads.
#[derive(Clone, Copy, Debug)]
pub struct States<'a> {
    spec: CacheSpec,
    start: *const u8,
    len: usize,
    lifetime: PhantomData<&'a [u8]>,
}

// SAFETY: a shared view, like `&[u8]`.
unsafe impl Send for States<'_> {}
// SAFETY: a shared view, like `&[u8]`.
unsafe impl Sync for States<'_> {}

/// Keys or values of one head.
#[derive(Clone, Copy)]
struct Head<'a> {
    part: Part,
    /// Tiles that hold tokens.
    tiles: &'a [u8],
    /// 32 for each tile; none for floats.
    gammas: &'a [f32],
    /// The first token at 8 bits, if it is kept apart.
    first: Option<&'a [u8]>,
}

impl<'a> States<'a> {
    /// # Safety
    /// `start` is aligned to 64; the bytes of the spec from there on are valid for reads during `'a`, and initialised up to
    /// the tile of token `len − 1` of each part.
    pub(super) unsafe fn new(spec: CacheSpec, start: *const u8, len: usize) -> States<'a> {
        States { spec, start, len, lifetime: PhantomData }
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

    /// What one element of a key is worth, for checks and reference code; 0 outside the cache.
    #[must_use]
    pub fn key(&self, token: usize, head: usize, element: usize) -> f32 {
        self.value_of(*self.spec.key_part(), token, head, element, true)
    }

    /// The same of a value.
    #[must_use]
    pub fn value(&self, token: usize, head: usize, element: usize) -> f32 {
        self.value_of(*self.spec.value_part(), token, head, element, false)
    }

    fn value_of(&self, part: Part, token: usize, head: usize, element: usize, is_keys: bool) -> f32 {
        if token >= self.len || head >= self.spec.kv_heads() || element >= part.head_size {
            return 0.0;
        }
        let parts = self.head(part, head);
        let tile = &parts.tiles[token / TILE_TOKENS * part.tile..][..part.tile];
        let place = token % TILE_TOKENS;
        let (lane, depth) = if is_keys { (place, element) } else { (element, place) };
        let lanes = part.lanes(is_keys);
        let Some(levels) = part.bits.levels() else {
            return float(part.bits, tile, depth * lanes + lane);
        };
        let (code, levels) = match parts.first {
            Some(first) if token == 0 => (first[element], 255.0),
            _ => (code(part.bits, tile, lanes, lane, depth), f32::from(levels)),
        };
        (2.0 * f32::from(code) / levels - 1.0) * parts.gammas[token]
    }

    /// The head's parts; it exists.
    fn head(&self, part: Part, head: usize) -> Head<'a> {
        let tiles = self.len.div_ceil(TILE_TOKENS);
        let start = part.head_start(head);
        let quantised = part.bits.levels().is_some();
        // SAFETY: as `new`'s caller promised; γs are at multiples of 64 from the aligned start on. Without tokens there is
        // nothing of a first one.
        unsafe {
            let start = self.start.add(start);
            let first = (part.first_apart() && tiles > 0)
                .then(|| core::slice::from_raw_parts(start.add(part.first), part.head_size));
            let gammas = if quantised { tiles * TILE_TOKENS } else { 0 };
            Head {
                part,
                tiles: core::slice::from_raw_parts(start, tiles * part.tile),
                gammas: core::slice::from_raw_parts(start.add(part.gammas).cast(), gammas),
                first,
            }
        }
    }

    /// [`Error::Range`] unless there is that kv head.
    fn check_head(&self, head: usize) -> Result<()> {
        let limit = self.spec.kv_heads();
        if head < limit {
            Ok(())
        } else {
            Err(Error::Range { argument: "kv head", start: head, end: head.saturating_add(1), limit })
        }
    }

    /// Scores of a query against keys `tokens` of a head: `scores[i] = scale · Σ query · key(tokens.start + i)`, by the
    /// expressions of [the module](super). Their attention is scaled by 1/√(head size) as a rule.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such head or token; [`Error::Length`] unless the query has the head's size and
    /// `scores` an element for each token. Then `scores` is untouched.
    pub fn scores<'o>(
        &self,
        backend: Backend,
        kv_head: usize,
        query: &Query<'_>,
        tokens: Range<usize>,
        scale: f32,
        scores: impl Into<Buffer<'o, f32>>,
    ) -> Result<()> {
        let scores = scores.into();
        self.check_head(kv_head)?;
        query.check(self.spec.head_size())?;
        check_range("tokens", &tokens, self.len)?;
        check_len("scores", tokens.len(), scores.len())?;
        let head = self.head(*self.spec.key_part(), kv_head);
        let scores = scores.into_uninit();
        scores.fill(MaybeUninit::new(0.0));
        // SAFETY: just written.
        let scores = unsafe { init(scores) };
        let mut at = tokens.start;
        let mut rest = &mut scores[..];
        while !rest.is_empty() {
            let (tile, place) = (at / TILE_TOKENS, at % TILE_TOKENS);
            let whole = rest.len() / TILE_TOKENS * TILE_TOKENS;
            let count = if place == 0 && whole > 0 { whole } else { rest.len().min(TILE_TOKENS - place) };
            let (now, later) = rest.split_at_mut(count);
            if count.is_multiple_of(TILE_TOKENS) {
                head.tile_scores(backend, query, tile, scale, now);
            } else {
                let mut all = [0.0; TILE_TOKENS];
                head.tile_scores(backend, query, tile, scale, &mut all);
                now.copy_from_slice(&all[place..][..count]);
            }
            (at, rest) = (at + count, later);
        }
        if let (0, Some(score)) = (tokens.start, scores.first_mut())
            && let Some(first) = head.first_score(query, scale)
        {
            *score = first;
        }
        Ok(())
    }

    /// A weighted sum of a head's values: `out[i] = Σ_t weights[t] · value(t, inputs.start + i)` over the first
    /// `weights.len()` tokens, by the expressions of [the module](super).
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such head or element, or if there are fewer tokens; [`Error::Length`] unless `out` has
    /// an element for each of `inputs`. Then `out` is untouched.
    pub fn weighted_sum<'o>(
        &self,
        backend: Backend,
        kv_head: usize,
        weights: &[f32],
        inputs: Range<usize>,
        out: impl Into<Buffer<'o, f32>>,
    ) -> Result<()> {
        let out = out.into();
        self.check_head(kv_head)?;
        check_range("tokens with a weight", &(0..weights.len()), self.len)?;
        check_range("elements", &inputs, self.spec.head_size())?;
        check_len("out", inputs.len(), out.len())?;
        let head = self.head(*self.spec.value_part(), kv_head);
        let out = out.fill_with(|_| 0.0);
        if let (Some(first), Some(weight)) = (head.first, weights.first()) {
            let factor = weight * head.gammas[0] / 255.0;
            for (out, &code) in out.iter_mut().zip(&first[inputs.clone()]) {
                *out += factor * (2 * i32::from(code) - 255) as f32;
            }
        }
        let kernel = if head.part.bits.levels().is_some() {
            backend.kernels(|kernels| kernels.attention.integer_values)
        } else {
            backend.kernels(|kernels| kernels.attention.float_values)
        };
        let tiles = head.tiles(0, weights.len().div_ceil(TILE_TOKENS));
        let tokens = Tokens { weights, gammas: head.gammas, first_apart: head.first.is_some() };
        // SAFETY: `backend` proves the CPU's features; tiles and γs reach to the last token with a weight, and the range lies
        // within the head.
        unsafe { kernel(tiles, tokens, inputs, out) };
        Ok(())
    }
}

impl<'a> Head<'a> {
    /// Some of the tiles.
    fn tiles(&self, first: usize, count: usize) -> Tiles<'a> {
        let bytes = &self.tiles[first * self.part.tile..][..count * self.part.tile];
        Tiles { bits: self.part.bits, head_size: self.part.head_size, bytes }
    }

    /// Scores of whole tiles, the first token's as if it were like the others.
    fn tile_scores(&self, backend: Backend, query: &Query<'_>, tile: usize, scale: f32, scores: &mut [f32]) {
        let tiles = self.tiles(tile, scores.len() / TILE_TOKENS);
        let gammas = self.gammas.get(tile * TILE_TOKENS..).unwrap_or_default();
        let gammas = &gammas[..gammas.len().min(scores.len())];
        // SAFETY: `backend` proves the CPU's features; as many γs, if any, and scores as tokens of the tiles.
        unsafe {
            match (self.part.bits.levels(), query.codes()) {
                (Some(levels), Some(codes)) => {
                    let factor = codes.scale / f32::from(levels) * scale;
                    backend.kernels(|kernels| kernels.attention.integer_scores)(
                        tiles, gammas, codes.odd, factor, scores,
                    );
                }
                (levels, _) => {
                    let factor = levels.map_or(scale, |levels| scale / f32::from(levels));
                    backend.kernels(|kernels| kernels.attention.float_scores)(
                        tiles,
                        gammas,
                        query.values(),
                        factor,
                        scores,
                    );
                }
            }
        }
    }

    /// The score of a first token that is kept apart.
    fn first_score(&self, query: &Query<'_>, scale: f32) -> Option<f32> {
        let first = self.first?;
        let key = |code: u8| 2 * i32::from(code) - 255;
        if let Some(codes) = query.codes() {
            let sum: i32 = first.iter().zip(codes.odd).map(|(&code, &odd)| i32::from(odd) * key(code)).sum();
            return Some(sum as f32 * (self.gammas[0] * (codes.scale / 255.0 * scale)));
        }
        let mut sums = [0.0; 2];
        for (i, (&code, q)) in first.iter().zip(query.values()).enumerate() {
            sums[i % 2] += q * key(code) as f32;
        }
        Some((sums[0] + sums[1]) * (self.gammas[0] * (scale / 255.0)))
    }
}
