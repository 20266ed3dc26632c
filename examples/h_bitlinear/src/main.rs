//! The main job: H-BitLinear on the activations of a real transformer, with and without the transform.
//!
//! ```text
//! cargo run --release --example h_bitlinear             # three layers of MiniLM
//! cargo run --release --example h_bitlinear -- --help   # synthetic shapes, your own arrays, other backends
//! ```
//!
//! For each layer it quantises the input by every rule and prints the signal-to-noise ratio without and with the
//! transform, runs the whole layer (norm, transform, quantise, product) and holds its output against the oracle,
//! times the stages, and draws how the activations are distributed before and after.

mod cli;
mod distribution;
mod layer;
mod measure;
mod npy;
mod picture;
mod report;
mod transforms;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::Args;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let mut stdout = io::stdout();
    let cannot_print = |error| format!("standard output: {error}");
    let mut results = Vec::new();
    for layer in args.layers()? {
        let result = measure::measure(&layer, args.backend(), args.rule(), args.check())?;
        report::write(&mut stdout, &layer, &result).map_err(cannot_print)?;
        results.push((layer, result));
    }
    picture::save(&results, args.picture())?;
    writeln!(stdout, "picture: {}", args.picture().display()).map_err(cannot_print)
}
