//! Everything on a small stack: hosts run the library on fibers and on threads of their own choosing (musl's have 128 KiB).

mod common;

use common::data::{MODEL_TRANSFORMS, OwnedActivations, OwnedWeights, Random};
use hbitlinear::hadamard::Transform;
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{Bits, Quantizer, Rule};
use hbitlinear::weights::{Layout, Scaling, WeightSpec, Weights};
use hbitlinear::{Backend, HBitLinear, OutputMut, gemm};

/// The whole stack of the thread, the test's own frames and its backtrace included.
const STACK: usize = 96 << 10;

/// Runs it on a thread with a [`STACK`]; what overflows that ends the process.
fn on_a_small_stack(name: &str, run: impl FnOnce() + Send) {
    common::log(&format!("{name}: on {STACK} bytes of stack"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        thread.expect("a thread").join().expect("no panic");
    });
}

#[test]
fn transforms() {
    // The last two are of large tables and of strides that are no whole register.
    for name in MODEL_TRANSFORMS.into_iter().chain(["quarot:172*4", "paley2:84*2"]) {
        let transform = Transform::named(name).expect("a known name");
        for backend in Backend::available() {
            let mut x = vec![1.0_f32; transform.row_len()];
            on_a_small_stack(&format!("{name} {}", backend.name()), || {
                transform.forward(backend, &mut x).expect("whole rows");
                transform.transpose(backend, &mut x).expect("whole rows");
            });
        }
    }
}

#[test]
fn products() {
    let mut random = Random::new(1);
    for scaling in [Scaling::Row, Scaling::Group(64), Scaling::GroupF16(128)] {
        let w = OwnedWeights::random(530, 1100, scaling, &mut random);
        for blob in w.layouts() {
            let weights = Weights::open(&blob).expect("a good blob");
            for (bits, tokens) in
                [Bits::Four, Bits::Eight].into_iter().flat_map(|b| [1, 3, 40].map(|t| (b, t)))
            {
                let x = OwnedActivations::random(bits, tokens, 1100, &mut random);
                for backend in Backend::available() {
                    let mut y = vec![0.0; tokens * 530];
                    let mut workspace = vec![0; gemm::workspace_len()];
                    on_a_small_stack(
                        &format!("{scaling:?} {bits:?} M = {tokens} {}", backend.name()),
                        || {
                            let mut y = OutputMut::new(&mut y, tokens, 530, 530).expect("lengths");
                            gemm::product(
                                backend,
                                &weights,
                                &x.view(),
                                0..tokens,
                                0..530,
                                &mut y,
                                &mut workspace,
                            )
                            .expect("checked");
                        },
                    );
                }
            }
        }
    }
}

#[test]
fn layers() {
    let spec = WeightSpec::new(40, 1536, Layout::T5, Scaling::Tensor).expect("a shape");
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&vec![1; 40 * 1536], &[0.5], &mut blob).expect("lengths");
    let weights = Weights::open(&blob).expect("a good blob");
    for rule in Rule::ALL {
        let layer = HBitLinear::new(
            Some(RmsNorm::new(None, 1e-5).expect("a good epsilon")),
            Transform::named("paley1:12*128").expect("a known name"),
            Quantizer::new(rule, 1e-5).expect("a good epsilon"),
            weights,
        )
        .expect("one K");
        for backend in Backend::available() {
            let (x, mut y) = (vec![1.0_f32; 3 * 1536], vec![0.0; 3 * 40]);
            let mut workspace = vec![0; layer.workspace_len(3).expect("it fits")];
            on_a_small_stack(&format!("{} {}", rule.name(), backend.name()), || {
                let mut y = OutputMut::new(&mut y, 3, 40, 40).expect("lengths");
                layer.forward(backend, &x, &mut y, &mut workspace).expect("finite rows");
            });
        }
    }
}
