//! What is called, and what is wrong with it.

use hbitlinear_fuzz::rows::Floats;
use hbitlinear_fuzz::transform::Own;
use libfuzzer_sys::arbitrary;

/// A call, and what is wrong with it.
#[derive(arbitrary::Arbitrary, Debug)]
pub(super) struct Step<'a> {
    pub(super) call: Call<'a>,
    /// Which buffer of the call, and how.
    pub(super) odd: Option<(u8, Odd)>,
    /// Which of its numbers, and what instead.
    pub(super) wrong: Option<(u8, u8)>,
    /// Whether `error` is null.
    pub(super) silent: bool,
}

#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
pub(super) enum Odd {
    Null,
    Misaligned,
    /// Shorter than it must be, mostly by one element.
    Shorter(u8),
    /// In place of it another one.
    Alias(u8),
}

#[derive(arbitrary::Arbitrary, Debug)]
pub(super) enum Call<'a> {
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
    Import { tensor: Tensor<'a>, how: u8 },
    Export { format: u8, lines: Option<(Size, Size)> },
    Contract { text: &'a str, tensor: &'a str, inputs: Size },
    Container { edits: Vec<(u16, u8)>, sealed: bool, number: Size, name: &'a str, how: u8 },
    Cache(CacheShape),
    Append { tokens: u8, gap: u8, keys: Floats, values: Floats },
    Truncate(Size),
    Attend { bits: u8, groups: u8, scale: i8, heads: (Size, Size), queries: Floats },
    AttentionPart { part: u8, bits: u8, scale: i8, head: Size, range: (Size, Size), x: Floats },
}

#[derive(arbitrary::Arbitrary, Debug)]
pub(super) enum Name<'a> {
    Power(u8),
    Family(u8, u8, u8),
    Text(&'a str),
}

/// Mostly small.
#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
pub(super) enum Size {
    Small(u8),
    Right,
    Any(u64),
}

impl Size {
    pub(super) fn get(self, wrong: &mut Wrong, right: usize) -> usize {
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
pub(super) struct Wrong {
    pub(super) at: Option<(u8, u8)>,
    pub(super) index: u8,
}

impl Wrong {
    /// What to take instead of the next number.
    pub(super) fn next(&mut self) -> Option<u8> {
        let index = self.index;
        self.index += 1;
        self.at.and_then(|(at, instead)| (at % 16 == index).then_some(instead))
    }

    /// One of those numbers.
    pub(super) fn known(&mut self, number: u8, all: &[u32]) -> u32 {
        self.next().map_or_else(|| all[usize::from(number) % all.len()], u32::from)
    }

    /// 0.
    pub(super) fn zero(&mut self) -> u32 {
        self.next().map_or(0, u32::from)
    }

    /// An epsilon.
    pub(super) fn epsilon(&mut self, bits: u32) -> f32 {
        let any = f32::from_bits(bits);
        if self.next().is_some() || any.is_finite() && any >= 0.0 { any } else { 1e-5 }
    }
}

#[derive(arbitrary::Arbitrary, Debug)]
pub(super) struct Spec {
    pub(super) layout: u8,
    pub(super) outputs: Size,
    pub(super) inputs: Size,
    pub(super) scaling: u8,
    pub(super) group: u8,
}

/// A tensor in another format, its bytes stretched.
#[derive(arbitrary::Arbitrary, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) format: u8,
    pub(super) layout: u8,
    pub(super) outputs: Size,
    pub(super) inputs: u8,
    pub(super) bytes: &'a [u8],
    pub(super) scale: Option<u32>,
}

#[derive(arbitrary::Arbitrary, Debug)]
pub(super) struct CacheShape {
    pub(super) key_bits: u8,
    pub(super) value_bits: u8,
    pub(super) head_size: Size,
    pub(super) kv_heads: Size,
    pub(super) capacity: Size,
}

#[derive(arbitrary::Arbitrary, Debug)]
pub(super) struct Stages {
    pub(super) spoil: bool,
    pub(super) rule: u8,
    pub(super) transform: bool,
    pub(super) norm: u8,
    pub(super) norm_epsilon: u32,
    pub(super) epsilon: u32,
    pub(super) weight: Option<Floats>,
}

#[derive(arbitrary::Arbitrary, Debug)]
pub(super) struct Rows {
    pub(super) element: u8,
    pub(super) tokens: u8,
    pub(super) gap: u8,
    pub(super) x: Floats,
}
