//! hbitlinear's reading and writing of TQ1_0, TQ2_0 and Q2_0 against llama.cpp's own quantisers and dequantisers.

use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::{GroupLen, Layout, Scaling, WeightSpec, Weights};
use llama_cpp_sys_2 as sys;

const FORMATS: [(Format, sys::ggml_type, GroupLen); 3] = [
    (Format::Tq1_0, sys::GGML_TYPE_TQ1_0, GroupLen::L256),
    (Format::Tq2_0, sys::GGML_TYPE_TQ2_0, GroupLen::L256),
    (Format::Q2_0, sys::GGML_TYPE_Q2_0, GroupLen::L64),
];

/// N × K: fewer rows than a panel, more than one, and rows of one block and of many.
const SHAPES: [(usize, usize); 5] = [(1, 256), (16, 512), (17, 768), (33, 2560), (5, 6912)];

/// `[N, K]` weights, and a scale for each group.
struct Tensor {
    what: &'static str,
    weights: Vec<i8>,
    scales: Vec<f32>,
}

/// Random weights, and what has gone wrong elsewhere: zero blocks, a scale of 0, all of one sign.
fn tensors(weights: usize, group: usize) -> Vec<Tensor> {
    let mut random = fastrand::Rng::with_seed(7);
    let groups = weights / group;
    // Exact as f16, and different.
    let mut scales: Vec<f32> = (0..groups).map(|i| (1 + i % 1000) as f32 / 1024.0).collect();
    let of = |what, weights: Vec<i8>, scales: &[f32]| Tensor { what, weights, scales: scales.to_vec() };
    let mut all = vec![
        of("all +1", vec![1; weights], &scales),
        of("all -1", vec![-1; weights], &scales),
        of("random", (0..weights).map(|_| random.i8(-1..=1)).collect(), &scales),
    ];
    let mut sparse: Vec<i8> = (0..weights).map(|_| random.i8(-1..=1)).collect();
    for (index, (block, scale)) in sparse.chunks_mut(group).zip(&mut scales).enumerate() {
        if index % 2 == 0 {
            block.fill(0);
            *scale = 0.0;
        }
    }
    all.push(of("zero blocks", sparse, &scales));
    all.push(of("all 0", vec![0; weights], &vec![0.0; groups]));
    all
}

impl Tensor {
    fn floats(&self, group: usize) -> Vec<f32> {
        let blocks = self.weights.chunks(group).zip(&self.scales);
        blocks
            .flat_map(|(block, &scale)| block.iter().map(move |&weight| f32::from(weight) * scale))
            .collect()
    }
}

fn quantised(id: sys::ggml_type, floats: &[f32], inputs: usize) -> Vec<u8> {
    let rows = floats.len() / inputs;
    // SAFETY: rows of a whole number of blocks; as many bytes as llama.cpp says.
    unsafe {
        let mut bytes = vec![0; sys::ggml_row_size(id, inputs as i64) * rows];
        let (from, to) = (floats.as_ptr(), bytes.as_mut_ptr().cast());
        let none = core::ptr::null();
        let len = sys::ggml_quantize_chunk(id, from, to, 0, rows as i64, inputs as i64, none);
        assert_eq!(len, bytes.len());
        bytes
    }
}

fn dequantised(id: sys::ggml_type, bytes: &[u8], weights: usize) -> Vec<f32> {
    let mut floats = vec![f32::NAN; weights];
    // SAFETY: a known type; as many bytes as so many weights take, and room for these.
    unsafe {
        let convert = (*sys::ggml_get_type_traits(id)).to_float.expect("a dequantiser");
        convert(bytes.as_ptr().cast(), floats.as_mut_ptr(), weights as i64);
    }
    floats
}

#[test]
fn both_ways() {
    for (format, id, group) in FORMATS {
        let mut count = 0;
        for (outputs, inputs) in SHAPES {
            for tensor in tensors(outputs * inputs, group.get()) {
                let what = format!("{format}, {outputs} x {inputs}, {}", tensor.what);
                let theirs = quantised(id, &tensor.floats(group.get()), inputs);
                assert_eq!(Ok(theirs.len()), format.tensor_len(outputs, inputs), "{what}");
                for &layout in Layout::ALL {
                    let spec = WeightSpec::new(outputs, inputs, layout, Scaling::GroupF16(group)).unwrap();
                    let mut blob = vec![0; spec.packed_len()];
                    spec.pack(&tensor.weights, &tensor.scales, &mut blob).unwrap();
                    let weights = Weights::open(&blob).unwrap();

                    // Ours, read by them.
                    let export = Export::new(format, &weights).unwrap();
                    let mut ours = vec![0; export.len()];
                    export.write(&mut ours).unwrap();
                    let read = dequantised(id, &ours, outputs * inputs);
                    for (at, (&found, &weight)) in read.iter().zip(&tensor.weights).enumerate() {
                        let expected = f32::from(weight) * tensor.scales[at / group.get()];
                        assert_eq!(found, expected, "{what}, weight {at}");
                    }

                    // Theirs is ours, and read by us.
                    assert!(theirs == ours, "{what}: other bytes");
                    let import = Import::new(format, outputs, inputs, &theirs).unwrap();
                    let mut packed = vec![0; spec.packed_len()];
                    import.pack(&spec, &mut packed).unwrap();
                    assert!(packed == blob, "{what}: other weights");
                }
                count += outputs * inputs;
            }
        }
        println!("{format}: {count} weights, in both layouts");
    }
}
