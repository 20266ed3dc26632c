//! What is tried, each in a process of its own.

use std::{env, fs, thread};

use hbitlinear::Transform;
use hbitlinear::interop::Format;

use crate::abi::Tensor;
use crate::ggml::Ggml;
use crate::graphs::{Setup, Tensors, contract_graph, get, products, random_graph, set};
use crate::oracle::{Matrix, Random};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    pub(crate) run: fn(),
}

const OWN: (&str, &str) = ("HBITLINEAR_GGML_WAY", "own");
const INJECT: (&str, &str) = ("HBITLINEAR_GGML_WAY", "inject");
const FIVE_TRIT: (&str, &str) = ("HBITLINEAR_GGML_LAYOUT", "five-trit");

pub(crate) const ALL: &[Scenario] = &[
    Scenario { name: "random", environment: &[], run: || random(1) },
    Scenario { name: "random-own", environment: &[OWN], run: || random(2) },
    Scenario { name: "random-five-trit", environment: &[FIVE_TRIT], run: || random(3) },
    Scenario { name: "random-inject", environment: &[INJECT], run: random_inject },
    Scenario { name: "beside-the-cpu", environment: &[], run: beside_the_cpu },
    Scenario { name: "two-contexts", environment: &[], run: two_contexts },
    Scenario { name: "large", environment: &[], run: large },
    Scenario { name: "unload", environment: &[], run: unload },
    Scenario { name: "declined", environment: &[], run: || declined(false) },
    Scenario { name: "declined-own", environment: &[OWN], run: || declined(true) },
    Scenario { name: "contract", environment: &[], run: contract },
    Scenario { name: "contract-that-does-not-fit", environment: &[], run: contract_that_does_not_fit },
    Scenario { name: "unknown-way", environment: &[("HBITLINEAR_GGML_WAY", "sideways")], run: refused },
    Scenario {
        name: "no-such-contract",
        environment: &[("HBITLINEAR_GGML_CONTRACT", "/nowhere")],
        run: refused,
    },
    Scenario { name: "unknown-backend", environment: &[("HBITLINEAR_BACKEND", "abacus")], run: refused },
];

fn shapes() -> usize {
    env::var("HBITLINEAR_GGML_SHAPES").map_or(300, |count| count.parse().expect("a number"))
}

fn random(seed: u64) {
    let ggml = Ggml::open();
    ggml.load_cpu();
    let setup = Setup::new(&ggml, ggml.load_ours());
    for graph in 0..shapes() {
        random_graph(&setup, &mut Random::new(seed * 1_000_003 + graph as u64));
    }
}

fn random_inject() {
    let ggml = Ggml::open();
    let cpu = ggml.load_cpu();
    assert!(!ggml.load_ours().is_null());
    let setup = Setup::injected(&ggml, cpu);
    for graph in 0..shapes() {
        random_graph(&setup, &mut Random::new(4_000_003 + graph as u64));
    }
}

/// The CPU's own product, whose activations have a scale for each block, is near: 5e-4 is what ggml's tests allow.
fn beside_the_cpu() {
    let ggml = Ggml::open();
    let cpu = Setup::new(&ggml, ggml.load_cpu());
    let ours = Setup::new(&ggml, ggml.load_ours());
    let mut random = Random::new(4);
    for (kind, format, block) in crate::oracle::KINDS {
        let matrix = Matrix::of(&mut random, kind, format, block, 64, 512);
        let rows: Vec<f32> = (0..3 * 512).map(|_| random.signed()).collect();
        let [expected, actual] = [&cpu, &ours].map(|setup| {
            let (mut weights, mut others) = (Tensors::new(&ggml), Tensors::new(&ggml));
            let w = weights.tensor(kind, [512, 64, 1, 1], "w");
            let x = others.tensor(0, [512, 3, 1, 1], "x");
            unsafe {
                let graph = (ggml.ggml_new_graph)(others.context);
                let y = (ggml.ggml_mul_mat)(others.context, w, x);
                (ggml.ggml_build_forward_expand)(graph, y);
                weights.allocate(setup.weights);
                others.allocate(setup.others);
                set(&ggml, w, &matrix.bytes);
                set(&ggml, x, &rows);
                assert_eq!((ggml.ggml_backend_graph_compute)(setup.backend, graph), 0);
                get::<f32>(&ggml, y, 3 * 64)
            }
        });
        let error: f32 = expected.iter().zip(&actual).map(|(a, b)| (a - b).powi(2)).sum();
        let power: f32 = expected.iter().map(|a| a.powi(2)).sum();
        assert!(error <= 5e-4 * power, "type {kind}: {}", error / power);
    }
}

/// Two contexts of one process compute at the same time.
fn two_contexts() {
    let ggml = Ggml::open();
    ggml.load_cpu();
    let registry = ggml.load_ours();
    let registry = registry.expose_provenance();
    thread::scope(|scope| {
        for seed in [5, 6] {
            let ggml = &ggml;
            scope.spawn(move || {
                let setup = Setup::new(ggml, core::ptr::with_exposed_provenance_mut(registry));
                for graph in 0..shapes() / 2 {
                    random_graph(&setup, &mut Random::new(seed * 1_000_003 + graph as u64));
                }
            });
        }
    });
}

/// Matrices that several threads pack, into pages that a helper has been at.
fn large() {
    let ggml = Ggml::open();
    ggml.load_cpu();
    let setup = Setup::new(&ggml, ggml.load_ours());
    let mut random = Random::new(10);
    let matrices: Vec<Matrix> =
        (0..4).map(|_| Matrix::of(&mut random, 35, Format::Tq2_0, 256, 1024, 4096)).collect();
    products(&setup, &mut random, &matrices);
}

fn unload() {
    let ggml = Ggml::open();
    ggml.load_cpu();
    for seed in 0..10 {
        let registry = ggml.load_ours();
        let setup = Setup::new(&ggml, registry);
        random_graph(&setup, &mut Random::new(7_000_003 + seed));
        drop(setup);
        unsafe { (ggml.ggml_backend_unload)(registry) };
    }
}

/// What is not computed is not offered.
fn declined(own: bool) {
    let ggml = Ggml::open();
    ggml.load_cpu();
    let setup = Setup::new(&ggml, ggml.load_ours());
    let tensors = Tensors::new(&ggml);
    let context = tensors.context;
    let empty = unsafe { (ggml.ggml_backend_buft_alloc_buffer)(setup.weights, 0) };
    let foreign = unsafe { (ggml.ggml_backend_buft_alloc_buffer)((ggml.ggml_backend_cpu_buffer_type)(), 0) };
    let weights = |ne: [i64; 4]| {
        let tensor = tensors.tensor(35, ne, "w");
        unsafe { (*tensor).buffer = empty };
        tensor
    };
    let x = |kind, ne: [i64; 4]| tensors.tensor(kind, ne, "x");
    let product = |w: *mut Tensor, x: *mut Tensor| unsafe { (ggml.ggml_mul_mat)(context, w, x) };

    let plain = product(weights([256, 8, 1, 1]), x(0, [256, 4, 2, 3]));
    assert!(setup.supports(plain), "the product itself is taken, as llama.cpp asks when it loads");
    unsafe {
        (*plain).op_params[1] = 1;
        assert!(!setup.supports(plain), "weights that are a Hadamard matrix");
        assert!(!setup.supports(product(weights([256, 8, 1, 1]), x(1, [256, 4, 1, 1]))), "f16");
        assert!(
            !setup.supports(product(weights([256, 8, 2, 1]), x(0, [256, 4, 2, 1]))),
            "a batch of weights"
        );
        let w = weights([256, 8, 1, 1]);
        let nb = (*w).nb;
        let view = (ggml.ggml_view_4d)(context, w, 256, 4, 1, 1, nb[1], nb[2], nb[3], 0);
        (*view).buffer = empty;
        assert!(!setup.supports(product(view, x(0, [256, 4, 1, 1]))), "a view of weights");
        let w = weights([256, 8, 1, 1]);
        (*w).buffer = foreign;
        assert!(!setup.supports(product(w, x(0, [256, 4, 1, 1]))), "weights in the CPU's buffer");
        let w = weights([256, 8, 1, 1]);
        (*w).buffer = core::ptr::null_mut();
        assert_eq!(setup.supports(product(w, x(0, [256, 4, 1, 1]))), own, "weights without a buffer");
        let whole = x(0, [256, 4, 1, 1]);
        let same = (ggml.ggml_view_4d)(context, whole, 256, 4, 1, 1, 0, 0, 0, 0);
        assert!(!setup.supports(product(weights([256, 8, 1, 1]), same)), "rows that overlap");
        let f32s = tensors.tensor(0, [256, 8, 1, 1], "w");
        (*f32s).buffer = empty;
        assert!(!setup.supports(product(f32s, x(0, [256, 4, 1, 1]))), "weights of f32");
        assert!(!setup.supports((ggml.ggml_add)(context, whole, whole)), "an addition");
        (ggml.ggml_backend_buffer_free)(empty);
        (ggml.ggml_backend_buffer_free)(foreign);
    }
}

/// A file with a contract, named by the variable before the backend is loaded.
fn contract_file(text: &str) {
    let path = env::temp_dir().join(format!("hbitlinear-contract-{}", std::process::id()));
    fs::write(&path, text).expect("writes");
    // One thread as yet.
    unsafe { env::set_var("HBITLINEAR_GGML_CONTRACT", &path) };
}

fn contract() {
    contract_file(
        "hbitlinear-contract 1\nblk.*.attn_output.weight paley1:20*64 a4-absmean\nblk.*.ffn_down.weight each:256 a4-absmean\n",
    );
    let ggml = Ggml::open();
    ggml.load_cpu();
    let setup = Setup::new(&ggml, ggml.load_ours());
    let whole = Transform::named("paley1:20*64").expect("a transform");
    let each = Transform::named("256").and_then(|transform| transform.with_blocks(3)).expect("a transform");
    let mut random = Random::new(8);
    for _ in 0..10 {
        contract_graph(&setup, &mut random, "blk.17.attn_output.weight", &whole);
        contract_graph(&setup, &mut random, "blk.0.ffn_down.weight", &each);
    }
}

/// A tensor whose rows are not what the contract says fails; the CPU would compute it, wrongly.
fn contract_that_does_not_fit() {
    contract_file("hbitlinear-contract 1\nblk.*.ffn_down.weight paley1:20*64 a4-absmean\n");
    let ggml = Ggml::open();
    ggml.load_cpu();
    let setup = Setup::new(&ggml, ggml.load_ours());
    let matrix = Matrix::of(&mut Random::new(9), 35, Format::Tq2_0, 256, 8, 256);
    let (mut weights, mut others) = (Tensors::new(&ggml), Tensors::new(&ggml));
    let w = weights.tensor(35, [256, 8, 1, 1], "blk.3.ffn_down.weight");
    let x = others.tensor(0, [256, 1, 1, 1], "x");
    unsafe {
        let graph = (ggml.ggml_new_graph)(others.context);
        let y = (ggml.ggml_mul_mat)(others.context, w, x);
        (ggml.ggml_build_forward_expand)(graph, y);
        weights.allocate(setup.weights);
        others.allocate(setup.others);
        set(&ggml, w, &matrix.bytes);
        assert!(setup.supports(y));
        assert_eq!((ggml.ggml_backend_graph_compute)(setup.backend, graph), -1);
    }
}

fn refused() {
    let ggml = Ggml::open();
    ggml.load_cpu();
    assert!(ggml.load_ours().is_null());
}
