//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hbitlinear::interop::Format;
use hbitlinear::{Layout, Rule};

use hbl::model::Told;

const EXIT_CODES: &str =
    "Exit code: 0 done; 1 files differ, or something is refused, with a message on stderr; 2 usage.";

/// Ternary model files, in and out: read right what others read wrong.
#[derive(Parser)]
#[command(name = "hbl", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Threads; all cores without it
    #[arg(long, global = true, value_name = "COUNT", value_parser = count)]
    pub(crate) threads: Option<usize>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Tensors, types, shapes, scales, shares of -1, 0 and +1, transforms that fit, and what a rotation contract says
    Inspect {
        /// A .gguf, .safetensors or .hbl file, or the folder of a checkpoint
        file: PathBuf,
        /// Leave the weights unread: no scales and shares
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        told: ToldArgs,
    },
    /// A model file to a .hbl container of packed weights, and back; a checkpoint to a .gguf that llama.cpp runs
    Convert {
        /// A .gguf, .safetensors or .hbl file, or the folder of a checkpoint
        input: PathBuf,
        /// The new file: what its name ends with says its kind
        output: PathBuf,
        #[command(flatten)]
        layout: LayoutArg,
        /// A rotation contract to store with the weights (see `hbitlinear::interop::contract`); a contract.txt beside a
        /// checkpoint without it
        #[arg(long, value_name = "FILE")]
        contract: Option<PathBuf>,
        /// Format of ternary weights, in a file of another kind than the .hbl came from, or for llama.cpp
        #[arg(long = "as", value_name = "FORMAT", value_parser = format)]
        format: Option<Format>,
        #[command(flatten)]
        told: ToldArgs,
    },
    /// Whether two files have the same ternary weights and scales, tensor by tensor
    Verify {
        /// One file
        first: PathBuf,
        /// The other, of any kind
        second: PathBuf,
        #[command(flatten)]
        told: ToldArgs,
    },
    /// This machine's speed on a tensor, beside its memory's
    Bench {
        /// Any model file
        file: PathBuf,
        /// The tensor; the largest ternary one without it
        tensor: Option<String>,
        #[command(flatten)]
        layout: LayoutArg,
        /// How often each is measured
        #[arg(long, value_name = "COUNT", default_value = "15", value_parser = count)]
        rounds: usize,
        #[command(flatten)]
        told: ToldArgs,
    },
    /// One layer forward, beside the f64 oracle
    Run {
        /// Any model file; of .hbl the weights are used where the file is mapped
        file: PathBuf,
        /// The tensor
        tensor: String,
        /// Its input, [M, K], f32 or f16; one synthetic token without it
        #[arg(long, value_name = "X.npy")]
        x: Option<PathBuf>,
        /// Where the output goes, [M, N], f32
        #[arg(long, value_name = "Y.npy")]
        out: Option<PathBuf>,
        /// How the input is quantised, where no contract says; a8-absmax without it
        #[arg(long, value_name = "RULE", value_parser = rule)]
        rule: Option<Rule>,
        /// Transform of the input, where no contract says: such as 4096, paley1:20*128, each:256
        #[arg(long, value_name = "NAME")]
        transform: Option<String>,
        #[command(flatten)]
        layout: LayoutArg,
        #[command(flatten)]
        told: ToldArgs,
    },
}

#[derive(Args)]
pub(crate) struct LayoutArg {
    /// How weights are packed
    #[arg(long, value_name = "two-bit|five-trit", default_value = "two-bit", value_parser = layout)]
    pub(crate) layout: Layout,
}

/// What files do not say.
#[derive(Args)]
pub(crate) struct ToldArgs {
    /// Which build wrote I2_S tensors: the file does not say, and the wrong one gives wrong weights
    #[arg(long, value_name = "BUILD")]
    i2s: Option<I2s>,
    /// Whether results are multiplied or divided by the weight_scale of HF checkpoints, if no config.json says
    #[arg(long, value_name = "DIRECTION")]
    weight_scale: Option<WeightScale>,
}

#[derive(Clone, Copy, ValueEnum)]
enum I2s {
    X86,
    Arm,
}

#[derive(Clone, Copy, ValueEnum)]
enum WeightScale {
    Multiply,
    Divide,
}

impl ToldArgs {
    pub(crate) fn told(&self) -> Told {
        Told {
            i2s: self.i2s.map(|i2s| match i2s {
                I2s::X86 => Format::I2sX86,
                I2s::Arm => Format::I2sArm,
            }),
            weight_scale: self.weight_scale.map(|weight_scale| match weight_scale {
                WeightScale::Multiply => Format::HfMultiply,
                WeightScale::Divide => Format::HfDivide,
            }),
        }
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => Err("expected a whole number of 1 to 1024".into()),
    }
}

fn layout(name: &str) -> Result<Layout, String> {
    name.parse().map_err(|_| one_of(Layout::ALL.iter().map(|layout| layout.name())))
}

fn rule(name: &str) -> Result<Rule, String> {
    name.parse().map_err(|_| one_of(Rule::ALL.iter().map(|rule| rule.name())))
}

fn format(name: &str) -> Result<Format, String> {
    name.parse().map_err(|_| one_of(Format::ALL.iter().map(|format| format.name())))
}

fn one_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    format!("expected one of {}", names.collect::<Vec<_>>().join(", "))
}
