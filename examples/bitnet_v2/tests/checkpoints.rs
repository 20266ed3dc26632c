//! The checkpoints that come with the source, against what torch makes of them (`train/evaluate.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bitnet_v2::evaluate::{
    Roundings, second_halves, torch_log_probabilities, watched_log_probabilities, window_len,
};
use bitnet_v2::{Checkpoint, Model, Rules, Settings, StateWidths, log_probabilities};
use hbitlinear::{Backend, Layout, Rule, StateBits};
use safetensors::{SafeTensors, serialize_to_file};
use serde_json::json;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints")
}

fn held_out() -> Vec<u8> {
    fs::read(folder().join("held_out.txt")).expect("the text")
}

/// All that are there.
fn checkpoints() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("checkpoints").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    assert!(found.len() >= 4, "two models, each with 8-bit and 4-bit activations");
    found
}

fn array<T: npyz::Deserialize>(path: &Path) -> Vec<T> {
    let bytes = fs::read(path).expect("an array's file");
    npyz::NpyFile::new(&bytes[..]).expect("an array").into_vec().expect("its values")
}

fn settings(model: &Model<'_>, backend: Backend, states: StateBits) -> Settings {
    Settings { backend, states: StateWidths::new(states), threads: 1, batch: model.rope.capacity() }
}

#[test]
fn what_llama_perplexity_counts() {
    let logs: Vec<f64> = (0..21).map(f64::from).collect();
    assert_eq!(second_halves(&logs, 8), [4.0, 5.0, 6.0, 12.0, 13.0, 14.0]);
    let folder = checkpoints().pop().expect("a checkpoint");
    let expected: Vec<f32> = array(&folder.join("log_probabilities.npy"));
    let torch = torch_log_probabilities(&folder, 1000).expect("so many");
    assert_eq!((torch.len(), torch[999]), (1000, expected[999].into()));
    let error = torch_log_probabilities(&folder, 1_000_000).expect_err("fewer");
    assert!(error.contains("log_probabilities.npy"), "{error}");
}

/// To a thousandth, but where an integer was rounded to another side of its edge than torch's, in the token or in one
/// that it sees; those are counted.
#[test]
fn log_probabilities_are_those_of_torch() {
    let text = held_out();
    for path in checkpoints() {
        let checkpoint = Checkpoint::read(&path, Layout::TwoBit).expect("a checkpoint");
        let model = Model::new(&checkpoint, Rules::default(), 128).expect("a model");
        let expected: Vec<f32> = array(&path.join("log_probabilities.npy"));
        let hashes: Vec<u32> = array(&path.join("roundings.npy"));
        assert!(expected.len() >= 1000 && hashes.len() == expected.len());
        let (mut excused, mut flipped, mut most, mut most_excused, mut sum) = (0, 0, 0.0_f64, 0.0_f64, 0.0);
        let window = window_len(&model);
        let windows = text.chunks(window).zip(expected.chunks(window).zip(hashes.chunks(window)));
        let settings = settings(&model, Backend::best(), StateBits::F32);
        for (window, (expected, hashes)) in windows {
            let mut roundings = Roundings::default();
            let logs = watched_log_probabilities(&model, settings, window, &mut roundings).expect("logits");
            let mut on_an_edge = false;
            for (token, (log, expected)) in logs.iter().zip(expected).enumerate() {
                let differs = roundings.hashes[token] != hashes[token];
                flipped += usize::from(differs);
                on_an_edge |= differs;
                let difference = log - f64::from(*expected);
                sum += difference;
                if on_an_edge {
                    excused += 1;
                    most_excused = most_excused.max(difference.abs());
                } else {
                    most = most.max(difference.abs());
                }
            }
        }
        let name = path.file_name().expect("a name").display();
        println!(
            "{name}: {} tokens, {flipped} with an integer rounded otherwise, {excused} of those or seeing one; \
             largest difference of the others {most:.1e}, of these {most_excused:.1e}, mean of all {:.1e}",
            expected.len(),
            sum / expected.len() as f64
        );
        assert!(most < 1e-3, "{name}: {most}");
        assert!(excused < expected.len(), "{name}: some tokens are compared");
        assert!((sum / expected.len() as f64).abs() < 1e-3, "{name}: {sum}");
    }
}

/// To a thousandth, on all of the text, with the activations that each was trained with last and with 4-bit ones.
#[test]
fn perplexities_are_those_of_torch() {
    let text = held_out();
    for path in checkpoints().iter().filter(|path| path.to_string_lossy().contains("small")) {
        let totals = fs::read_to_string(path.join("torch.json")).expect("torch's totals");
        let totals: BTreeMap<String, f64> = serde_json::from_str(&totals).expect("numbers");
        let checkpoint = Checkpoint::read(path, Layout::FiveTrit).expect("a checkpoint");
        let own = if path.to_string_lossy().ends_with("a8") { Rule::Int8AbsMax } else { Rule::Int4AbsMean };
        for (rule, states) in [
            (own, StateBits::F32),
            (Rule::Int4AbsMean, StateBits::F32),
            (own, StateBits::Four),
            (own, StateBits::Three),
        ] {
            let model = Model::new(&checkpoint, Rules::all(rule), 128).expect("a model");
            let logs =
                log_probabilities(&model, settings(&model, Backend::best(), states), &text).expect("logits");
            let nats = -logs.iter().sum::<f64>() / logs.len() as f64;
            let case = format!("a{} kv{}", rule.bits() as u8, states as u8);
            let name = path.file_name().expect("a name").display();
            let difference = (nats - totals[&case]).exp_m1();
            println!("{name} {case}: perplexity {:.4}, {:+.3} % of torch's", nats.exp(), 100.0 * difference);
            assert!(difference.abs() < 1e-3, "{name} {case}: {difference}");
        }
    }
}

#[test]
fn bits_are_the_same_on_every_backend_and_layout() {
    let text = held_out();
    let path = folder().join("small-v2-a4");
    let run = |backend, layout, states, rule| {
        let checkpoint = Checkpoint::read(&path, layout).expect("a checkpoint");
        let model = Model::new(&checkpoint, Rules::all(rule), 128).expect("a model");
        let logs =
            log_probabilities(&model, settings(&model, backend, states), &text[..300]).expect("logits");
        logs.iter().map(|log| log.to_bits()).collect::<Vec<_>>()
    };
    for (states, rule) in [(StateBits::F32, Rule::Int8AbsMax), (StateBits::Three, Rule::Int4AbsMean)] {
        let whole = run(Backend::best(), Layout::TwoBit, states, rule);
        for backend in Backend::available() {
            for &layout in Layout::ALL {
                assert!(
                    run(backend, layout, states, rule) == whole,
                    "{} {layout} {states:?}",
                    backend.name()
                );
            }
        }
    }
}

#[test]
fn refuses_damaged_checkpoints() {
    let whole = folder().join("small-v2-a4");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("damaged");
    let restore = || {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(&copy).expect("a folder");
        for name in ["config.json", "contract.txt", "model.safetensors"] {
            fs::copy(whole.join(name), copy.join(name)).expect("a copy");
        }
    };
    let refused = |words: &[&str]| {
        let error = Checkpoint::read(&copy, Layout::TwoBit).expect_err("damaged");
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    };
    let edit = |name: &str, from: &str, to: &str| {
        restore();
        let text = fs::read_to_string(copy.join(name)).expect("text");
        assert!(text.contains(from), "{from}");
        fs::write(copy.join(name), text.replace(from, to)).expect("written");
    };
    restore();
    assert!(Checkpoint::read(&copy, Layout::TwoBit).is_ok());
    fs::remove_file(copy.join("model.safetensors")).expect("removed");
    refused(&["model.safetensors"]);
    edit("config.json", "\"hidden_size\": 128", "\"hidden_size\": 64");
    refused(&["model.embed_tokens.weight", "[256, 64]", "[256, 128]"]);
    edit("config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5");
    refused(&["model.layers.4"]);
    edit("contract.txt", "hbitlinear-contract 1", "hbitlinear-contract 9");
    refused(&["contract.txt"]);
    edit("contract.txt", "down_proj.weight 512", "down_proj.weight 256");
    refused(&["contract", "down_proj"]);
    edit("contract.txt", "up_proj.weight none a4-absmean", "up_proj.weight none a8-absmax");
    refused(&["contract", "up_proj"]);
    restore();
    let bytes = fs::read(copy.join("model.safetensors")).expect("bytes");
    fs::write(copy.join("model.safetensors"), &bytes[..bytes.len() - 1]).expect("written");
    refused(&["model.safetensors"]);
}

/// The same tensors in two files, with the index that transformers writes for such.
#[test]
fn reads_shards() {
    let whole = folder().join("small-v2-a4");
    let split = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shards");
    let _ = fs::remove_dir_all(&split);
    fs::create_dir_all(&split).expect("a folder");
    for name in ["config.json", "contract.txt"] {
        fs::copy(whole.join(name), split.join(name)).expect("a copy");
    }
    let bytes = fs::read(whole.join("model.safetensors")).expect("bytes");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors").tensors();
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let (first, second) = tensors.split_at(tensors.len() / 2);
    let mut map = BTreeMap::new();
    for (file, part) in names.into_iter().zip([first, second]) {
        serialize_to_file(part.iter().map(|(name, view)| (name, view)), None, &split.join(file))
            .expect("written");
        map.extend(part.iter().map(|(name, _)| (name.clone(), file)));
    }
    let write = |map: &serde_json::Value| {
        fs::write(split.join("model.safetensors.index.json"), json!({ "weight_map": map }).to_string())
            .expect("written");
    };
    let logs = |path: &Path| {
        let checkpoint = Checkpoint::read(path, Layout::TwoBit).expect("a checkpoint");
        let model = Model::new(&checkpoint, Rules::default(), 128).expect("a model");
        let settings = settings(&model, Backend::best(), StateBits::Four);
        log_probabilities(&model, settings, &held_out()[..200]).expect("logits")
    };
    write(&json!(map));
    assert_eq!(logs(&split), logs(&whole));

    let refused = |word: &str| {
        let error = Checkpoint::read(&split, Layout::TwoBit).expect_err("damaged");
        assert!(error.contains(word), "{word} in {error}");
    };
    write(&json!({ "model.norm.weight": "../small-v2-a4/model.safetensors" }));
    refused("names of files in this folder");
    write(&json!({ "model.norm.weight": names[0] }));
    refused("model.");
    write(&json!({}));
    refused("names no file");
    write(&json!(map));
    fs::remove_file(split.join(names[1])).expect("removed");
    refused(names[1]);
}
