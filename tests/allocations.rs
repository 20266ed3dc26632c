//! Nothing allocates: not the kernels, not the layers, not opening weights, not a refused call. Alone in its binary,
//! because the counter is the process's allocator.

mod common;

use core::alloc::{GlobalAlloc, Layout as Memory};
use core::cell::Cell;
use std::alloc::System;

use common::data::{MODEL_TRANSFORMS, OwnedActivations, OwnedWeights, Random, SCALINGS, family_transforms};
use common::for_each_backend;
use hbitlinear::hadamard::{Direction, SignMatrix, Transform};
use hbitlinear::norm::RmsNorm;
use hbitlinear::quantize::{ActivationsMut, Bits, Quantizer, Rule};
use hbitlinear::weights::{Scaling, Weights, absmean, absmean_rows};
use hbitlinear::{Backend, BackendId, BitLinear, HBitLinear, OutputMut, gemm, reference};

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
            let _ = (Backend::new(id), BackendId::from_name(id.name()));
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
            Transform::sylvester(1024)?.blocks(4)?.with_signs(&signs)?.forward(backend, &mut x)
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
                let (mut values, mut sums) = (vec![0; rule.bits().row_bytes(len)], [0]);
                none(rule.name(), || {
                    let mut out = ActivationsMut::new(rule.bits(), len, &mut values, &mut scales, &mut sums)?;
                    Quantizer::new(rule, 0.0)?.forward(backend, &x, &mut out)
                })
                .unwrap();
            }
        }
    });
}

#[test]
fn weights_and_products() {
    for_each_backend(|backend| {
        for (scaling, bits) in SCALINGS.iter().flat_map(|&s| [(s, Bits::Four), (s, Bits::Eight)]) {
            let mut random = Random::new(2);
            let w = OwnedWeights::random(33, 700, scaling, &mut random);
            let x = OwnedActivations::random(bits, 19, 700, &mut random);
            let (mut blob, mut ternary) = (w.blob.clone(), w.ternary.clone());
            none("pack", || w.spec.pack(&w.ternary, &w.scales, &mut blob)).unwrap();
            let weights = none("open", || Weights::open(&blob)).unwrap();
            none("unpack", || weights.unpack(&mut ternary)).unwrap();
            let (mut y, mut sums) = (vec![0.0; 19 * 33], vec![0; 19 * 33]);
            let mut workspace = vec![0; none("the size", gemm::workspace_len)];
            none("product", || {
                let mut out = OutputMut::new(&mut y, 19, 33, 33)?;
                gemm::product(backend, &weights, &x.view(), 0..19, 0..33, &mut out, &mut workspace)
            })
            .unwrap();
            none("product_i32", || {
                let mut out = OutputMut::new(&mut sums, 19, 33, 33)?;
                gemm::product_i32(backend, &weights, &x.view(), 0..19, 0..33, &mut out, &mut workspace)
            })
            .unwrap();
        }
    });
}

#[test]
fn layers() {
    for_each_backend(|backend| {
        for rule in Rule::ALL {
            let mut random = Random::new(3);
            let w = OwnedWeights::random(33, 240, Scaling::Row, &mut random);
            let (x, gains, mut y) = (random.normals(5 * 240), random.normals(240), vec![0.0; 5 * 33]);
            let quantizer = Quantizer::new(rule, 1e-5).unwrap();
            let transform = Transform::named("paley1:60*4").unwrap();
            let (layer, plain) = none("construction", || {
                let (weights, norm) = (Weights::open(&w.blob)?, Some(RmsNorm::new(Some(&gains), 0.0)?));
                let layer = HBitLinear::new(norm, transform, quantizer, weights)?;
                Ok::<_, hbitlinear::Error>((layer, BitLinear::new(norm, quantizer, weights)?))
            })
            .unwrap();
            let mut workspace = vec![0; none("the size", || layer.workspace_len(5)).unwrap()];
            none("forward", || {
                layer.forward(backend, &x, &mut OutputMut::new(&mut y, 5, 33, 33)?, &mut workspace)?;
                plain.forward(backend, &x, &mut OutputMut::new(&mut y, 5, 33, 33)?, &mut workspace)
            })
            .unwrap();
            let (mut values, mut scales, mut sums) =
                (vec![0; 5 * rule.bits().row_bytes(240)], vec![0.0; 5], vec![0; 5]);
            none("the phases", || {
                let mut out = ActivationsMut::new(rule.bits(), 240, &mut values, &mut scales, &mut sums)?;
                layer.quantize(backend, &x, &mut out, &mut workspace)?;
                let x = out.into_activations();
                let mut out = OutputMut::new(&mut y, 5, 33, 33)?;
                layer.multiply(backend, &x, 0..5, 0..33, &mut out, &mut workspace)
            })
            .unwrap();
            none("a refused call", || {
                layer.forward(backend, &x[1..], &mut OutputMut::new(&mut y, 5, 33, 33)?, &mut workspace)
            })
            .unwrap_err();
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
        reference::quantize(Rule::Int4AbsMean, 1e-5, &y, &mut q).map(|row| row.sum)
    })
    .unwrap();
}
