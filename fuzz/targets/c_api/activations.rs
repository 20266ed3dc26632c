//! Activations: norm, quantisers; and the weights' quantiser.

use hbitlinear_fuzz::hash;
use hbitlinear_fuzz::rows::Floats;

use super::buffers::{Buffers, Kind, call};
use super::input::{Odd, Size, Wrong};
use super::library::absmean::{hbl_absmean, hbl_absmean_rows};
use super::library::norm::hbl_rms_norm;
use super::library::quantize::{hbl_activations, hbl_quantize, hbl_row_bytes};
use super::program::{Program, Quantised};

impl Program {
    pub(super) fn norm(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        inputs: Size,
        rows: u8,
        epsilon: u32,
        weight: Option<&Floats>,
        x: &Floats,
    ) {
        let inputs = inputs.get(w, 64);
        let len = if inputs <= 4096 { inputs * usize::from(rows % 3) } else { 17 };
        let epsilon = w.epsilon(epsilon);
        let x = b.add(Kind::Read, &x.take(len));
        let y = b.add(Kind::Written, &vec![-1.5_f32; len]);
        let weight = weight.as_ref().map(|weight| b.add(Kind::Read, &weight.take(inputs.min(4096))));
        call(b, silent, |b, error| unsafe {
            let (weight, weight_len) =
                weight.map_or((core::ptr::null(), 0), |w| (b.ptr::<f32>(w).cast_const(), b.len(w)));
            hbl_rms_norm(
                self.backend,
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

    pub(super) fn absmean(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        inputs: Size,
        rows: u8,
        epsilon: u32,
        by_row: bool,
        weights: &Floats,
    ) {
        let (inputs, rows) = (inputs.get(w, 33), usize::from(rows % 4));
        let len = if inputs <= 4096 { inputs * rows } else { 17 };
        let weights = b.add(Kind::Read, &weights.take(len));
        let ternary = b.add(Kind::Written, &vec![77_i8; len]);
        let scales = b.add(Kind::Written, &vec![-1.5_f32; if by_row { rows } else { 1 }]);
        let epsilon = w.epsilon(epsilon);
        if !by_row && b.odd.is_some_and(|(_, odd)| !matches!(odd, Odd::Null | Odd::Misaligned)) {
            // The one scale has no length to be wrong about.
            b.odd = None;
        }
        call(b, silent, |b, error| unsafe {
            let (read, ternary) = ((b.ptr(weights), b.len(weights)), (b.ptr(ternary), b.len(ternary)));
            if by_row {
                let scales = (b.ptr(scales), b.len(scales));
                hbl_absmean_rows(
                    self.backend,
                    inputs,
                    read.0,
                    read.1,
                    epsilon,
                    ternary.0,
                    ternary.1,
                    scales.0,
                    scales.1,
                    error,
                )
            } else {
                hbl_absmean(self.backend, read.0, read.1, epsilon, ternary.0, ternary.1, b.ptr(scales), error)
            }
        });
    }

    pub(super) fn quantize(
        &mut self,
        b: &mut Buffers<'_>,
        w: &mut Wrong,
        silent: bool,
        rule: u8,
        epsilon: u32,
        spoil: bool,
        inputs: Size,
        (tokens, gap): (u8, u8),
        x: &Floats,
    ) {
        let (inputs, tokens) =
            (inputs.get(w, self.weights(|weights| weights.inputs()).unwrap_or(40)), usize::from(tokens % 4));
        let stride = inputs.saturating_add((gap % 4).into());
        let len = if stride <= 4096 { (tokens * stride).saturating_sub(stride - inputs) } else { 9 };
        let rule = w.known(rule, &[0, 1, 2]);
        let bits = w.known(0, &[if rule == 0 { 8 } else { 4 }]);
        let (flags, epsilon) = (w.zero() | u32::from(spoil), w.epsilon(epsilon));
        let bytes = hbl_row_bytes(bits, inputs).saturating_mul(tokens).min(1 << 15);
        let values = b.add(Kind::Written, &vec![0xA5_u8; bytes]);
        let scales = b.add(Kind::Written, &vec![-1.5_f32; tokens]);
        let sums = b.add(Kind::Written, &vec![-9_i32; tokens]);
        let x = b.add(Kind::Read, &x.take(len));
        // Scales and sums have no lengths of their own.
        b.odd = b
            .odd
            .filter(|(index, odd)| !matches!(index % 4, 1 | 2) || matches!(odd, Odd::Null | Odd::Misaligned));
        let ok = call(b, silent, |b, error| unsafe {
            let mut activations = activations(b, (bits, tokens, inputs), [values, scales, sums]);
            let stride = if gap == 0 { 0 } else { stride };
            hbl_quantize(
                self.backend,
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
}

/// Three tokens that no call quantised.
pub(super) fn some_activations(four: bool, inputs: usize) -> Quantised {
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
pub(super) fn activations(
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
