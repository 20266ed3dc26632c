//! A program: handles and what they point to, and one call after the other.
//!
//! For all calls: the buffers are valid for no less than the lengths that are passed, or are null or misaligned where the
//! library must see that; handles are initialised, and what they point to lives in the program.

use core::ffi::CStr;

use core_crate::{Backend, Transform, Weights};
use hbitlinear_fuzz::guarded::GuardedBuffer;

use super::buffers::{Buffers, Kind, call};
use super::input::{Call, Odd, Step, Wrong};
use super::kept::Kept;
use super::library::backend::{
    hbl_backend_available, hbl_backend_best, hbl_backend_from_name, hbl_backend_list, hbl_backend_name,
};
use super::library::format::{hbl_format_from_name, hbl_format_name};
use super::library::matrix::hbl_matrix;
use super::library::transform::{hbl_transform, hbl_transform_row_len};
use super::library::weights::hbl_weights;

/// Bits, K, values, scales and sums.
pub(super) type Quantised = (u32, usize, Vec<u8>, Vec<f32>, Vec<i32>);

/// What lives longer than a call.
pub(super) struct Program {
    pub(super) backend: u32,
    /// Of which buffers the page that must not be touched is in front, by bits; of the others it is behind.
    pub(super) edges: u8,
    pub(super) transform: hbl_transform,
    pub(super) named: Option<Transform<'static>>,
    pub(super) matrices: Vec<hbl_matrix>,
    pub(super) weights: hbl_weights,
    pub(super) blob: Vec<u8>,
    /// Whether the handle is of the blob.
    pub(super) open: bool,
    /// What handles point to.
    pub(super) signs: Vec<Vec<i8>>,
    pub(super) storages: Vec<Vec<u32>>,
    pub(super) activations: Option<Quantised>,
    pub(super) cache: Option<Kept>,
}

impl Program {
    /// With a backend, and edges that every call turns by one, from one number.
    pub(super) fn new(number: u8) -> Program {
        let backends: Vec<u32> =
            Backend::available().map(|backend| backend.id() as u32).chain([u32::MAX]).collect();
        Program {
            backend: backends[usize::from(number) % backends.len()],
            edges: number,
            transform: hbl_transform { opaque: [0; 64] },
            named: None,
            matrices: Vec::new(),
            weights: hbl_weights { opaque: [0; 32] },
            blob: Vec::new(),
            open: false,
            signs: Vec::new(),
            storages: Vec::new(),
            activations: None,
            cache: None,
        }
    }

    pub(super) fn run(&mut self, rooms: &mut [GuardedBuffer], step: &Step<'_>) {
        let silent = step.silent;
        self.edges = self.edges.rotate_left(1);
        let b = &mut Buffers { rooms, odd: step.odd, edges: self.edges, used: Vec::new() };
        let w = &mut Wrong { at: step.wrong, index: 0 };
        match &step.call {
            Call::Named(name) => self.named(b, silent, name),
            Call::MatrixNamed(family, order) => self.matrix_named(b, silent, *family, *order),
            Call::MatrixPack(own) => self.matrix_pack(b, silent, own),
            Call::TransformNew(count, power) => self.transform_new(b, w, silent, *count, *power),
            Call::SetBlocks(blocks) => self.set_blocks(b, w, silent, *blocks),
            Call::SetSigns(signs) => self.set_signs(b, silent, step.odd, signs),
            Call::Flip(which, word, bit) => self.flip(*which, *word, *bit),
            Call::Hadamard { wide, transpose, rows, x } => {
                self.hadamard(b, silent, *wide, *transpose, *rows, x);
            }
            Call::Norm { inputs, rows, epsilon, weight, x } => {
                self.norm(b, w, silent, *inputs, *rows, *epsilon, weight.as_ref(), x);
            }
            Call::Absmean { inputs, rows, epsilon, by_row, weights } => {
                self.absmean(b, w, silent, *inputs, *rows, *epsilon, *by_row, weights);
            }
            Call::Pack { spec, ternary, scales } => self.pack(b, w, silent, spec, ternary, scales),
            Call::Open { verified, mend, edits } => self.open(b, silent, *verified, *mend, edits),
            Call::Unpack => self.unpack(b, silent),
            Call::Repack(layout) => self.repack(b, w, silent, *layout),
            Call::SpecOf => self.spec_of(b, w, silent),
            Call::Quantize { rule, epsilon, spoil, inputs, tokens, gap, x } => {
                self.quantize(b, w, silent, *rule, *epsilon, *spoil, *inputs, (*tokens, *gap), x);
            }
            Call::Layer { stages, input, gap, whole } => {
                self.layer(b, w, silent, stages, input, *gap, *whole);
            }
            Call::Product { integer, tokens, outputs, gap } => {
                self.product(b, w, silent, *integer, (*tokens, *outputs), (*gap % 3).into());
            }
            Call::Names(number, text) => self.names(b, silent, *number, text),
            Call::Import { tensor, how } => self.import(b, w, silent, tensor, *how),
            Call::Export { format, lines } => self.export(b, w, silent, *format, *lines),
            Call::Contract { text, tensor, inputs } => self.contract(b, w, silent, text, tensor, *inputs),
            Call::Container { edits, sealed, number, name, how } => {
                self.container(b, w, silent, (edits, *sealed), *number, name, *how);
            }
            Call::Cache(shape) => self.cache(b, w, silent, shape),
            Call::Append { tokens, gap, keys, values } => {
                self.append(b, w, silent, (*tokens, *gap), keys, values);
            }
            Call::Truncate(tokens) => self.truncate(b, w, silent, *tokens),
            Call::Attend { bits, groups, scale, heads, queries } => {
                self.attend(b, w, silent, (*bits, *groups, *scale), *heads, queries);
            }
            Call::AttentionPart { part, bits, scale, head, range, x } => {
                let places = (*head, range.0, range.1);
                self.attention_part(b, w, silent, (*part, *bits, *scale), places, x);
            }
        }
    }

    pub(super) fn names(&mut self, b: &mut Buffers<'_>, silent: bool, number: u32, text: &str) {
        let _ = hbl_backend_available(number);
        assert_eq!(hbl_backend_available(hbl_backend_best()), 1);
        let name = hbl_backend_name(number);
        let format = hbl_format_name(number);
        assert_eq!(format.is_null(), !(1..=11).contains(&number));
        // SAFETY: a static string, or null.
        assert!(name.is_null() || unsafe { CStr::from_ptr(name) }.to_str().is_ok());
        let text: Vec<u8> = text.bytes().take_while(|&byte| byte != 0).chain([0]).collect();
        let (mut id, mut ids, mut count) = (77, [9_u32; 3], 9_usize);
        let text = b.add(Kind::Read, &text);
        b.odd = b.odd.filter(|(_, odd)| matches!(odd, Odd::Null));
        let ok = call(b, silent, |b, error| unsafe { hbl_backend_from_name(b.ptr(text), &mut id, error) });
        assert!(ok || id == 77);
        let mut format = 77;
        // SAFETY: as for all calls.
        let status = unsafe { hbl_format_from_name(b.ptr(text), &mut format, core::ptr::null_mut()) };
        assert_eq!(status != 0, format == 77);
        let capacity = number as usize % 4;
        let ok = call(b, silent, |_, error| unsafe {
            hbl_backend_list(ids.as_mut_ptr(), capacity, &mut count, error)
        });
        assert!(ids[capacity..].iter().all(|&id| id == 9) && (!ok || count >= 1));
    }

    pub(super) fn row_len(&self) -> Option<usize> {
        let mut len = 0;
        // SAFETY: an initialised handle, whose signs and matrices live in `self`.
        let status = unsafe { hbl_transform_row_len(&self.transform, &mut len, core::ptr::null_mut()) };
        (status == 0).then_some(len)
    }

    /// Something of the open weights.
    pub(super) fn weights<T>(&self, get: impl FnOnce(&Weights<'_>) -> T) -> Option<T> {
        self.open.then(|| get(&Weights::open_verified(&self.blob).expect("opened before")))
    }
}
