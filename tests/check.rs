//! The kit for kernels of one's own finds planted defects, and none in the library's backends; and its strategies hold what
//! they say.

mod common;
#[path = "../examples/check_kernel.rs"]
#[allow(dead_code, reason = "its main")]
mod example;

use core::cell::Cell;
use core::ffi::c_void;

use common::for_each_backend;
use common::owned::pack_activations;
use hbitlinear::check::{Product, Values, blobs, c_kernel, check_product, damaged_blobs, rows};
use hbitlinear::{
    Activations, Bits, Layout, OutputMut, Scaling, WeightSpec, Weights, product_i32, product_workspace_len,
};
use proptest::prelude::*;

/// A plain kernel, whose sums go through `narrow`.
fn plain(x: &Product, y: &mut [i32], narrow: impl Fn(i32) -> i32) {
    for (i, y) in y.iter_mut().enumerate() {
        let (q, w) = (x.q_row(i / x.outputs), x.w_row(i % x.outputs));
        *y = narrow(q.iter().zip(w).map(|(&q, &w)| i32::from(q) * i32::from(w)).sum());
    }
}

#[test]
fn the_example_finds_nothing() {
    example::main().unwrap();
}

#[test]
fn planted_defects_are_found() {
    for (&bits, seed) in Bits::ALL.iter().flat_map(|bits| (0..8).map(move |seed| (bits, seed))) {
        let outputs = Cell::new(0);
        let rare = |sum| {
            outputs.set(outputs.get() + 1);
            sum + i32::from(outputs.get() % 100_000 == 0)
        };
        let found = check_product(bits, seed, |x, y| plain(x, y, rare)).unwrap_err();
        assert_eq!(i64::from(found.found), found.expected + 1, "one output in 100 000");
        let found = check_product(bits, seed, |x, y| plain(x, y, |sum| (sum as i16).into())).unwrap_err();
        assert!(i16::try_from(found.expected).is_err(), "sums of 16 bits: {found}");
        let found = check_product(bits, seed, |x, y| {
            plain(x, y, |sum| sum);
            y.iter_mut().filter(|_| x.inputs % 64 == 1).for_each(|y| *y += 1);
        });
        assert_eq!(found.unwrap_err().product.inputs % 64, 1, "a tail");
    }
}

#[test]
#[should_panic(expected = "the kernel panicked")]
fn a_panic_is_not_taken_for_right() {
    let found = check_product(Bits::Four, 1, |x, y| {
        plain(x, y, |sum| sum);
        assert!(x.inputs < 64, "too wide for this kernel");
    });
    unreachable!("{found:?}");
}

/// The same through a function of C.
unsafe extern "C" fn narrow(
    calls: *mut c_void,
    w: *const i8,
    q: *const i8,
    tokens: usize,
    outputs: usize,
    inputs: usize,
    y: *mut i32,
) {
    // SAFETY: the context is a counter of this test; the arrays have the lengths of the shape.
    let (calls, w, q, y) = unsafe {
        (
            &mut *calls.cast::<u32>(),
            core::slice::from_raw_parts(w, outputs * inputs),
            core::slice::from_raw_parts(q, tokens * inputs),
            core::slice::from_raw_parts_mut(y, tokens * outputs),
        )
    };
    *calls += 1;
    for (i, y) in y.iter_mut().enumerate() {
        let (q, w) = (&q[i / outputs * inputs..][..inputs], &w[i % outputs * inputs..][..inputs]);
        let sum = q.iter().zip(w).fold(0_i16, |sum, (&q, &w)| sum.wrapping_add(i16::from(q) * i16::from(w)));
        *y = sum.into();
    }
}

#[test]
fn a_kernel_in_c_is_called() {
    let mut calls = 0_u32;
    // SAFETY: the kernel keeps within its arrays, and the counter outlives the check.
    let kernel = unsafe { c_kernel(narrow, (&raw mut calls).cast()) };
    let found = check_product(Bits::Eight, 3, kernel).unwrap_err();
    assert!(calls > 0 && found.product.values != Values::One, "{found}");
}

#[test]
fn nothing_is_found_in_the_library() {
    for_each_backend(|backend| {
        for (&bits, &layout) in Bits::ALL.iter().flat_map(|bits| Layout::ALL.iter().map(move |l| (bits, l))) {
            let mut workspace = vec![0; product_workspace_len()];
            let found = check_product(bits, 5, |x, y| {
                let spec = WeightSpec::new(x.outputs, x.inputs, layout, Scaling::Tensor).unwrap();
                let mut blob = vec![0; spec.packed_len()];
                spec.pack(&x.w, &[1.0], &mut blob).unwrap();
                let values = pack_activations(bits, x.inputs, &x.q);
                let sums: Vec<i32> =
                    (0..x.tokens).map(|t| x.q_row(t).iter().map(|&q| i32::from(q)).sum()).collect();
                let scales = vec![1.0; x.tokens];
                let x_packed = Activations::new(bits, x.inputs, &values, &scales, &sums).unwrap();
                let weights = Weights::open(&blob).unwrap();
                let (tokens, outputs) = (0..x.tokens, 0..x.outputs);
                let y = OutputMut::rows(y, x.outputs).unwrap();
                product_i32(backend, &weights, &x_packed, tokens, outputs, y, &mut workspace).unwrap();
            });
            assert_eq!(found, Ok(()), "{backend:?} {layout}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blobs_open(blob in blobs()) {
        prop_assert!(Weights::open(&blob).is_ok());
    }

    #[test]
    fn damaged_blobs_do_not(blob in damaged_blobs()) {
        prop_assert!(Weights::open(&blob).is_err());
    }

    #[test]
    fn rows_are_finite(row in rows(257)) {
        prop_assert!(row.len() == 257 && row.iter().all(|x| x.is_finite()));
    }
}
