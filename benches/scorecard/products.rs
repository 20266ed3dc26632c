//! Stage 3: products from memory and from cache, against what memory and the multipliers of the same minute can do.

use core::hint::black_box;

use hbitlinear::quantize::{Activations, Bits};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
use hbitlinear::{Backend, OutputMut, gemm};

use crate::measure::Scorecard;

/// N and K.
const SHAPES: [(usize, usize); 5] = [(2560, 2560), (6912, 2560), (2560, 6912), (4096, 4096), (4096, 14336)];

/// Bytes of weights that no cache holds.
const MEMORY: usize = 420 << 20;

const LAYOUTS: [(&str, Layout); 2] = [("t2", Layout::T2), ("t5", Layout::T5)];
const WIDTHS: [(&str, Bits); 2] = [("i4", Bits::Four), ("i8", Bits::Eight)];

/// All of them, on every backend but the portable one.
pub(crate) fn measure(card: &mut Scorecard) {
    let backends: Vec<Backend> = Backend::available().filter(|backend| backend.name() != "scalar").collect();
    let shapes = if card.quick { &SHAPES[3..4] } else { &SHAPES[..] };
    for &(outputs, inputs) in shapes {
        let sets = LAYOUTS.map(|(_, layout)| Set::new(outputs, inputs, layout, MEMORY));
        for &backend in &backends {
            for (width, bits) in WIDTHS {
                from_memory(card, backend, &sets, width, bits);
            }
        }
    }
    for &(outputs, inputs) in shapes {
        for (layout, (_, kind)) in LAYOUTS.map(|(name, kind)| (name, (name, kind))) {
            let set = Set::new(outputs, inputs, kind, 0);
            for &backend in &backends {
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
    fn new(outputs: usize, inputs: usize, layout: Layout, bytes: usize) -> Set {
        let spec = WeightSpec::new(outputs, inputs, layout, Scaling::Tensor).expect("a shape");
        let mut state = 1_u32;
        let ternary: Vec<i8> = (0..outputs * inputs)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 16) % 3) as i8 - 1
            })
            .collect();
        let mut blob = vec![0; spec.packed_len()];
        spec.pack(&ternary, &[0.02], &mut blob).expect("lengths agree");
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
            workspace: vec![0; gemm::workspace_len()],
        }
    }

    fn run(&mut self, backend: Backend, weights: &Weights<'_>) {
        let (tokens, outputs, inputs) = self.shape;
        let x = Activations::new(self.bits, inputs, &self.values, &self.scales, &self.sums).expect("lengths");
        let mut y = OutputMut::new(&mut self.y, tokens, outputs, outputs).expect("lengths");
        let (x, workspace) = (black_box(&x), &mut self.workspace);
        gemm::product(backend, weights, x, 0..tokens, 0..outputs, &mut y, workspace).expect("checked");
    }
}

/// One token times weights from memory: against reading them, and the small layout against the other.
fn from_memory(card: &mut Scorecard, backend: Backend, sets: &[Set; 2], width: &str, bits: Bits) {
    let (outputs, inputs) = sets[0].shape;
    let mut each = Vec::new();
    for (set, (layout, _)) in sets.iter().zip(LAYOUTS) {
        let weights = set.weights();
        let mut job = Job::new(1, set.shape, bits);
        // The best of several numbers of streams: which one it is depends on the machine.
        let mut best = f64::INFINITY;
        let mut seconds = Vec::new();
        for streams in [1, 4, 8, 16] {
            let [product, read] = card.versus(
                || weights.iter().for_each(|weights| job.run(backend, weights)),
                || read_streams(&set.bytes, streams),
            );
            best = best.min(read);
            seconds.push(product);
        }
        seconds.sort_by(f64::total_cmp);
        let product = seconds[1];
        let macs = (outputs * inputs * weights.len()) as f64;
        let rate = format!("{:.0} GMAC/s", macs / product / 1e9);
        let name = format!("gemv/{layout}/{width}/dram/{}/{outputs}x{inputs}/vs-read", backend.name());
        card.score(name, product / weights.len() as f64, &rate, best / product);
        each.push(product / weights.len() as f64);
    }
    let name = format!("gemv/t5/{width}/dram/{}/{outputs}x{inputs}/vs-t2", backend.name());
    card.score(name, each[1], "", each[0] / each[1]);
}

/// Tokens times weights from cache: against the multipliers, and int4 against int8.
fn in_cache(card: &mut Scorecard, backend: Backend, set: &Set, layout: &str, tokens: usize) {
    let weights = set.weights()[0];
    let (outputs, inputs) = set.shape;
    let macs = (tokens * outputs * inputs) as f64;
    let (multiply, peak_macs) = peak(backend);
    let at = format!("m{tokens}/{}/{outputs}x{inputs}", backend.name());
    for (width, bits) in WIDTHS {
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
    if layout == "t2" {
        let (mut four, mut eight) =
            (Job::new(tokens, set.shape, Bits::Four), Job::new(tokens, set.shape, Bits::Eight));
        let [four, eight] = card.versus(|| four.run(backend, &weights), || eight.run(backend, &weights));
        card.score(format!("int4-vs-int8/{at}"), four, "", eight / four);
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

/// A loop of nothing but the backend's multiply-and-add of bytes, and the products it makes.
fn peak(backend: Backend) -> (fn(), f64) {
    match backend.name() {
        #[cfg(target_arch = "x86_64")]
        "avx512vnni" => (
            // SAFETY: the backend proves the instructions.
            || unsafe { x86_64::dots() },
            (x86_64::ROUNDS * 16 * 64) as f64,
        ),
        #[cfg(target_arch = "x86_64")]
        name if name.starts_with("avx") => (
            // SAFETY: the backend proves the instructions.
            || unsafe { x86_64::maddubs() },
            (x86_64::ROUNDS * 12 * 32) as f64,
        ),
        _ => (|| (), f64::NAN),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::x86_64::*;
    use core::hint::black_box;

    pub(super) const ROUNDS: usize = 1000;

    // Sixteen chains: more than any latency.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn dots() {
        let (codes, q) = (black_box(_mm512_set1_epi8(1)), black_box(_mm512_set1_epi8(2)));
        let mut sums = [_mm512_setzero_si512(); 16];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, codes, q);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn maddubs() {
        let (codes, mut q) = (black_box(_mm256_set1_epi8(1)), black_box(_mm256_set1_epi8(2)));
        let mut sums = [_mm256_setzero_si256(); 12];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                q = hidden(q);
                *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(codes, q));
            }
        }
        black_box(sums);
    }

    /// The same, unknown to the compiler: or the product would leave the loop.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn hidden(mut q: __m256i) -> __m256i {
        // SAFETY: no instruction.
        unsafe { core::arch::asm!("/* {0} */", inout(ymm_reg) q, options(nomem, nostack)) };
        q
    }
}
