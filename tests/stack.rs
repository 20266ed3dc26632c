//! Everything on a small stack: hosts run the library on fibers and on threads of their own choosing (musl's have 128 KiB).

mod common;

use common::data::{MODEL_TRANSFORMS, Random};
use common::owned::{OwnedActivations, OwnedWeights, formats};
use hbitlinear::{
    Backend, BitLinear, Bits, Direction, OutputMut, Quantizer, RmsNorm, Rule, SignMatrix, Transform,
    matrices, product, product_workspace_len,
};

/// The whole stack of the thread, the test's own frames and its backtrace included.
const STACK: usize = 96 << 10;

/// Runs it on a thread with a [`STACK`]; what overflows that ends the process.
fn on_a_small_stack(name: &str, run: impl FnOnce() + Send) {
    common::log(&format!("{name}: on {STACK} bytes of stack"));
    on_a_stack(STACK, run);
}

fn on_a_stack(bytes: usize, run: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(bytes).spawn_scoped(scope, run);
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
        let mut x = vec![1.0_f64; transform.row_len()];
        on_a_small_stack(&format!("{name} in f64"), || {
            transform.apply_f64(Direction::Forward, &mut x).expect("whole rows");
            transform.apply_f64(Direction::Transpose, &mut x).expect("whole rows");
        });
    }
}

#[test]
fn products() {
    let mut random = Random::new(1);
    for format in formats() {
        let w = OwnedWeights::random(530, 1100, format, &mut random);
        let weights = w.view();
        let cases = Bits::ALL.iter().flat_map(|&bits| [1, 3, 40].map(|tokens| (bits, tokens)));
        let activations: Vec<_> =
            cases.map(|(bits, tokens)| OwnedActivations::random(bits, tokens, 1100, &mut random)).collect();
        for backend in Backend::available() {
            let (mut y, mut workspace) = (vec![0.0; 40 * 530], vec![0; product_workspace_len()]);
            on_a_small_stack(&format!("{format:?} {backend}"), || {
                for x in &activations {
                    let (tokens, outputs) = (0..x.tokens(), 0..530);
                    let y = OutputMut::rows(&mut y[..tokens.len() * 530], 530).expect("whole rows");
                    product(backend, &weights, &x.view(), tokens, outputs, y, &mut workspace)
                        .expect("checked");
                }
            });
        }
    }
}

#[test]
fn layers() {
    for (format, &rule) in formats().zip(Rule::ALL.iter().cycle()) {
        let w = OwnedWeights::random(40, 1536, format, &mut Random::new(2));
        let quantizer = Quantizer::new(rule, 1e-5).expect("a good epsilon");
        let norm = Some(RmsNorm::new(None, 1e-5).expect("a good epsilon"));
        let transform = Some(Transform::named("paley1:12*128").expect("a known name"));
        let stages = common::run::input_stages(1536, quantizer, norm, transform).expect("one K");
        let layer = BitLinear::new(stages, w.view()).expect("one K");
        for backend in Backend::available() {
            let (x, mut y) = (vec![1.0_f32; 3 * 1536], vec![0.0; 3 * 40]);
            let mut workspace = vec![0; layer.workspace_len(3).expect("it fits")];
            on_a_small_stack(&format!("{rule} {format:?} {backend}"), || {
                let y = OutputMut::rows(&mut y, 40).expect("whole rows");
                layer.forward(backend, &x, y, &mut workspace).expect("finite rows");
            });
        }
    }
}

/// Set to a number of bytes for a child process of [`the_largest_need`].
const CHILD_STACK: &str = "HBITLINEAR_STACK_OF_CHILD";

/// A transform by a matrix of the caller's of the largest order, which takes more stack than anything else.
fn largest(backend: Backend) {
    let order = matrices::MAX_ORDER;
    let signs: Vec<i8> =
        (0..order * order).map(|at| 1 - 2 * (((at / order) & (at % order)).count_ones() % 2) as i8).collect();
    let mut words = vec![0; SignMatrix::storage_len(order).expect("a good order")];
    let matrix = SignMatrix::pack(order, &signs, &mut words).expect("a Hadamard matrix");
    let transform = Transform::new(&[matrix], 16).expect("a good length");
    let mut x = vec![1.0_f32; transform.row_len()];
    let bytes = std::env::var(CHILD_STACK).map_or(STACK, |bytes| bytes.parse().expect("a number"));
    on_a_stack(bytes, || {
        transform.forward(backend, &mut x).expect("whole rows");
        transform.transpose(backend, &mut x).expect("whole rows");
    });
}

/// Finds out how much that is, in steps of 4 KiB, by processes that overflow or do not. The thread's own frames are part of it.
#[test]
fn the_largest_need() {
    Backend::available().for_each(largest);
    if std::env::var_os(CHILD_STACK).is_some()
        || cfg!(not(unix))
        || common::reduced("the search for the least stack")
    {
        return;
    }
    let program = std::env::current_exe().expect("a path");
    let fits = |kib: usize| {
        let mut child = std::process::Command::new(&program);
        child
            .args(["--exact", "the_largest_need", "--test-threads=1"])
            .env(CHILD_STACK, (kib << 10).to_string());
        child.output().expect("a child process").status.success()
    };
    let least = (16..=STACK >> 10).step_by(4).find(|&kib| fits(kib));
    common::log(&format!("an own matrix of order {}: {least:?} KiB of stack", matrices::MAX_ORDER));
    assert!(least.is_some());
}
