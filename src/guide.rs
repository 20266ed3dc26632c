//! Advice to engines: bytes per token, cores, memory nodes, pages, alignment. There is no code here.
//!
//! # Decoding moves bytes
//! One token reads every ternary weight once. [`Layout::TwoBit`](crate::Layout) takes 2 bits for each,
//! [`Layout::FiveTrit`](crate::Layout) 1.625; an f16 scale for every 128 weights adds 0.125 to both. So a core, or all of
//! them together, give at most
//!
//! ```text
//! tokens/s = min(B, cores · b) / bytes       B: bandwidth of the machine, b: what one core streams
//! ```
//!
//! for the ternary layers; attention over a long context and an f16 output head come on top (the head of the 2B model
//! below has 128 256 × 2560 weights: 0.66 GB as f16, more than all its ternary ones). With two bits:
//!
//! | model (hidden / FFN / layers) | ternary weights | two bits | five trits |
//! |---|---|---|---|
//! | BitNet b1.58 2B-4T (2560 / 6912 / 30, 640 for keys and values) | 2.08 · 10⁹ | 0.52 GB | 0.42 GB |
//! | 7B of the paper (4096 / 16384 / 24) | 6.44 · 10⁹ | 1.61 GB | 1.31 GB |
//! | 70B as Llama's (8192 / 28672 / 80, 1024 for keys and values) | 68.5 · 10⁹ | 17.1 GB | 13.9 GB |
//!
//! Tokens per second at most with two bits, if a core streams b = 16 GB/s, at B = 80, 300 and 570 GB/s (nearly what two
//! channels of DDR5-5600, eight of DDR5-4800 and twelve of DDR5-6000 have on paper). This is arithmetic, checked below,
//! not a measurement of such machines:
//!
//! | cores | 2B-4T | 7B | 70B |
//! |---|---|---|---|
//! | 1 | 31 / 31 / 31 | 10 / 10 / 10 | 0.9 / 0.9 / 0.9 |
//! | 2 | 61 / 61 / 61 | 20 / 20 / 20 | 1.9 / 1.9 / 1.9 |
//! | 4 | 123 / 123 / 123 | 40 / 40 / 40 | 3.7 / 3.7 / 3.7 |
//! | 8 | 154 / 246 / 246 | 50 / 79 / 79 | 4.7 / 7.5 / 7.5 |
//! | 16 | 154 / 491 / 491 | 50 / 159 / 159 | 4.7 / 15.0 / 15.0 |
//! | 32 | 154 / 576 / 983 | 50 / 186 / 318 | 4.7 / 17.5 / 29.9 |
//! | 64 and more | 154 / 576 / 1094 | 50 / 186 / 354 | 4.7 / 17.5 / 33.3 |
//!
//! ```
//! // Attention's four matrices and the three of the gated FFN, keys and values perhaps narrower than queries.
//! let weights = |hidden: f64, ffn: f64, layers: f64, keys: f64| {
//!     layers * (2.0 * hidden * hidden + 2.0 * hidden * keys + 3.0 * hidden * ffn)
//! };
//! let models = [
//!     weights(2560.0, 6912.0, 30.0, 640.0),
//!     weights(4096.0, 16384.0, 24.0, 4096.0),
//!     weights(8192.0, 28672.0, 80.0, 1024.0),
//! ];
//! let tokens = |model: usize, cores: f64, bandwidth: f64| {
//!     bandwidth.min(cores * 16.0) * 1e9 / (models[model] * 2.0 / 8.0)
//! };
//! assert_eq!(models.map(|n| (n / 1e7).round() as u32), [208, 644, 6845]);
//! assert_eq!([1.0, 4.0, 8.0].map(|cores| tokens(0, cores, 80.0).round()), [31.0, 123.0, 154.0]);
//! assert_eq!([8.0, 32.0, 128.0].map(|cores| tokens(1, cores, 300.0).round()), [79.0, 186.0, 186.0]);
//! assert_eq!([16.0, 32.0, 64.0].map(|cores| tokens(2, cores, 570.0).round()), [15.0, 30.0, 33.0]);
//! ```
//!
//! Five trits a byte give up to 2 / 1.625 = 1.23 times as much where bandwidth is what ends it, and less than two bits where its decoding
//! does: a single core whose memory is as fast as its arithmetic, and weights that a cache holds.
//!
//! # Many tokens need multipliers
//! A byte of two-bit weights is worth 4 products a token, so a core that streams b bytes and does p products a second is busy with
//! arithmetic from M = p / (4 · b) tokens on, and n cores that share B from n · p / (4 · B) on: 3 tokens for one core
//! with p = 200 · 10⁹, 10 for 16 cores at B = 80 GB/s. Speculative tokens up to there cost next to nothing.
//!
//! # Threads
//! - Cut outputs at multiples of [`PANEL_ROWS`](crate::layout::PANEL_ROWS): a panel that two threads share is read by
//!   both. From M = 1 on, eight panels and more for each thread: with `avx512vnni` a call reads eight side by side, because a
//!   core that follows several streams gets more out of its memory.
//! - Cut tokens too where there are more threads than that. A thread that takes some outputs of all tokens stages
//!   their activations once more for itself, M · K bytes to write against M · K · outputs products.
//! - One barrier between [`quantize`](crate::InputStages::quantize) and [`product`](crate::product()), one
//!   behind it. Quantising takes a hundredth of a layer's time with one token: let one thread do it, or each thread do all
//!   of it for itself and save a barrier; with many tokens cut them.
//! - A workspace for each thread, allocated and first written by it. 96 KiB of stack are enough for everything:
//!   less than the 128 KiB of a thread of musl.
//! - Projections that share their input (gate and up; queries, keys and values) share one
//!   [`InputStages`](crate::InputStages) and what it computes.
//!
//! # Memory nodes
//! A core of one socket reads the other's memory at a fraction of the speed, so each node should hold the rows that
//! its threads multiply: about N / nodes of each matrix. Pack them as matrices of their own (a
//! [`WeightSpec`](crate::WeightSpec) each), copied into the node's memory by one of its threads; they write
//! their outputs to columns of the same `y` through [`OutputMut`](crate::OutputMut)'s stride. Activations are a
//! thousandth of the bytes: let every node read the same ones.
//!
//! # Pages, alignment, fetching ahead
//! Measured on one core of a shared AMD Zen 4 server, 420 MB of weights of 4096 × 4096, one token, backend `avx512vnni`:
//!
//! - The kernels fetch ahead themselves, across the ends of panels too, so that with pages of 4 KiB they reach 93 to 100 % of
//!   the best plain read of the same memory, by one to sixteen streams.
//! - Huge pages (`madvise(MADV_HUGEPAGE)` on the mapping of the blobs, before they are first written) gave two bits 6 to 14 %
//!   more, five trits with int4 3.5 %. In a virtual machine of Sapphire Rapids they gave `avx512vnni` 12 to 22 %, and 512 tokens
//!   with `amx` 8 to 30 %: looking up an address takes longer there.
//! - A blob may start anywhere. Start it at a multiple of 64: an odd address cost up to 14 % with weights in cache, and
//!   little from memory.
