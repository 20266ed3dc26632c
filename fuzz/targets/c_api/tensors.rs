//! Tensors in other formats.

use core_crate::Weights;
use core_crate::interop::{Export, Format, Import};
use hbitlinear_fuzz::cycle;

use super::buffers::{Buffers, Described, Kind, call_that_may_stop};
use super::input::{Size, Tensor, Wrong};
use super::library::export::{
    hbl_export_query, hbl_export_sizes, hbl_export_write, hbl_export_write_lines, hbl_export_write_tail,
};
use super::library::format::hbl_format_tensor_len;
use super::library::import::{
    HBL_TENSOR_WEIGHT_SCALE, hbl_import_finish, hbl_import_pack, hbl_import_pack_rows, hbl_import_row,
    hbl_import_scale, hbl_import_spec, hbl_part, hbl_tensor,
};
use super::library::product::hbl_range;
use super::library::weights::{hbl_weight_spec, hbl_weights_open, hbl_weights_packed_len};
use super::program::Program;

/// The statuses of what is found on the way through a tensor.
const STOPS: [i32; 3] = [13, 14, 32];
/// Of memory that is written with what is read.
const OVERLAP: i32 = 5;

const NULL: *mut super::library::error::hbl_error = core::ptr::null_mut();

impl Program {
    pub(super) fn import(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        tensor: &Tensor<'_>,
        how: u8,
    ) {
        let format = w.known(tensor.format, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        let inputs = (usize::from(tensor.inputs % 8) + 1) * if format < 10 { 64 } else { 3 };
        let outputs = match tensor.outputs {
            Size::Small(size) => usize::from(size % 40),
            other => other.get(w, 20),
        };
        let mut len = 7;
        // SAFETY: a number to write to.
        let sized = unsafe { hbl_format_tensor_len(format, outputs, inputs, &mut len, NULL) } == 0;
        assert!(sized || len == 7);
        if len > 1 << 16 {
            return;
        }
        let codes = |byte: &u8| if how.is_multiple_of(8) { *byte } else { byte & !(byte >> 1 & 0x55 & byte) };
        let content: Vec<u8> = cycle(tensor.bytes, len).iter().map(codes).collect();
        let bytes = b.add(Kind::Read, &content);
        let scale = tensor.scale.filter(|_| format >= 10).or(tensor.scale.filter(|_| w.next().is_some()));
        let it = hbl_tensor {
            struct_size: 0,
            flags: w.zero() | scale.map_or(0, |_| HBL_TENSOR_WEIGHT_SCALE),
            format,
            outputs,
            inputs,
            bytes: core::ptr::null(),
            bytes_len: 0,
            weight_scale: scale.map_or(0.0, f32::from_bits),
            reserved: w.zero(),
        };
        let mut described = Described::new(it, w);
        let layout = w.known(tensor.layout, &[2, 5]);
        // As if nothing were wrong.
        let core = format_of(format).and_then(|it| Import::new(it, outputs, inputs, &content).ok());
        if how % 4 == 1 {
            let (row, weights) = (usize::from(how / 4), b.add(Kind::Written, &vec![99_i8; inputs]));
            let ok = call_that_may_stop(b, silent, &[13], |b, error| {
                (described.it.bytes, described.it.bytes_len) = (b.ptr(bytes), b.len(bytes));
                // SAFETY: as for all calls.
                unsafe { hbl_import_row(&described.it, row, b.ptr(weights), b.len(weights), error) }
            });
            if ok && b.odd.is_none() {
                let mut expected = vec![0; inputs];
                core.expect("what C takes").row(row, &mut expected).expect("what C reads");
                assert!(expected == b.get::<i8>(weights));
            }
            return;
        }
        let mut spec = Described::new(EMPTY_SPEC, &mut Wrong { at: None, index: 0 });
        // A spec of what is there, then the call with what is wrong.
        (described.it.bytes, described.it.bytes_len) = (b.ptr(bytes), b.len(bytes));
        // SAFETY: as for all calls.
        let known = unsafe { hbl_import_spec(&described.it, layout, &mut spec.it, NULL) } == 0;
        let mut found = -1.5;
        // SAFETY: as for all calls.
        let status = unsafe { hbl_import_scale(&described.it, how.into(), 0, &mut found, NULL) };
        assert!(status == 0 || found == -1.5);
        if !known {
            return;
        }
        let blob_len = spec_len(&spec.it);
        let mut parts = [hbl_part { opaque: [0; 16] }; 2];
        let blob = b.add(Kind::Written, &vec![0x99_u8; blob_len]);
        let cut = (usize::from(how / 4) * 16).min(outputs);
        // A tensor that lies in the blob: the first rows may lie apart from it, and be written, before others do not.
        let stops = [STOPS[0], STOPS[1], STOPS[2], OVERLAP];
        let stops = if how.is_multiple_of(2) { &stops[..3] } else { &stops };
        let ok = call_that_may_stop(b, silent, stops, |b, error| {
            (described.it.bytes, described.it.bytes_len) = (b.ptr(bytes), b.len(bytes));
            let (o, len) = (b.ptr(blob), b.len(blob));
            // SAFETY: as for all calls.
            unsafe {
                if how.is_multiple_of(2) {
                    return hbl_import_pack(&described.it, &spec.it, o, len, error);
                }
                for (part, (start, end)) in parts.iter_mut().zip([(0, cut), (cut, outputs)]) {
                    let range = hbl_range { start, end };
                    let status = hbl_import_pack_rows(&described.it, &spec.it, range, o, len, part, error);
                    if status != 0 {
                        return if start == 0 {
                            status
                        } else {
                            hbl_import_pack(&described.it, &spec.it, o, len, error)
                        };
                    }
                }
                hbl_import_finish(&spec.it, parts.as_ptr(), 2, o, len, error)
            }
        });
        if ok && b.odd.is_none() {
            self.keep(b.get(blob));
        }
    }

    /// A whole blob is the program's from now on.
    fn keep(&mut self, blob: Vec<u8>) {
        self.blob = blob;
        // SAFETY: the blob stays until the handle is replaced.
        let status =
            unsafe { hbl_weights_open(self.blob.as_ptr(), self.blob.len(), &mut self.weights, NULL) };
        assert_eq!(status, 0, "what was packed opens");
        self.open = true;
    }

    pub(super) fn export(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        format: u8,
        lines: Option<(Size, Size)>,
    ) {
        if !self.open {
            return;
        }
        let format = w.known(format, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        let sizes = hbl_export_sizes {
            struct_size: 0,
            flags: 0,
            has_weight_scale: 0,
            len: 0,
            lines: 0,
            line_len: 0,
            tail_len: 0,
            weight_scale: 0.0,
            reserved: 0,
        };
        let mut sizes = Described::new(sizes, &mut Wrong { at: None, index: 0 });
        let weights = self.weights;
        // SAFETY: as for all calls.
        let known = unsafe { hbl_export_query(&weights, format, &mut sizes.it, NULL) } == 0;
        let sizes = &sizes.it;
        if !known || sizes.len > 1 << 17 {
            return assert!(known || sizes.len == 0);
        }
        assert_eq!(sizes.len, sizes.lines * sizes.line_len + sizes.tail_len);
        let Some((start, end)) = lines else {
            let bytes = b.add(Kind::Written, &vec![0x77_u8; sizes.len]);
            let ok = call_that_may_stop(b, silent, &STOPS, |b, error| unsafe {
                hbl_export_write(&weights, format, b.ptr(bytes), b.len(bytes), error)
            });
            if ok && b.odd.is_none() {
                let opened = Weights::open_verified(&self.blob).expect("opened before");
                let export =
                    Export::new(format_of(format).expect("a format"), &opened).expect("what C writes");
                let mut expected = vec![0; export.len()];
                export.write(&mut expected).expect("what C writes");
                assert!(expected == b.get::<u8>(bytes));
            }
            return;
        };
        let range = hbl_range { start: start.get(w, 0), end: end.get(w, sizes.lines) };
        let count = range.end.saturating_sub(range.start).min(sizes.lines);
        let bytes = b.add(Kind::Written, &vec![0x77_u8; count * sizes.line_len]);
        call_that_may_stop(b, silent, &STOPS, |b, error| unsafe {
            hbl_export_write_lines(&weights, format, range, b.ptr(bytes), b.len(bytes), error)
        });
        let mut tail = vec![0x66; sizes.tail_len];
        // SAFETY: as for all calls.
        let status = unsafe { hbl_export_write_tail(&weights, format, tail.as_mut_ptr(), tail.len(), NULL) };
        assert_eq!(status, 0);
    }
}

const EMPTY_SPEC: hbl_weight_spec =
    hbl_weight_spec { struct_size: 0, flags: 0, layout: 0, outputs: 0, inputs: 0, scaling: 0, group: 0 };

fn format_of(number: u32) -> Option<Format> {
    Format::ALL.get((number as usize).wrapping_sub(1)).copied()
}

/// Bytes of the blob of a spec that the library made.
fn spec_len(spec: &hbl_weight_spec) -> usize {
    let (mut blob_len, mut scales_len) = (0, 0);
    // SAFETY: a description of the library's.
    let status = unsafe { hbl_weights_packed_len(spec, &mut blob_len, &mut scales_len, NULL) };
    assert_eq!(status, 0);
    blob_len
}
