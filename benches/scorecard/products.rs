//! Stage 3: products from memory and from cache, against what memory and the multipliers of the same minute can do.

use core::hint::black_box;
use core::ops::Range;
use core::time::Duration;
use std::time::Instant;

use hbitlinear::{
    Activations, ActivationsMut, Backend, Bits, GroupLen, InputStages, Layout, OutputMut, Quantizer, RmsNorm,
    Rule, Scaling, Transform, WeightSpec, Weights, par_product, par_workspace_len, product,
    product_workspace_len,
};

use crate::measure::Scorecard;
use crate::peaks::peak;

/// N and K.
const SHAPES: [(usize, usize); 5] = [(2560, 2560), (6912, 2560), (2560, 6912), (4096, 4096), (4096, 14336)];

/// Bytes of weights that no cache holds.
const MEMORY: usize = 420 << 20;

const LAYOUTS: [(&str, Layout); 2] = [("two-bit", Layout::TwoBit), ("five-trit", Layout::FiveTrit)];
const WIDTHS: [(&str, Bits); 2] = [("i4", Bits::Four), ("i8", Bits::Eight)];

/// All of them, on every backend but the portable one.
pub(crate) fn measure(card: &mut Scorecard) {
    let backends: Vec<Backend> = Backend::available().filter(|backend| backend.name() != "scalar").collect();
    let shapes = if card.quick { &SHAPES[3..4] } else { &SHAPES[..] };
    for &(outputs, inputs) in shapes {
        let sets = LAYOUTS.map(|(_, layout)| Set::new(outputs, inputs, layout, Scaling::Tensor, MEMORY));
        for &backend in &backends {
            for (width, bits) in WIDTHS {
                from_memory(card, backend, &sets, width, bits);
            }
            from_memory_by_two(card, backend, &sets);
        }
        for (whole, (name, layout)) in sets.iter().zip(LAYOUTS) {
            let groups = Set::new(outputs, inputs, layout, Scaling::GroupF16(GroupLen::L128), MEMORY);
            for &backend in &backends {
                scale_groups(card, backend, name, whole, &groups);
            }
        }
    }
    for &(outputs, inputs) in shapes {
        for (layout, (_, kind)) in LAYOUTS.map(|(name, kind)| (name, (name, kind))) {
            let set = Set::new(outputs, inputs, kind, Scaling::Tensor, 0);
            for &backend in &backends {
                if layout == "two-bit" {
                    layer(card, backend, &set);
                    threads(card, backend, &set);
                }
                for tokens in if card.quick { &[1, 64][..] } else { &[1, 4, 16, 64, 512] } {
                    in_cache(card, backend, &set, layout, *tokens);
                }
            }
        }
    }
}

/// One matrix, or enough copies of it to fill memory.
struct Set {
    shape: (usize, usize),
    blob_len: usize,
    bytes: Vec<u8>,
}

impl Set {
    fn new(outputs: usize, inputs: usize, layout: Layout, scaling: Scaling, bytes: usize) -> Set {
        let spec = WeightSpec::new(outputs, inputs, layout, scaling).expect("a shape");
        let mut state = 1_u32;
        let ternary: Vec<i8> = (0..outputs * inputs)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 16) % 3) as i8 - 1
            })
            .collect();
        let mut blob = vec![0; spec.packed_len()];
        spec.pack(&ternary, &vec![0.125; spec.scale_count()], &mut blob).expect("lengths agree");
        // The packed length is a multiple of a cache line.
        Set {
            shape: (outputs, inputs),
            blob_len: blob.len(),
            bytes: blob.repeat((bytes / blob.len()).max(1)),
        }
    }

    fn weights(&self) -> Vec<Weights<'_>> {
        let blobs = self.bytes.chunks_exact(self.blob_len);
        blobs.map(|blob| Weights::open_verified(blob).expect("just packed")).collect()
    }
}

/// Activations, output and workspace of some tokens.
struct Job {
    bits: Bits,
    shape: (usize, usize, usize),
    values: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    y: Vec<f32>,
    workspace: Vec<u8>,
}

impl Job {
    fn new(tokens: usize, (outputs, inputs): (usize, usize), bits: Bits) -> Job {
        let value = |i: usize| (i * 37 % 251) as u8;
        Job {
            bits,
            shape: (tokens, outputs, inputs),
            values: (0..tokens * bits.row_bytes(inputs)).map(value).collect(),
            scales: vec![0.1; tokens],
            sums: vec![0; tokens],
            y: vec![0.0; tokens * outputs],
            workspace: vec![0; product_workspace_len()],
        }
    }

    fn activations(&self) -> Activations<'_> {
        Activations::new(self.bits, self.shape.2, &self.values, &self.scales, &self.sums).expect("lengths")
    }

    fn activations_mut(&mut self) -> ActivationsMut<'_> {
        let (_, _, inputs) = self.shape;
        ActivationsMut::new(self.bits, inputs, &mut self.values, &mut self.scales, &mut self.sums)
            .expect("lengths")
    }

    fn run(&mut self, backend: Backend, weights: &Weights<'_>) {
        self.run_outputs(backend, weights, 0..self.shape.1);
    }

    fn run_outputs(&mut self, backend: Backend, weights: &Weights<'_>, outputs: Range<usize>) {
        let (tokens, _, inputs) = self.shape;
        let x = Activations::new(self.bits, inputs, &self.values, &self.scales, &self.sums).expect("lengths");
        let y = OutputMut::rows(&mut self.y[..tokens * outputs.len()], outputs.len()).expect("lengths");
        let (x, workspace) = (black_box(&x), &mut self.workspace);
        product(backend, weights, x, 0..tokens, outputs, y, workspace).expect("checked");
    }
}

/// One token times weights from memory.
fn from_memory(card: &mut Scorecard, backend: Backend, sets: &[Set; 2], width: &str, bits: Bits) {
    by_layout(card, backend, sets, ("gemv", width), |card, set, weights| {
        let mut job = Job::new(1, set.shape, bits);
        against_reading(
            card,
            || weights.iter().for_each(|weights| job.run(backend, weights)),
            |streams| read_streams(&set.bytes, streams),
        )
    });
}

/// The same of int4 on two threads that never wait for each other: each takes half of the outputs of every matrix.
fn from_memory_by_two(card: &mut Scorecard, backend: Backend, sets: &[Set; 2]) {
    by_layout(card, backend, sets, ("gemv2", "i4"), |card, set, weights| {
        let [mut first, mut second] = [(); 2].map(|()| Job::new(1, set.shape, Bits::Four));
        let (outputs, _) = set.shape;
        let (lower, upper) = (0..outputs / 2, outputs / 2..outputs);
        let halves = set.bytes.split_at(set.bytes.len() / 2);
        against_reading(
            card,
            || {
                both(
                    || weights.iter().for_each(|weights| first.run_outputs(backend, weights, lower.clone())),
                    || weights.iter().for_each(|weights| second.run_outputs(backend, weights, upper.clone())),
                );
            },
            |streams| both(|| read_streams(halves.0, streams), || read_streams(halves.1, streams)),
        )
    });
}

/// Products with all weights of each layout, against reading them, and the small layout against the other. `measure` gives the
/// seconds of both.
fn by_layout(
    card: &mut Scorecard,
    backend: Backend,
    sets: &[Set; 2],
    (what, width): (&str, &str),
    measure: impl Fn(&Scorecard, &Set, &[Weights<'_>]) -> [f64; 2],
) {
    let (outputs, inputs) = sets[0].shape;
    let mut each = Vec::new();
    for (set, (layout, _)) in sets.iter().zip(LAYOUTS) {
        let weights = set.weights();
        let [multiply, read] = measure(card, set, &weights);
        let macs = (outputs * inputs * weights.len()) as f64;
        let rate = format!("{:.0} GMAC/s", macs / multiply / 1e9);
        let name = format!("{what}/{layout}/{width}/dram/{}/{outputs}x{inputs}/vs-read", backend.name());
        card.score(name, multiply / weights.len() as f64, &rate, read / multiply);
        each.push(multiply / weights.len() as f64);
    }
    let name = format!("{what}/five-trit/{width}/dram/{}/{outputs}x{inputs}/vs-two-bit", backend.name());
    card.score(name, each[1], "", each[0] / each[1]);
}

/// Seconds of the products, and of reading with the best number of streams: which one it is depends on the machine.
fn against_reading(card: &Scorecard, mut multiply: impl FnMut(), read: impl Fn(usize)) -> [f64; 2] {
    let mut best = f64::INFINITY;
    let mut seconds = Vec::new();
    for streams in [1, 4, 8, 16] {
        let [product, reading] = card.versus(&mut multiply, || read(streams));
        best = best.min(reading);
        seconds.push(product);
    }
    seconds.sort_by(f64::total_cmp);
    [seconds[1], best]
}

/// Both at the same time, the second one on another thread.
fn both(first: impl FnOnce(), second: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(second);
        first();
    });
}

/// One token times weights from memory, with a scale for every 128 inputs against one for all.
fn scale_groups(card: &mut Scorecard, backend: Backend, layout: &str, whole: &Set, groups: &Set) {
    let (outputs, inputs) = whole.shape;
    let [mut first, mut second] = [whole, groups].map(|set| Job::new(1, set.shape, Bits::Four));
    let [weights, with_groups] = [whole.weights(), groups.weights()];
    let [one, many] = card.versus(
        || weights.iter().for_each(|weights| first.run(backend, weights)),
        || with_groups.iter().for_each(|weights| second.run(backend, weights)),
    );
    let (one, many) = (one / weights.len() as f64, many / with_groups.len() as f64);
    let rate = format!("{:.0} GMAC/s", (outputs * inputs) as f64 / many / 1e9);
    let name = format!("gemv/{layout}/i4/dram/{}/{outputs}x{inputs}/g128-vs-one-scale", backend.name());
    card.score(name, many, &rate, one / many);
}

/// Tokens times weights from cache: against the multipliers, and int4 against int8.
fn in_cache(card: &mut Scorecard, backend: Backend, set: &Set, layout: &str, tokens: usize) {
    let weights = set.weights()[0];
    let (outputs, inputs) = set.shape;
    let macs = (tokens * outputs * inputs) as f64;
    let at = format!("m{tokens}/{}/{outputs}x{inputs}", backend.name());
    for ((width, bits), (multiply, peak_macs)) in
        WIDTHS.into_iter().zip([peak(backend); 2].into_iter().flatten())
    {
        let mut job = Job::new(tokens, set.shape, bits);
        let [product, peak] = card.versus(|| job.run(backend, &weights), multiply);
        let rate = format!("{:.0} GMAC/s", macs / product / 1e9);
        card.score(
            format!("gemm/{layout}/{width}/{at}/vs-peak"),
            product,
            &rate,
            macs / product / (peak_macs / peak),
        );
    }
    if layout == "two-bit" {
        let (mut four, mut eight) =
            (Job::new(tokens, set.shape, Bits::Four), Job::new(tokens, set.shape, Bits::Eight));
        let [four, eight] = card.versus(|| four.run(backend, &weights), || eight.run(backend, &weights));
        card.score(format!("int4-vs-int8/{at}"), four, "", eight / four);
    }
}

/// What norm, transform and quantiser add to the product of a layer, as a part of the whole. A single token is
/// multiplied with weights from memory, many with cached ones.
fn layer(card: &mut Scorecard, backend: Backend, cached: &Set) {
    let (outputs, inputs) = cached.shape;
    let name = match inputs {
        2560 => "paley1:20*128",
        6912 => "paley1:108*64",
        14336 => "quarot:28*512",
        _ => "4096",
    };
    let transform = Transform::named(name).expect("a known name");
    let memory = Set::new(outputs, inputs, Layout::TwoBit, Scaling::Tensor, MEMORY);
    for (tokens, set) in [(1, &memory), (512, cached)] {
        let norm = RmsNorm::new(None, 1e-5).expect("a good epsilon");
        let quantizer = Quantizer::new(Rule::Int4AbsMean, 1e-5).expect("a good epsilon");
        let weights = set.weights();
        let stages = InputStages::new(inputs, quantizer).and_then(|stages| stages.with_norm(norm));
        let stages = stages.and_then(|stages| stages.with_transform(transform)).expect("lengths agree");
        let x: Vec<f32> = (0..tokens * inputs).map(|i| (i * 37 % 251) as f32 - 125.0).collect();
        let mut y = vec![0.0; tokens * outputs];
        let workspace_len = stages.workspace_len().expect("it fits").max(product_workspace_len());
        let mut workspace = vec![0; workspace_len];
        let mut q = Job::new(tokens, set.shape, Bits::Four);
        let [before, multiply] = card.parts(|| {
            let mut times = [Duration::ZERO; 2];
            for weights in &weights {
                let start = Instant::now();
                let out = q.activations_mut();
                let q = stages.quantize(backend, black_box(&x), out, &mut workspace).expect("finite rows");
                let middle = Instant::now();
                let y = OutputMut::rows(&mut y, outputs).expect("lengths");
                product(backend, weights, &q, 0..tokens, 0..outputs, y, &mut workspace).expect("checked");
                times = [times[0] + (middle - start), times[1] + middle.elapsed()];
            }
            times
        });
        let forward = before + multiply;
        let name = format!("layer/m{tokens}/{}/{outputs}x{inputs}/overhead", backend.name());
        card.score(name, forward / weights.len() as f64, "", before / forward);
    }
}

/// One thread's time over that of two, of products that follow each other as in a model: alone, one of some ten microseconds waits
/// for a thread to wake up.
fn threads(card: &mut Scorecard, backend: Backend, set: &Set) {
    let weights = set.weights()[0];
    let (outputs, inputs) = set.shape;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
    for tokens in [1, 16, 64, 512] {
        let (mut one, two) =
            (Job::new(tokens, set.shape, Bits::Four), Job::new(tokens, set.shape, Bits::Four));
        let mut y = vec![0.0; tokens * outputs];
        let mut workspace = vec![0; par_workspace_len(2).expect("it fits")];
        let x = two.activations();
        let products = if tokens > 64 { 2 } else { 16 };
        let [one, two] = pool.install(|| {
            card.versus(
                || (0..products).for_each(|_| one.run(backend, &weights)),
                || {
                    for _ in 0..products {
                        let y = OutputMut::rows(&mut y, outputs).expect("lengths");
                        let (x, workspace) = (black_box(&x), &mut workspace);
                        par_product(backend, &weights, x, 0..tokens, 0..outputs, y, workspace)
                            .expect("checked");
                    }
                },
            )
        });
        let name = format!("threads2/m{tokens}/{}/{outputs}x{inputs}/speedup", backend.name());
        card.score(name, two / f64::from(products), "", one / two);
    }
}

/// Reads the bytes in that many places at once.
fn read_streams(bytes: &[u8], streams: usize) {
    let length = bytes.len() / streams / 64 * 64;
    let mut bits = [0_u64; 8];
    for at in (0..length).step_by(64) {
        for stream in 0..streams {
            let line = &bytes[stream * length + at..][..64];
            for (bits, word) in bits.iter_mut().zip(line.as_chunks::<8>().0) {
                *bits |= u64::from_ne_bytes(*word);
            }
        }
    }
    black_box(bits);
}
