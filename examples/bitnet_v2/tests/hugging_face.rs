//! A BitNet b1.58 as transformers makes one, against what transformers makes of it (`make_hf.py`): ReLU², grouped queries,
//! tied embeddings, bf16.

use std::fs;
use std::path::{Path, PathBuf};

use bitnet_v2::session::{Logits, states_len};
use bitnet_v2::{Checkpoint, Model, Rules, Sampler, Session, Settings, StateWidths, Text};
use hbitlinear::{Backend, Layout, StateBits};
use safetensors::SafeTensors;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hf")
}

/// What transformers computed.
struct Expected {
    tokens: Vec<u32>,
    logits: Vec<f32>,
    greedy: Vec<u32>,
}

fn expected() -> Expected {
    let bytes = fs::read(folder().join("expected.safetensors")).expect("the file");
    let tensors = SafeTensors::deserialize(&bytes).expect("its tensors");
    let data = |name| tensors.tensor(name).expect("the tensor").data();
    let integers = |name| {
        let (words, _) = data(name).as_chunks();
        words.iter().map(|&word| i64::from_le_bytes(word) as u32).collect()
    };
    let (words, _) = data("logits").as_chunks();
    let logits = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
    Expected { tokens: integers("tokens"), logits, greedy: integers("greedy") }
}

fn settings(backend: Backend, threads: usize, batch: usize) -> Settings {
    Settings { backend, states: StateWidths::new(StateBits::F32), threads, batch }
}

#[test]
fn logits_and_tokens_are_those_of_transformers() {
    let expected = expected();
    let range = |values: &[f32]| {
        let (low, high) =
            values.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        high - low
    };
    for &layout in Layout::ALL {
        let checkpoint = Checkpoint::read(&folder(), layout).expect("a checkpoint");
        let text = Text::of(&folder(), &checkpoint.config).expect("a tokenizer");
        let prompt = "In the beginning God created the heaven and the earth.";
        assert_eq!(text.encode(prompt).expect("tokens"), expected.tokens);
        assert_eq!(text.decode(&expected.tokens).expect("text").trim_start_matches("<begin>"), prompt);

        let model = Model::new(&checkpoint, Rules::default(), 512).expect("a model");
        let settings = settings(Backend::best(), 1, 512);
        let mut states = vec![0; states_len(&model, settings.states).expect("a length")];
        let mut session = Session::new(&model, settings, &mut states).expect("a session");
        let logits = session.forward(&expected.tokens, Logits::All, &mut ()).expect("logits");
        assert_eq!(logits.len(), expected.logits.len());
        let most = logits.iter().zip(&expected.logits).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        let share = most / range(&expected.logits);
        println!("{layout}: largest difference {share:.1e} of the range");
        assert!(share < 1e-3, "{layout}: {share}");

        let mut sampler = Sampler::new(0.0, 0);
        let mut next = sampler.next(&logits[logits.len() - checkpoint.config.vocab_size..]);
        let mut greedy = Vec::new();
        while greedy.len() < expected.greedy.len() {
            greedy.push(next);
            next = sampler.next(session.forward(&[next], Logits::Last, &mut ()).expect("logits"));
        }
        assert_eq!(greedy, expected.greedy, "{layout}");
        let mut kinds = greedy;
        kinds.sort_unstable();
        kinds.dedup();
        assert!(kinds.len() > 20, "the text says something: {}", kinds.len());
    }
}

/// Bits of the last logits of a text that is taken in by those settings.
fn run(model: &Model<'_>, settings: Settings, tokens: &[u32]) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build().expect("threads");
    pool.install(|| {
        let mut states = vec![0; states_len(model, settings.states).expect("a length")];
        let mut session = Session::new(model, settings, &mut states).expect("a session");
        let (last, others) = tokens.split_last().expect("tokens");
        session.forward(others, Logits::Last, &mut ()).expect("logits");
        let logits = session.forward(&[*last], Logits::Last, &mut ()).expect("logits");
        logits.iter().map(|logit| logit.to_bits()).collect()
    })
}

#[test]
fn bits_are_the_same_on_every_backend_thread_count_and_batch() {
    let checkpoint = Checkpoint::read(&folder(), Layout::TwoBit).expect("a checkpoint");
    let model = Model::new(&checkpoint, Rules::default(), 512).expect("a model");
    let tokens: Vec<u32> = (0..77).map(|i| i * 31 % 320).collect();
    for bits in [StateBits::F32, StateBits::Eight, StateBits::Four, StateBits::Three] {
        let states = StateWidths::new(bits);
        let whole = run(&model, Settings { states, ..settings(Backend::best(), 1, 512) }, &tokens);
        for backend in Backend::available() {
            for (threads, batch) in [(1, 512), (2, 512), (3, 16), (5, 7)] {
                let settings = Settings { states, ..settings(backend, threads, batch) };
                let name = backend.name();
                assert!(run(&model, settings, &tokens) == whole, "{name} {threads} {batch} {bits:?}");
            }
        }
    }
}

#[test]
fn refuses_what_it_would_run_wrongly() {
    let text = fs::read_to_string(folder().join("config.json")).expect("the config");
    for (from, to, word) in [
        ("\"relu2\"", "\"gelu\"", "gelu"),
        ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 4", "num_key_value_heads"),
        ("\"attention_bias\": false", "\"attention_bias\": true", "attention_bias"),
        ("\"autobitlinear\"", "\"linear\"", "linear"),
        ("\"rope_type\": \"default\"", "\"rope_type\": \"yarn\"", "rope"),
        ("\"vocab_size\": 320", "\"vocab_size\": 0", "vocab_size"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = bitnet_v2::Config::parse(&text.replace(from, to)).expect_err(from);
        assert!(error.contains(word), "{word} in {error}");
    }
}
