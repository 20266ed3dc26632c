//! What a call through the C ABI costs over the same call inside the crate: small sizes, where it counts.

use core::hint::black_box;

use ffi::error::hbl_error;
use ffi::product::{hbl_product_f32, hbl_product_workspace_len, hbl_range};
use ffi::quantize::{hbl_activations, hbl_quantize};
use ffi::transform::{hbl_hadamard_forward_f32, hbl_transform, hbl_transform_named};
use ffi::weights::{hbl_weights, hbl_weights_open};
use hbitlinear::{
    Activations, ActivationsMut, Backend, Bits, Layout, OutputMut, Quantizer, Rule, Scaling, Transform,
    WeightSpec, Weights, product,
};

use crate::measure::Scorecard;

/// The C ABI as it is built into the library; there is no other way to have a `cdylib` and `staticlib` called from here.
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a library of its own with its unit tests, not run here"
)]
#[path = "../../ffi/src/lib.rs"]
mod ffi;

/// Points of the transform, values of the quantiser, inputs of the product.
const LEN: usize = 64;
const OUTPUTS: usize = 16;

/// The three, each by the backend's number and by `HBL_BACKEND_BEST`.
pub(crate) fn measure(card: &mut Scorecard) {
    for (name, number) in [("best", ffi::backend::HBL_BACKEND_BEST), ("number", Backend::best().id() as u32)]
    {
        transform(card, name, number);
        quantizer(card, name, number);
        multiply(card, name, number);
    }
}

/// One score: nanoseconds of the second over the first.
fn score(card: &mut Scorecard, what: &str, backend: &str, [rust, c]: [f64; 2]) {
    let rate = format!("{:.0} ns in Rust", rust * 1e9);
    card.score(format!("call/{what}/by-{backend}/c-over-rust-ns"), c, &rate, (c - rust) * 1e9);
}

/// Memory that both sides use, so that its place in the cache lines is the same.
#[repr(align(64))]
struct Shared<T>(T);

impl<T> Shared<T> {
    /// The whole of it, again and again.
    ///
    /// # Safety
    /// No two that are in use at a time.
    unsafe fn lend<'a>(place: *mut Shared<T>) -> &'a mut T {
        // SAFETY: `place` is that of a local of the callers below, which outlives the calls; in turn as promised.
        unsafe { &mut (*black_box(place)).0 }
    }
}

fn transform(card: &mut Scorecard, name: &str, number: u32) {
    let transform = Transform::sylvester(LEN).unwrap();
    let mut opaque = hbl_transform { opaque: [0; 64] };
    let mut error = details();
    // SAFETY: a string, and structs of ours.
    check(unsafe { hbl_transform_named(c"64".as_ptr(), &mut opaque, &mut error) });
    let (handle, details) = (&raw const opaque, &raw mut error);
    let x = &raw mut *Box::leak(Box::new(Shared([1.0_f32; LEN])));
    let call = black_box(hbl_hadamard_forward_f32 as unsafe extern "C" fn(_, _, _, _, _) -> _);
    let seconds = card.versus(
        || {
            // SAFETY: in turn.
            let x: &mut [f32; LEN] = unsafe { Shared::lend(x) };
            black_box(&transform).forward(Backend::best(), x).unwrap();
        },
        // SAFETY: in turn; a handle, a buffer and details of ours.
        || check(unsafe { call(black_box(number), handle, Shared::lend(x).as_mut_ptr(), LEN, details) }),
    );
    score(card, "transform/64", name, seconds);
}

fn quantizer(card: &mut Scorecard, name: &str, number: u32) {
    let quantizer = Quantizer::new(Rule::Int8AbsMax, 1e-5).unwrap();
    let x = Shared::<[f32; LEN]>(core::array::from_fn(|i| i as f32 - 30.5));
    let room = &raw mut *Box::leak(Box::new(Shared(([0_u8; LEN], [0.0_f32], [0_i32]))));
    let mut error = details();
    // SAFETY: before either side starts.
    let mut activations = describe(unsafe { Shared::lend(room) });
    let (description, details) = (&raw mut activations, &raw mut error);
    let call = black_box(hbl_quantize as unsafe extern "C" fn(_, _, _, _, _, _, _, _, _) -> _);
    let seconds = card.versus(
        || {
            // SAFETY: in turn.
            let (values, scales, sums) = unsafe { Shared::lend(room) };
            let out = ActivationsMut::new(Bits::Eight, LEN, values, scales, sums).unwrap();
            black_box(black_box(&quantizer).forward(Backend::best(), black_box(&x.0), out).unwrap());
        },
        || {
            let (number, rule, x) = (black_box(number), Rule::Int8AbsMax as u32, black_box(x.0.as_ptr()));
            // SAFETY: in turn; buffers and details of ours.
            check(unsafe { call(number, rule, 1e-5_f32, 0_u32, x, LEN, 0_usize, description, details) });
        },
    );
    score(card, "quantize/64", name, seconds);
}

fn multiply(card: &mut Scorecard, name: &str, number: u32) {
    let spec = WeightSpec::new(OUTPUTS, LEN, Layout::TwoBit, Scaling::Tensor).unwrap();
    let mut blob = vec![0; spec.packed_len()];
    spec.pack(&[1; OUTPUTS * LEN], &[0.5], &mut blob).unwrap();
    let weights = Weights::open(&blob).unwrap();
    let mut opaque = hbl_weights { opaque: [0; 32] };
    let mut error = details();
    // SAFETY: a blob and structs of ours.
    check(unsafe { hbl_weights_open(blob.as_ptr(), blob.len(), &mut opaque, &mut error) });
    let mut room = Shared(([1_u8; LEN], [1.0_f32], [LEN as i32]));
    let q = describe(&mut room.0);
    let (handle, description, details) = (&raw const opaque, &raw const q, &raw mut error);
    let x = Activations::new(Bits::Eight, LEN, &room.0.0, &room.0.1, &room.0.2).unwrap();
    let y = &raw mut *Box::leak(Box::new(Shared([0.0_f32; OUTPUTS])));
    let workspace = &raw mut *Box::leak(Box::new(Shared(vec![0_u8; hbl_product_workspace_len()])));
    let (t, n) = (hbl_range { start: 0, end: 1 }, hbl_range { start: 0, end: OUTPUTS });
    let call = black_box(hbl_product_f32 as unsafe extern "C" fn(_, _, _, _, _, _, _, _, _, _, _) -> _);
    let seconds = card.versus(
        || {
            // SAFETY: in turn.
            let (y, workspace) = unsafe { (Shared::lend(y), Shared::lend(workspace)) };
            let y = OutputMut::rows(y, OUTPUTS).unwrap();
            let (t, n) = black_box((0..1, 0..OUTPUTS));
            product(Backend::best(), black_box(&weights), black_box(&x), t, n, y, workspace).unwrap();
        },
        || {
            // SAFETY: in turn; handles, buffers and details of ours.
            check(unsafe {
                let (y, workspace) = (Shared::lend(y).as_mut_ptr(), Shared::lend(workspace));
                let (workspace, len) = (workspace.as_mut_ptr(), workspace.len());
                call(
                    black_box(number),
                    handle,
                    description,
                    t,
                    n,
                    y,
                    OUTPUTS,
                    OUTPUTS,
                    workspace,
                    len,
                    details,
                )
            });
        },
    );
    score(card, "product/n16/k64", name, seconds);
}

fn describe((values, scales, sums): &mut ([u8; LEN], [f32; 1], [i32; 1])) -> hbl_activations {
    hbl_activations {
        struct_size: size_of::<hbl_activations>(),
        flags: 0,
        bits: 8,
        tokens: 1,
        inputs: LEN,
        values: values.as_mut_ptr(),
        values_len: LEN,
        scales: scales.as_mut_ptr(),
        sums: sums.as_mut_ptr(),
    }
}

fn details() -> hbl_error {
    hbl_error { status: 0, reserved: 0, row: 0, message: [0; ffi::error::HBL_MESSAGE_SIZE] }
}

fn check(status: i32) {
    assert_eq!(status, 0);
}
