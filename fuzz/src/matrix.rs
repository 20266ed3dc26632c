//! Weight matrices of any shape, layout and scaling, packed.

use hbitlinear::{Layout, Scaling, WeightSpec};
use libfuzzer_sys::arbitrary;

use crate::cycle;
use crate::rows::Floats;

/// What a matrix is made of.
#[derive(arbitrary::Arbitrary, Debug)]
pub struct Matrix<'a> {
    layout: u8,
    scaling: u8,
    scales: Floats,
    ternary: &'a [u8],
}

/// A packed matrix, and what was packed.
pub struct Packed {
    pub spec: WeightSpec,
    pub ternary: Vec<i8>,
    /// `[outputs, groups]`, one for the tensor, or one for each output.
    pub scales: Vec<f32>,
    pub blob: Vec<u8>,
}

impl Matrix<'_> {
    /// Packs `[outputs, inputs]` of it, both at least 1 and small.
    ///
    /// # Panics
    /// If packing refuses what it must take.
    #[must_use]
    pub fn pack(&self, outputs: usize, inputs: usize) -> Packed {
        let layout = Layout::ALL[usize::from(self.layout) % Layout::ALL.len()];
        let scaling = Scaling::ALL[usize::from(self.scaling) % Scaling::ALL.len()];
        let spec = WeightSpec::new(outputs, inputs, layout, scaling).expect("a small shape");
        let ternary: Vec<i8> =
            cycle(self.ternary, outputs * inputs).iter().map(|byte| (byte % 3) as i8 - 1).collect();
        let mut scales = self.scales.take_finite(spec.scale_count());
        if matches!(scaling, Scaling::GroupF16(_)) {
            for scale in &mut scales {
                // Any f16, by the upper bits.
                let half = half::f16::from_bits((scale.to_bits() >> 16) as u16);
                *scale = if half.is_finite() { half.to_f32() } else { 1.0 };
            }
        }
        let mut blob = vec![0xAA; spec.packed_len()];
        spec.pack(&ternary, &scales, &mut blob)
            .expect("ternary weights and finite scales of the right lengths");
        Packed { spec, ternary, scales, blob }
    }
}

impl Packed {
    /// The scale of an output's group.
    #[must_use]
    pub fn scale(&self, output: usize, group: usize) -> f32 {
        match self.spec.scaling() {
            Scaling::Tensor => self.scales[0],
            Scaling::Row => self.scales[output],
            _ => self.scales[output * self.spec.groups() + group],
        }
    }

    /// Output of one token of `q` by the documented expression, given its scale: groups ascending, no fused multiply-add.
    #[must_use]
    pub fn dequantised(&self, output: usize, q: &[i8], scale: f32) -> f32 {
        let row = &self.ternary[output * q.len()..][..q.len()];
        let run = self.spec.group_inputs();
        let products = row.chunks(run).zip(q.chunks(run)).enumerate().map(|(group, (w, q))| {
            let sum: i32 = w.iter().zip(q).map(|(&w, &q)| i32::from(w) * i32::from(q)).sum();
            sum as f32 * self.scale(output, group)
        });
        products.reduce(|sum, product| sum + product).unwrap_or(0.0) * scale
    }
}

/// Rewrites both checksums of a blob, so that the checks behind them are reached.
pub fn mend(blob: &mut [u8]) {
    let (header, payload) = blob.split_at_mut(64);
    header[40..44].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
}
