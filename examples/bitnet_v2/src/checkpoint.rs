//! A checkpoint in memory: packed weights and what goes with them, from a folder in the layout of Hugging Face's `bitnet`
//! (`config.json`, `model.safetensors` or the shards that `model.safetensors.index.json` names) or made up.
//!
//! `contract.txt` beside them, if it is there, says which projections have which transform before their quantiser and how
//! they are quantised. Without it the model is one of BitNet b1.58: int8 and no transform.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use half::bf16;
use hbitlinear::interop::contract::{Contract, LayerInput};
use hbitlinear::interop::{Format, Import};
use hbitlinear::{Layout, Rule, Transform};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserialize;

use crate::table::{Table, Values};
use crate::{Config, Result, memory};

/// All that a model is made of; [`Model`](crate::Model) borrows it.
#[derive(Debug)]
pub struct Checkpoint {
    /// Sizes and constants.
    pub config: Config,
    /// ε of the quantisers: that of eq. 5 and 6 where a contract says so; none where transformers' code limits γ from below.
    pub quantizer_epsilon: f32,
    /// A row for each token.
    pub embedding: Table,
    /// The output's weight, where it is not the embedding.
    pub head: Option<Table>,
    /// Gains of the last norm.
    pub norm: Vec<f32>,
    /// The layers, the first first.
    pub layers: Vec<LayerData>,
}

/// The weights of one layer.
#[derive(Debug)]
pub struct LayerData {
    /// Queries, keys and values.
    pub attention_in: Projection,
    /// Attention's output.
    pub attention_out: Projection,
    /// Gate and up.
    pub ffn_in: Projection,
    /// Down.
    pub ffn_out: Projection,
}

/// Matrices that share their input, and what happens to that.
#[derive(Debug)]
pub struct Projection {
    /// Gains of the norm before all.
    pub norm: Vec<f32>,
    /// The transform after it.
    pub transform: Option<Transform<'static>>,
    /// How the input is quantised.
    pub rule: Rule,
    /// Packed weights.
    pub weights: Vec<Blob>,
}

/// Packed weights on a cache line's border, which they are read fastest from, and in large pages.
#[derive(Debug)]
pub struct Blob {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Blob {
    /// Room for that many bytes, of zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Blob {
        let align = if len < memory::LARGE_PAGE { 64 } else { memory::LARGE_PAGE };
        let mut bytes = vec![0; len + align - 1];
        let start = bytes.as_ptr().align_offset(align).min(align - 1);
        memory::ask_for_large_pages(&mut bytes);
        Blob { bytes, start, len }
    }

    /// The same bytes, elsewhere.
    #[must_use]
    pub fn duplicate(&self) -> Blob {
        let mut copy = Blob::zeroed(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// The bytes.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl Checkpoint {
    /// Reads a folder, packing the ternary weights in that layout.
    ///
    /// # Errors
    /// Says the file, the tensor, what was expected and what came.
    pub fn read(folder: &Path, layout: Layout) -> Result<Checkpoint> {
        let config = Config::read(&folder.join("config.json"))?;
        let contract = read_contract(&folder.join("contract.txt"))?;
        let paths = shards(folder)?;
        let mut files = Vec::new();
        for path in &paths {
            files.push(fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?);
        }
        let mut shards = Vec::new();
        for (path, bytes) in paths.iter().zip(&files) {
            let shard = SafeTensors::deserialize(bytes);
            shards.push(shard.map_err(|error| format!("{}: {error}", path.display()))?);
        }
        let tensors = Tensors { shards, config: &config, contract: contract.as_deref(), layout };
        let named = |error| match &paths[..] {
            [path] => format!("{}: {error}", path.display()),
            _ => format!("{}: {error}", folder.display()),
        };
        let parts = tensors.parts().map_err(named)?;
        let quantizer_epsilon = if contract.is_some() { 1e-5 } else { 0.0 };
        let (embedding, head, norm, layers) = parts;
        Ok(Checkpoint { config, quantizer_epsilon, embedding, head, norm, layers })
    }

    /// Bytes of everything that each token reads: packed weights, norms, the output's weight.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let layers: usize =
            self.layers.iter().map(|layer| layer.projections().map(Projection::bytes).sum::<usize>()).sum();
        layers + size_of_val(&self.norm[..]) + self.output().as_bytes().len()
    }

    /// The weight that the logits come from.
    #[must_use]
    pub fn output(&self) -> &Table {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}

impl LayerData {
    /// The same weights, elsewhere.
    #[must_use]
    pub fn duplicate(&self) -> LayerData {
        LayerData {
            attention_in: self.attention_in.duplicate(),
            attention_out: self.attention_out.duplicate(),
            ffn_in: self.ffn_in.duplicate(),
            ffn_out: self.ffn_out.duplicate(),
        }
    }

    /// The four, in the order in which they are run.
    pub fn projections(&self) -> impl Iterator<Item = &Projection> {
        [&self.attention_in, &self.attention_out, &self.ffn_in, &self.ffn_out].into_iter()
    }
}

impl Projection {
    fn duplicate(&self) -> Projection {
        let weights = self.weights.iter().map(Blob::duplicate).collect();
        Projection { norm: self.norm.clone(), weights, ..*self }
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.norm[..]) + self.weights.iter().map(|blob| blob.len).sum::<usize>()
    }
}

fn read_contract(path: &Path) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match Contract::parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The files that the tensors lie in. A folder with `model.safetensors` has only that one.
fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let whole = folder.join("model.safetensors");
    let path = folder.join("model.safetensors.index.json");
    if whole.exists() || !path.exists() {
        return Ok(vec![whole]);
    }
    let named = |error: &dyn core::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| named(&error))?;
    let index: Index = serde_json::from_str(&text).map_err(|error| named(&error))?;
    let names: BTreeSet<_> = index.weight_map.into_values().collect();
    if let Some(name) = names.iter().find(|name| Path::new(name).file_name() != Some(name.as_ref())) {
        return Err(named(&format!("expected names of files in this folder, got {name:?}")));
    }
    if names.is_empty() {
        return Err(named(&"names no file"));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

type Parts = (Table, Option<Table>, Vec<f32>, Vec<LayerData>);

/// The tensors of one file or more, and how to read them.
struct Tensors<'a> {
    shards: Vec<SafeTensors<'a>>,
    config: &'a Config,
    contract: Option<&'a str>,
    layout: Layout,
}

impl Tensors<'_> {
    fn parts(&self) -> Result<Parts> {
        let c = self.config;
        let (hidden, ffn, heads) =
            (c.hidden_size, c.intermediate_size, c.num_attention_heads * c.head_size());
        let states = c.num_key_value_heads * c.head_size();
        let table =
            |name| self.floats(name, &[c.vocab_size, hidden]).map(|values| Table::new(hidden, values));
        let embedding = table("model.embed_tokens.weight")?;
        let head = if c.tie_word_embeddings { None } else { Some(table("lm_head.weight")?) };
        let norm = self.floats("model.norm.weight", &[hidden])?.into_f32();
        let layers = (0..c.num_hidden_layers).map(|layer| {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            let projection = |norm: &str, inputs, matrices: &[(&str, usize)]| {
                let norm = self.floats(&name(norm), &[inputs])?.into_f32();
                let matrices: Vec<_> =
                    matrices.iter().map(|&(matrix, outputs)| (name(matrix), outputs)).collect();
                self.projection(norm, inputs, &matrices)
            };
            Ok(LayerData {
                attention_in: projection(
                    "input_layernorm.weight",
                    hidden,
                    &[
                        ("self_attn.q_proj.weight", heads),
                        ("self_attn.k_proj.weight", states),
                        ("self_attn.v_proj.weight", states),
                    ],
                )?,
                attention_out: projection(
                    "self_attn.attn_sub_norm.weight",
                    heads,
                    &[("self_attn.o_proj.weight", hidden)],
                )?,
                ffn_in: projection(
                    "post_attention_layernorm.weight",
                    hidden,
                    &[("mlp.gate_proj.weight", ffn), ("mlp.up_proj.weight", ffn)],
                )?,
                ffn_out: projection("mlp.ffn_sub_norm.weight", ffn, &[("mlp.down_proj.weight", hidden)])?,
            })
        });
        Ok((embedding, head, norm, layers.collect::<Result<_>>()?))
    }

    /// Matrices of one input, for which the contract must say the same.
    fn projection(&self, norm: Vec<f32>, inputs: usize, matrices: &[(String, usize)]) -> Result<Projection> {
        let mut shared: Option<LayerInput> = None;
        let mut weights = Vec::new();
        for (name, outputs) in matrices {
            let input = self.input(name, inputs)?;
            if shared.replace(input).is_some_and(|other| !same(&other, &input)) {
                return Err(format!("contract: {name} needs another input than {}", matrices[0].0));
            }
            weights.push(self.pack(name, *outputs, inputs)?);
        }
        let LayerInput { transform, rule } = shared.ok_or("no matrices")?;
        Ok(Projection { norm, transform, rule, weights })
    }

    fn input(&self, name: &str, inputs: usize) -> Result<LayerInput> {
        let Some(text) = self.contract else {
            return Ok(LayerInput { transform: None, rule: Rule::Int8AbsMax });
        };
        let found = Contract::parse(text)
            .and_then(|contract| contract.layer(name, inputs))
            .map_err(|error| format!("contract: {name}: {error}"))?;
        found.ok_or_else(|| format!("contract: no line for {name}"))
    }

    fn pack(&self, name: &str, outputs: usize, inputs: usize) -> Result<Blob> {
        let bytes = self.tensor(name, Dtype::U8, &[outputs.div_ceil(4), inputs])?;
        let scale_name = format!("{name}_scale");
        let scale = self.floats(&scale_name, &[1])?.into_f32()[0];
        let packed = || -> hbitlinear::Result<Blob> {
            let format: Format = self.config.format();
            let import = Import::new(format, outputs, inputs, bytes)?.with_weight_scale(scale)?;
            let spec = import.spec(self.layout, import.scaling()?)?;
            let mut blob = Blob::zeroed(spec.packed_len());
            import.pack(&spec, blob.as_mut_slice())?;
            Ok(blob)
        };
        packed().map_err(|error| format!("{name}: {error}"))
    }

    fn tensor(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&[u8]> {
        let view = self.view(name)?;
        if view.dtype() != dtype || view.shape() != shape {
            let (other, other_shape) = (view.dtype(), view.shape());
            return Err(format!("{name}: expected {dtype:?} {shape:?}, got {other:?} {other_shape:?}"));
        }
        Ok(view.data())
    }

    /// Of the first file that has it.
    fn view(&self, name: &str) -> Result<TensorView<'_>> {
        let mut found = self.shards.iter().map(|shard| shard.tensor(name));
        let first = found.next().unwrap_or_else(|| Err(SafeTensorError::TensorNotFound(name.into())));
        first
            .or_else(|error| found.find_map(core::result::Result::ok).ok_or(error))
            .map_err(|error| error.to_string())
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Values> {
        let dtype = self.view(name)?.dtype();
        match dtype {
            Dtype::F32 => {
                let (words, _) = self.tensor(name, dtype, shape)?.as_chunks();
                Ok(Values::F32(words.iter().map(|&word| f32::from_le_bytes(word)).collect()))
            }
            Dtype::BF16 => {
                let (words, _) = self.tensor(name, dtype, shape)?.as_chunks();
                let mut values = memory::large_vec(words.len());
                values.extend(words.iter().map(|&word| bf16::from_le_bytes(word)));
                Ok(Values::Bf16(values))
            }
            _ => Err(format!("{name}: expected F32 or BF16, got {dtype:?}")),
        }
    }
}

fn same(a: &LayerInput, b: &LayerInput) -> bool {
    let description = |input: &LayerInput| {
        let transform = input.transform.as_ref();
        transform.map(|transform| (transform.row_len(), transform.blocks(), transform.power_of_two()))
    };
    a.rule == b.rule && description(a) == description(b)
}
