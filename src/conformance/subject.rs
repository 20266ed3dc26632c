//! What is tested.

use core::fmt;

use crate::buffer::Buffer;
use crate::error::Error;
use crate::kernels::Backend;
use crate::layer::BitLinear;
use crate::layout::{Activations, ActivationsMut, Weights};
use crate::matrices::Direction;
use crate::stages::{
    Cache, CacheSpec, InputStages, OutputMut, Quantizer, QueryBits, RmsNorm, Transform, absmean_rows, attend,
    product, product_i32, softmax,
};

/// Why there is no digest.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    /// The subject has no such stage: the default of every method of [`Subject`].
    Missing {
        /// The method.
        stage: &'static str,
    },
    /// A stage refused its input, or the memory is too short.
    Refused(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Refused(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Missing { stage } => write!(f, "no {stage} to test"),
            Failure::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Failure {}

/// How a stage ends.
pub type Outcome = Result<(), Failure>;

/// Quantised rows to be written, as [`Activations`] are read.
#[derive(Debug)]
pub struct Quantised<'a> {
    /// [`Bits::row_bytes`](crate::Bits::row_bytes) for each token. The spare nibble of an odd int4 row is not looked at.
    pub values: &'a mut [u8],
    /// One for each token.
    pub scales: &'a mut [f32],
    /// The integer sum of each token's values.
    pub sums: &'a mut [i32],
}

/// Kernels that a digest can hold against the committed numbers: a [`Backend`], or somebody else's. What a
/// method must compute is what the function of this crate that it names documents; the descriptions it gets have accessors
/// for all that is in them. A subject has the stages it likes; the groups that need others fail with [`Failure::Missing`].
pub trait Subject {
    /// [`Transform::forward`] or [`Transform::transpose`], in place.
    fn transform(&mut self, _transform: &Transform<'_>, _direction: Direction, _x: &mut [f32]) -> Outcome {
        Err(Failure::Missing { stage: "transform" })
    }

    /// [`RmsNorm::forward`] of rows of `inputs`.
    fn norm(&mut self, _norm: &RmsNorm<'_>, _inputs: usize, _x: &[f32], _y: &mut [f32]) -> Outcome {
        Err(Failure::Missing { stage: "norm" })
    }

    /// [`Quantizer::forward`] of rows of `inputs`.
    fn quantize(
        &mut self,
        _quantizer: &Quantizer,
        _inputs: usize,
        _x: &[f32],
        _out: Quantised<'_>,
    ) -> Outcome {
        Err(Failure::Missing { stage: "quantize" })
    }

    /// [`absmean_rows`] of rows of `inputs`.
    fn absmean(
        &mut self,
        _inputs: usize,
        _weights: &[f32],
        _epsilon: f32,
        _ternary: &mut [i8],
        _scales: &mut [f32],
    ) -> Outcome {
        Err(Failure::Missing { stage: "absmean" })
    }

    /// [`product_i32`] of all tokens and outputs. [`Weights::weight`] and [`Activations::value`] read the operands one by one.
    fn product_i32(
        &mut self,
        _weights: &Weights<'_>,
        _x: &Activations<'_>,
        _y: &mut [i32],
        _workspace: Buffer<'_, u8>,
    ) -> Outcome {
        Err(Failure::Missing { stage: "product_i32" })
    }

    /// [`product`](product()) of all tokens and outputs.
    fn product(
        &mut self,
        _weights: &Weights<'_>,
        _x: &Activations<'_>,
        _y: &mut [f32],
        _workspace: Buffer<'_, u8>,
    ) -> Outcome {
        Err(Failure::Missing { stage: "product" })
    }

    /// [`InputStages::quantize`].
    fn stages(
        &mut self,
        _stages: &InputStages<'_>,
        _x: &[f32],
        _out: Quantised<'_>,
        _workspace: Buffer<'_, u8>,
    ) -> Outcome {
        Err(Failure::Missing { stage: "stages" })
    }

    /// [`BitLinear::forward`].
    fn layer(
        &mut self,
        _layer: &BitLinear<'_>,
        _x: &[f32],
        _y: &mut [f32],
        _workspace: Buffer<'_, u8>,
    ) -> Outcome {
        Err(Failure::Missing { stage: "layer" })
    }

    /// [`softmax`], in place.
    fn softmax(&mut self, _scores: &mut [f32]) -> Outcome {
        Err(Failure::Missing { stage: "softmax" })
    }

    /// What [`States::key`](crate::States::key) and [`States::value`](crate::States::value) say of a new cache of those keys
    /// and values: `[tokens, kv heads · head size]` each.
    fn cache(
        &mut self,
        _attention: &Attention<'_>,
        _keys: &mut [f32],
        _values: &mut [f32],
        _workspace: Buffer<'_, u8>,
    ) -> Outcome {
        Err(Failure::Missing { stage: "cache" })
    }

    /// [`attend`] of all query heads of a token to all tokens of such a cache.
    fn attend(
        &mut self,
        _attention: &Attention<'_>,
        _out: &mut [f32],
        _workspace: Buffer<'_, u8>,
    ) -> Outcome {
        Err(Failure::Missing { stage: "attend" })
    }
}

/// One token's attention.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// The cache's shape; its capacity is the number of tokens.
    pub spec: CacheSpec,
    /// `[tokens, kv heads · head size]`.
    pub keys: &'a [f32],
    /// `[tokens, kv heads · head size]`.
    pub values: &'a [f32],
    /// `[query heads, head size]`.
    pub queries: &'a [f32],
    /// Their width.
    pub query_bits: QueryBits,
    /// What scores are multiplied by.
    pub scale: f32,
}

impl Subject for Backend {
    fn transform(&mut self, transform: &Transform<'_>, direction: Direction, x: &mut [f32]) -> Outcome {
        match direction {
            Direction::Forward => transform.forward(*self, x)?,
            Direction::Transpose => transform.transpose(*self, x)?,
        }
        Ok(())
    }

    fn norm(&mut self, norm: &RmsNorm<'_>, inputs: usize, x: &[f32], y: &mut [f32]) -> Outcome {
        Ok(norm.forward(*self, inputs, x, y)?)
    }

    fn quantize(&mut self, quantizer: &Quantizer, inputs: usize, x: &[f32], out: Quantised<'_>) -> Outcome {
        let bits = quantizer.rule().bits();
        quantizer.forward(*self, x, ActivationsMut::new(bits, inputs, out.values, out.scales, out.sums)?)?;
        Ok(())
    }

    fn absmean(
        &mut self,
        inputs: usize,
        weights: &[f32],
        epsilon: f32,
        ternary: &mut [i8],
        scales: &mut [f32],
    ) -> Outcome {
        Ok(absmean_rows(*self, inputs, weights, epsilon, ternary, scales)?)
    }

    fn product_i32(
        &mut self,
        weights: &Weights<'_>,
        x: &Activations<'_>,
        y: &mut [i32],
        workspace: Buffer<'_, u8>,
    ) -> Outcome {
        let outputs = weights.outputs();
        let y = OutputMut::rows(y, outputs)?;
        Ok(product_i32(*self, weights, x, 0..x.tokens(), 0..outputs, y, workspace)?)
    }

    fn product(
        &mut self,
        weights: &Weights<'_>,
        x: &Activations<'_>,
        y: &mut [f32],
        workspace: Buffer<'_, u8>,
    ) -> Outcome {
        let outputs = weights.outputs();
        let y = OutputMut::rows(y, outputs)?;
        Ok(product(*self, weights, x, 0..x.tokens(), 0..outputs, y, workspace)?)
    }

    fn stages(
        &mut self,
        stages: &InputStages<'_>,
        x: &[f32],
        out: Quantised<'_>,
        workspace: Buffer<'_, u8>,
    ) -> Outcome {
        let bits = stages.quantizer().rule().bits();
        let room = ActivationsMut::new(bits, stages.inputs(), out.values, out.scales, out.sums)?;
        stages.quantize(*self, x, room, workspace)?;
        Ok(())
    }

    fn layer(
        &mut self,
        layer: &BitLinear<'_>,
        x: &[f32],
        y: &mut [f32],
        workspace: Buffer<'_, u8>,
    ) -> Outcome {
        Ok(layer.forward(*self, x, OutputMut::rows(y, layer.weights().outputs())?, workspace)?)
    }

    fn softmax(&mut self, scores: &mut [f32]) -> Outcome {
        softmax(*self, scores);
        Ok(())
    }

    fn cache(
        &mut self,
        attention: &Attention<'_>,
        keys: &mut [f32],
        values: &mut [f32],
        workspace: Buffer<'_, u8>,
    ) -> Outcome {
        let (cache, _) = new_cache(*self, attention, workspace)?;
        let (states, size) = (cache.states(), attention.spec.head_size());
        let row = attention.spec.kv_heads() * size;
        for (i, (key, value)) in keys.iter_mut().zip(values).enumerate() {
            let (token, head, element) = (i / row, i % row / size, i % size);
            *key = states.key(token, head, element);
            *value = states.value(token, head, element);
        }
        Ok(())
    }

    fn attend(&mut self, attention: &Attention<'_>, out: &mut [f32], workspace: Buffer<'_, u8>) -> Outcome {
        let (cache, workspace) = new_cache(*self, attention, workspace)?;
        let Attention { spec, queries, query_bits, scale, .. } = *attention;
        let heads = 0..queries.len() / spec.head_size();
        let states = cache.states();
        Ok(attend(*self, states, queries, query_bits, heads, states.len(), scale, out, workspace)?)
    }
}

/// A cache with the keys and values, and the rest of the workspace.
fn new_cache<'w>(
    backend: Backend,
    attention: &Attention<'_>,
    workspace: Buffer<'w, u8>,
) -> Result<(Cache<'w>, Buffer<'w, u8>), Error> {
    let bytes = attention.spec.bytes_len().min(workspace.len());
    let (memory, rest) = workspace.split_at(bytes);
    let mut cache = attention.spec.create(memory)?;
    cache.append(backend, attention.keys, attention.values)?;
    Ok((cache, rest))
}
