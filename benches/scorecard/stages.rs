//! Stages 1 and 2: transforms, quantisers, and both with the norm in one call.

use core::ops::{Deref, DerefMut};

use hbitlinear::{ActivationsMut, Backend, Bits, InputStages, Quantizer, RmsNorm, Rule, Transform};

use crate::limits::{ADDS, Limits};
use crate::measure::Scorecard;

/// Lengths with outer factors, the blocks of a row, and the power of two nearest to each.
const SHAPES: [(&str, usize, usize); 9] = [
    ("paley1:20*128", 1, 2048),
    ("paley1:12*256", 1, 4096),
    ("paley1:108*64", 1, 8192),
    ("paley1:12*paley2:36*16", 1, 8192),
    ("quarot:60*128", 1, 8192),
    ("paley1:12*paley1:20*32", 1, 8192),
    ("paley2:28*512", 1, 16384),
    ("1024", 17, 16384),
    ("paley1:20*paley2:36*32", 1, 16384),
];

/// All of them, on every backend.
pub(crate) fn measure(card: &mut Scorecard) {
    for backend in Backend::available() {
        let step = if card.quick { 2 } else { 1 };
        for log2 in (6..=17).step_by(step) {
            power_of_two(card, backend, log2);
        }
        for (name, blocks, near) in SHAPES {
            shape(card, backend, name, blocks, near);
        }
        for inputs in [2560, 4096, 6912, 14336].into_iter().step_by(step) {
            for &rule in Rule::ALL {
                quantizer(card, backend, rule, inputs);
            }
        }
        for inputs in [4096, 6912] {
            for tokens in [1, 64] {
                fused(card, backend, inputs, tokens);
            }
        }
    }
}

/// Floats that start a cache line, as rows in the layer's workspace do: the difference between a machine's figures
/// and an allocator's.
struct Aligned {
    values: Vec<f32>,
    start: usize,
}

impl Aligned {
    fn new(len: usize) -> Aligned {
        let values = vec![0.0; len + 15];
        let start = values.as_ptr().align_offset(64);
        Aligned { values, start }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..][..self.values.len() - 15]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        let len = self.values.len() - 15;
        &mut self.values[self.start..][..len]
    }
}

/// Numbers between −4 and 4, with an outlier now and then.
fn activations(len: usize) -> Aligned {
    let mut state = 1_u32;
    let mut x = Aligned::new(len);
    for (i, value) in x.iter_mut().enumerate() {
        *value = {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = (state >> 8) as f32 / (1 << 21) as f32 - 4.0;
            if i % 512 == 7 { 10.0 * x } else { x }
        };
    }
    x
}

/// Rows for a transform: at least 16 KiB.
fn rows(transform: &Transform<'_>) -> Aligned {
    activations(transform.row_len() * 4096_usize.div_ceil(transform.row_len()))
}

fn run(transform: &Transform<'_>, backend: Backend, x: &mut [f32]) {
    transform.forward(backend, x).expect("whole rows");
}

fn power_of_two(card: &mut Scorecard, backend: Backend, log2: u32) {
    let transform = Transform::sylvester(1 << log2).expect("a power of two");
    let mut x = rows(&transform);
    let adds = x.len() as f64 * f64::from(log2);
    let [limit, time] = card.versus(Limits::of(backend).add, || run(&transform, backend, &mut x));
    let (rate, limit) = (adds / time, ADDS as f64 / limit);
    let time = time * transform.row_len() as f64 / x.len() as f64;
    let name = format!("fwht/{}/{}/vs-add-limit", transform.row_len(), backend.name());
    card.score(name, time, &format!("{:.1} Gadd/s", rate / 1e9), rate / limit);
}

fn shape(card: &mut Scorecard, backend: Backend, name: &str, blocks: usize, near: usize) {
    let transform = Transform::named(name).and_then(|block| block.with_blocks(blocks)).expect("a known name");
    let power = Transform::sylvester(near).expect("a power of two");
    let (mut x, mut y) = (activations(transform.row_len()), activations(near));
    let [time, other] = card.versus(|| run(&transform, backend, &mut x), || run(&power, backend, &mut y));
    let (each, other) = (time / x.len() as f64, other / near as f64);
    let blocks = if blocks == 1 { String::new() } else { format!("{blocks}-blocks-of-") };
    let name = format!("fwht/{blocks}{name}/{}/vs-power-of-two", backend.name());
    card.score(name, time, &format!("{:.3} ns/el", each * 1e9), each / other);
}

fn quantizer(card: &mut Scorecard, backend: Backend, rule: Rule, inputs: usize) {
    let x = activations(inputs);
    let mut buffers = Buffers::new(rule.bits(), inputs, 1);
    let quantizer = Quantizer::new(rule, 1e-5).expect("a good ε");
    let l1 = activations(4096);
    let limits = Limits::of(backend);
    let [read, time] = card.versus(
        || (limits.read)(&l1),
        || _ = quantizer.forward(backend, &*x, buffers.activations()).expect("a finite row"),
    );
    let (rate, limit) = (4.0 * inputs as f64 / time, 4.0 * l1.len() as f64 / read);
    let name = format!("quantize/{}/{inputs}/{}/gbps-vs-l1-read", rule.name(), backend.name());
    card.score(name, time, &format!("{:.1} GB/s", rate / 1e9), rate / limit);
}

/// Norm, transform, absmean, packing: as four calls' worth of public functions, and as one.
fn fused(card: &mut Scorecard, backend: Backend, inputs: usize, tokens: usize) {
    let transform = match inputs {
        4096 => Transform::sylvester(4096),
        _ => Transform::named("paley1:12*paley2:36*16"),
    };
    let transform = transform.expect("a transform of that length");
    let gain = activations(inputs);
    let norm = RmsNorm::new(Some(&gain), 1e-5).expect("a finite gain");
    let quantizer = Quantizer::new(Rule::Int4AbsMean, 1e-5).expect("a good ε");
    let stages = InputStages::new(inputs, quantizer).expect("a K");
    let stages = stages.with_norm(norm).and_then(|stages| stages.with_transform(transform)).expect("one K");
    let mut workspace = vec![0; stages.workspace_len().expect("a small size")];

    let x = activations(inputs * tokens);
    let mut y = Aligned::new(x.len());
    let mut buffers = [Buffers::new(Bits::Four, inputs, tokens), Buffers::new(Bits::Four, inputs, tokens)];
    let [first, second] = &mut buffers;
    let [unfused, fused] = card.versus(
        || {
            norm.forward(backend, inputs, &x, &mut *y).expect("finite rows");
            transform.forward(backend, &mut y).expect("whole rows");
            _ = quantizer.forward(backend, &*y, first.activations()).expect("finite rows");
        },
        || {
            let out = second.activations();
            _ = stages.quantize(backend, &*x, out, &mut workspace).expect("finite rows");
        },
    );
    assert!(buffers[0].values == buffers[1].values, "fused and unfused differ");
    let name = format!("stages/{inputs}/m{tokens}/{}/fused-vs-unfused", backend.name());
    let rate = 4.0 * x.len() as f64 / fused / 1e9;
    card.score(name, fused, &format!("{rate:.1} GB/s"), unfused / fused);
}

/// Owned activations.
struct Buffers {
    bits: Bits,
    inputs: usize,
    values: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl Buffers {
    fn new(bits: Bits, inputs: usize, tokens: usize) -> Buffers {
        let values = vec![0; bits.row_bytes(inputs) * tokens];
        Buffers { bits, inputs, values, scales: vec![0.0; tokens], sums: vec![0; tokens] }
    }

    fn activations(&mut self) -> ActivationsMut<'_> {
        ActivationsMut::new(self.bits, self.inputs, &mut self.values, &mut self.scales, &mut self.sums)
            .expect("the lengths of new")
    }
}
