//! Weights, packed and opened; and handles that are written to.

use hbitlinear_fuzz::cycle;
use hbitlinear_fuzz::matrix::mend;
use hbitlinear_fuzz::rows::Floats;

use super::buffers::{Buffers, Described, Kind, call};
use super::input::{Spec, Wrong};
use super::library::weights::{
    hbl_weight_spec, hbl_weights, hbl_weights_blob_len, hbl_weights_open, hbl_weights_open_verified,
    hbl_weights_pack, hbl_weights_packed_len, hbl_weights_repack, hbl_weights_spec, hbl_weights_unpack,
};
use super::program::Program;

impl Program {
    pub(super) fn pack(
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

    pub(super) fn open(
        &mut self,
        b: &mut Buffers<'_>,
        silent: bool,
        verified: bool,
        mended: bool,
        edits: &[(u16, u8)],
    ) {
        for &(at, flip) in edits {
            if self.blob.len() <= 64 {
                break;
            }
            let at = usize::from(at) % self.blob.len();
            self.blob[at] ^= flip;
            if mended {
                mend(&mut self.blob);
            }
        }
        let opener = if verified { hbl_weights_open_verified } else { hbl_weights_open };
        let blob = b.add(Kind::Read, &self.blob);
        let mut made = self.weights;
        let mut len = 7;
        let short = self.blob.len().min(64);
        call(b, silent, |b, error| unsafe { opener(b.ptr(blob), b.len(blob), &mut made, error) });
        // In memory that stays.
        let null = core::ptr::null_mut();
        self.open = 0 == unsafe { opener(self.blob.as_ptr(), self.blob.len(), &mut self.weights, null) };
        let told = unsafe { hbl_weights_blob_len(self.blob.as_ptr(), short, &mut len, null) };
        assert!(!self.open || told == 0 && len == self.blob.len());
        assert!(told == 0 || len == 7);
    }

    pub(super) fn unpack(&mut self, b: &mut Buffers<'_>, silent: bool) {
        let Some((ternary, scales)) =
            self.weights(|weights| (weights.outputs() * weights.inputs(), weights.spec().scale_count()))
        else {
            return;
        };
        let (ternary, scales) =
            (b.add(Kind::Written, &vec![99_i8; ternary]), b.add(Kind::Written, &vec![-1.5_f32; scales]));
        call(b, silent, |b, error| unsafe {
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

    pub(super) fn repack(&mut self, b: &mut Buffers<'_>, w: &mut Wrong, silent: bool, layout: u8) {
        let layout = w.known(layout, &[2, 5]);
        let Some(len) = self.weights(|weights| {
            let layout = core_crate::Layout::try_from(layout).unwrap_or(core_crate::Layout::TwoBit);
            weights.spec().with_layout(layout).expect("a shape that there is").packed_len()
        }) else {
            return;
        };
        let blob = b.add(Kind::Written, &vec![0xAA_u8; len]);
        let ok = call(b, silent, |b, error| unsafe {
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

    pub(super) fn spec_of(&mut self, b: &mut Buffers<'_>, w: &mut Wrong, silent: bool) {
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
        let mut described = Described::new(spec, w);
        call(b, silent, |_, error| unsafe { hbl_weights_spec(&self.weights, &mut described.it, error) });
    }

    pub(super) fn flip(&mut self, which: u8, word: u8, bit: u8) {
        // The magic and the seal; what they guard belongs to the library.
        let (word, flip) = (usize::from(word % 2), 1_u64 << (bit % 64));
        if which.is_multiple_of(2) {
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
}
