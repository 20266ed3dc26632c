//! The scorecard: how close each kernel comes to what this machine can do, in one run.
//!
//! ```text
//! cargo bench --bench scorecard              # a few minutes
//! cargo bench --bench scorecard -- --quick   # fewer sizes, below a minute
//! ```
//!
//! A product's figure is taken at several shapes, which the table names; the line for scripts is their median.
//!
//! Every figure is a ratio of two medians that were measured alternately, so that a busy machine slows both. The table
//! is for a person: time, rate, and the ratio. After it comes a line `score <name> <value>` for each ratio, for
//! scripts; names do not change. How to read them:
//!
//! | name | value | better |
//! |---|---|---|
//! | `fwht/<n>/<backend>/vs-add-limit` | n·log₂ n additions over the time, as a part of the additions that the backend's registers can do, measured in a loop that does nothing else; above 1 where multiply-adds carry a part | higher |
//! | `fwht/<name>/<backend>/vs-power-of-two` | time per element over that of the nearest power of two (`17-blocks-of-1024`: a row of 17408) | lower |
//! | `quantize/<rule>/<k>/<backend>/gbps-vs-l1-read` | bytes of f32 quantised per second (statistic, check, packing, row sum: two readings) over the speed of only reading L1 | higher |
//! | `stages/<k>/m<m>/<backend>/fused-vs-unfused` | time of norm, transform and quantiser called one after the other over that of `InputStages::quantize` | higher |
//! | `gemv/<layout>/<width>/dram/<backend>/vs-read` | one token, 420 MB of weights: time of only reading them, by the best of 1, 4, 8 and 16 streams, over that of the product | higher |
//! | `gemv/five-trit/<width>/dram/<backend>/vs-two-bit` | time of the two-bit layout over that of five trits | higher |
//! | `gemv2/<layout>/i4/dram/<backend>/vs-read`, `vs-two-bit` | the same on two threads, each with half of the outputs of every matrix and half of what is read | higher |
//! | `gemv/<layout>/i4/dram/<backend>/g128-vs-one-scale` | time with one scale over that with an f16 scale for every 128 inputs | higher |
//! | `gemm/<layout>/<width>/m<m>/<backend>/vs-peak` | products per second as a part of what the backend's multiply instruction does in a loop of its own | higher |
//! | `int4-vs-int8/m<m>/<backend>` | time with int8 inputs over that with int4 | higher |
//! | `layer/m<M>/<backend>/overhead` | norm, transform and quantiser as a part of a layer's time, each timed within the layer; a single token from memory, 512 from cache | lower |
//! | `threads2/m<M>/<backend>/speedup` | one thread's time over that of two, of products that follow each other | higher |
//! | `attention/<states>/<place>/<backend>/vs-f16` | one token over 4 096, heads of 128: time with f16 states over that with states of those bits (and queries of 4), one head (`cache`) or 128 (`dram`) | higher |
//! | `attention/4-bits/dram/<backend>/vs-read` | time of only reading as many bytes over that | higher |
//! | `call/<what>/by-<best or number>/c-over-rust-ns` | nanoseconds of a small call through the C ABI, less those of the same call in Rust; `by-` how the backend is named | lower |
//!
//! Transforms shorter than 4096 are measured as the rows of a 16 KiB buffer. All other buffers are one row, or the M
//! rows named; they stay in the cache that holds them.

mod attention;
mod calls;
mod limits;
mod measure;
mod peaks;
mod products;
mod stages;

// By this name the C ABI calls the core.
extern crate hbitlinear as core_crate;

use measure::Scorecard;

fn main() {
    // `cargo bench` adds `--bench`; `--test` is how benches are run as tests.
    let mut card = Scorecard::from_args(std::env::args().skip(1));
    limits::print(&mut card);
    stages::measure(&mut card);
    products::measure(&mut card);
    attention::measure(&mut card);
    calls::measure(&mut card);
    card.print_scores();
}
