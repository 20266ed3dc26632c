//! The main job: the checkpoints that come with the source beside what torch makes of them, and some text.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bitnet_v2::session::states_len;
use bitnet_v2::{Checkpoint, Model, Result, Rules, Settings, StateWidths, log_probabilities};
use hbitlinear::{Layout, Rule, StateBits};

use crate::cannot_print;
use crate::cli::{Generate, Machine};
use crate::statistics::{Samples, kurtosis, peak};

/// Windows whose activations are looked at.
pub(crate) const WINDOWS: usize = 8;

/// The checkpoints that come with the source.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints")
}

/// The text that no checkpoint was trained on.
pub(crate) fn held_out() -> Result<Vec<u8>> {
    let path = folder().join("held_out.txt");
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Sizes of which all four checkpoints are there.
pub(crate) fn sizes() -> Vec<&'static str> {
    let complete = |size: &&str| {
        let names = ["v2-a8", "v2-a4", "plain-a8", "plain-a4"];
        names.iter().all(|name| folder().join(format!("{size}-{name}")).join("torch.json").exists())
    };
    ["small", "large"].into_iter().filter(complete).collect()
}

/// Bits of activations.
#[derive(Clone, Copy)]
pub(crate) enum Bits {
    /// 8.
    Eight,
    /// 4.
    Four,
    /// 4 in attention's output and down, 8 in all others.
    FourInH,
    /// The other way about.
    FourInOthers,
}

impl Bits {
    /// For scripts, and in torch.json.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Bits::Eight => "a8",
            Bits::Four => "a4",
            Bits::FourInH => "a8-h4",
            Bits::FourInOthers => "a4-h8",
        }
    }

    pub(crate) fn rules(self) -> Rules {
        let (four, eight) = (Some(Rule::Int4AbsMean), Some(Rule::Int8AbsMax));
        match self {
            Bits::Eight => Rules { others: eight, h: eight },
            Bits::Four => Rules { others: four, h: four },
            Bits::FourInH => Rules { others: eight, h: four },
            Bits::FourInOthers => Rules { others: four, h: eight },
        }
    }
}

/// What is run: the checkpoint, its activations, its states; and whether of the large size too, which takes its time.
const CASES: [(&str, Bits, StateBits, bool); 11] = [
    ("v2-a8", Bits::Eight, StateBits::F32, true),
    ("v2-a8", Bits::Four, StateBits::F32, true),
    ("v2-a4", Bits::Four, StateBits::F32, true),
    ("v2-a4", Bits::Four, StateBits::Eight, false),
    ("v2-a4", Bits::Four, StateBits::Four, true),
    ("v2-a4", Bits::Four, StateBits::Three, true),
    ("plain-a8", Bits::Eight, StateBits::F32, true),
    ("plain-a8", Bits::Four, StateBits::F32, true),
    ("plain-a8", Bits::FourInH, StateBits::F32, true),
    ("plain-a8", Bits::FourInOthers, StateBits::F32, false),
    ("plain-a4", Bits::Four, StateBits::F32, true),
];

/// A checkpoint's perplexity by activations and states.
pub(crate) struct Case {
    /// `v2-a8` and the like.
    pub(crate) checkpoint: &'static str,
    pub(crate) bits: Bits,
    pub(crate) states: StateBits,
    pub(crate) here: f64,
    pub(crate) torch: f64,
}

/// Perplexities of one size.
pub(crate) fn perplexities(machine: Machine, size: &str, out: &mut impl Write) -> Result<Vec<Case>> {
    let text = held_out()?;
    let mut cases = Vec::new();
    writeln!(
        out,
        "\n{size}: perplexity a byte of {} KiB that it was not trained on\n\n  \
         checkpoint activations transform states     here    torch  difference   weights  states of a window",
        text.len() / 1024
    )
    .map_err(cannot_print)?;
    for (name, bits, states, large) in CASES {
        if size == "large" && !large {
            continue;
        }
        let path = folder().join(format!("{size}-{name}"));
        let checkpoint = Checkpoint::read(&path, Layout::TwoBit)?;
        let model = Model::new(&checkpoint, bits.rules(), checkpoint.config.max_position_embeddings)?;
        let settings = Settings {
            backend: machine.backend(),
            states: StateWidths::new(states),
            threads: machine.threads(),
            batch: model.rope.capacity(),
        };
        let logs = log_probabilities(&model, settings, &text)?;
        let here = libm::exp(-logs.iter().sum::<f64>() / logs.len() as f64);
        let torch = libm::exp(torch(&path, &format!("{} kv{}", bits.name(), states as u8))?);
        let transform = model.layers.iter().any(|layer| layer.ffn_out.stages.transform().is_some());
        writeln!(
            out,
            "  {name:<10} {:<11} {:<9} {:<6} {here:>8.4} {torch:>8.4}  {:>+8.3} % {:>6} KB {:>6} KB",
            bits.name(),
            if transform { "yes" } else { "no" },
            format!("kv{}", states as u8),
            100.0 * (here / torch - 1.0),
            checkpoint.bytes() / 1000,
            states_len(&model, settings.states)? / 1000,
        )
        .map_err(cannot_print)?;
        cases.push(Case { checkpoint: name, bits, states, here, torch });
    }
    Ok(cases)
}

/// The lines for scripts.
pub(crate) fn write_lines(size: &str, cases: &[Case], out: &mut impl Write) -> Result<()> {
    writeln!(out).map_err(cannot_print)?;
    for Case { checkpoint, bits, states, here, torch } in cases {
        let (bits, states) = (bits.name(), *states as u8);
        writeln!(out, "ppl {size}-{checkpoint} {bits} kv{states} {here:.4} {torch:.4}")
            .map_err(cannot_print)?;
    }
    Ok(())
}

/// Nats a byte that torch found.
fn torch(checkpoint: &Path, case: &str) -> Result<f64> {
    let path = checkpoint.join("torch.json");
    let named = |error: String| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| named(error.to_string()))?;
    let totals: BTreeMap<String, f64> =
        serde_json::from_str(&text).map_err(|error| named(error.to_string()))?;
    totals.get(case).copied().ok_or_else(|| named(format!("{case}: missing")))
}

/// How heavy the tails are of what the quantisers before the two projections of H-BitLinear meet.
pub(crate) fn tails(machine: Machine, size: &str, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\n  a token's input behind the norm, and as quantised:      max / deviation        kurtosis (normal: 3)"
    )
    .map_err(cannot_print)?;
    for name in ["v2-a8", "plain-a8"] {
        let samples = samples(machine, size, name)?;
        for (sample, place) in samples.places.iter().zip(["attention's output", "down"]) {
            let [peak_before, peak_after] =
                [&sample.normed, &sample.quantized].map(|values| peak(sample.inputs, values));
            let [before, after] = [&sample.normed, &sample.quantized].map(|values| kurtosis(values));
            writeln!(
                out,
                "  {name:<10} {place:<18} {:>33.2} → {peak_after:>5.2} {before:>12.2} → {after:>5.2}",
                peak_before
            )
            .map_err(cannot_print)?;
        }
    }
    Ok(())
}

/// Activations of one checkpoint on the text's first windows.
pub(crate) fn samples(machine: Machine, size: &str, name: &str) -> Result<Samples> {
    let checkpoint = Checkpoint::read(&folder().join(format!("{size}-{name}")), Layout::TwoBit)?;
    let model = Model::new(&checkpoint, Rules::default(), checkpoint.config.max_position_embeddings)?;
    let settings = Settings {
        backend: machine.backend(),
        states: StateWidths::new(StateBits::F32),
        threads: 1,
        batch: model.rope.capacity(),
    };
    Samples::collect(&model, settings, &held_out()?, WINDOWS)
}

/// Everything without arguments.
pub(crate) fn run(machine: Machine, out: &mut (impl Write + Send)) -> Result<()> {
    let (sizes, start) = (sizes(), Instant::now());
    writeln!(out, "backend {}, {} threads", machine.backend().name(), machine.threads())
        .map_err(cannot_print)?;
    for size in &sizes {
        let cases = perplexities(machine, size, out)?;
        tails(machine, size, out)?;
        write_lines(size, &cases, out)?;
    }
    crate::speed::run(machine, 30, 512, out)?;
    if let Some(size) = sizes.last() {
        writeln!(out, "\nText from {size}-v2-a4, 4-bit activations, 4-bit states:\n")
            .map_err(cannot_print)?;
        let how = Generate::of(folder().join(format!("{size}-v2-a4")), 400);
        crate::generate(&how, machine, out)?;
    }
    writeln!(out, "\n{:.0} s in all", start.elapsed().as_secs_f64()).map_err(cannot_print)
}
