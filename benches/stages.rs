//! Stages 1 and 2, a criterion group a stage, each shape on every backend of this machine.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hbitlinear::{ActivationsMut, Backend, Quantizer, RmsNorm, Rule, Transform};

fn activations(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 1000) as f32 / 100.0 - 5.0).collect()
}

fn transforms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transform");
    let powers = (6..=16).map(|log2| (1_usize << log2).to_string());
    let shapes = ["paley1:20*128", "paley1:108*64", "paley1:12*paley2:36*16", "paley2:28*512"];
    for name in powers.chain(shapes.map(String::from)) {
        let transform = Transform::named(&name).expect("a known name");
        let mut x = activations(transform.row_len());
        group.throughput(Throughput::Elements(x.len() as u64));
        for backend in Backend::available() {
            group.bench_function(BenchmarkId::new(backend.name(), &name), |bencher| {
                bencher.iter(|| transform.forward(backend, &mut x));
            });
        }
    }
}

fn norms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("norm");
    for inputs in [2560, 6912, 14336] {
        let (x, gain, mut y) = (activations(inputs), activations(inputs), vec![0.0; inputs]);
        let norm = RmsNorm::new(Some(&gain), 1e-5).expect("a finite gain");
        group.throughput(Throughput::Bytes(4 * inputs as u64));
        for backend in Backend::available() {
            group.bench_function(BenchmarkId::new(backend.name(), inputs), |bencher| {
                bencher.iter(|| norm.forward(backend, inputs, &x, &mut y));
            });
        }
    }
}

fn quantizers(criterion: &mut Criterion) {
    for &rule in Rule::ALL {
        let mut group = criterion.benchmark_group(format!("quantize/{}", rule.name()));
        let quantizer = Quantizer::new(rule, 1e-5).expect("a good ε");
        for inputs in [2560, 6912, 14336] {
            let x = activations(inputs);
            let mut values = vec![0; rule.bits().row_bytes(inputs)];
            let (mut scales, mut sums) = ([0.0], [0]);
            group.throughput(Throughput::Bytes(4 * inputs as u64));
            for backend in Backend::available() {
                group.bench_function(BenchmarkId::new(backend.name(), inputs), |bencher| {
                    bencher.iter(|| {
                        let (values, scales, sums) = (&mut values, &mut scales, &mut sums);
                        let out = ActivationsMut::new(rule.bits(), inputs, values, scales, sums);
                        quantizer.forward(backend, &x, out.expect("the right lengths")).map(drop)
                    });
                });
            }
        }
    }
}

criterion_group!(benches, transforms, norms, quantizers);
criterion_main!(benches);
