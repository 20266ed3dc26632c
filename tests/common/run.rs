//! One call of a stage into memory of its own.

use hbitlinear::{
    Activations, Backend, BitLinear, Direction, Element, Error, Input, InputStages, OutputMut, Quantizer,
    RmsNorm, Rule, Transform, Weights, product, product_i32, product_workspace_len,
};

use super::data::{assert_painted, painted};
use super::owned::Quantised;

/// The product of all tokens and outputs.
pub(crate) fn run_f32(backend: Backend, weights: &Weights<'_>, x: &Activations<'_>) -> Vec<f32> {
    let (tokens, outputs) = (x.tokens(), weights.outputs());
    let (mut y, mut workspace) = (vec![f32::NAN; tokens * outputs], vec![0xcc; product_workspace_len()]);
    let out = OutputMut::new(&mut y, tokens, outputs, outputs).unwrap();
    product(backend, weights, x, 0..tokens, 0..outputs, out, &mut workspace).unwrap();
    y
}

/// The integer product of all tokens and outputs.
pub(crate) fn run_i32(backend: Backend, weights: &Weights<'_>, x: &Activations<'_>) -> Vec<i32> {
    let (tokens, outputs) = (x.tokens(), weights.outputs());
    let (mut y, mut workspace) = (vec![i32::MIN; tokens * outputs], vec![0xcc; product_workspace_len()]);
    let out = OutputMut::new(&mut y, tokens, outputs, outputs).unwrap();
    product_i32(backend, weights, x, 0..tokens, 0..outputs, out, &mut workspace).unwrap();
    y
}

/// Values, scale and sum of one row.
pub(crate) fn quantise(backend: Backend, rule: Rule, epsilon: f32, row: &[f32]) -> (Vec<i8>, f32, i32) {
    let mut memory = Quantised::painted(rule.bits(), 1, row.len());
    Quantizer::new(rule, epsilon).unwrap().forward(backend, row, memory.room()).unwrap();
    (memory.row(0), memory.scales[0], memory.sums[0])
}

/// Stages with a norm and a transform where there are some.
pub(crate) fn input_stages<'a>(
    inputs: usize,
    quantizer: Quantizer,
    norm: Option<RmsNorm<'a>>,
    transform: Option<Transform<'a>>,
) -> Result<InputStages<'a>, Error> {
    let stages = InputStages::new(inputs, quantizer)?;
    let stages = norm.map_or(Ok(stages), |norm| stages.with_norm(norm))?;
    transform.map_or(Ok(stages), |transform| stages.with_transform(transform))
}

/// The stages before a product; a refusal must leave the memory alone.
pub(crate) fn stages<'x, T: Element>(
    backend: Backend,
    stages: &InputStages<'_>,
    x: impl Into<Input<'x, T>>,
    tokens: usize,
) -> Result<Quantised, Error> {
    let mut memory = Quantised::painted(stages.quantizer().rule().bits(), tokens, stages.inputs());
    let mut workspace = vec![0x77; stages.workspace_len()?];
    match stages.quantize(backend, x, memory.room(), &mut workspace).map(|_| ()) {
        Ok(()) => Ok(memory),
        Err(error) => {
            memory.assert_painted();
            Err(error)
        }
    }
}

/// A whole layer; a refusal must leave the output alone.
pub(crate) fn layer<'x, T: Element>(
    backend: Backend,
    layer: &BitLinear<'_>,
    x: impl Into<Input<'x, T>>,
    tokens: usize,
) -> Result<Vec<f32>, Error> {
    let outputs = layer.weights().outputs();
    let mut y: Vec<f32> = painted(tokens * outputs);
    let mut workspace = vec![0x77; layer.workspace_len(tokens)?];
    let out = OutputMut::new(&mut y, tokens, outputs, outputs)?;
    match layer.forward(backend, x, out, &mut workspace) {
        Ok(()) => Ok(y),
        Err(error) => {
            assert_painted(&y, "y");
            Err(error)
        }
    }
}

/// The transformed rows.
pub(crate) fn transform(
    backend: Backend,
    transform: &Transform<'_>,
    direction: Direction,
    x: &[f32],
) -> Vec<f32> {
    let mut y = x.to_vec();
    match direction {
        Direction::Forward => transform.forward(backend, &mut y).unwrap(),
        Direction::Transpose => transform.transpose(backend, &mut y).unwrap(),
    }
    y
}
