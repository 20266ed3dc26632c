//! A model: what each layer does, as small descriptions that borrow a [`Checkpoint`].

use hbitlinear::{InputStages, Quantizer, RmsNorm, Rule, Weights};

use crate::checkpoint::{Checkpoint, LayerData, Projection};
use crate::rope::Rope;
use crate::table::Table;
use crate::{Config, Result};

/// Layers of BitLinear and H-BitLinear.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    /// Sizes and constants.
    pub config: &'a Config,
    /// Input of the first layer.
    pub embedding: &'a Table,
    /// The layers, the first first.
    pub layers: Vec<Layer<'a>>,
    /// Before the output.
    pub norm: RmsNorm<'a>,
    /// Output.
    pub head: &'a Table,
    /// Rotation of queries and keys by place.
    pub rope: Rope,
}

/// One layer.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    /// Queries, keys and values.
    pub attention_in: Linear<'a>,
    /// Attention's output.
    pub attention_out: Linear<'a>,
    /// Gate and up.
    pub ffn_in: Linear<'a>,
    /// Down.
    pub ffn_out: Linear<'a>,
}

/// One input, quantised once, and all matrices that it is multiplied with.
#[derive(Clone, Debug)]
pub struct Linear<'a> {
    /// Norm, transform if there is one, quantiser.
    pub stages: InputStages<'a>,
    /// The matrices, whose outputs come one after another.
    pub weights: Vec<Weights<'a>>,
}

impl Linear<'_> {
    /// Outputs of all matrices.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.weights.iter().map(Weights::outputs).sum()
    }
}

/// How activations are quantised: by the checkpoint's contract, or otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Queries, keys, values, gate and up.
    pub others: Option<Rule>,
    /// Attention's output and down, which an H-BitLinear is in BitNet v2.
    pub h: Option<Rule>,
}

impl Rules {
    /// One rule for all.
    #[must_use]
    pub fn all(rule: Rule) -> Rules {
        Rules { others: Some(rule), h: Some(rule) }
    }
}

impl<'a> Model<'a> {
    /// From a checkpoint, for texts of up to `capacity` tokens.
    ///
    /// # Errors
    /// Says which weights are damaged or which norm is not finite.
    pub fn new(checkpoint: &'a Checkpoint, rules: Rules, capacity: usize) -> Result<Model<'a>> {
        let config = &checkpoint.config;
        let maker = Maker { checkpoint, rules };
        let layers = checkpoint
            .layers
            .iter()
            .enumerate()
            .map(|(index, data)| maker.layer(data).map_err(|error| format!("layer {index}: {error}")));
        Ok(Model {
            config,
            embedding: &checkpoint.embedding,
            layers: layers.collect::<Result<_>>()?,
            norm: maker.norm(&checkpoint.norm).map_err(|error| format!("last norm: {error}"))?,
            head: checkpoint.output(),
            rope: Rope::new(config.head_size(), config.rope_theta(), capacity),
        })
    }
}

struct Maker<'a> {
    checkpoint: &'a Checkpoint,
    rules: Rules,
}

impl<'a> Maker<'a> {
    fn layer(&self, data: &'a LayerData) -> hbitlinear::Result<Layer<'a>> {
        Ok(Layer {
            attention_in: self.linear(&data.attention_in, self.rules.others)?,
            attention_out: self.linear(&data.attention_out, self.rules.h)?,
            ffn_in: self.linear(&data.ffn_in, self.rules.others)?,
            ffn_out: self.linear(&data.ffn_out, self.rules.h)?,
        })
    }

    fn linear(&self, data: &'a Projection, rule: Option<Rule>) -> hbitlinear::Result<Linear<'a>> {
        let quantizer = Quantizer::new(rule.unwrap_or(data.rule), self.checkpoint.quantizer_epsilon)?;
        let mut stages = InputStages::new(data.norm.len(), quantizer)?.with_norm(self.norm(&data.norm)?)?;
        if let Some(transform) = data.transform {
            stages = stages.with_transform(transform)?;
        }
        let weights = data.weights.iter().map(|blob| Weights::open(blob.as_slice()));
        Ok(Linear { stages, weights: weights.collect::<hbitlinear::Result<_>>()? })
    }

    fn norm(&self, gains: &'a [f32]) -> hbitlinear::Result<RmsNorm<'a>> {
        RmsNorm::new(Some(gains), self.checkpoint.config.rms_norm_eps)
    }
}
