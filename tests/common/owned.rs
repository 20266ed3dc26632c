//! Weights and activations that own their memory, with what they were made of.

use hbitlinear::{Activations, ActivationsMut, Bits, Layout, Scaling, WeightSpec, Weights};

use super::data::{Paint, Random, assert_painted, painted};
use super::{assert_same, assert_same_bits};

/// How a matrix is stored.
pub(crate) type Format = (Layout, Scaling);

/// Every way to store a matrix.
pub(crate) fn formats() -> impl Iterator<Item = Format> + Clone {
    Layout::ALL.iter().flat_map(|&layout| Scaling::ALL.iter().map(move |&scaling| (layout, scaling)))
}

/// A packed matrix and what it was made of.
pub(crate) struct OwnedWeights {
    pub(crate) spec: WeightSpec,
    pub(crate) ternary: Vec<i8>,
    pub(crate) scales: Vec<f32>,
    pub(crate) blob: Vec<u8>,
}

impl OwnedWeights {
    pub(crate) fn with_scales(spec: WeightSpec, ternary: Vec<i8>, scales: Vec<f32>) -> OwnedWeights {
        let mut blob = vec![0; spec.packed_len()];
        spec.pack(&ternary, &scales, &mut blob).unwrap();
        OwnedWeights { spec, ternary, scales, blob }
    }

    pub(crate) fn new(outputs: usize, inputs: usize, format: Format, ternary: Vec<i8>) -> OwnedWeights {
        let (layout, scaling) = format;
        let spec = WeightSpec::new(outputs, inputs, layout, scaling).unwrap();
        let scale = |i: usize| match scaling {
            // Each of them is an f16, the first few among the smallest.
            Scaling::GroupF16(_) if i < 8 => i as f32 / (1 << 24) as f32,
            Scaling::GroupF16(_) => (21 + i * 7 % 1009) as f32 / 1024.0,
            _ => 0.021 * (1.0 + (i % 251) as f32 * 0.173),
        };
        Self::with_scales(spec, ternary, (0..spec.scale_count()).map(scale).collect())
    }

    pub(crate) fn random(outputs: usize, inputs: usize, format: Format, random: &mut Random) -> OwnedWeights {
        Self::new(outputs, inputs, format, random.ternary(outputs * inputs))
    }

    /// The same matrix in every layout.
    pub(crate) fn layouts(&self) -> Vec<OwnedWeights> {
        let pack = |&layout| {
            let spec = self.spec.with_layout(layout).unwrap();
            Self::with_scales(spec, self.ternary.clone(), self.scales.clone())
        };
        Layout::ALL.iter().map(pack).collect()
    }

    pub(crate) fn view(&self) -> Weights<'_> {
        Weights::open(&self.blob).unwrap()
    }

    /// The scale that goes with an output's group.
    pub(crate) fn scale(&self, output: usize, group: usize) -> f32 {
        match self.spec.scaling() {
            Scaling::Tensor => self.scales[0],
            Scaling::Row => self.scales[output],
            Scaling::Group(_) | Scaling::GroupF16(_) => self.scales[output * self.spec.groups() + group],
        }
    }
}

/// Bytes of `[tokens, inputs]` values as the crate packs them.
pub(crate) fn pack_activations(bits: Bits, inputs: usize, q: &[i8]) -> Vec<u8> {
    match bits {
        Bits::Eight => q.iter().map(|&q| q as u8).collect(),
        Bits::Four => q
            .chunks(inputs)
            .flat_map(|row| {
                row.chunks(2).map(|p| p[0] as u8 & 15 | p.get(1).map_or(0, |&high| high as u8) << 4)
            })
            .collect(),
    }
}

/// The memory of quantised activations.
pub(crate) struct Quantised {
    pub(crate) bits: Bits,
    pub(crate) inputs: usize,
    pub(crate) values: Vec<u8>,
    pub(crate) scales: Vec<f32>,
    pub(crate) sums: Vec<i32>,
}

impl Quantised {
    /// Room for so many tokens, painted.
    pub(crate) fn painted(bits: Bits, tokens: usize, inputs: usize) -> Quantised {
        let values = painted(tokens * bits.row_bytes(inputs));
        Quantised { bits, inputs, values, scales: painted(tokens), sums: painted(tokens) }
    }

    /// To be written.
    pub(crate) fn room(&mut self) -> ActivationsMut<'_> {
        ActivationsMut::new(self.bits, self.inputs, &mut self.values, &mut self.scales, &mut self.sums)
            .unwrap()
    }

    /// To be read.
    pub(crate) fn view(&self) -> Activations<'_> {
        Activations::new(self.bits, self.inputs, &self.values, &self.scales, &self.sums).unwrap()
    }

    /// A token's values, one by one.
    pub(crate) fn row(&self, token: usize) -> Vec<i8> {
        (0..self.inputs).map(|input| self.view().value(token, input)).collect()
    }

    /// As [`Quantised::painted`] left it.
    #[track_caller]
    pub(crate) fn assert_painted(&self) {
        fn check<T: Paint>(part: &[T], what: &str) {
            assert_painted(part, what);
        }
        check(&self.values, "values");
        check(&self.scales, "scales");
        check(&self.sums, "sums");
    }

    #[track_caller]
    pub(crate) fn assert_same(&self, actual: &Quantised, what: core::fmt::Arguments<'_>) {
        assert_same(&self.values, &actual.values, what);
        assert_same_bits(&self.scales, &actual.scales, what);
        assert_same(&self.sums, &actual.sums, what);
    }
}

/// Quantised activations and what they were made of.
pub(crate) struct OwnedActivations {
    pub(crate) q: Vec<i8>,
    pub(crate) quantised: Quantised,
}

impl OwnedActivations {
    pub(crate) fn new(bits: Bits, tokens: usize, inputs: usize, q: Vec<i8>) -> OwnedActivations {
        assert_eq!(q.len(), tokens * inputs);
        let values = pack_activations(bits, inputs, &q);
        let sums = q.chunks(inputs).map(|row| row.iter().map(|&q| i32::from(q)).sum()).collect();
        let scales = (0..tokens).map(|t| 0.013 * (1.0 + t as f32 * 0.37)).collect();
        OwnedActivations { q, quantised: Quantised { bits, inputs, values, scales, sums } }
    }

    pub(crate) fn random(bits: Bits, tokens: usize, inputs: usize, random: &mut Random) -> OwnedActivations {
        Self::new(bits, tokens, inputs, random.quantised(bits, tokens * inputs))
    }

    pub(crate) fn view(&self) -> Activations<'_> {
        self.quantised.view()
    }

    pub(crate) fn tokens(&self) -> usize {
        self.quantised.scales.len()
    }

    pub(crate) fn inputs(&self) -> usize {
        self.quantised.inputs
    }
}
