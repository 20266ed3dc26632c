//! Caches that own their memory.

use hbitlinear::{
    Backend, Cache, CacheSpec, Query, QueryBits, StateBits, States, attend, attend_workspace_len,
};

use super::data::Random;

/// Every width of keys with every width of values.
pub(crate) fn widths() -> impl Iterator<Item = (StateBits, StateBits)> + Clone {
    StateBits::ALL.iter().flat_map(|&keys| StateBits::ALL.iter().map(move |&values| (keys, values)))
}

/// Head sizes with a reason: around every vector, tile and group, and those of models.
pub(crate) const HEAD_SIZES: [usize; 19] =
    [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 80, 96, 128, 256];

/// Tokens around tiles.
pub(crate) const LENGTHS: [usize; 9] = [1, 2, 31, 32, 33, 63, 64, 65, 100];

/// Keys and values, and the cache's memory.
pub(crate) struct OwnedStates {
    pub(crate) spec: CacheSpec,
    pub(crate) tokens: usize,
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
    pub(crate) memory: Vec<u8>,
}

impl OwnedStates {
    pub(crate) fn new(spec: CacheSpec, keys: Vec<f32>, values: Vec<f32>) -> OwnedStates {
        let tokens = keys.len() / (spec.kv_heads() * spec.head_size());
        OwnedStates { spec, tokens, keys, values, memory: vec![0xaa; spec.bytes_len()] }
    }

    /// Normal numbers, of a size of its own for each head and token, with zero heads and outliers among them.
    pub(crate) fn random(spec: CacheSpec, tokens: usize, random: &mut Random) -> OwnedStates {
        let mut rows = || {
            let mut rows = random.normals(tokens * spec.kv_heads() * spec.head_size());
            for head in rows.chunks_exact_mut(spec.head_size()) {
                let factor = match random.below(8) {
                    0 => 0.0,
                    1 => 1e-3,
                    2 => 20.0,
                    _ => 1.0,
                };
                head.iter_mut().for_each(|x| *x *= factor);
                if random.below(4) == 0 {
                    let at = random.below(head.len());
                    head[at] = 9.0 * random.uniform();
                }
            }
            rows
        };
        let (keys, values) = (rows(), rows());
        OwnedStates::new(spec, keys, values)
    }

    /// The cache, all tokens appended at once.
    pub(crate) fn cache(&mut self, backend: Backend) -> Cache<'_> {
        let mut cache = self.spec.create(&mut self.memory).unwrap();
        cache.append(backend, &self.keys, &self.values).unwrap();
        cache
    }
}

/// Scores of every token of a head.
pub(crate) fn scores(
    backend: Backend,
    states: States<'_>,
    head: usize,
    query: &[f32],
    bits: QueryBits,
    scale: f32,
) -> Vec<f32> {
    let mut storage = vec![0xcc; Query::storage_len(query.len()).unwrap()];
    let query = match bits {
        QueryBits::Four => Query::quantized(backend, query, &mut storage).unwrap(),
        QueryBits::F32 => Query::plain(query).unwrap(),
    };
    let mut scores = vec![f32::NAN; states.len()];
    states.scores(backend, head, &query, 0..states.len(), scale, &mut scores).unwrap();
    scores
}

/// The weighted sum of a head's values.
pub(crate) fn weighted_sum(backend: Backend, states: States<'_>, head: usize, weights: &[f32]) -> Vec<f32> {
    let size = states.spec().head_size();
    let mut out = vec![f32::NAN; size];
    states.weighted_sum(backend, head, weights, 0..size, &mut out).unwrap();
    out
}

/// Attention of all heads of a token.
pub(crate) fn attention(
    backend: Backend,
    states: States<'_>,
    queries: &[f32],
    bits: QueryBits,
    tokens: usize,
    scale: f32,
) -> Vec<f32> {
    let size = states.spec().head_size();
    let mut workspace = vec![0xcc; attend_workspace_len(size, tokens).unwrap()];
    let (mut out, heads) = (vec![f32::NAN; queries.len()], 0..queries.len() / size);
    attend(backend, states, queries, bits, heads, tokens, scale, &mut out, &mut workspace).unwrap();
    out
}
