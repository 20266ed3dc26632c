//! Other people's formats to packed weights and back, on one thread: bytes of the format a second. And packing an i8 matrix.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::{Layout, Scaling, WeightSpec, Weights};

/// A matrix of BitNet-b1.58-2B-4T (`ffn_down`), whose weights no cache of a core holds.
const OUTPUTS: usize = 2560;
const INPUTS: usize = 6912;

fn ternary() -> Vec<i8> {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % 3
    };
    (0..OUTPUTS * INPUTS).map(|_| random() as i8 - 1).collect()
}

fn packed(layout: Layout, ternary: &[i8]) -> Vec<u8> {
    let spec = WeightSpec::new(OUTPUTS, INPUTS, layout, Scaling::Row).expect("a good shape");
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(ternary, &[0.5; OUTPUTS], &mut blob).expect("ternary weights");
    blob
}

fn formats(criterion: &mut Criterion) {
    let ternary = ternary();
    for &layout in Layout::ALL {
        let blob = packed(layout, &ternary);
        let weights = Weights::open(&blob).expect("a blob");
        for &format in Format::ALL {
            let export = Export::new(format, &weights).expect("scales that are the same f16");
            let mut group = criterion.benchmark_group(format!("interop/{layout}"));
            let mut bytes = vec![0; export.len()];
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_function(BenchmarkId::new("to", format), |bencher| {
                bencher.iter(|| export.write(&mut bytes));
            });
            let mut import = Import::new(format, OUTPUTS, INPUTS, &bytes).expect("its bytes");
            if let Some(scale) = export.weight_scale() {
                import = import.with_weight_scale(scale).expect("a scale");
            }
            let spec = import.spec(layout, Scaling::Row).expect("a good shape");
            let mut again = vec![0; spec.packed_len()];
            group.bench_function(BenchmarkId::new("from", format), |bencher| {
                bencher.iter(|| import.pack(&spec, &mut again));
            });
            assert!(again == blob, "{format} came back as something else");
        }
    }
}

fn pack(criterion: &mut Criterion) {
    let ternary = ternary();
    let mut group = criterion.benchmark_group("pack");
    group.throughput(Throughput::Elements(ternary.len() as u64));
    for &layout in Layout::ALL {
        let spec = WeightSpec::new(OUTPUTS, INPUTS, layout, Scaling::Row).expect("a good shape");
        let mut blob = vec![0; spec.packed_len()];
        group.bench_function(layout.name(), |bencher| {
            bencher.iter(|| spec.pack(&ternary, &[0.5; OUTPUTS], &mut blob));
        });
    }
}

criterion_group!(benches, formats, pack);
criterion_main!(benches);
