//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;
use hbitlinear::{Backend, BackendId, Rule};

use crate::layer::Layer;
use crate::transforms;

const EXAMPLES: &str = "\
Examples, where h_bitlinear stands for `cargo run --release --example h_bitlinear --`:
  h_bitlinear
  h_bitlinear --backend scalar --bits 8
  h_bitlinear --m 32 --n 2560 --k 6912 --transform paley1:108*64
  h_bitlinear --m 1 --n 4096 --k 4096 --bits 4 --backend avx2
  h_bitlinear --activations x.npy --weights w.npy --transform quarot:20*128
  h_bitlinear --activations x.npy --weights w.npy --transform 256 --blocks 47

Transforms:
  Outer factors FAMILY:ORDER, then a power of two, joined by '*': paley1:12*128, quarot:20*quarot:20*8, 1024.
  Rows whose length is a power of two get the Sylvester transform of that length unless another is named.
  For any other length the transform must be named: one length has many transforms, and none is guessed.

For scripts, one line a case:
  snr <input> <quantiser> <dB without> <dB with>
  layer <input> <quantiser> <error against the oracle> <FNV-1a-64 of the output's little-endian f32 bytes>

Exit code: 0, or 2 with a message on stderr.";

/// H-BitLinear (BitNet v2) on real activations: what the Hadamard transform is worth, and what each stage costs.
///
/// Without arguments: three layers of all-MiniLM-L6-v2, whose inputs come with the source. For each, the
/// signal-to-noise ratio of every activation quantiser without and with the transform, the error of the layer's
/// output against the f64 oracle, the time of each stage, and a picture of the distribution before and after.
#[derive(Parser)]
#[command(name = "h_bitlinear", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Tokens of a synthetic layer
    #[arg(long, value_name = "M", requires_all = ["n", "k"], conflicts_with = "activations", value_parser = size)]
    m: Option<usize>,

    /// Outputs of a synthetic layer
    #[arg(long, value_name = "N", requires_all = ["m", "k"], conflicts_with = "activations", value_parser = size)]
    n: Option<usize>,

    /// Inputs of a synthetic layer
    #[arg(long, value_name = "K", requires_all = ["m", "n"], conflicts_with = "activations", value_parser = size)]
    k: Option<usize>,

    /// Your activations: a .npy file, [M, K], f32 or f16, C order
    #[arg(long, value_name = "FILE.npy", requires = "weights")]
    activations: Option<PathBuf>,

    /// Your weights: a .npy file, [N, K], f32 or f16, C order; made ternary by absmean over the tensor
    #[arg(long, value_name = "FILE.npy", requires = "activations")]
    weights: Option<PathBuf>,

    /// Transform of the rows of a synthetic layer or of your own arrays
    #[arg(long, value_name = "NAME")]
    transform: Option<String>,

    /// Number of contiguous blocks of a row that the named transform is applied to
    #[arg(long, value_name = "COUNT", requires = "transform", default_value = "1", value_parser = size)]
    blocks: usize,

    /// Activations of the layer's forward: 4 is int4 absmean, 8 is int8 absmax
    #[arg(long, value_name = "4|8", default_value = "4", value_parser = rule)]
    bits: Rule,

    /// Backend to run on; the best of this CPU by default
    #[arg(long, value_name = "NAME", value_parser = backend)]
    backend: Option<Backend>,

    /// Tokens to hold against the oracle, from the first; without it as many as take it a few seconds
    #[arg(long, value_name = "TOKENS", value_parser = size)]
    check: Option<usize>,

    /// Where the picture goes (SVG)
    #[arg(long, value_name = "FILE.svg", default_value = "target/h_bitlinear/distribution.svg", value_parser = svg)]
    picture: PathBuf,
}

impl Args {
    /// The layers to run.
    pub(crate) fn layers(&self) -> Result<Vec<Layer>, String> {
        let transform = |len| transforms::choose(self.transform.as_deref(), self.blocks, len);
        match (self.m, self.n, self.k, &self.activations, &self.weights) {
            (Some(m), Some(n), Some(k), ..) => Ok(vec![Layer::synthetic(m, n, k, transform(k)?)?]),
            (.., Some(activations), Some(weights)) => {
                Ok(vec![Layer::from_files(activations, weights, transform)?])
            }
            _ if self.transform.is_some() => {
                Err("--transform: the layers that come with the source have their \
                 own; it needs --m, --n and --k, or --activations and --weights"
                    .into())
            }
            _ => Layer::bundled(),
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend.unwrap_or_else(Backend::best)
    }

    pub(crate) fn rule(&self) -> Rule {
        self.bits
    }

    pub(crate) fn check(&self) -> Option<usize> {
        self.check
    }

    pub(crate) fn picture(&self) -> &Path {
        &self.picture
    }
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number of at least 1".into()),
        Ok(size) => Ok(size),
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    match text {
        "4" => Ok(Rule::Int4AbsMean),
        "8" => Ok(Rule::Int8AbsMax),
        _ => Err("expected 4 or 8".into()),
    }
}

fn backend(name: &str) -> Result<Backend, String> {
    name.parse::<BackendId>().and_then(Backend::new).map_err(|error| {
        let available: Vec<_> = Backend::available().map(Backend::name).collect();
        format!("{error}; this machine has {}", available.join(", "))
    })
}

fn svg(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("svg") => Ok(path),
        _ => Err("expected a file name that ends in .svg".into()),
    }
}
