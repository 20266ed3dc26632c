//! How fast a model of the shapes of BitNet-b1.58-2B-4T is, with random weights, and how near to what the machine allows.

use core::hint::black_box;
use std::io::Write;
use std::time::Instant;

use bitnet_v2::checkpoint::{Blob, LayerData, Projection};
use bitnet_v2::linear::Bench;
use bitnet_v2::memory::large_vec;
use bitnet_v2::session::{Logits, Times, states_len};
use bitnet_v2::table::{Table, Values};
use bitnet_v2::{Checkpoint, Config, Model, Result, Rules, Session, Settings, StateWidths};
use fastrand::Rng;
use half::bf16;
use hbitlinear::{Layout, Rule, Scaling, StateBits, Transform, WeightSpec};
use multiversion::multiversion;
use rayon::prelude::*;

use crate::cli::Machine;

/// Tokens that are timed one after another, after as many again that are not.
const DECODED: usize = 16;

const CONFIG: &str = r#"{
    "hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 30, "num_attention_heads": 20,
    "num_key_value_heads": 5, "hidden_act": "relu2", "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
    "vocab_size": 128256, "max_position_embeddings": 4096, "quantization_config": {"quant_method": "bitnet"}
}"#;

/// Runs both layouts and prints what came out.
pub(crate) fn run(machine: Machine, layers: usize, prompt: usize, out: &mut impl Write) -> Result<()> {
    let cannot_print = |error| format!("standard output: {error}");
    let threads = machine.threads();
    writeln!(
        out,
        "\nSpeed at the shapes of BitNet-b1.58-2B-4T: {layers} of its 30 layers, random weights, 4-bit activations with the\n\
         transform, 4-bit states; backend {}, {threads} threads\n",
        machine.backend().name()
    )
    .map_err(cannot_print)?;
    let mut lines = Vec::new();
    let mut config = Config::parse(CONFIG)?;
    config.num_hidden_layers = layers;
    let mut embedding = random_embedding(&config);
    for &layout in Layout::ALL {
        let checkpoint = random(config.clone(), embedding, layout).map_err(|error| error.to_string())?;
        let model = Model::new(&checkpoint, Rules::default(), prompt.max(2 * DECODED))?;
        let settings = Settings {
            backend: machine.backend(),
            states: StateWidths::new(StateBits::Four),
            threads,
            batch: 512,
        };
        let decode = decode(&checkpoint, &model, settings)?;
        decode.write(out, layout, "one token").map_err(cannot_print)?;
        let prefill = prefill(&model, settings, prompt)?;
        prefill.write(out, layout, &format!("{prompt} tokens")).map_err(cannot_print)?;
        lines.push(format!("speed decode {layout} t{threads} {:.2} {:.3}", decode.rate, decode.share));
        lines.push(format!("speed prefill {layout} t{threads} {:.1} {:.3}", prefill.rate, prefill.share));
        embedding = checkpoint.embedding;
    }
    writeln!(out).map_err(cannot_print)?;
    lines.iter().try_for_each(|line| writeln!(out, "{line}")).map_err(cannot_print)
}

/// What was measured.
struct Speed {
    /// Tokens a second.
    rate: f64,
    /// Of the limit.
    share: f64,
    /// The limit, in words.
    limit: String,
    times: Times,
    /// Of all.
    seconds: f64,
}

impl Speed {
    fn write(&self, out: &mut impl Write, layout: Layout, what: &str) -> std::io::Result<()> {
        let Times { quantize, product, attention, elementwise, head } = self.times;
        let part = |time: core::time::Duration| 100.0 * time.as_secs_f64() / self.seconds;
        writeln!(
            out,
            "  {:<9} {what:<10} {:>8.1} tokens/s, {:>4.1} % of {}",
            layout.to_string(),
            self.rate,
            100.0 * self.share,
            self.limit
        )?;
        writeln!(
            out,
            "            of the time: products {:.1} %, output {:.1}, norm, transform and quantiser {:.1}, attention {:.1}, \
             gate and sums {:.1}",
            part(product),
            part(head),
            part(quantize),
            part(attention),
            part(elementwise)
        )
    }
}

/// One token after another, against reading all weights once for each.
fn decode(checkpoint: &Checkpoint, model: &Model<'_>, settings: Settings) -> Result<Speed> {
    let mut states = vec![0; states_len(model, settings.states)?];
    let mut session = Session::new(model, settings, &mut states)?;
    for token in 0..DECODED {
        session.forward(&[token as u32], Logits::Last, &mut ())?;
    }
    let reading = read_all(checkpoint, settings.threads);
    session.take_times();
    let start = Instant::now();
    for token in 0..DECODED {
        session.forward(&[token as u32], Logits::Last, &mut ())?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let reading = reading.min(read_all(checkpoint, settings.threads));
    let rate = DECODED as f64 / seconds;
    let bytes = checkpoint.bytes() as f64;
    Ok(Speed {
        rate,
        share: rate * reading,
        limit: format!("reading {:.0} MB of weights at {:.1} GB/s", bytes / 1e6, bytes / reading / 1e9),
        times: session.take_times(),
        seconds,
    })
}

/// A prompt at once, against its products alone.
fn prefill(model: &Model<'_>, settings: Settings, prompt: usize) -> Result<Speed> {
    let mut states = vec![0; states_len(model, settings.states)?];
    let tokens: Vec<u32> = (0..prompt as u32).collect();
    let mut session = Session::new(model, settings, &mut states)?;
    let start = Instant::now();
    session.forward(&tokens, Logits::Last, &mut ())?;
    let seconds = start.elapsed().as_secs_f64();
    let times = session.take_times();
    let alone = products_alone(model, settings, prompt).map_err(|error| error.to_string())?;
    let of_layer = |layer: &bitnet_v2::model::Layer<'_>| -> usize {
        let linears = [&layer.attention_in, &layer.attention_out, &layer.ffn_in, &layer.ffn_out];
        linears.iter().map(|linear| linear.stages.inputs() * linear.outputs()).sum()
    };
    let macs = prompt as f64 * model.layers.iter().map(of_layer).sum::<usize>() as f64;
    Ok(Speed {
        rate: prompt as f64 / seconds,
        share: alone / seconds,
        limit: format!("the products alone: {:.0} of {:.0} GMAC/s", macs / seconds / 1e9, macs / alone / 1e9),
        times,
        seconds,
    })
}

/// Seconds of all products of a prompt.
fn products_alone(model: &Model<'_>, settings: Settings, prompt: usize) -> hbitlinear::Result<f64> {
    let rows = prompt.min(settings.batch);
    let mut bench = Bench::new(model, settings.backend, settings.threads, rows)?;
    let mut seconds = 0.0;
    let mut y = Vec::new();
    for layer in &model.layers {
        for linear in [&layer.attention_in, &layer.attention_out, &layer.ffn_in, &layer.ffn_out] {
            let x: Vec<f32> = (0..rows * linear.stages.inputs()).map(|i| (i % 97) as f32 - 48.0).collect();
            bench.quantize(linear, &x)?;
            y.resize(rows * linear.outputs(), 0.0);
            let start = Instant::now();
            bench.multiply(linear, &mut y)?;
            seconds += start.elapsed().as_secs_f64();
        }
    }
    Ok(seconds * prompt as f64 / rows as f64)
}

/// Seconds to read everything that a token needs, on so many threads: the best of three.
fn read_all(checkpoint: &Checkpoint, threads: usize) -> f64 {
    let blobs = checkpoint.layers.iter().flat_map(LayerData::projections).flat_map(|p| &p.weights);
    let mut pieces: Vec<&[u8]> = blobs.map(Blob::as_slice).collect();
    pieces.push(checkpoint.output().as_bytes());
    let halves = |index: usize| {
        for piece in &pieces {
            let part = piece.len().div_ceil(threads);
            black_box(read(piece.chunks(part).nth(index).unwrap_or_default()));
        }
    };
    let time = |_| {
        let start = Instant::now();
        (0..threads).into_par_iter().for_each(halves);
        start.elapsed().as_secs_f64()
    };
    (0..3).map(time).fold(f64::INFINITY, f64::min)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn read(bytes: &[u8]) -> u64 {
    let mut lanes = [0_u64; 64];
    for block in bytemuck::pod_align_to::<u8, u64>(bytes).1.as_chunks::<64>().0 {
        for lane in 0..64 {
            lanes[lane] |= block[lane];
        }
    }
    lanes.iter().fold(0, |a, b| a | b)
}

/// One random row, over and over, each time a number further on.
fn random_embedding(config: &Config) -> Table {
    let mut rng = Rng::with_seed(1);
    let row: Vec<bf16> = (0..config.hidden_size + 1).map(|_| bf16::from_f32(rng.f32() - 0.5)).collect();
    let count = config.vocab_size * config.hidden_size;
    let mut values = large_vec(count);
    while values.len() < count {
        values.extend_from_slice(&row[..row.len().min(count - values.len())]);
    }
    Table::new(config.hidden_size, Values::Bf16(values))
}

/// Each layer has memory of its own; what is in it is the same.
fn random(config: Config, embedding: Table, layout: Layout) -> hbitlinear::Result<Checkpoint> {
    let (hidden, ffn) = (config.hidden_size, config.intermediate_size);
    let (heads, states) =
        (config.num_attention_heads * config.head_size(), config.num_key_value_heads * config.head_size());
    let mut rng = Rng::with_seed(2);
    let mut projection = |inputs: usize, outputs: &[usize], transform: Option<&str>| {
        let weights = outputs.iter().map(|&outputs| {
            let spec = WeightSpec::new(outputs, inputs, layout, Scaling::Tensor)?;
            let ternary: Vec<i8> = (0..outputs * inputs).map(|_| rng.i8(-1..=1)).collect();
            let mut blob = Blob::zeroed(spec.packed_len());
            spec.pack(&ternary, &[1.0 / (inputs as f32).sqrt()], blob.as_mut_slice())?;
            Ok(blob)
        });
        Ok(Projection {
            norm: vec![1.0; inputs],
            transform: transform.map(Transform::named).transpose()?,
            rule: Rule::Int4AbsMean,
            weights: weights.collect::<hbitlinear::Result<_>>()?,
        })
    };
    let first = LayerData {
        attention_in: projection(hidden, &[heads, states, states], None)?,
        attention_out: projection(heads, &[hidden], Some("paley1:20*128"))?,
        ffn_in: projection(hidden, &[ffn, ffn], None)?,
        ffn_out: projection(ffn, &[hidden], Some("paley1:108*64"))?,
    };
    let mut all: Vec<LayerData> = (1..config.num_hidden_layers).map(|_| first.duplicate()).collect();
    all.push(first);
    Ok(Checkpoint {
        config,
        quantizer_epsilon: 1e-5,
        embedding,
        head: None,
        norm: vec![1.0; hidden],
        layers: all,
    })
}
