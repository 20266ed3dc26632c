//! A small model file, and what its layer gives.

use hbitlinear::container::{HEADER_BYTES, Kind, Record, data_place, index_len, index_place, write_index};
use hbitlinear::interop::{Format, Import};
use hbitlinear::{Backend, BitLinear, InputStages, Layout, OutputMut, Quantizer, Rule, Transform, Weights};

use super::{Outcome, hbitlinear};

pub(crate) const TENSOR: &str = "blk.0.ffn_down.weight";
pub(crate) const SHAPE: (usize, usize) = (37, 256);

pub(crate) struct Model {
    pub(crate) container: Vec<u8>,
    pub(crate) tq2_0: Vec<u8>,
    /// Of the layer as the contract has it.
    pub(crate) outputs: Vec<f32>,
    /// Without a transform, to int8.
    pub(crate) plain: Vec<f32>,
}

/// With a contract of that transform.
pub(crate) fn with(transform: &str) -> Outcome<Model> {
    let tq2_0 = tensor();
    let import = Import::new(Format::Tq2_0, SHAPE.0, SHAPE.1, &tq2_0)?;
    let spec = import.spec(Layout::TwoBit, import.scaling()?)?;
    let mut blob = vec![0; spec.packed_len()];
    import.pack(&spec, &mut blob)?;
    let contract = format!("hbitlinear-contract 1\nblk.*.ffn_down.weight {transform} a4-absmean\n");
    let each = match transform.strip_prefix("each:") {
        Some(name) => {
            let block = Transform::named(name)?;
            Some(block.with_blocks(SHAPE.1 / block.block_len())?)
        }
        None => None,
    };
    let weights = Weights::open(&blob)?;
    Ok(Model {
        outputs: forward(weights, each, Rule::Int4AbsMean)?,
        plain: forward(weights, None, Rule::Int8AbsMax)?,
        container: container(&blob, contract.as_bytes())?,
        tq2_0,
    })
}

/// Rows with a scale each.
fn tensor() -> Vec<u8> {
    let rows = (0..SHAPE.0).map(|row| {
        let codes =
            (0..64).map(move |byte| (0..4).fold(0, |sum, n| sum | ((row + byte * (n + 1)) % 3) << (2 * n)));
        codes.map(|code| code as u8).chain([row as u8, 0x38])
    });
    rows.flatten().collect()
}

fn forward(weights: Weights<'_>, transform: Option<Transform<'_>>, rule: Rule) -> Outcome<Vec<f32>> {
    let (outputs, inputs) = SHAPE;
    let mut stages = InputStages::new(inputs, Quantizer::new(rule, 1e-5)?)?;
    if let Some(transform) = transform {
        stages = stages.with_transform(transform)?;
    }
    let layer = BitLinear::new(stages, weights)?;
    let x: Vec<f32> = (0..inputs).map(|i| [1.0, -1.0][i % 2] / (i + 1) as f32).collect();
    let (mut y, mut workspace) = (vec![0.0; outputs], vec![0; layer.workspace_len(1)?]);
    layer.forward(Backend::best(), &x, OutputMut::rows(&mut y, outputs)?, &mut workspace)?;
    Ok(y)
}

fn container(blob: &[u8], contract: &[u8]) -> Outcome<Vec<u8>> {
    let shape = [SHAPE.0 as u64, SHAPE.1 as u64];
    let mut file = vec![0; HEADER_BYTES];
    let mut record = |name, kind, type_name, shape, data: &[u8]| {
        let place = data_place(file.len() as u64).ok_or("too long")?;
        file.resize(place as usize, 0);
        file.extend(data);
        let (len, crc) = (data.len() as u64, crc32fast::hash(data));
        Outcome::Ok(Record { name, kind, type_name, shape, place, len, crc })
    };
    let records = [
        record(TENSOR, Kind::Weights, Format::Tq2_0.name(), &shape[..], blob)?,
        record("contract", Kind::Text, "contract", &[], contract)?,
    ];
    file.resize(index_place(&records)? as usize, 0);
    let mut index = vec![0; index_len(&records)?];
    file[..HEADER_BYTES].copy_from_slice(&write_index(&records, &mut index)?);
    file.extend(index);
    Ok(file)
}
