//! A second implementation of every format, which places one weight after the other as the formats' descriptions say; and
//! tensors to try.

#![allow(dead_code, reason = "every test binary uses its own part of this module")]

use hbitlinear::interop::{Export, Format, Import};
use hbitlinear::{Error, GroupLen, Layout, Scaling, Weights};

/// N and K as a multiple of what the format asks for are tried, and others must be refused.
pub(crate) const OUTPUTS: [usize; 5] = [1, 4, 15, 17, 33];
pub(crate) const INPUTS: [usize; 11] = [1, 7, 64, 128, 192, 255, 256, 257, 640, 1024, 8640];

/// What a format's table says.
pub(crate) struct Rules {
    pub(crate) inputs_multiple: usize,
    pub(crate) weights_multiple: usize,
    /// Inputs that share a scale; `None`: a row, or the tensor.
    pub(crate) block: Option<usize>,
    pub(crate) per_row: bool,
    pub(crate) f16: bool,
}

pub(crate) fn rules(format: Format) -> Rules {
    let blocks = |block| Rules {
        inputs_multiple: block,
        weights_multiple: 1,
        block: Some(block),
        per_row: false,
        f16: true,
    };
    let tensor = |weights_multiple| Rules {
        inputs_multiple: 1,
        weights_multiple,
        block: None,
        per_row: false,
        f16: false,
    };
    let rows = |f16| Rules { inputs_multiple: 64, weights_multiple: 1, block: None, per_row: true, f16 };
    match format {
        Format::Tq1_0 | Format::Tq2_0 => blocks(256),
        Format::Q2_0 => blocks(64),
        Format::Pq2_0 | Format::Ptq1_0 => blocks(128),
        Format::I2sX86 => tensor(128),
        Format::I2sArm => tensor(64),
        Format::Iq1Bn => rows(true),
        Format::Iq2Bn => rows(false),
        Format::HfMultiply | Format::HfDivide => tensor(1),
        _ => panic!("{format} has no rules here"),
    }
}

pub(crate) enum Place {
    /// A code at these bits of a byte.
    Bits(usize, usize),
    /// A trit of a byte; its digit counts 3 to this power.
    Trit(usize, u32),
}

/// Where the weight of output o, input i is in a tensor `[n, k]`.
pub(crate) fn place(format: Format, n: usize, k: usize, o: usize, i: usize) -> Place {
    use Place::{Bits, Trit};
    match format {
        Format::Tq1_0 => {
            let (block, e) = ((o * k + i) / 256 * 54, i % 256);
            match e {
                0..160 => Trit(block + e % 32, 4 - (e / 32) as u32),
                160..240 => Trit(block + 32 + (e - 160) % 16, 4 - ((e - 160) / 16) as u32),
                _ => Trit(block + 48 + (e - 240) % 4, 4 - ((e - 240) / 4) as u32),
            }
        }
        Format::Tq2_0 => {
            let (block, e) = ((o * k + i) / 256 * 66, i % 256);
            Bits(block + e / 128 * 32 + e % 32, e % 128 / 32 * 2)
        }
        Format::Q2_0 => Bits((o * k + i) / 64 * 18 + 2 + i % 64 / 4, i % 4 * 2),
        Format::Pq2_0 => Bits((o * k + i) / 128 * 34 + 2 + i % 128 / 4, i % 4 * 2),
        Format::Ptq1_0 => {
            let (block, e) = ((o * k + i) / 128 * 28, i % 128);
            match e {
                0..80 => Trit(block + e % 16, 4 - (e / 16) as u32),
                80..120 => Trit(block + 16 + (e - 80) % 8, 4 - ((e - 80) / 8) as u32),
                _ => Trit(block + 24 + (e - 120) % 2, 4 - ((e - 120) / 2) as u32),
            }
        }
        Format::I2sX86 => {
            let e = o * k + i;
            Bits(e / 128 * 32 + e % 32, 6 - e % 128 / 32 * 2)
        }
        Format::I2sArm => {
            let e = o * k + i;
            Bits(e / 64 * 16 + e % 16, 6 - e % 64 / 16 * 2)
        }
        Format::Iq1Bn => {
            let block = o * (2 + k / 64 * 13) + 2 + i / 64 * 13;
            match (i % 64 / 16, i % 16) {
                (group, 15) => Trit(block + 12, group as u32),
                (group, e) => Trit(block + 3 * group + e / 5, (e % 5) as u32),
            }
        }
        Format::Iq2Bn => Bits(o * (4 + k / 64 * 16) + 4 + i / 64 * 16 + i % 16, i % 64 / 16 * 2),
        Format::HfMultiply | Format::HfDivide => {
            let lines = n.div_ceil(4);
            Bits(o % lines * k + i, o / lines * 2)
        }
        _ => panic!("{format} has no places here"),
    }
}

/// Where the scale of a weight is, if it is in the tensor.
pub(crate) fn scale_place(format: Format, n: usize, k: usize, o: usize, i: usize) -> Option<usize> {
    Some(match format {
        Format::Tq1_0 => (o * k + i) / 256 * 54 + 52,
        Format::Tq2_0 => (o * k + i) / 256 * 66 + 64,
        Format::Q2_0 => (o * k + i) / 64 * 18,
        Format::Pq2_0 => (o * k + i) / 128 * 34,
        Format::Ptq1_0 => (o * k + i) / 128 * 28 + 26,
        Format::I2sX86 | Format::I2sArm => n * k / 4,
        Format::Iq1Bn => o * (2 + k / 64 * 13),
        Format::Iq2Bn => o * (4 + k / 64 * 16),
        _ => return None,
    })
}

/// A tensor: weights and a scale for each.
pub(crate) struct Tensor {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    pub(crate) weights: Vec<i8>,
    pub(crate) scales: Vec<f32>,
}

impl Tensor {
    pub(crate) fn new(
        outputs: usize,
        inputs: usize,
        weight: impl FnMut(usize) -> i8,
        scale: impl Fn(usize, usize) -> f32,
    ) -> Tensor {
        let weights = (0..outputs * inputs).map(weight).collect();
        let scales = (0..outputs * inputs).map(|e| scale(e / inputs, e % inputs)).collect();
        Tensor { outputs, inputs, weights, scales }
    }

    /// The bytes of a format.
    pub(crate) fn bytes(&self, format: Format) -> Vec<u8> {
        let (n, k) = (self.outputs, self.inputs);
        let len = format.tensor_len(n, k).expect("a shape that the format has");
        let mut bytes = vec![0; len];
        let mut numbers = vec![None; len];
        for o in 0..n {
            for i in 0..k {
                let code = (self.weights[o * k + i] + 1) as u8;
                match place(format, n, k, o, i) {
                    Place::Bits(byte, shift) => bytes[byte] |= code << shift,
                    Place::Trit(byte, power) => {
                        *numbers[byte].get_or_insert(0) += u32::from(code) * 3_u32.pow(power);
                    }
                }
            }
        }
        for (byte, number) in bytes.iter_mut().zip(numbers) {
            if let Some(number) = number {
                *byte = ((number * 256).div_ceil(243)) as u8;
            }
        }
        for o in 0..n {
            for i in 0..k {
                if let Some(at) = scale_place(format, n, k, o, i) {
                    let scale = self.scales[o * k + i];
                    if rules(format).f16 {
                        bytes[at..at + 2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
                    } else {
                        bytes[at..at + 4].copy_from_slice(&scale.to_le_bytes());
                    }
                }
            }
        }
        bytes
    }

    pub(crate) fn import<'b>(&self, format: Format, bytes: &'b [u8]) -> Import<'b> {
        let import = Import::new(format, self.outputs, self.inputs, bytes).unwrap();
        match format {
            Format::HfMultiply => import.with_weight_scale(self.scales[0]).unwrap(),
            Format::HfDivide => import.with_weight_scale(1.0 / self.scales[0]).unwrap(),
            _ => import,
        }
    }

    pub(crate) fn assert_holds(&self, weights: &Weights<'_>, what: &str) {
        for o in 0..self.outputs {
            for i in 0..self.inputs {
                let at = o * self.inputs + i;
                assert_eq!(weights.weight(o, i), self.weights[at], "{what}: weight {o}, {i}");
                let scale = weights.scale(o, i / weights.spec().group_inputs());
                if self.weights[at] != 0 {
                    assert_eq!(scale.to_bits(), self.scales[at].to_bits(), "{what}: scale {o}, {i}");
                }
            }
        }
    }
}

/// A generator of 32 random bits.
pub(crate) fn random(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    }
}

/// The scales of a kind that a format can hold all of.
pub(crate) fn scale_of(format: Format, kind: usize) -> impl Fn(usize, usize) -> f32 {
    let rules = rules(format);
    move |o, i| {
        // f16 values: different, of either sign, 0 among them; or the same.
        let different = |cell: usize| (cell % 7) as f32 * 0.25 - 0.75;
        match (kind, rules.block, rules.per_row) {
            (0, Some(block), _) => different(o * 31 + i / block),
            (0 | 1, _, _) if rules.per_row || rules.block.is_some() => different(o),
            _ => -0.375,
        }
    }
}

/// Weights that are random, all +1, all -1, all 0, or random with many runs of 64 zeros.
pub(crate) fn weight_of(kind: usize) -> impl FnMut(usize) -> i8 {
    let (mut random, mut run) = (random(kind as u64), 0);
    move |e| match kind {
        0 => (random() % 3) as i8 - 1,
        1 => 1,
        2 => -1,
        3 => 0,
        _ => {
            if e % 64 == 0 {
                run = random() % 2;
            }
            if run == 0 { 0 } else { (random() % 3) as i8 - 1 }
        }
    }
}

/// The scaling that has a scale for each of the format's.
pub(crate) fn native(format: Format) -> Scaling {
    match rules(format) {
        Rules { block: Some(block), .. } => Scaling::GroupF16(GroupLen::try_from(block).unwrap()),
        Rules { per_row: true, .. } => Scaling::Row,
        _ => Scaling::Tensor,
    }
}

pub(crate) fn pack(import: &Import<'_>, layout: Layout, scaling: Scaling) -> Result<Vec<u8>, Error> {
    let spec = import.spec(layout, scaling)?;
    let mut blob = vec![0xee; spec.packed_len()];
    import.pack(&spec, &mut blob).map(|()| blob)
}

pub(crate) fn export(format: Format, weights: &Weights<'_>) -> Result<Vec<u8>, Error> {
    let export = Export::new(format, weights)?;
    let mut bytes = vec![0xee; export.len()];
    export.write(&mut bytes).map(|()| bytes)
}

pub(crate) fn for_each_tensor(format: Format, mut test: impl FnMut(Tensor, usize)) {
    let rules = rules(format);
    let mut tried = 0;
    for n in OUTPUTS {
        for k in INPUTS {
            let fits = k % rules.inputs_multiple == 0 && n * k % rules.weights_multiple == 0;
            if !fits {
                assert!(matches!(format.tensor_len(n, k), Err(Error::Multiple { .. })), "{format} {n} {k}");
                continue;
            }
            // One pattern after the other; all of them on a small shape.
            let kinds = if k <= 640 && n == 4 { 0..15 } else { (tried % 15)..(tried % 15 + 1) };
            for kind in kinds {
                test(Tensor::new(n, k, weight_of(kind % 5), scale_of(format, kind / 5)), kind);
                tried += 1;
            }
        }
    }
    assert!(tried >= 15, "{format}: {tried} tensors");
}
