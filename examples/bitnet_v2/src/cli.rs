//! The command line.

use std::path::PathBuf;

use bitnet_v2::{Rules, Settings, StateWidths};
use clap::{Args, Parser, Subcommand};
use hbitlinear::{Backend, BackendId, Layout, QueryBits, Rule, StateBits};

const LINES: &str = "\
For scripts, one line a case:
  ppl <model> a<bits> kv<bits> <here> <torch>
      perplexity a byte. a8-h4: 4 bits in attention's output and down alone; a4-h8: in all others alone
  speed <prefill|decode> <layout> t<threads> <tokens/s> <share of the limit>
      the limit of decoding: all weights' bytes at the measured read bandwidth; of a prompt: the products alone

Exit code: 0, or 2 with a message on stderr.";

const PROMPT: &str = "In the beginning ";
const TEMPERATURE: f32 = 0.7;

/// Runs BitNet v2 models, and BitNet b1.58 from Hugging Face's `bitnet` layout.
///
/// Without a command: the checkpoints that come with the source on a text they have not seen, with 8-bit and 4-bit
/// activations, with and without the Hadamard transform, with attention states of several widths, beside what torch makes of
/// them; the speed of a model of two thousand million weights; and some text.
#[derive(Parser)]
#[command(name = "bitnet_v2", version, after_help = LINES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) machine: Machine,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Goes on with a text
    Generate(Generate),
    /// Perplexity a byte of a text, in windows as trained (byte models)
    Perplexity(Perplexity),
    /// Tokens a second at the shapes of BitNet-b1.58-2B-4T, with random weights
    Speed(Speed),
    /// Draws what the checkpoints' activations look like, their training, and perplexity against bits, as SVG
    Pictures {
        /// Folder for the pictures
        #[arg(default_value = "target/bitnet_v2")]
        out: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Generate {
    /// A folder with config.json and model.safetensors; with contract.txt for BitNet v2, with tokenizer.json unless tokens
    /// are bytes
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) how: How,

    /// What to go on with
    #[arg(long, default_value = PROMPT)]
    pub(crate) prompt: String,

    /// Tokens to append, at most
    #[arg(long, value_name = "COUNT", default_value = "200")]
    pub(crate) tokens: usize,

    /// Spread of the choice; 0 takes the likeliest token
    #[arg(long, default_value_t = TEMPERATURE, value_parser = temperature)]
    pub(crate) temperature: f32,

    /// Of the random numbers
    #[arg(long, default_value = "1")]
    pub(crate) seed: u64,
}

impl Generate {
    /// The prompt and seed of nobody's choice, with 4-bit states.
    pub(crate) fn of(model: PathBuf, tokens: usize) -> Generate {
        let how =
            How { layout: Layout::TwoBit, bits: None, h_bits: None, kv: StateBits::Four, queries: None };
        Generate { model, how, prompt: PROMPT.into(), tokens, temperature: TEMPERATURE, seed: 1 }
    }
}

#[derive(Args)]
pub(crate) struct Perplexity {
    /// A checkpoint's folder
    pub(crate) model: PathBuf,

    /// The text, a file
    pub(crate) text: PathBuf,

    /// Windows to take, from the text's start; all by default
    #[arg(long, value_name = "COUNT")]
    pub(crate) windows: Option<usize>,

    /// Count as llama-perplexity does: of each window the second half, but for its last byte
    #[arg(long)]
    pub(crate) second_halves: bool,

    /// What torch made of the text's first bytes, which the checkpoint has beside it, instead
    #[arg(long)]
    pub(crate) torch: bool,

    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Args)]
pub(crate) struct Speed {
    /// Layers to make of the 30
    #[arg(long, default_value = "30", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) layers: u16,

    /// Tokens of the prompt
    #[arg(long, default_value = "512", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) prompt: u16,
}

/// On what to run.
#[derive(Args, Clone, Copy)]
pub(crate) struct Machine {
    /// Backend to run on; the best of this CPU by default
    #[arg(long, value_name = "NAME", value_parser = backend, global = true)]
    backend: Option<Backend>,

    /// Threads; as many as the CPU has by default
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024), global = true)]
    threads: Option<u16>,
}

impl Machine {
    pub(crate) fn backend(self) -> Backend {
        self.backend.unwrap_or_else(Backend::best)
    }

    pub(crate) fn threads(self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}

/// In which widths to run.
#[derive(Args, Clone, Copy)]
pub(crate) struct How {
    /// Layout of the packed weights
    #[arg(long, value_name = "two-bit|five-trit", default_value = "two-bit", value_parser = layout)]
    pub(crate) layout: Layout,

    /// Bits of the activations: 8 (absmax) or 4 (absmean); the checkpoint's own by default
    #[arg(long, value_name = "4|8", value_parser = rule)]
    bits: Option<Rule>,

    /// The same for attention's output and down alone
    #[arg(long, value_name = "4|8", value_parser = rule)]
    h_bits: Option<Rule>,

    /// Bits of keys and values
    #[arg(long, value_name = "32|16|8|4|3", default_value = "32", value_parser = state_bits)]
    kv: StateBits,

    /// Bits of queries; 4 by default where keys have 4 or 3
    #[arg(long, value_name = "32|4", value_parser = query_bits)]
    queries: Option<QueryBits>,
}

impl How {
    pub(crate) fn rules(self) -> Rules {
        Rules { others: self.bits, h: self.h_bits.or(self.bits) }
    }

    pub(crate) fn settings(self, machine: Machine) -> Settings {
        let states = StateWidths::new(self.kv);
        let queries = self.queries.unwrap_or(states.queries);
        Settings {
            backend: machine.backend(),
            states: StateWidths { queries, ..states },
            threads: machine.threads(),
            batch: 512,
        }
    }
}

fn backend(name: &str) -> Result<Backend, String> {
    name.parse::<BackendId>().and_then(Backend::new).map_err(|error| {
        let available: Vec<_> = Backend::available().map(Backend::name).collect();
        format!("{error}; this machine has {}", available.join(", "))
    })
}

fn layout(name: &str) -> Result<Layout, String> {
    match name {
        "two-bit" => Ok(Layout::TwoBit),
        "five-trit" => Ok(Layout::FiveTrit),
        _ => Err("expected two-bit or five-trit".into()),
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    match text {
        "4" => Ok(Rule::Int4AbsMean),
        "8" => Ok(Rule::Int8AbsMax),
        _ => Err("expected 4 or 8".into()),
    }
}

fn state_bits(text: &str) -> Result<StateBits, String> {
    match text {
        "32" => Ok(StateBits::F32),
        "16" => Ok(StateBits::F16),
        "8" => Ok(StateBits::Eight),
        "4" => Ok(StateBits::Four),
        "3" => Ok(StateBits::Three),
        _ => Err("expected 32, 16, 8, 4 or 3".into()),
    }
}

fn query_bits(text: &str) -> Result<QueryBits, String> {
    match text {
        "32" => Ok(QueryBits::F32),
        "4" => Ok(QueryBits::Four),
        _ => Err("expected 32 or 4".into()),
    }
}

fn temperature(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("expected 0 to 100".into()),
    }
}
