//! The formats' own code (`interop/make.py`): PyPI gguf's quantisers, transformers' packing and layers.

use std::path::Path;

use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::{
    Backend, BitLinear, GroupLen, InputStages, Layout, OutputMut, Quantizer, Rule, Scaling, WeightSpec,
    Weights,
};

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name).with_extension("bin");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn i8s(name: &str) -> Vec<i8> {
    bytes(name).into_iter().map(|byte| byte as i8).collect()
}

fn f32s(name: &str) -> Vec<f32> {
    bytes(name).chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn f16s(name: &str) -> Vec<f32> {
    let halves = bytes(name);
    halves.chunks_exact(2).map(|two| half::f16::from_le_bytes(two.try_into().unwrap()).to_f32()).collect()
}

const GGUF: [Format; 2] = [Format::Tq1_0, Format::Tq2_0];

fn export(format: Format, weights: &Weights<'_>) -> Vec<u8> {
    let export = Export::new(format, weights).unwrap();
    let mut bytes = vec![0xee; export.len()];
    export.write(&mut bytes).unwrap();
    bytes
}

fn pack(import: &Import<'_>, layout: Layout, scaling: Scaling) -> Vec<u8> {
    let spec = import.spec(layout, scaling).unwrap();
    let mut blob = vec![0xee; spec.packed_len()];
    import.pack(&spec, &mut blob).unwrap();
    blob
}

/// The weights that gguf quantised come out, and its bytes from them; with a scale for each block, and from one scale.
#[test]
fn gguf_quantize() {
    const SHAPE: (usize, usize) = (5, 768);
    let weights = i8s("weights");
    for format in GGUF {
        for kind in ["blocks", "tensor"] {
            let expected = bytes(&format!("{format}-{kind}"));
            let scales = f16s(&format!("scales-{kind}"));
            let import = Import::new(format, SHAPE.0, SHAPE.1, &expected).unwrap();
            let by_block = Scaling::GroupF16(GroupLen::L256);
            let coarsest = if kind == "tensor" { Scaling::Tensor } else { by_block };
            assert_eq!(import.scaling().unwrap(), coarsest);
            for scaling in [by_block, coarsest] {
                for &layout in Layout::ALL {
                    let blob = pack(&import, layout, scaling);
                    let packed = Weights::open(&blob).unwrap();
                    let mut unpacked = vec![0; weights.len()];
                    packed.unpack(&mut unpacked, &mut vec![0.0; packed.spec().scale_count()]).unwrap();
                    assert_eq!(unpacked, weights);
                    assert!(export(format, &packed) == expected, "{format}, {kind}, {layout}");
                }
            }
            // From the weights and scales themselves, which no format was read for.
            let spec = WeightSpec::new(SHAPE.0, SHAPE.1, Layout::TwoBit, coarsest).unwrap();
            let mut blob = vec![0; spec.packed_len()];
            let scales = if kind == "tensor" { &scales[..1] } else { &scales[..] };
            spec.pack(&weights, scales, &mut blob).unwrap();
            let again = export(format, &Weights::open(&blob).unwrap());
            if kind == "tensor" {
                assert!(again == expected, "{format}");
            } else {
                // gguf writes zeros as the scale of blocks of zeros; these have their own.
                let again = Import::new(format, SHAPE.0, SHAPE.1, &again).unwrap();
                assert!(
                    (0..15).all(|block| again.scale(block / 3, block % 3 * 256).unwrap() == scales[block])
                );
            }
        }
    }
}

/// Any bytes without a code 3 hold the values that gguf says they do.
#[test]
fn gguf_dequantize() {
    for format in GGUF {
        let blocks = bytes(&format!("{format}-any"));
        let values = f32s(&format!("{format}-any-values"));
        let import = Import::new(format, 3, 512, &blocks).unwrap();
        for &layout in Layout::ALL {
            let blob = pack(&import, layout, Scaling::GroupF16(GroupLen::L256));
            let weights = Weights::open(&blob).unwrap();
            for (at, &value) in values.iter().enumerate() {
                let (o, i) = (at / 512, at % 512);
                let ours = f32::from(weights.weight(o, i)) * weights.scale(o, i / 256);
                assert_eq!(ours, value, "{format}, {layout}, {at}");
            }
        }
    }
}

#[test]
fn transformers_pack_weights() {
    for (outputs, inputs) in [(8, 7), (5, 640), (1, 1), (17, 257)] {
        let packed = bytes(&format!("hf-{outputs}x{inputs}-packed"));
        let expected = i8s(&format!("hf-{outputs}x{inputs}-weights"));
        let import = Import::new(Format::HfMultiply, outputs, inputs, &packed).unwrap();
        let import = import.with_weight_scale(1.5).unwrap();
        for &layout in Layout::ALL {
            let blob = pack(&import, layout, Scaling::Tensor);
            let weights = Weights::open(&blob).unwrap();
            let mut unpacked = vec![0; expected.len()];
            weights.unpack(&mut unpacked, &mut [0.0]).unwrap();
            assert_eq!(unpacked, expected);
            assert!(export(Format::HfMultiply, &weights) == packed);
        }
    }
}

/// Each direction of `weight_scale` gives the outputs of its layer class.
#[test]
fn transformers_layers() {
    const SHAPE: (usize, usize) = (8, 640);
    let (packed, x, scales) = (bytes("hf-layer-packed"), f32s("hf-layer-x"), f32s("hf-layer-scales"));
    let layers =
        [(Format::HfDivide, "bitlinear", scales[0]), (Format::HfMultiply, "autobitlinear", scales[1])];
    for (format, class, weight_scale) in layers {
        let import = Import::new(format, SHAPE.0, SHAPE.1, &packed).unwrap();
        let blob = pack(&import.with_weight_scale(weight_scale).unwrap(), Layout::TwoBit, Scaling::Tensor);
        let weights = Weights::open(&blob).unwrap();
        assert_eq!(Export::new(format, &weights).unwrap().weight_scale(), Some(weight_scale));
        let stages = InputStages::new(SHAPE.1, Quantizer::new(Rule::Int8AbsMax, 0.0).unwrap()).unwrap();
        let layer = BitLinear::new(stages, weights).unwrap();
        let mut y = vec![0.0; 3 * SHAPE.0];
        let mut workspace = vec![0; layer.workspace_len(3).unwrap()];
        let out = OutputMut::rows(&mut y, SHAPE.0).unwrap();
        layer.forward(Backend::best(), &x, out, &mut workspace).unwrap();
        let expected = f32s(&format!("hf-layer-{class}"));
        let largest = expected.iter().fold(0.0_f32, |most, y| most.max(y.abs()));
        for (ours, theirs) in y.iter().zip(&expected) {
            assert!((ours - theirs).abs() <= 1e-6 * largest, "{class}: {ours}, expected {theirs}");
        }
    }
}
