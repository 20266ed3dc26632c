//! The C functions, called as a program might: any arguments, some wrong on purpose, every buffer at the edge of a page
//! that must not be touched. No call crashes; a refused one writes nothing but its workspace and says why; one that
//! succeeds gives what the core gives.

#![no_main]

// The C ABI's name for it.
extern crate hbitlinear as core_crate;

use core::cell::RefCell;
use core::ffi::{CStr, c_char, c_void};

use c_api::absmean::{hbl_absmean, hbl_absmean_rows};
use c_api::backend::{hbl_backend_available, hbl_backend_from_name, hbl_backend_list, hbl_backend_name};
use c_api::error::{hbl_error, hbl_status, hbl_status_text};
use c_api::input::hbl_input;
use c_api::layer::{hbl_layer, hbl_layer_forward, hbl_layer_workspace_len};
use c_api::matrix::{hbl_matrix, hbl_matrix_named, hbl_matrix_pack, hbl_matrix_storage_len};
use c_api::norm::hbl_rms_norm;
use c_api::product::{hbl_product_f32, hbl_product_i32, hbl_product_workspace_len, hbl_range};
use c_api::quantize::{hbl_activations, hbl_quantize, hbl_row_bytes};
use c_api::stages::{hbl_stages, hbl_stages_quantize, hbl_stages_workspace_len};
use c_api::transform::{
    hbl_hadamard_forward_f32, hbl_hadamard_forward_f64, hbl_hadamard_transpose_f32,
    hbl_hadamard_transpose_f64, hbl_transform, hbl_transform_named, hbl_transform_new, hbl_transform_row_len,
    hbl_transform_set_blocks, hbl_transform_set_signs,
};
use c_api::weights::{
    hbl_weight_spec, hbl_weights, hbl_weights_blob_len, hbl_weights_open, hbl_weights_open_verified,
    hbl_weights_pack, hbl_weights_packed_len, hbl_weights_repack, hbl_weights_spec, hbl_weights_unpack,
};
use core_crate::{Backend, Direction, Transform, Weights};
use hbitlinear_fuzz::guarded::GuardedBuffer;
use hbitlinear_fuzz::matrix::mend;
use hbitlinear_fuzz::rows::Floats;
use hbitlinear_fuzz::transform::{Own, apply};
use hbitlinear_fuzz::{cycle, hash, same};
use libfuzzer_sys::{arbitrary, fuzz_target};

/// The library: C has no other way in, so its source is taken as it is.
#[allow(
    dead_code,
    unfulfilled_lint_expectations,
    reason = "a library of its own: here it is private, and called by a part of its functions"
)]
#[path = "../../ffi/src/lib.rs"]
mod c_api;

/// Bytes of the largest buffer, a workspace.
const ROOM: usize = 1 << 20;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    backend: u8,
    calls: Vec<Step<'a>>,
}

/// A call, and what is wrong with it.
#[derive(arbitrary::Arbitrary, Debug)]
struct Step<'a> {
    call: Call<'a>,
    /// Which buffer of the call, and how.
    odd: Option<(u8, Odd)>,
    /// Which of its numbers, and what instead.
    wrong: Option<(u8, u8)>,
    /// Whether `error` is null.
    silent: bool,
}

#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
enum Odd {
    Null,
    Misaligned,
    /// Shorter than it must be, mostly by one element.
    Shorter(u8),
    /// In place of it another one.
    Alias(u8),
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Call<'a> {
    Named(Name<'a>),
    MatrixNamed(u8, u16),
    MatrixPack(Own),
    TransformNew(u8, Size),
    SetBlocks(Size),
    SetSigns(Vec<bool>),
    Flip(u8, u8, u8),
    Hadamard { wide: bool, transpose: bool, rows: u8, x: Floats },
    Norm { inputs: Size, rows: u8, epsilon: u32, weight: Option<Floats>, x: Floats },
    Absmean { inputs: Size, rows: u8, epsilon: u32, by_row: bool, weights: Floats },
    Pack { spec: Spec, ternary: &'a [u8], scales: Floats },
    Open { verified: bool, mend: bool, edits: Vec<(u16, u8)> },
    Unpack,
    Repack(u8),
    SpecOf,
    Quantize { rule: u8, epsilon: u32, spoil: bool, inputs: Size, tokens: u8, gap: u8, x: Floats },
    Layer { stages: Stages, input: Rows, gap: u8, whole: bool },
    Product { integer: bool, tokens: (Size, Size), outputs: (Size, Size), gap: u8 },
    Names(u32, &'a str),
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Name<'a> {
    Power(u8),
    Family(u8, u8, u8),
    Text(&'a str),
}

/// Mostly small.
#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
enum Size {
    Small(u8),
    Right,
    Any(u64),
}

impl Size {
    fn get(self, wrong: &mut Wrong, right: usize) -> usize {
        let number = wrong.next();
        match self {
            _ if number.is_some_and(|number| number < 128) => usize::MAX - usize::from(number.unwrap_or(0)),
            Size::Any(size) if number.is_some() => size as usize,
            Size::Small(size) => size.into(),
            Size::Right | Size::Any(_) => right,
        }
    }
}

/// The numbers of a call, of which one may be wrong: more of them, and hardly a call would succeed.
struct Wrong {
    at: Option<(u8, u8)>,
    index: u8,
}

impl Wrong {
    /// What to take instead of the next number.
    fn next(&mut self) -> Option<u8> {
        let index = self.index;
        self.index += 1;
        self.at.and_then(|(at, instead)| (at % 16 == index).then_some(instead))
    }

    /// One of those numbers.
    fn known(&mut self, number: u8, all: &[u32]) -> u32 {
        self.next().map_or_else(|| all[usize::from(number) % all.len()], u32::from)
    }

    /// 0.
    fn zero(&mut self) -> u32 {
        self.next().map_or(0, u32::from)
    }

    /// An epsilon.
    fn epsilon(&mut self, bits: u32) -> f32 {
        let any = f32::from_bits(bits);
        if self.next().is_some() || any.is_finite() && any >= 0.0 { any } else { 1e-5 }
    }
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Spec {
    layout: u8,
    outputs: Size,
    inputs: Size,
    scaling: u8,
    group: u8,
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Stages {
    spoil: bool,
    rule: u8,
    transform: bool,
    norm: u8,
    norm_epsilon: u32,
    epsilon: u32,
    weight: Option<Floats>,
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Rows {
    element: u8,
    tokens: u8,
    gap: u8,
    x: Floats,
}

/// A description, and after it as much again: its struct_size may be anything up to that.
#[repr(C)]
struct Described<T> {
    it: T,
    after: [u8; 128],
}

impl<T> Described<T> {
    /// With its size, or a wrong one. `struct_size` comes first in each.
    fn new(it: T, wrong: &mut Wrong) -> Described<T> {
        let mut described = Described { it, after: [0; 128] };
        let right = size_of::<T>();
        let size = match wrong.next().map(usize::from) {
            None => right,
            Some(number @ 0..64) => number,
            Some(number @ 64..128) => right - 8 * (number % 8).min(right / 8 - 2),
            Some(number @ 128..192) => right + 8 * (number % 16),
            Some(number @ 192..240) => {
                described.after[number % 16] = 1;
                right + 16
            }
            Some(number) => usize::MAX - number,
        };
        // SAFETY: a description begins with its size.
        unsafe { (&raw mut described.it).cast::<usize>().write(size) };
        described
    }
}

thread_local! {
    static ROOMS: RefCell<Vec<GuardedBuffer>> = RefCell::new((0..8).map(|_| GuardedBuffer::new(ROOM)).collect());
}

/// The buffers of one call.
struct Buffers<'r> {
    rooms: &'r mut [GuardedBuffer],
    odd: Option<(u8, Odd)>,
    used: Vec<Used>,
}

struct Used {
    start: *mut u8,
    bytes: usize,
    element: usize,
    content: Vec<u8>,
    kind: Kind,
    /// As the call is told.
    claimed: (usize, usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Read,
    Written,
    Workspace,
}

impl Buffers<'_> {
    fn add<T: Copy>(&mut self, kind: Kind, content: &[T]) -> usize {
        let index = self.used.len();
        // SAFETY: numbers, seen as bytes.
        let content =
            unsafe { core::slice::from_raw_parts(content.as_ptr().cast::<u8>(), size_of_val(content)) };
        let start = self.rooms[index].put(content);
        let (bytes, element, content) = (content.len(), size_of::<T>(), content.to_vec());
        let claimed = (start.expose_provenance(), bytes / element);
        self.used.push(Used { start, bytes, element, content, kind, claimed });
        index
    }

    /// Bytes that are only scratch.
    fn workspace(&mut self, bytes: usize) -> usize {
        let bytes = bytes.min(ROOM - 4096);
        let index = self.used.len();
        let start = self.rooms[index].start(bytes);
        let used = Used {
            start,
            bytes,
            element: 1,
            content: Vec::new(),
            kind: Kind::Workspace,
            claimed: (start.expose_provenance(), bytes),
        };
        self.used.push(used);
        index
    }

    /// Makes one buffer odd, when all are there.
    fn spoil(&mut self) {
        let Some((index, odd)) = self.odd else { return };
        if self.used.is_empty() {
            return;
        }
        let index = usize::from(index) % self.used.len();
        let (start, len) = self.used[index].claimed;
        self.used[index].claimed = match odd {
            Odd::Null => (0, len),
            // One byte less, and one byte on.
            Odd::Misaligned if len > 0 && self.used[index].element > 1 => (start + 1, len - 1),
            Odd::Misaligned => (start, len),
            // It still ends where the page begins.
            Odd::Shorter(by) => {
                let by = usize::from(by.saturating_sub(200).max(1)).min(len);
                (start + by * self.used[index].element, len - by)
            }
            Odd::Alias(other) => {
                let other = &self.used[usize::from(other) % self.used.len()];
                let element = self.used[index].element;
                let len = (other.bytes / element).min(len);
                (other.start.addr() + other.bytes - len * element, len)
            }
        };
    }

    fn ptr<T>(&self, index: usize) -> *mut T {
        core::ptr::with_exposed_provenance_mut(self.used[index].claimed.0)
    }

    fn len(&self, index: usize) -> usize {
        self.used[index].claimed.1
    }

    /// What a buffer holds.
    fn get<T: Copy>(&mut self, index: usize) -> Vec<T> {
        let Used { start, bytes, .. } = self.used[index];
        // SAFETY: whole elements, written when they were put there; the end of a page is aligned.
        unsafe { core::slice::from_raw_parts(start.cast::<T>(), bytes / size_of::<T>()) }.to_vec()
    }

    /// Nothing was written that must not be.
    fn check(&mut self, ok: bool) {
        for (index, used) in self.used.iter().enumerate() {
            if used.kind == Kind::Workspace {
                continue;
            }
            assert!(
                self.rooms[index].is_whole(used.bytes),
                "something was written in front of buffer {index}"
            );
            if used.kind == Kind::Read || !ok {
                assert!(self.rooms[index].bytes(used.bytes) == used.content, "buffer {index} was written");
            }
        }
    }
}

/// Bits, K, values, scales and sums.
type Quantised = (u32, usize, Vec<u8>, Vec<f32>, Vec<i32>);

/// What lives longer than a call.
struct Program {
    backend: u32,
    transform: hbl_transform,
    named: Option<Transform<'static>>,
    matrices: Vec<hbl_matrix>,
    weights: hbl_weights,
    blob: Vec<u8>,
    /// Whether the handle is of the blob.
    open: bool,
    /// What handles point to.
    signs: Vec<Vec<i8>>,
    storages: Vec<Vec<u32>>,
    activations: Option<Quantised>,
}

fuzz_target!(|input: Input| {
    ROOMS.with_borrow_mut(|rooms| {
        let backends: Vec<u32> =
            Backend::available().map(|backend| backend.id() as u32).chain([u32::MAX]).collect();
        let mut program = Program {
            backend: backends[usize::from(input.backend) % backends.len()],
            transform: hbl_transform { opaque: [0; 64] },
            named: None,
            matrices: Vec::new(),
            weights: hbl_weights { opaque: [0; 32] },
            blob: Vec::new(),
            open: false,
            signs: Vec::new(),
            storages: Vec::new(),
            activations: None,
        };
        for step in input.calls.iter().take(24) {
            program.run(rooms, step);
        }
    });
});

/// Calls, and checks what the status says of the error, and the buffers of the status.
fn call(
    buffers: &mut Buffers<'_>,
    silent: bool,
    call: impl FnOnce(&Buffers<'_>, *mut hbl_error) -> hbl_status,
) -> bool {
    buffers.spoil();
    // SAFETY: numbers and bytes.
    let mut error: hbl_error = unsafe { core::mem::zeroed() };
    error.status = -1;
    let status = call(buffers, if silent { core::ptr::null_mut() } else { &mut error });
    assert!((0..=30).contains(&status) && status != 24, "status {status}");
    if !silent {
        assert_eq!((error.status, error.reserved), (status, 0));
        // SAFETY: terminated.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr().cast::<c_char>()) };
        let message = message.to_str().expect("UTF-8");
        assert_eq!(message.is_empty(), status == 0, "{message}");
    }
    // SAFETY: a static string.
    assert!(!unsafe { CStr::from_ptr(hbl_status_text(status)) }.is_empty());
    buffers.check(status == 0);
    status == 0
}

impl Program {
    fn run(&mut self, rooms: &mut [GuardedBuffer], step: &Step<'_>) {
        let (backend, silent) = (self.backend, step.silent);
        let mut b = Buffers { rooms, odd: step.odd, used: Vec::new() };
        let mut w = Wrong { at: step.wrong, index: 0 };
        // SAFETY: for all calls below: the buffers are valid for no less than the lengths that are passed, or are null or
        // misaligned where the library must see that; handles are initialised, and what they point to lives in `self`.
        match &step.call {
            Call::Named(name) => {
                let text = match name {
                    Name::Power(log2) => (1_u64 << (log2 % 12)).to_string(),
                    Name::Family(family, order, log2) => {
                        let all = core_crate::Family::ALL;
                        let family = all[usize::from(*family) % all.len()];
                        let order = family.orders()[usize::from(*order) % family.orders().len()];
                        format!("{family}:{order}*{}", 1 << (log2 % 5))
                    }
                    Name::Text(text) => (*text).to_owned(),
                };
                // A string ends with its first NUL.
                let text: Vec<u8> = text.bytes().take_while(|&byte| byte != 0).collect();
                let name = b.add(Kind::Read, &[&text[..], &[0]].concat());
                b.odd = b.odd.filter(|(_, odd)| matches!(odd, Odd::Null));
                let mut made = self.transform;
                if call(&mut b, silent, |b, error| unsafe {
                    hbl_transform_named(b.ptr(name), &mut made, error)
                }) {
                    let name = core::str::from_utf8(&text).expect("a name");
                    self.named = Some(Transform::named(name).expect("what C accepts"));
                }
                self.transform = made;
            }
            Call::MatrixNamed(family, order) => {
                let all = core_crate::Family::ALL;
                let family = all[usize::from(*family) % all.len()];
                let order = match usize::from(*order) {
                    order if order < 1000 => family.orders()[order % family.orders().len()],
                    order => order % 300,
                };
                let name = b.add(Kind::Read, &[family.name().as_bytes(), &[0]].concat());
                b.odd = b.odd.filter(|(_, odd)| matches!(odd, Odd::Null));
                let mut made = hbl_matrix { opaque: [0; 16] };
                call(&mut b, silent, |b, error| unsafe {
                    hbl_matrix_named(b.ptr(name), order, &mut made, error)
                });
                self.matrices.push(made);
            }
            Call::MatrixPack(own) => {
                let own = own.build();
                let (mut words, mut made) = (0, hbl_matrix { opaque: [0; 16] });
                let status = unsafe { hbl_matrix_storage_len(own.order, &mut words, core::ptr::null_mut()) };
                assert_eq!(status, 0);
                let signs = b.add(Kind::Read, &own.signs);
                let storage = b.add(Kind::Written, &vec![0x5555_u32; words]);
                if call(&mut b, silent, |b, error| unsafe {
                    let (signs, storage) = ((b.ptr(signs), b.len(signs)), (b.ptr(storage), b.len(storage)));
                    hbl_matrix_pack(own.order, signs.0, signs.1, storage.0, storage.1, &mut made, error)
                }) {
                    // In memory that stays; the buffers are the next call's.
                    let mut kept = vec![0; words];
                    let status = unsafe {
                        let (signs, len) = (own.signs.as_ptr(), own.signs.len());
                        hbl_matrix_pack(
                            own.order,
                            signs,
                            len,
                            kept.as_mut_ptr(),
                            words,
                            &mut made,
                            core::ptr::null_mut(),
                        )
                    };
                    assert!(status == 0 && kept == b.get::<u32>(storage));
                    self.storages.push(kept);
                }
                self.matrices.push(made);
            }
            Call::TransformNew(count, power) => {
                let count = usize::from(*count) % 5;
                let factors: Vec<_> = self.matrices.iter().rev().take(count).copied().collect();
                let power = match power {
                    Size::Small(log2) => 1 << (log2 % 6),
                    other => other.get(&mut w, 1),
                };
                let mut made = self.transform;
                if call(&mut b, silent, |_, error| unsafe {
                    hbl_transform_new(factors.as_ptr(), factors.len(), power, &mut made, error)
                }) {
                    self.named = None;
                }
                self.transform = made;
            }
            Call::SetBlocks(blocks) => {
                let blocks = blocks.get(&mut w, 2);
                let mut changed = self.transform;
                if call(&mut b, silent, |_, error| unsafe {
                    hbl_transform_set_blocks(&mut changed, blocks, error)
                }) {
                    self.named = self.named.map(|named| named.with_blocks(blocks).expect("what C accepts"));
                }
                self.transform = changed;
            }
            Call::SetSigns(signs) => {
                let row = self.row_len().filter(|&len| len <= 1 << 14).unwrap_or(3);
                let signs: Vec<i8> =
                    cycle(signs, row).into_iter().map(|minus| if minus { -1 } else { 1 }).collect();
                let mut changed = self.transform;
                let len = match step.odd {
                    Some((_, Odd::Shorter(by))) => row.saturating_sub(by.into()),
                    _ => row,
                };
                if call(&mut b, silent, |_, error| unsafe {
                    hbl_transform_set_signs(&mut changed, signs.as_ptr(), len, error)
                }) {
                    self.named = None;
                }
                // The handle points to them.
                self.signs.push(signs);
                self.transform = changed;
            }
            Call::Flip(which, word, bit) => {
                // The magic and the seal; what they guard belongs to the library.
                let (word, flip) = (usize::from(word % 2), 1_u64 << (bit % 64));
                if which % 2 == 0 {
                    self.transform.opaque[word] ^= flip;
                    assert!(self.row_len().is_none(), "a handle that was written to");
                    self.transform.opaque[word] ^= flip;
                } else {
                    self.weights.opaque[word] ^= flip;
                    let (mut ternary, mut scales) = ([0; 1], [0.0; 1]);
                    let (t, s, null) = (ternary.as_mut_ptr(), scales.as_mut_ptr(), core::ptr::null_mut());
                    assert_eq!(unsafe { hbl_weights_unpack(&self.weights, t, 1, s, 1, null) }, 28);
                    self.weights.opaque[word] ^= flip;
                }
            }
            Call::Hadamard { wide, transpose, rows, x } => {
                let len = self.row_len().unwrap_or(8).saturating_mul(usize::from(rows % 3));
                if len > 1 << 13 {
                    return;
                }
                let x = x.take(len);
                let t = self.transform;
                if *wide {
                    let buffer = b.add(Kind::Written, &x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
                    let run = if *transpose { hbl_hadamard_transpose_f64 } else { hbl_hadamard_forward_f64 };
                    call(&mut b, silent, |b, error| unsafe { run(&t, b.ptr(buffer), b.len(buffer), error) });
                } else {
                    let buffer = b.add(Kind::Written, &x);
                    let run = if *transpose { hbl_hadamard_transpose_f32 } else { hbl_hadamard_forward_f32 };
                    let ok = call(&mut b, silent, |b, error| unsafe {
                        run(backend, &t, b.ptr(buffer), b.len(buffer), error)
                    });
                    if ok
                        && b.odd.is_none()
                        && let Some(named) = self.named
                    {
                        let direction = if *transpose { Direction::Transpose } else { Direction::Forward };
                        let expected = apply(&named, hbitlinear_fuzz::scalar(), direction, &x);
                        assert!(same(&expected, &b.get::<f32>(buffer)));
                    }
                }
            }
            Call::Norm { inputs, rows, epsilon, weight, x } => {
                let inputs = inputs.get(&mut w, 64);
                let len = if inputs <= 4096 { inputs * usize::from(rows % 3) } else { 17 };
                let epsilon = w.epsilon(*epsilon);
                let x = b.add(Kind::Read, &x.take(len));
                let y = b.add(Kind::Written, &vec![-1.5_f32; len]);
                let weight = weight.as_ref().map(|weight| b.add(Kind::Read, &weight.take(inputs.min(4096))));
                call(&mut b, silent, |b, error| unsafe {
                    let (weight, weight_len) =
                        weight.map_or((core::ptr::null(), 0), |w| (b.ptr::<f32>(w).cast_const(), b.len(w)));
                    hbl_rms_norm(
                        backend,
                        inputs,
                        weight,
                        weight_len,
                        epsilon,
                        b.ptr(x),
                        b.len(x),
                        b.ptr(y),
                        b.len(y),
                        error,
                    )
                });
            }
            Call::Absmean { inputs, rows, epsilon, by_row, weights } => {
                let (inputs, rows) = (inputs.get(&mut w, 33), usize::from(rows % 4));
                let len = if inputs <= 4096 { inputs * rows } else { 17 };
                let weights = b.add(Kind::Read, &weights.take(len));
                let ternary = b.add(Kind::Written, &vec![77_i8; len]);
                let scales = b.add(Kind::Written, &vec![-1.5_f32; if *by_row { rows } else { 1 }]);
                let epsilon = w.epsilon(*epsilon);
                if !by_row && b.odd.is_some_and(|(_, odd)| !matches!(odd, Odd::Null | Odd::Misaligned)) {
                    // The one scale has no length to be wrong about.
                    b.odd = None;
                }
                call(&mut b, silent, |b, error| unsafe {
                    let (read, ternary) =
                        ((b.ptr(weights), b.len(weights)), (b.ptr(ternary), b.len(ternary)));
                    if *by_row {
                        let scales = (b.ptr(scales), b.len(scales));
                        hbl_absmean_rows(
                            backend, inputs, read.0, read.1, epsilon, ternary.0, ternary.1, scales.0,
                            scales.1, error,
                        )
                    } else {
                        hbl_absmean(
                            backend,
                            read.0,
                            read.1,
                            epsilon,
                            ternary.0,
                            ternary.1,
                            b.ptr(scales),
                            error,
                        )
                    }
                });
            }
            Call::Pack { spec, ternary, scales } => self.pack(&mut b, &mut w, silent, spec, ternary, scales),
            Call::Open { verified, mend: mended, edits } => {
                for &(at, flip) in edits {
                    if self.blob.len() <= 64 {
                        break;
                    }
                    let at = usize::from(at) % self.blob.len();
                    self.blob[at] ^= flip;
                    if *mended {
                        mend(&mut self.blob);
                    }
                }
                let opener = if *verified { hbl_weights_open_verified } else { hbl_weights_open };
                let blob = b.add(Kind::Read, &self.blob);
                let mut made = self.weights;
                let mut len = 7;
                let short = self.blob.len().min(64);
                call(&mut b, silent, |b, error| unsafe {
                    opener(b.ptr(blob), b.len(blob), &mut made, error)
                });
                // In memory that stays.
                let null = core::ptr::null_mut();
                self.open =
                    0 == unsafe { opener(self.blob.as_ptr(), self.blob.len(), &mut self.weights, null) };
                let told = unsafe { hbl_weights_blob_len(self.blob.as_ptr(), short, &mut len, null) };
                assert!(!self.open || told == 0 && len == self.blob.len());
                assert!(told == 0 || len == 7);
            }
            Call::Unpack => {
                let Some((ternary, scales)) = self
                    .weights(|weights| (weights.outputs() * weights.inputs(), weights.spec().scale_count()))
                else {
                    return;
                };
                let (ternary, scales) = (
                    b.add(Kind::Written, &vec![99_i8; ternary]),
                    b.add(Kind::Written, &vec![-1.5_f32; scales]),
                );
                call(&mut b, silent, |b, error| unsafe {
                    hbl_weights_unpack(
                        &self.weights,
                        b.ptr(ternary),
                        b.len(ternary),
                        b.ptr(scales),
                        b.len(scales),
                        error,
                    )
                });
            }
            Call::Repack(layout) => {
                let layout = w.known(*layout, &[2, 5]);
                let Some(len) = self.weights(|weights| {
                    let layout = core_crate::Layout::try_from(layout).unwrap_or(core_crate::Layout::TwoBit);
                    weights.spec().with_layout(layout).expect("a shape that there is").packed_len()
                }) else {
                    return;
                };
                let blob = b.add(Kind::Written, &vec![0xAA_u8; len]);
                let ok = call(&mut b, silent, |b, error| unsafe {
                    hbl_weights_repack(&self.weights, layout, b.ptr(blob), b.len(blob), error)
                });
                if ok {
                    self.blob = b.get(blob);
                    self.open = false;
                    let null = core::ptr::null_mut();
                    assert_eq!(0, unsafe {
                        hbl_weights_open_verified(self.blob.as_ptr(), len, &mut self.weights, null)
                    });
                    self.open = true;
                }
            }
            Call::SpecOf => {
                if !self.open && !self.blob.is_empty() {
                    return;
                }
                let spec = hbl_weight_spec {
                    struct_size: 0,
                    flags: 0,
                    layout: 0,
                    outputs: 0,
                    inputs: 0,
                    scaling: 0,
                    group: 0,
                };
                let mut described = Described::new(spec, &mut w);
                call(&mut b, silent, |_, error| unsafe {
                    hbl_weights_spec(&self.weights, &mut described.it, error)
                });
            }
            Call::Quantize { rule, epsilon, spoil, inputs, tokens, gap, x } => {
                let (inputs, tokens) = (
                    inputs.get(&mut w, self.weights(|weights| weights.inputs()).unwrap_or(40)),
                    usize::from(tokens % 4),
                );
                let stride = inputs.saturating_add((gap % 4).into());
                let len = if stride <= 4096 { (tokens * stride).saturating_sub(stride - inputs) } else { 9 };
                let rule = w.known(*rule, &[0, 1, 2]);
                let bits = w.known(0, &[if rule == 0 { 8 } else { 4 }]);
                let (flags, epsilon) = (w.zero() | u32::from(*spoil), w.epsilon(*epsilon));
                let bytes = hbl_row_bytes(bits, inputs).saturating_mul(tokens).min(1 << 15);
                let values = b.add(Kind::Written, &vec![0xA5_u8; bytes]);
                let scales = b.add(Kind::Written, &vec![-1.5_f32; tokens]);
                let sums = b.add(Kind::Written, &vec![-9_i32; tokens]);
                let x = b.add(Kind::Read, &x.take(len));
                // Scales and sums have no lengths of their own.
                b.odd = b.odd.filter(|(index, odd)| {
                    !matches!(index % 4, 1 | 2) || matches!(odd, Odd::Null | Odd::Misaligned)
                });
                let ok = call(&mut b, silent, |b, error| unsafe {
                    let mut activations = activations(b, (bits, tokens, inputs), [values, scales, sums]);
                    let stride = if *gap == 0 { 0 } else { stride };
                    hbl_quantize(
                        backend,
                        rule,
                        epsilon,
                        flags,
                        b.ptr(x),
                        b.len(x),
                        stride,
                        &mut activations,
                        error,
                    )
                });
                if ok && b.odd.is_none() {
                    self.activations = Some((bits, inputs, b.get(values), b.get(scales), b.get(sums)));
                }
            }
            Call::Layer { stages, input, gap, whole } => {
                self.layer(&mut b, &mut w, silent, stages, input, *gap, *whole);
            }
            Call::Product { integer, tokens, outputs, gap } => {
                self.product(&mut b, &mut w, silent, *integer, (*tokens, *outputs), (*gap % 3).into());
            }
            Call::Names(number, text) => {
                let _ = hbl_backend_available(*number);
                let name = hbl_backend_name(*number);
                // SAFETY: a static string, or null.
                assert!(name.is_null() || unsafe { CStr::from_ptr(name) }.to_str().is_ok());
                let text: Vec<u8> = text.bytes().take_while(|&byte| byte != 0).chain([0]).collect();
                let (mut id, mut ids, mut count) = (77, [9_u32; 3], 9_usize);
                let text = b.add(Kind::Read, &text);
                b.odd = b.odd.filter(|(_, odd)| matches!(odd, Odd::Null));
                let ok = call(&mut b, silent, |b, error| unsafe {
                    hbl_backend_from_name(b.ptr(text), &mut id, error)
                });
                assert!(ok || id == 77);
                let capacity = *number as usize % 4;
                let ok = call(&mut b, silent, |_, error| unsafe {
                    hbl_backend_list(ids.as_mut_ptr(), capacity, &mut count, error)
                });
                assert!(ids[capacity..].iter().all(|&id| id == 9) && (!ok || count >= 1));
            }
        }
    }

    fn row_len(&self) -> Option<usize> {
        let mut len = 0;
        // SAFETY: an initialised handle, whose signs and matrices live in `self`.
        let status = unsafe { hbl_transform_row_len(&self.transform, &mut len, core::ptr::null_mut()) };
        (status == 0).then_some(len)
    }

    /// Something of the open weights.
    fn weights<T>(&self, get: impl FnOnce(&Weights<'_>) -> T) -> Option<T> {
        self.open.then(|| get(&Weights::open_verified(&self.blob).expect("opened before")))
    }

    fn pack(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        spec: &Spec,
        ternary: &[u8],
        scales: &Floats,
    ) {
        let scaling = w.known(spec.scaling, &[0, 1, 2, 3]);
        let group = if matches!(scaling, 2 | 3) { w.known(spec.group, &[64, 128, 256]) } else { w.zero() };
        let it = hbl_weight_spec {
            struct_size: 0,
            flags: w.zero(),
            layout: w.known(spec.layout, &[2, 5]),
            outputs: spec.outputs.get(w, 18),
            inputs: spec.inputs.get(w, self.row_len().filter(|&len| len <= 600).unwrap_or(70)),
            scaling,
            group,
        };
        let (outputs, inputs) = (it.outputs, it.inputs);
        let described = Described::new(it, w);
        let (mut blob_len, mut scales_len) = (5, 5);
        // SAFETY: a description with so many bytes.
        let sized = call(b, silent, |_, error| unsafe {
            hbl_weights_packed_len(&described.it, &mut blob_len, &mut scales_len, error)
        });
        assert!(sized || (blob_len, scales_len) == (5, 5));
        let count = outputs.checked_mul(inputs).filter(|&count| sized && count <= 1 << 14).unwrap_or(3);
        if sized && count == 3 && (outputs, inputs) != (1, 3) && (outputs, inputs) != (3, 1)
            || blob_len > 1 << 18
        {
            return;
        }
        let scale = |x: f32| if scaling == 3 { (x.to_bits() % 512) as f32 / 64.0 } else { x };
        let scales: Vec<f32> = scales.take(scales_len).into_iter().map(scale).collect();
        let ternary: Vec<i8> = cycle(ternary, count)
            .iter()
            .map(|byte| if *byte == 255 { 2 } else { (byte % 3) as i8 - 1 })
            .collect();
        let (ternary, scales) = (b.add(Kind::Read, &ternary), b.add(Kind::Read, &scales));
        let blob = b.add(Kind::Written, &vec![0x99_u8; blob_len]);
        // SAFETY: as above.
        let ok = call(b, silent, |b, error| unsafe {
            let (t, s, o) = (
                (b.ptr(ternary), b.len(ternary)),
                (b.ptr(scales), b.len(scales)),
                (b.ptr(blob), b.len(blob)),
            );
            hbl_weights_pack(&described.it, t.0, t.1, s.0, s.1, o.0, o.1, error)
        });
        if ok {
            self.blob = b.get(blob);
            self.open = false;
            self.weights = hbl_weights { opaque: [0; 32] };
            if b.odd.is_none() {
                // SAFETY: the blob stays until the handle is replaced.
                let status = unsafe {
                    hbl_weights_open(
                        self.blob.as_ptr(),
                        self.blob.len(),
                        &mut self.weights,
                        core::ptr::null_mut(),
                    )
                };
                assert_eq!(status, 0, "what was packed opens");
                self.open = true;
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that a layer is described by")]
    fn layer(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        stages: &Stages,
        input: &Rows,
        gap: u8,
        whole: bool,
    ) {
        if whole && !self.open {
            return;
        }
        let row = self.row_len().filter(|&len| stages.transform && len <= 1024);
        let packed = self.weights(|weights| weights.inputs());
        let inputs = packed.filter(|_| whole).or(row).or(packed).unwrap_or(48);
        let outputs = self.weights(|weights| weights.outputs()).unwrap_or(1);
        let (tokens, rule) = (usize::from(input.tokens % 4), w.known(stages.rule, &[0, 1, 2]));
        let stride = inputs + usize::from(input.gap % 4);
        let len = (tokens * stride).saturating_sub(stride - inputs);
        // Without a norm the gains are not looked at.
        let norm = w.known(stages.norm, &[0, 1]);
        let weight = stages.weight.as_ref().filter(|_| norm == 1);
        let weight = weight.map(|weight| b.add(Kind::Read, &weight.take(inputs)));
        let element = w.known(input.element, &[0, 1, 2]);
        let x = input.x.take(len);
        let x = if element == 0 {
            b.add(Kind::Read, &x)
        } else {
            b.add(Kind::Read, &x.iter().map(|x| (x.to_bits() >> 16) as u16).collect::<Vec<_>>())
        };
        // An unknown element is refused, whatever the data.
        let bits: u32 = if rule == 0 { 8 } else { 4 };
        let room = (!whole).then(|| {
            let bytes = hbl_row_bytes(bits, inputs) * tokens;
            let values = b.add(Kind::Written, &vec![0xA5_u8; bytes]);
            [
                values,
                b.add(Kind::Written, &vec![-1.5_f32; tokens]),
                b.add(Kind::Written, &vec![-9_i32; tokens]),
            ]
        });
        let y_stride = outputs + usize::from(gap % 3);
        let y = whole.then(|| {
            b.add(Kind::Written, &vec![-1.5_f32; (tokens * y_stride).saturating_sub(y_stride - outputs)])
        });
        let it = hbl_stages {
            struct_size: 0,
            flags: w.zero() | u32::from(stages.spoil),
            rule,
            inputs,
            transform: if stages.transform { &self.transform } else { core::ptr::null() },
            norm_weight: core::ptr::null(),
            norm_weight_len: 0,
            norm,
            norm_epsilon: w.epsilon(stages.norm_epsilon),
            quantizer_epsilon: w.epsilon(stages.epsilon),
            reserved: w.zero(),
        };
        let mut described = Described::new(it, w);
        let describe = |described: &mut Described<hbl_stages>, b: &Buffers<'_>| {
            described.it.norm_weight = weight.map_or(core::ptr::null(), |weight| b.ptr(weight));
            described.it.norm_weight_len = weight.map_or(0, |weight| b.len(weight));
        };
        describe(&mut described, b);
        let it = hbl_layer {
            struct_size: 0,
            flags: w.zero(),
            reserved: w.zero(),
            stages: &raw const described.it,
            weights: &self.weights,
        };
        let layer = Described::new(it, w);
        let it = hbl_input {
            struct_size: 0,
            flags: w.zero(),
            element,
            data: core::ptr::null(),
            len: 0,
            tokens,
            stride: if input.gap.is_multiple_of(4) { 0 } else { stride },
        };
        let mut rows = Described::new(it, w);
        let (mut bytes, null) = (3, core::ptr::null_mut());
        // SAFETY: descriptions with as many bytes as they say, and initialised handles.
        let status = unsafe {
            match whole {
                true => hbl_layer_workspace_len(&layer.it, tokens, &mut bytes, null),
                false => hbl_stages_workspace_len(&described.it, &mut bytes, null),
            }
        };
        assert!(status == 0 || bytes == 3);
        let workspace = b.workspace(bytes);
        // Scales and sums have no lengths of their own.
        if let Some([_, scales, sums]) = room {
            let count = b.used.len();
            let own = |index: u8| usize::from(index) % count != scales && usize::from(index) % count != sums;
            b.odd = b.odd.filter(|&(index, odd)| own(index) || matches!(odd, Odd::Null | Odd::Misaligned));
        }
        let backend = self.backend;
        // SAFETY: as for all calls.
        let ok = call(b, silent, |b, error| unsafe {
            describe(&mut described, b);
            (rows.it.data, rows.it.len) = (b.ptr::<c_void>(x).cast_const(), b.len(x));
            let (workspace, workspace_len) = (b.ptr(workspace), b.len(workspace));
            match (room, y) {
                (Some(room), _) => {
                    let mut room = activations(b, (bits, tokens, inputs), room);
                    hbl_stages_quantize(
                        backend,
                        &described.it,
                        &rows.it,
                        &mut room,
                        workspace,
                        workspace_len,
                        error,
                    )
                }
                (None, Some(y)) => hbl_layer_forward(
                    backend,
                    &layer.it,
                    &rows.it,
                    b.ptr(y),
                    b.len(y),
                    y_stride,
                    workspace,
                    workspace_len,
                    error,
                ),
                (None, None) => unreachable!("one of them is written"),
            }
        });
        assert!(!ok || status == 0, "what has no workspace length does not run");
        if let Some([values, scales, sums]) = room.filter(|_| ok && b.odd.is_none()) {
            self.activations = Some((bits, inputs, b.get(values), b.get(scales), b.get(sums)));
        }
        if let Some(y) = y {
            // Elements between rows.
            let y: Vec<f32> = b.get(y);
            assert!(y.chunks(y_stride).all(|row| row.iter().skip(outputs).all(|&y| y == -1.5)));
        }
    }

    fn product(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        integer: bool,
        ranges: ((Size, Size), (Size, Size)),
        gap: usize,
    ) {
        let Some((n, k)) = self.weights(|weights| (weights.outputs(), weights.inputs())) else { return };
        let quantised = self.activations.clone().unwrap_or_else(|| some_activations(integer, k));
        let (bits, inputs, bytes, scales, sums) = quantised;
        let count = scales.len();
        let mut at = |size: Size, limit: usize| match size {
            Size::Small(size) => Size::Small((usize::from(size) % (limit + 1)).min(255) as u8).get(w, limit),
            other => other.get(w, limit),
        };
        let mut range = |(start, end): (Size, Size), limit: usize| match start {
            Size::Small(_) => hbl_range { start: at(start, limit), end: at(end, limit) },
            _ => hbl_range { start: 0, end: at(end, limit) },
        };
        let (tokens, outputs) = (range(ranges.0, count), range(ranges.1, n));
        let size = |range: &hbl_range| range.end.saturating_sub(range.start).min(300);
        let (rows, columns) = (size(&tokens), size(&outputs));
        let stride = columns + gap;
        let values = b.add(Kind::Read, &bytes);
        let (scales, sums) = (b.add(Kind::Read, &scales), b.add(Kind::Read, &sums));
        let y = b.add(Kind::Written, &vec![0xC1C1_C1C1_u32; (rows * stride).saturating_sub(gap)]);
        let workspace = b.workspace(hbl_product_workspace_len());
        b.odd = b
            .odd
            .filter(|(index, odd)| !matches!(index % 5, 1 | 2) || matches!(odd, Odd::Null | Odd::Misaligned));
        let (backend, w) = (self.backend, self.weights);
        // SAFETY: as for all calls.
        let ok = call(b, silent, |b, error| unsafe {
            let x = activations(b, (bits, count, inputs), [values, scales, sums]);
            let (workspace, len) = (b.ptr(workspace), b.len(workspace));
            if integer {
                hbl_product_i32(
                    backend,
                    &w,
                    &x,
                    tokens,
                    outputs,
                    b.ptr(y),
                    b.len(y),
                    stride,
                    workspace,
                    len,
                    error,
                )
            } else {
                hbl_product_f32(
                    backend,
                    &w,
                    &x,
                    tokens,
                    outputs,
                    b.ptr(y),
                    b.len(y),
                    stride,
                    workspace,
                    len,
                    error,
                )
            }
        });
        if ok && integer && b.odd.is_none() {
            let row = hbl_row_bytes(bits, inputs);
            let y: Vec<i32> = b.get(y);
            self.weights(|weights| {
                for (at, token) in (tokens.start..tokens.end).enumerate() {
                    let q = |k: usize| match bits {
                        8 => i32::from(bytes[token * row + k] as i8),
                        _ => i32::from((bytes[token * row + k / 2] >> (k % 2 * 4) << 4) as i8 >> 4),
                    };
                    for (column, output) in (outputs.start..outputs.end).enumerate() {
                        let sum: i32 = (0..inputs).map(|k| i32::from(weights.weight(output, k)) * q(k)).sum();
                        assert_eq!(y[at * stride + column], sum);
                    }
                }
            });
        }
    }
}

/// Three tokens that no call quantised.
fn some_activations(four: bool, inputs: usize) -> Quantised {
    let bits = if four { 4 } else { 8 };
    let row = hbl_row_bytes(bits, inputs);
    let bytes: Vec<u8> = (0..3 * row).map(|index| hash(1, index) as u8).collect();
    let nibble = |byte: u8| i32::from((byte << 4) as i8 >> 4);
    let spare = inputs % 2;
    let sum = |row: &[u8]| match bits {
        8 => row.iter().map(|&byte| i32::from(byte as i8)).sum::<i32>(),
        _ => {
            let low: i32 = row.iter().map(|&byte| nibble(byte)).sum();
            low + row[..row.len() - spare].iter().map(|&byte| nibble(byte >> 4)).sum::<i32>()
        }
    };
    let sums = bytes.chunks(row).map(sum).collect();
    (bits, inputs, bytes, vec![0.5, 0.25, 3.0], sums)
}

/// Buffers as activations.
fn activations(
    b: &Buffers<'_>,
    (bits, tokens, inputs): (u32, usize, usize),
    parts: [usize; 3],
) -> hbl_activations {
    let [values, scales, sums] = parts;
    hbl_activations {
        struct_size: size_of::<hbl_activations>(),
        flags: 0,
        bits,
        tokens,
        inputs,
        values: b.ptr(values),
        values_len: b.len(values),
        scales: b.ptr(scales),
        sums: b.ptr(sums),
    }
}
