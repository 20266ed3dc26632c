//! A text on its way through a model: tokens in, logits out.

use core::time::Duration;
use std::time::Instant;

use hbitlinear::{
    Activations, Backend, Cache, CacheSpec, Input, InputStages, QueryBits, StateBits, attend,
    attend_workspace_len,
};
use rayon::prelude::*;

use crate::Result;
use crate::linear::Bench;
use crate::model::{Layer, Linear, Model};

/// Tokens whose attention is one piece of work.
const ATTENTION_PART: usize = 8;

/// Sums that are worth a fork.
const FORKED: usize = 1 << 14;

/// Widths of the attention states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateWidths {
    /// Keys.
    pub keys: StateBits,
    /// Values.
    pub values: StateBits,
    /// Queries.
    pub queries: QueryBits,
}

impl StateWidths {
    /// Keys and values of so many bits; with 4 and 3 the queries have 4, as in the paper.
    #[must_use]
    pub fn new(bits: StateBits) -> StateWidths {
        let low = matches!(bits, StateBits::Three | StateBits::Four);
        let queries = if low { QueryBits::Four } else { QueryBits::F32 };
        StateWidths { keys: bits, values: bits, queries }
    }
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// On which instructions.
    pub backend: Backend,
    /// How states are kept.
    pub states: StateWidths,
    /// In how many parts work is cut; rayon's pool must be the caller's choice. With 1 nothing is forked.
    pub threads: usize,
    /// Tokens of a prompt that go through the layers together.
    pub batch: usize,
}

/// Which tokens' logits are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logits {
    /// Those of every token.
    All,
    /// Those of the last one.
    Last,
}

/// Is shown what the products take.
pub trait Observer {
    /// The rows `x` before norm, transform and quantiser of the `place`-th projection of a layer (0: queries, keys and
    /// values; 1: attention's output; 2: gate and up; 3: down), and what became of them.
    fn input(
        &mut self,
        layer: usize,
        place: usize,
        stages: &InputStages<'_>,
        x: &[f32],
        quantized: &Activations<'_>,
    );
}

/// Nobody looks.
impl Observer for () {
    fn input(&mut self, _: usize, _: usize, _: &InputStages<'_>, _: &[f32], _: &Activations<'_>) {}
}

/// Where the time goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Norm, transform and quantiser of all projections.
    pub quantize: Duration,
    /// Their products.
    pub product: Duration,
    /// Rotary embedding, cache, attention.
    pub attention: Duration,
    /// The gate and the residual sums.
    pub elementwise: Duration,
    /// Last norm and output.
    pub head: Duration,
}

/// A text so far: its attention states, and memory to go on with.
#[derive(Debug)]
pub struct Session<'m> {
    model: &'m Model<'m>,
    settings: Settings,
    caches: Vec<Cache<'m>>,
    bench: Bench,
    /// `[batch, hidden]`, what goes from layer to layer.
    x: Vec<f32>,
    /// A projection's result that is added to it.
    y: Vec<f32>,
    /// Queries, keys and values, or gate and up.
    wide: Vec<f32>,
    /// Attention's or the gate's result.
    narrow: Vec<f32>,
    attention_workspace: usize,
    logits: Vec<f32>,
    times: Times,
}

/// Bytes of memory for a session's attention states, for texts as long as the model was made for.
///
/// # Errors
/// A size that does not fit.
pub fn states_len(model: &Model<'_>, widths: StateWidths) -> Result<usize> {
    let spec = cache_spec(model, widths).map_err(|error| error.to_string())?;
    spec.bytes_len().checked_mul(model.layers.len()).ok_or_else(|| "states: too many".into())
}

fn cache_spec(model: &Model<'_>, widths: StateWidths) -> hbitlinear::Result<CacheSpec> {
    let c = model.config;
    CacheSpec::new(c.head_size(), c.num_key_value_heads, model.rope.capacity(), widths.keys, widths.values)
}

impl<'m> Session<'m> {
    /// An empty text, whose states lie in `states` ([`states_len`] bytes).
    ///
    /// # Errors
    /// Sizes that do not fit, memory that is too short.
    pub fn new(model: &'m Model<'m>, settings: Settings, states: &'m mut [u8]) -> Result<Session<'m>> {
        let c = model.config;
        let (batch, threads) = (settings.batch.max(1), settings.threads.max(1));
        let settings = Settings { batch, threads, ..settings };
        let heads = (c.num_attention_heads + 2 * c.num_key_value_heads) * c.head_size();
        let narrow = (c.num_attention_heads * c.head_size()).max(c.intermediate_size);
        let words = |error: hbitlinear::Error| error.to_string();
        let spec = cache_spec(model, settings.states).map_err(words)?;
        let caches = states.chunks_mut(spec.bytes_len()).take(model.layers.len());
        let caches = caches.map(|memory| spec.create(memory)).collect::<hbitlinear::Result<Vec<_>>>();
        let caches = caches.map_err(words)?;
        let bench = Bench::new(model, settings.backend, threads, batch).map_err(words)?;
        let attention_workspace =
            attend_workspace_len(c.head_size(), model.rope.capacity()).map_err(words)?;
        if caches.len() != model.layers.len() {
            return Err(format!("states: expected memory of {} layers", model.layers.len()));
        }
        Ok(Session {
            model,
            settings,
            caches,
            bench,
            x: vec![0.0; batch * c.hidden_size],
            y: vec![0.0; batch * c.hidden_size],
            wide: vec![0.0; batch * heads.max(2 * c.intermediate_size)],
            narrow: vec![0.0; batch * narrow],
            attention_workspace,
            logits: Vec::new(),
            times: Times::default(),
        })
    }

    /// Tokens so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.caches.first().map_or(0, Cache::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the text.
    pub fn clear(&mut self) {
        for cache in &mut self.caches {
            // A cache always has room for fewer tokens.
            let _ = cache.truncate(0);
        }
    }

    /// Where the time went since the last call.
    pub fn take_times(&mut self) -> Times {
        core::mem::take(&mut self.times)
    }

    /// Appends tokens; the logits of what may follow, `[1 or all, vocabulary]`.
    ///
    /// # Errors
    /// No tokens, more than there is room for, one that is not in the vocabulary, an activation that is not finite.
    pub fn forward(&mut self, tokens: &[u32], which: Logits, observer: &mut impl Observer) -> Result<&[f32]> {
        let vocabulary = self.model.config.vocab_size;
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(format!("tokens: expected numbers below {vocabulary}, got {token}"));
        }
        let room = self.model.rope.capacity() - self.len();
        if tokens.is_empty() || tokens.len() > room {
            return Err(format!("tokens: expected 1 to {room}, got {}", tokens.len()));
        }
        self.logits.clear();
        for (index, batch) in tokens.chunks(self.settings.batch).enumerate() {
            let last = (index + 1) * self.settings.batch >= tokens.len();
            let first = match which {
                Logits::All => Some(0),
                Logits::Last => last.then_some(batch.len() - 1),
            };
            self.batch(batch, observer).map_err(|error| error.to_string())?;
            if let Some(first) = first {
                self.output(first, batch.len()).map_err(|error| error.to_string())?;
            }
        }
        Ok(&self.logits)
    }

    /// Some tokens through all layers.
    fn batch(&mut self, tokens: &[u32], observer: &mut impl Observer) -> hbitlinear::Result<()> {
        let hidden = self.model.config.hidden_size;
        for (x, &token) in self.x.chunks_exact_mut(hidden).zip(tokens) {
            self.model.embedding.row(token as usize, x);
        }
        let model = self.model;
        for (index, layer) in model.layers.iter().enumerate() {
            self.attention(index, layer, tokens.len(), observer)?;
            self.feed_forward(index, layer, tokens.len(), observer)?;
        }
        Ok(())
    }

    fn attention(
        &mut self,
        index: usize,
        layer: &Layer<'_>,
        tokens: usize,
        observer: &mut impl Observer,
    ) -> hbitlinear::Result<()> {
        let Settings { backend, states: widths, threads, .. } = self.settings;
        let (c, rope) = (self.model.config, &self.model.rope);
        let head = c.head_size();
        let (queries, states) = (c.num_attention_heads * head, c.num_key_value_heads * head);
        let (width, hidden) = (queries + 2 * states, c.hidden_size);
        let wide = &mut self.wide[..tokens * width];
        let x = &mut self.x[..tokens * hidden];
        self.bench.project(&layer.attention_in, (index, 0), x, wide, &mut self.times, observer)?;

        let start = Instant::now();
        let cache = &mut self.caches[index];
        let first = cache.len();
        let rotate =
            |(index, row): (usize, &mut [f32])| rope.apply(first + index, &mut row[..queries + states]);
        if threads > 1 && tokens > 1 {
            wide.par_chunks_exact_mut(width).enumerate().for_each(rotate);
        } else {
            wide.chunks_exact_mut(width).enumerate().for_each(rotate);
        }
        let rows = |from| Input::strided(&wide[from..], tokens, width);
        cache.append(backend, rows(queries)?, rows(queries + states)?)?;

        let (view, scale) = (cache.states(), 1.0 / libm::sqrtf(head as f32));
        let narrow = &mut self.narrow[..tokens * queries];
        let run = |place: usize, heads: core::ops::Range<usize>, out: &mut [f32], workspace: &mut [u8]| {
            let row = &wide[(place - first) * width..][..queries];
            attend(backend, view, row, widths.queries, heads, place + 1, scale, out, workspace)
        };
        let workspace = || vec![0; self.attention_workspace];
        if threads > 1 && tokens == 1 {
            let part = c.num_attention_heads.div_ceil(threads);
            let parts = narrow.par_chunks_mut(part * head).enumerate();
            parts.try_for_each_init(workspace, |workspace, (index, out)| {
                let heads = index * part..index * part + out.len() / head;
                run(first, heads, out, workspace)
            })?;
        } else if threads > 1 {
            let parts = narrow.par_chunks_mut(ATTENTION_PART * queries).enumerate();
            parts.try_for_each_init(workspace, |workspace, (index, out)| {
                let places = first + index * ATTENTION_PART..;
                let rows = places.zip(out.chunks_mut(queries));
                rows.into_iter()
                    .try_for_each(|(place, out)| run(place, 0..c.num_attention_heads, out, workspace))
            })?;
        } else {
            let mut workspace = workspace();
            for (place, out) in (first..).zip(narrow.chunks_mut(queries)) {
                run(place, 0..c.num_attention_heads, out, &mut workspace)?;
            }
        }
        self.times.attention += start.elapsed();

        let y = &mut self.y[..tokens * hidden];
        self.bench.project(&layer.attention_out, (index, 1), narrow, y, &mut self.times, observer)?;
        add(x, y, self.settings.threads, &mut self.times);
        Ok(())
    }

    fn feed_forward(
        &mut self,
        index: usize,
        layer: &Layer<'_>,
        tokens: usize,
        observer: &mut impl Observer,
    ) -> hbitlinear::Result<()> {
        let c = self.model.config;
        let (hidden, ffn) = (c.hidden_size, c.intermediate_size);
        let wide = &mut self.wide[..tokens * 2 * ffn];
        let x = &mut self.x[..tokens * hidden];
        self.bench.project(&layer.ffn_in, (index, 2), x, wide, &mut self.times, observer)?;

        let start = Instant::now();
        let narrow = &mut self.narrow[..tokens * ffn];
        let gate = |row: &[f32], out: &mut [f32]| c.hidden_act.apply(&row[..ffn], &row[ffn..], out);
        if self.settings.threads > 1 && tokens > 1 {
            let rows = narrow.par_chunks_mut(ffn).zip(wide.par_chunks(2 * ffn));
            rows.for_each(|(out, row)| gate(row, out));
        } else {
            narrow.chunks_mut(ffn).zip(wide.chunks(2 * ffn)).for_each(|(out, row)| gate(row, out));
        }
        self.times.elementwise += start.elapsed();

        let y = &mut self.y[..tokens * hidden];
        self.bench.project(&layer.ffn_out, (index, 3), narrow, y, &mut self.times, observer)?;
        add(x, y, self.settings.threads, &mut self.times);
        Ok(())
    }

    /// Logits of the tokens of the batch from the first one on.
    fn output(&mut self, first: usize, end: usize) -> hbitlinear::Result<()> {
        let start = Instant::now();
        let hidden = self.model.config.hidden_size;
        let (x, y) = (&self.x[first * hidden..end * hidden], &mut self.y[..(end - first) * hidden]);
        self.model.norm.forward(self.settings.backend, hidden, x, &mut *y)?;
        let from = self.logits.len();
        self.logits.resize(from + (end - first) * self.model.config.vocab_size, 0.0);
        self.model.head.multiply(y, &mut self.logits[from..], self.settings.threads);
        self.times.head += start.elapsed();
        Ok(())
    }
}

impl Bench {
    /// Both phases of a projection.
    fn project(
        &mut self,
        linear: &Linear<'_>,
        (layer, place): (usize, usize),
        x: &[f32],
        out: &mut [f32],
        times: &mut Times,
        observer: &mut impl Observer,
    ) -> hbitlinear::Result<()> {
        let start = Instant::now();
        let quantized = self.quantize(linear, x)?;
        let middle = Instant::now();
        observer.input(layer, place, &linear.stages, x, &quantized);
        let multiplied = Instant::now();
        self.multiply(linear, out)?;
        times.quantize += middle - start;
        times.product += multiplied.elapsed();
        Ok(())
    }
}

/// The sum of what goes from layer to layer and a projection's result.
fn add(x: &mut [f32], y: &[f32], threads: usize, times: &mut Times) {
    let start = Instant::now();
    let add = |(x, y): (&mut [f32], &[f32])| x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    if threads > 1 && x.len() > FORKED {
        x.par_chunks_mut(FORKED).zip(y.par_chunks(FORKED)).for_each(add);
    } else {
        add((x, y));
    }
    times.elementwise += start.elapsed();
}
