//! Attention of one token over 4 096 others with heads of 128: states of few bits against f16 ones on the same code path, with
//! one head, which a cache holds, and with as many as no cache does.

use core::time::Duration;
use std::time::Instant;

use hbitlinear::{Backend, CacheSpec, QueryBits, StateBits, States, attend, attend_workspace_len};

use crate::limits::Limits;
use crate::measure::Scorecard;

const HEAD_SIZE: usize = 128;
const TOKENS: usize = 4096;

/// Every width against f16, and 4 bits against the speed of reading.
pub(crate) fn measure(card: &mut Scorecard) {
    let many = if card.quick { 24 } else { 128 };
    for (place, heads) in [("cache", 1), ("dram", many)] {
        let f16 = Owned::new(StateBits::F16, heads);
        for &bits in StateBits::ALL.iter().filter(|&&bits| bits != StateBits::F16) {
            let other = Owned::new(bits, heads);
            for backend in Backend::available().filter(|backend| is_measured(*backend)) {
                let [slow, fast] = card.parts(|| [f16.time(backend), other.time(backend)]);
                let name = format!("attention/{}/{place}/{}/vs-f16", name(bits), backend.name());
                let bytes = other.spec.bytes_len() as f64;
                let rate = format!("{:.1} GB/s", bytes / fast / 1e9);
                card.score(name, fast / heads as f64, &rate, slow / fast);
                if heads > 1 && bits == StateBits::Four {
                    let read = Limits::of(backend).read;
                    let memory = vec![1.0_f32; other.spec.bytes_len() / 4];
                    let clock = || {
                        let start = Instant::now();
                        read(&memory);
                        start.elapsed()
                    };
                    let [read, fast] = card.parts(|| [clock(), other.time(backend)]);
                    let name = format!("attention/4-bits/dram/{}/vs-read", backend.name());
                    card.score(
                        name,
                        fast / heads as f64,
                        &format!("{:.1} GB/s", bytes / read / 1e9),
                        read / fast,
                    );
                }
            }
        }
    }
}

/// Portable code is no matter of speed.
fn is_measured(backend: Backend) -> bool {
    backend.name() != "scalar"
}

fn name(bits: StateBits) -> String {
    bits.to_string().replace(' ', "-")
}

/// A full cache, and queries.
struct Owned {
    spec: CacheSpec,
    memory: Vec<u8>,
    queries: Vec<f32>,
    bits: QueryBits,
}

impl Owned {
    fn new(bits: StateBits, heads: usize) -> Owned {
        let spec = CacheSpec::new(HEAD_SIZE, heads, TOKENS, bits, bits).expect("a small cache");
        let mut memory = vec![0; spec.bytes_len()];
        let mut cache = spec.create(&mut memory).expect("as many bytes");
        let mut state = 1_u32;
        let mut row = || -> Vec<f32> {
            let next = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            };
            (0..heads * HEAD_SIZE).map(next).collect()
        };
        for _ in 0..TOKENS {
            cache.append(Backend::best(), &row(), &row()).expect("finite rows");
        }
        let queries = row();
        let bits = if bits.levels().is_some() { QueryBits::Four } else { QueryBits::F32 };
        Owned { spec, memory, queries, bits }
    }

    /// All heads, one after the other; a single one four times, so that it mostly finds what its cache holds.
    fn time(&self, backend: Backend) -> Duration {
        let heads = self.spec.kv_heads();
        // SAFETY: the cache was made in this memory, and nothing wrote to it since.
        let states: States<'_> =
            unsafe { self.spec.view(self.memory.as_ptr(), self.memory.len(), TOKENS) }.expect("as made");
        let mut out = vec![0.0; heads * HEAD_SIZE];
        let mut workspace = vec![0; attend_workspace_len(HEAD_SIZE, TOKENS).expect("a small size")];
        let runs = if heads == 1 { 4 } else { 1 };
        let start = Instant::now();
        for _ in 0..runs {
            let (queries, all) = (&self.queries, 0..heads);
            attend(backend, states, queries, self.bits, all, TOKENS, 0.09, &mut out, &mut workspace)
                .expect("good arguments");
        }
        start.elapsed() / runs
    }
}
