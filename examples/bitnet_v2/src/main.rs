//! The main job: BitNet v2 models, from their checkpoints to text.
//!
//! ```text
//! cargo run --release --example bitnet_v2             # perplexities beside torch's, speed, some text
//! cargo run --release --example bitnet_v2 -- --help   # your own models, other widths, pictures
//! ```

mod cli;
mod job;
mod picture;
mod speed;
mod statistics;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use bitnet_v2::evaluate::{second_halves, torch_log_probabilities, window_len};
use bitnet_v2::session::{Logits, states_len};
use bitnet_v2::{Checkpoint, Model, Result, Sampler, Session, Text, log_probabilities};
use clap::Parser;

use cli::{Cli, Command, Generate, Machine, Perplexity};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cli.machine.threads()).build();
    let pool = pool.map_err(|error| format!("--threads: {error}"))?;
    let mut out = io::stdout();
    pool.install(|| match cli.command {
        None => job::run(cli.machine, &mut out),
        Some(Command::Generate(how)) => generate(&how, cli.machine, &mut out),
        Some(Command::Perplexity(how)) => perplexity(&how, cli.machine, &mut out),
        Some(Command::Speed(how)) => speed::run(cli.machine, how.layers.into(), how.prompt.into(), &mut out),
        Some(Command::Pictures { out: folder }) => picture::save(cli.machine, &folder, &mut out),
    })
}

fn cannot_print(error: io::Error) -> String {
    format!("standard output: {error}")
}

fn generate(how: &Generate, machine: Machine, out: &mut (impl Write + Send)) -> Result<()> {
    let checkpoint = Checkpoint::read(&how.model, how.how.layout)?;
    let text = Text::of(&how.model, &checkpoint.config)?;
    let mut tokens = text.encode(&how.prompt)?;
    let model = Model::new(&checkpoint, how.how.rules(), tokens.len() + how.tokens)?;
    let settings = how.how.settings(machine);
    let mut states = vec![0; states_len(&model, settings.states)?];
    let mut session = Session::new(&model, settings, &mut states)?;
    let mut sampler = Sampler::new(how.temperature, how.seed);
    let prompt = tokens.len();
    let mut shown = text.decode(&tokens)?;
    write!(out, "{shown}").map_err(cannot_print)?;
    let mut next = sampler.next(session.forward(&tokens, Logits::Last, &mut ())?);
    while tokens.len() < prompt + how.tokens && !checkpoint.config.end_tokens().contains(&next) {
        tokens.push(next);
        // A token may be a part of a letter.
        let whole = text.decode(&tokens)?;
        if let Some(more) = whole.strip_prefix(&shown).filter(|more| !more.ends_with('\u{fffd}')) {
            write!(out, "{more}").and_then(|()| out.flush()).map_err(cannot_print)?;
            shown = whole;
        }
        next = sampler.next(session.forward(&[next], Logits::Last, &mut ())?);
    }
    writeln!(out).map_err(cannot_print)
}

fn perplexity(how: &Perplexity, machine: Machine, out: &mut impl Write) -> Result<()> {
    let checkpoint = Checkpoint::read(&how.model, how.how.layout)?;
    if checkpoint.config.vocab_size != 256 {
        return Err(format!("perplexity: expected 256 tokens, got {}", checkpoint.config.vocab_size));
    }
    let text = fs::read(&how.text).map_err(|error| format!("{}: {error}", how.text.display()))?;
    let model = Model::new(&checkpoint, how.how.rules(), checkpoint.config.max_position_embeddings)?;
    let window = window_len(&model);
    let text = &text[..how.windows.map_or(text.len(), |count| count.saturating_mul(window).min(text.len()))];
    let mut logs = if how.torch {
        torch_log_probabilities(&how.model, text.len())?
    } else {
        log_probabilities(&model, how.how.settings(machine), text)?
    };
    if how.second_halves {
        logs = second_halves(&logs, window);
    }
    if logs.is_empty() {
        return Err(format!("perplexity: nothing to count in {} bytes", text.len()));
    }
    let nats = -logs.iter().sum::<f64>() / logs.len() as f64;
    writeln!(out, "{} bytes: {nats:.5} nats a byte, perplexity {:.4}", logs.len(), libm::exp(nats))
        .map_err(cannot_print)
}
