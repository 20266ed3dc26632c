//! `hbl`: see `hbl --help`, and the README beside this crate.

mod cli;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use hbl::bench::{self, Bench};
use hbl::convert::{Convert, kind_of};
use hbl::file::Result;
use hbl::inspect::{self, Inspect};
use hbl::mapped::Mapped;
use hbl::run::{self, Run};
use hbl::{share, verify};
use serde_json::Value;

use cli::{Cli, Command};

/// Most that a layer's output may differ from the oracle's. An input that a rounding decides otherwise in f32 than in f64
/// moves an output by a step of the quantiser.
const TOLERANCE: f64 = 1e-2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Convert { output, .. } = &cli.command
        && let Err(error) = kind_of(output)
    {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    match run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

/// Whether all was well.
fn run(cli: Cli) -> Result<bool> {
    let threads = share::threads(cli.threads);
    match cli.command {
        Command::Inspect { file, quick, told } => {
            let inspect = Inspect { told: told.told(), quick, threads };
            let report = inspect.report(&Mapped::open(&file)?)?;
            show(cli.json, &report, inspect::print)?;
            Ok(!inspect::has_refused(&report))
        }
        Command::Convert { input, output, layout, contract, format, told } => {
            let contract = contract.as_deref().map(read_text).transpose()?;
            let convert = Convert { told: told.told(), layout: layout.layout, contract, format, threads };
            let report = convert.convert(&input, &output)?;
            show(cli.json, &report, |report, out| {
                writeln!(
                    out,
                    "{}: {} tensors, {} bytes",
                    output.display(),
                    report["tensors"],
                    report["bytes"]
                )?;
                match report["contract"].as_str() {
                    Some(contract) => {
                        writeln!(out, "{contract}: the rotation contract, for llama.cpp's backend")
                    }
                    None => Ok(()),
                }
            })?;
            Ok(true)
        }
        Command::Verify { first, second, told } => {
            let files = [Mapped::open(&first)?, Mapped::open(&second)?];
            let models = [files[0].model()?, files[1].model()?];
            let report = verify::verify(&models[0], &models[1], &told.told(), threads)?;
            show(cli.json, &report, verify::print)?;
            Ok(report["same"] == true)
        }
        Command::Bench { file, tensor, layout, rounds, told } => {
            let bench = Bench { tensor, told: told.told(), layout: layout.layout, rounds };
            show(cli.json, &bench.bench(&Mapped::open(&file)?)?, bench::print)?;
            Ok(true)
        }
        Command::Run { file, tensor, x, out, rule, transform, layout, told } => {
            let run = Run {
                tensor,
                x,
                out,
                rule,
                transform,
                told: told.told(),
                layout: layout.layout,
                tolerance: TOLERANCE,
            };
            let report = run.run(&Mapped::open(&file)?)?;
            show(cli.json, &report, run::print)?;
            Ok(report["ok"] == true)
        }
    }
}

/// Prints a report, as JSON or in words. A reader that closes the pipe has seen what it wanted.
fn show(
    json: bool,
    report: &Value,
    words: impl Fn(&Value, &mut io::StdoutLock<'static>) -> io::Result<()>,
) -> Result<()> {
    let mut out = io::stdout().lock();
    let printed = if json { writeln!(out, "{report}") } else { words(report, &mut out) };
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

fn read_text(path: &Path) -> Result<String> {
    let named = |path: PathBuf| move |error: io::Error| format!("{}: {error}", path.display());
    std::fs::read_to_string(path).map_err(named(path.into()))
}
