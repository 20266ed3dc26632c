//! Nothing allocates: not the kernels, not the layers, not opening weights, not a refused call. Alone in its binary,
//! because the counter is the process's allocator.

mod common;

use core::alloc::{GlobalAlloc, Layout as Memory};
use core::cell::Cell;
use std::alloc::System;

use common::data::{MODEL_TRANSFORMS, Random, family_transforms};
use common::for_each_backend;
use common::owned::{OwnedActivations, OwnedWeights, Quantised, formats};
use common::states::{OwnedStates, widths};
use hbitlinear::{
    Backend, BackendId, BitLinear, Bits, CacheSpec, Direction, Error, Input, InputStages, NonFinite,
    OutputMut, Quantizer, QueryBits, RmsNorm, Rule, SignMatrix, Transform, Weights, absmean, absmean_rows,
    attend, attend_workspace_len, product, product_i32, product_workspace_len, reference,
};

struct Counting;

std::thread_local! {
    /// Of this thread, as other tests run at the same time.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    COUNT.with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        count();
        // SAFETY: the caller's obligation.
        unsafe { System.alloc(memory) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, memory: Memory, len: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's obligation.
        unsafe { System.realloc(pointer, memory, len) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, memory: Memory) {
        count();
        // SAFETY: the caller's obligation.
        unsafe { System.dealloc(pointer, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Panics if the call allocates or frees.
#[track_caller]
fn none<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let before = COUNT.with(Cell::get);
    let result = call();
    assert_eq!(COUNT.with(Cell::get), before, "{what} allocates");
    result
}

#[test]
fn the_counter_counts() {
    let caught = std::panic::catch_unwind(|| none("a vector", || vec![1; 10]));
    assert!(caught.is_err());
}

#[test]
fn choice_of_backend() {
    none("detection", || {
        for &id in BackendId::ALL {
            let _ = (Backend::new(id), id.name().parse::<BackendId>(), BackendId::try_from(id as u32));
        }
        Backend::available().count() + Backend::best().name().len()
    });
}

#[test]
fn transforms() {
    for_each_backend(|backend| {
        for (name, transform) in family_transforms(&[1, 8]) {
            let (mut x, mut wide) = (vec![1.0; transform.row_len()], vec![1.0; transform.row_len()]);
            none(&name, || transform.forward(backend, &mut x)).unwrap();
            none(&name, || transform.transpose(backend, &mut x)).unwrap();
            none(&name, || transform.apply_f64(Direction::Forward, &mut wide)).unwrap();
        }
        for log2 in 0..=16 {
            let mut x = vec![1.0; 1 << log2];
            none("sylvester", || Transform::sylvester(1 << log2)?.forward(backend, &mut x)).unwrap();
        }
        let (signs, mut x) = (vec![-1; 4096], vec![1.0; 4096]);
        none("blocks with signs", || {
            Transform::sylvester(1024)?.with_blocks(4)?.with_signs(&signs)?.forward(backend, &mut x)
        })
        .unwrap();
        let mut storage = [0; 4];
        none("a custom matrix", || {
            Transform::new(&[SignMatrix::pack(2, &[1, 1, 1, -1], &mut storage)?], 64)?
                .forward(backend, &mut x)
        })
        .unwrap();
        for name in MODEL_TRANSFORMS {
            none(name, || Transform::named(name)).unwrap();
        }
    });
}

#[test]
fn norms_and_quantisers() {
    for_each_backend(|backend| {
        for len in [1, 33, 130, 6912] {
            let x = Random::new(1).normals(len);
            let (mut y, mut ternary, mut scales) = (vec![0.0; len], vec![0; len], [0.0]);
            none("norm", || RmsNorm::new(Some(&x), 0.0)?.forward(backend, len, &x, &mut y)).unwrap();
            none("absmean", || absmean(backend, &x, 1e-5, &mut ternary)).unwrap();
            none("absmean by row", || absmean_rows(backend, len, &x, 1e-5, &mut ternary, &mut scales))
                .unwrap();
            for (rule, tiny) in Rule::ALL.iter().flat_map(|&rule| [(rule, false), (rule, true)]) {
                let x: Vec<f32> = if tiny { x.iter().map(|x| x * 1e-40).collect() } else { x.clone() };
                let mut memory = Quantised::painted(rule.bits(), 1, len);
                none(rule.name(), || {
                    Quantizer::new(rule, 0.0)?.forward(backend, &x, memory.room()).map(|_| ())
                })
                .unwrap();
            }
        }
    });
}

#[test]
fn weights_and_products() {
    for_each_backend(|backend| {
        for (format, &bits) in formats().flat_map(|format| Bits::ALL.iter().map(move |bits| (format, bits))) {
            let mut random = Random::new(2);
            let w = OwnedWeights::random(33, 700, format, &mut random);
            let x = OwnedActivations::random(bits, 19, 700, &mut random);
            let (mut blob, mut ternary, mut scales) = (w.blob.clone(), w.ternary.clone(), w.scales.clone());
            none("pack", || w.spec.pack(&w.ternary, &w.scales, &mut blob)).unwrap();
            let weights = none("open", || Weights::open(&blob)).unwrap();
            none("open_verified", || Weights::open_verified(&blob).map(|_| ())).unwrap();
            none("blob_len", || Weights::blob_len(&blob)).unwrap();
            none("unpack", || weights.unpack(&mut ternary, &mut scales)).unwrap();
            for mut other in w.layouts() {
                none("repack", || weights.repack(other.spec.layout(), &mut other.blob)).unwrap();
            }
            let (x, mut y, mut sums) = (x.view(), vec![0.0; 19 * 33], vec![0; 19 * 33]);
            let mut workspace = vec![0; none("the size", product_workspace_len)];
            none("product", || {
                let out = OutputMut::rows(&mut y, 33)?;
                product(backend, &weights, &x, 0..19, 0..33, out, &mut workspace)
            })
            .unwrap();
            none("product_i32", || {
                let out = OutputMut::rows(&mut sums, 33)?;
                product_i32(backend, &weights, &x, 0..19, 0..33, out, &mut workspace)
            })
            .unwrap();
        }
    });
}

#[test]
fn layers() {
    for_each_backend(|backend| {
        for (&rule, format) in Rule::ALL.iter().flat_map(|rule| formats().map(move |format| (rule, format))) {
            let mut random = Random::new(3);
            let w = OwnedWeights::random(33, 240, format, &mut random);
            let (mut x, gains, mut y) = (random.normals(5 * 240), random.normals(240), vec![0.0; 5 * 33]);
            let (layer, plain, spoil) = none("construction", || {
                let (weights, quantizer) = (Weights::open(&w.blob)?, Quantizer::new(rule, 1e-5)?);
                let plain = InputStages::new(240, quantizer)?.with_norm(RmsNorm::new(Some(&gains), 0.0)?)?;
                let stages = plain.with_transform(Transform::named("paley1:60*4")?)?;
                let spoil = InputStages::new(240, quantizer.with_non_finite(NonFinite::Spoil))?;
                let of = |stages| BitLinear::new(stages, weights);
                Ok::<_, Error>((of(stages)?, of(plain)?, of(spoil)?))
            })
            .unwrap();
            let mut workspace = vec![0; none("the size", || layer.workspace_len(5)).unwrap()];
            none("forward", || {
                layer.forward(backend, &x, OutputMut::rows(&mut y, 33)?, &mut workspace)?;
                let apart = Input::strided(&x, 2, 2 * 240)?;
                plain.forward(backend, apart, OutputMut::rows(&mut y[..66], 33)?, &mut workspace)
            })
            .unwrap();
            let mut memory = Quantised::painted(rule.bits(), 5, 240);
            none("the phases", || {
                let q = layer.stages().quantize(backend, &x, memory.room(), &mut workspace)?;
                let out = OutputMut::rows(&mut y, 33)?;
                product(backend, layer.weights(), &q, 0..5, 0..33, out, &mut workspace)
            })
            .unwrap();
            none("a refused call", || {
                layer.forward(backend, &x[1..], OutputMut::rows(&mut y, 33)?, &mut workspace)
            })
            .unwrap_err();
            x[700] = f32::NAN;
            none("a refused row", || {
                layer.forward(backend, &x, OutputMut::rows(&mut y, 33)?, &mut workspace)
            })
            .unwrap_err();
            none("a spoilt row", || spoil.forward(backend, &x, OutputMut::rows(&mut y, 33)?, &mut workspace))
                .unwrap();
        }
    });
}

#[test]
fn attention_states() {
    for_each_backend(|backend| {
        for ((keys, values), &bits) in
            widths().flat_map(|widths| QueryBits::ALL.iter().map(move |bits| (widths, bits)))
        {
            let spec = none("a spec", || CacheSpec::new(80, 2, 70, keys, values)).unwrap();
            let owned = OwnedStates::random(spec, 41, &mut Random::new(7));
            let (mut memory, queries) = (owned.memory.clone(), Random::new(8).normals(320));
            let mut cache = none("a cache", || spec.create(&mut memory)).unwrap();
            none("append", || cache.append(backend, &owned.keys, &owned.values)).unwrap();
            none("a refused call", || cache.append(backend, &owned.keys, &owned.values)).unwrap_err();
            let mut workspace = vec![0; none("the size", || attend_workspace_len(80, 41)).unwrap()];
            let mut out = vec![0.0; 320];
            none("attention", || {
                attend(backend, cache.states(), &queries, bits, 0..4, 41, 0.1, &mut out, &mut workspace)
            })
            .unwrap();
        }
    });
}

/// The oracle allocates neither: it, too, runs without std.
#[test]
fn oracle() {
    let (x, mut y, mut q) = (vec![1.0; 240], vec![0.0; 240], vec![0; 240]);
    none("the oracle", || {
        reference::rms_norm(&x, None, 1e-6, &mut y)?;
        reference::hadamard(&Transform::named("paley1:60*4")?, Direction::Forward, &x, &mut y)?;
        reference::quantize(Rule::Int4AbsMean, 1e-5, &y, &mut q).map(|row| row.sum)?;
        let (mut codes, mut weights) = ([0; 240], [0.0; 2]);
        reference::quantize_state(15, &x, &mut codes)?;
        reference::attend(&x[..60], &x[..120], &x[120..], 0.1, &mut weights, &mut y[..60])
    })
    .unwrap();
}
