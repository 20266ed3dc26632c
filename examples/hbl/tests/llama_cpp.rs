//! A checkpoint as a file that llama.cpp runs: the same weights, scales and sizes under other names, or a refusal.

mod common;

use std::fs;
use std::path::Path;

use common::{Random, expect, folder, json, safetensors, tensor};
use hbitlinear::interop::Format;
use hbl::file::metadata::Value;
use hbl::model::{Model, Told};
use serde_json::json;

const CONTRACT: &str = "hbitlinear-contract 1
# what the paper rotates
model.layers.*.self_attn.o_proj.weight 256 a4-absmean
model.layers.0.mlp.down_proj.weight   each:256  a4-absmean

model.layers.*.self_attn.q_proj.weight none a8-absmax
";

/// Matrices of a layer: here, there, outputs, inputs.
const MATRICES: [(&str, &str, usize, usize); 7] = [
    ("self_attn.q_proj", "attn_q", 256, 256),
    ("self_attn.k_proj", "attn_k", 128, 256),
    ("self_attn.v_proj", "attn_v", 128, 256),
    ("self_attn.o_proj", "attn_output", 256, 256),
    ("mlp.gate_proj", "ffn_gate", 512, 256),
    ("mlp.up_proj", "ffn_up", 512, 256),
    ("mlp.down_proj", "ffn_down", 256, 512),
];
const NORMS: [(&str, &str, usize); 4] = [
    ("input_layernorm", "attn_norm", 256),
    ("self_attn.attn_sub_norm", "attn_sub_norm", 256),
    ("post_attention_layernorm", "ffn_norm", 256),
    ("mlp.ffn_sub_norm", "ffn_sub_norm", 512),
];
const LAYERS: u64 = 2;

fn config() -> serde_json::Value {
    json!({
        "model_type": "bitnet", "vocab_size": 256, "hidden_size": 256, "intermediate_size": 512,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_act": "silu",
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
        "max_position_embeddings": 128, "bos_token_id": 0,
        "quantization_config": { "quant_method": "bitnet", "linear_class": "autobitlinear" },
    })
}

fn floats(len: usize, random: &mut Random) -> Vec<u8> {
    (0..len).flat_map(|_| (random.below(1000) as f32 / 512.0).to_le_bytes()).collect()
}

/// A matrix's weights, and a scale that no f16 is.
fn weights(layer: u64, number: usize) -> (Vec<i8>, f32) {
    let (.., outputs, inputs) = MATRICES[number];
    let mut random = Random(100 * layer + number as u64);
    (random.ternary(outputs * inputs), 0.017_343 + layer as f32 / 1000.0)
}

/// A checkpoint's tensors.
fn checkpoint() -> Vec<(String, &'static str, Vec<u64>, Vec<u8>)> {
    let random = &mut Random(7);
    let mut tensors = vec![
        ("model.embed_tokens.weight".into(), "F32", vec![256, 256], floats(256 * 256, random)),
        ("model.norm.weight".into(), "F32", vec![256], floats(256, random)),
    ];
    for layer in 0..LAYERS {
        for (name, _, width) in NORMS {
            let name = format!("model.layers.{layer}.{name}.weight");
            // bf16 in one layer.
            let values = floats(width, random);
            if layer == 0 {
                tensors.push((name, "F32", vec![width as u64], values));
            } else {
                let halves = values.chunks(4).flat_map(|value| [value[2], value[3]]).collect();
                tensors.push((name, "BF16", vec![width as u64], halves));
            }
        }
        for (number, (name, _, outputs, inputs)) in MATRICES.into_iter().enumerate() {
            let (ternary, scale) = weights(layer, number);
            let (bytes, _) = tensor(Format::HfMultiply, outputs, inputs, &ternary, false);
            let name = format!("model.layers.{layer}.{name}.weight");
            tensors.push((format!("{name}_scale"), "F32", vec![1], scale.to_le_bytes().into()));
            tensors.push((name, "U8", vec![outputs as u64 / 4, inputs as u64], bytes));
        }
    }
    tensors
}

fn write(folder: &Path, config: &serde_json::Value, tensors: &[(String, &'static str, Vec<u64>, Vec<u8>)]) {
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.as_str(), *dtype, &shape[..], bytes.clone()))
        .collect();
    fs::write(folder.join("model.safetensors"), safetensors(&tensors)).expect("room");
    fs::write(folder.join("config.json"), config.to_string()).expect("room");
}

#[test]
fn every_weight_and_every_scale() {
    let folder = folder();
    write(folder.path(), &config(), &checkpoint());
    fs::write(folder.path().join("contract.txt"), CONTRACT).expect("room");
    for (format, threads) in [(Format::Tq1_0, "1"), (Format::Tq2_0, "3"), (Format::Q2_0, "2")] {
        let report =
            json(0, folder.path(), &["convert", ".", "m.gguf", "--as", format.name(), "--threads", threads]);
        assert_eq!(report["contract"], "m.contract");
        let bytes = fs::read(folder.path().join("m.gguf")).expect("it was written");
        let model = Model::read(&bytes).expect("a GGUF file");
        assert_eq!(model.tensors.len(), 2 + LAYERS as usize * (4 + 2 * 7));
        for layer in 0..LAYERS {
            for (number, (_, name, outputs, inputs)) in MATRICES.into_iter().enumerate() {
                let (ternary, scale) = weights(layer, number);
                let found = model.find(&format!("blk.{layer}.{name}.weight")).expect("it is there");
                assert_eq!(found.stated.ggml_type, format.ggml_type());
                let read = model.ternary(found, &Told::default()).expect("good").expect("ternary");
                let mut row = vec![0; inputs];
                for output in 0..outputs {
                    read.row(output, &mut row).expect("a row");
                    assert_eq!(row, ternary[output * inputs..][..inputs], "{name} {output}");
                    assert_eq!(read.scale(output, inputs - 1), Ok(1.0));
                }
                let scale_bytes =
                    model.find(&format!("blk.{layer}.{name}.scale")).expect("it is there").bytes;
                assert_eq!(scale_bytes, scale.to_le_bytes());
            }
            for (_, name, width) in NORMS {
                let found = model.find(&format!("blk.{layer}.{name}.weight")).expect("it is there");
                assert_eq!((found.stated.ggml_type, found.bytes.len()), (Some(0), 4 * width));
            }
        }
        let source = checkpoint();
        assert_eq!(model.find("token_embd.weight").expect("it is there").bytes, source[0].3);
        assert_eq!(model.find("blk.0.attn_norm.weight").expect("it is there").bytes, source[2].3);
        let metadata = model.metadata().expect("good");
        let get = |key: &str| metadata.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        assert_eq!(get("general.architecture"), Some(Value::Text("bitnet")));
        assert_eq!(get("bitnet.attention.head_count_kv"), Some(Value::Unsigned(2)));
        assert_eq!(get("bitnet.rope.dimension_count"), Some(Value::Unsigned(64)));
        assert_eq!(get("bitnet.rope.freq_base"), Some(Value::Float(10000.0)));
        assert_eq!(get("tokenizer.ggml.bos_token_id"), Some(Value::Unsigned(0)));
        // Under the new names; inspect knows it, and does not warn.
        let text = fs::read_to_string(folder.path().join("m.contract")).expect("it was written");
        let expected = CONTRACT
            .replace("model.layers.*.self_attn.o_proj", "blk.*.attn_output")
            .replace("model.layers.0.mlp.down_proj", "blk.0.ffn_down")
            .replace("model.layers.*.self_attn.q_proj", "blk.*.attn_q");
        assert_eq!(text, expected);
        assert_eq!(get("hbitlinear.contract"), Some(Value::Text(&expected)));
        let report = json(0, folder.path(), &["inspect", "m.gguf"]);
        assert!(report["warning"].is_null(), "{report}");
    }
}

#[test]
fn a_vocabulary_of_bytes() {
    let folder = folder();
    write(folder.path(), &config(), &checkpoint());
    expect(0, folder.path(), &["convert", ".", "m.gguf", "--as", "tq2_0"]);
    let bytes = fs::read(folder.path().join("m.gguf")).expect("it was written");
    let model = Model::read(&bytes).expect("a GGUF file");
    let metadata = model.metadata().expect("good");
    let (_, tokens) = metadata.iter().find(|(key, _)| *key == "tokenizer.ggml.tokens").expect("it is there");
    let Value::Array(tokens) = tokens else { panic!("{tokens:?}") };
    let tokens: Vec<_> = tokens.values().collect();
    // Spot checks against GPT-2's table, and all different.
    let spots = [(0, "Ā"), (10, "Ċ"), (32, "Ġ"), (65, "A"), (127, "ġ"), (173, "Ń"), (255, "ÿ")];
    assert!(spots.iter().all(|&(at, text)| tokens[at] == Value::Text(text)), "{tokens:?}");
    let different = (0..256).all(|at| tokens[..at].iter().all(|token| *token != tokens[at]));
    assert!(different && tokens.len() == 256);
    // Without a contract there is no text, and inspect says what cannot be told.
    assert!(!folder.path().join("m.contract").exists());
    let report = json(0, folder.path(), &["inspect", "m.gguf"]);
    let warning = report["warning"].as_str().expect("a warning");
    assert!(warning.contains("architecture bitnet") && warning.contains("neither weights nor metadata"));
}

#[test]
fn what_llama_cpp_would_run_otherwise() {
    let folder = folder();
    let refused = |config: &serde_json::Value, tensors: &[_], format: &str, words: &[&str]| {
        write(folder.path(), config, tensors);
        let (_, error) = expect(1, folder.path(), &["convert", ".", "m.gguf", "--as", format]);
        for word in words {
            assert!(error.contains(word), "expected {word:?} in: {error}");
        }
        assert!(!folder.path().join("m.gguf").exists() && !folder.path().join("m.contract").exists());
    };
    let with = |key: &str, value: serde_json::Value| {
        let mut config = config();
        config[key] = value;
        config
    };
    let tensors = checkpoint();
    refused(&config(), &tensors, "i2_s-x86", &["--as", "tq2_0"]);
    refused(&with("hidden_act", "relu2".into()), &tensors, "tq2_0", &["hidden_act", "relu2", "wrongly"]);
    refused(&with("tie_word_embeddings", false.into()), &tensors, "tq2_0", &["tie_word_embeddings"]);
    refused(&with("rope_scaling", json!({ "type": "yarn" })), &tensors, "tq2_0", &["rotary"]);
    refused(&with("model_type", "llama".into()), &tensors, "tq2_0", &["model_type"]);
    refused(&with("head_dim", 128.into()), &tensors, "tq2_0", &["head_dim"]);
    refused(&with("vocab_size", 300.into()), &tensors, "tq2_0", &["vocabulary", "300"]);
    refused(&with("bos_token_id", 256.into()), &tensors, "tq2_0", &["bos_token_id", "256"]);
    refused(&with("num_attention_heads", 0.into()), &tensors, "tq2_0", &["num_attention_heads"]);
    refused(&with("num_hidden_layers", 3.into()), &tensors, "tq2_0", &["model.layers.2.input_layernorm"]);
    refused(&with("num_hidden_layers", 1.into()), &tensors, "tq2_0", &["no such tensor", "model.layers.1."]);
    let mut more = checkpoint();
    more.push(("lm_head.weight".into(), "F32", vec![1], vec![0; 4]));
    refused(&config(), &more, "tq2_0", &["lm_head.weight", "no such tensor"]);
    // 128 inputs: a width of Q2_0, but not of TQ2_0.
    let mut narrow = checkpoint();
    let found = narrow.iter_mut().find(|tensor| tensor.0 == "model.layers.0.mlp.up_proj.weight");
    let found = found.expect("it is there");
    (found.2, found.3) = (vec![256, 128], found.3[..256 * 128].to_vec());
    refused(&config(), &narrow, "tq2_0", &["model.layers.0.mlp.up_proj.weight", "256", "128"]);
    // A contract for a tensor that is none.
    fs::write(folder.path().join("contract.txt"), CONTRACT.replace("o_proj", "p_proj")).expect("room");
    refused(&config(), &tensors, "tq2_0", &["contract", "model.layers.*.self_attn.p_proj.weight"]);
    // One that is given takes the place of the one beside.
    fs::write(folder.path().join("other.txt"), CONTRACT).expect("room");
    expect(0, folder.path(), &["convert", ".", "m.gguf", "--as", "tq2_0", "--contract", "other.txt"]);
}
