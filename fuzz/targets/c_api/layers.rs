//! Layers and products.

use core::ffi::c_void;

use core_crate::Weights;

use super::activations::{activations, some_activations};
use super::buffers::{Buffers, Described, Kind, call};
use super::input::{Odd, Rows, Size, Stages, Wrong};
use super::library::input::hbl_input;
use super::library::layer::{hbl_layer, hbl_layer_forward, hbl_layer_workspace_len};
use super::library::product::{hbl_product_f32, hbl_product_i32, hbl_product_workspace_len, hbl_range};
use super::library::quantize::hbl_row_bytes;
use super::library::stages::{hbl_stages, hbl_stages_quantize, hbl_stages_workspace_len};
use super::program::Program;

impl Program {
    pub(super) fn layer(
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

    pub(super) fn product(
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
        // Damage that was not looked for gives any numbers.
        let whole = Weights::open(&self.blob).is_ok();
        if ok && integer && whole && b.odd.is_none() {
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
