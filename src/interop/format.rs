//! Which formats there are, one line each.

use super::codec::{Cell, Codec};
use super::{hf_bitnet, i2_s, iq1_bn, iq2_bn, pq2_0, ptq1_0, q2_0, tq1_0, tq2_0};
use crate::error::{Error, Result};
use crate::layout::{GroupLen, Scaling};

macro_rules! formats {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $codec:path; )+) => {
        /// A byte format of ternary weights, `[N, K]`: N outputs (rows), K inputs (columns). All numbers are little-endian;
        /// a code is `w + 1`; *trits* are base-3 digits of a byte as in [`five_trit`](crate::layout::five_trit).
        ///
        /// | format | GGUF type | bytes | K a multiple of | scale |
        /// |---|---|---|---|---|
        /// | `tq1_0` | 34 | 54 for 256 weights | 256 | f16 for each 256 |
        /// | `tq2_0` | 35 | 66 for 256 | 256 | f16 for each 256 |
        /// | `q2_0` | 42 | 18 for 64 | 64 | f16 for each 64 |
        /// | `pq2_0` | 142 | 34 for 128 | 128 | f16 for each 128 |
        /// | `ptq1_0` | 143 | 28 for 128 | 128 | f16 for each 128 |
        /// | `i2_s-x86` | 36 | N·K/4 + 32 | N·K: 128 | one f32 |
        /// | `i2_s-arm` | 36 | N·K/4 + 32 | N·K: 64 | one f32 |
        /// | `iq1_bn` | 134 | a row: 2 + 13 for 64 | 64 | f16 for each row |
        /// | `iq2_bn` | 135 | a row: 4 + 16 for 64 | 64 | f32 for each row |
        /// | `hf-bitnet-multiply` | | ⌈N/4⌉·K | 1 | one, in another tensor |
        /// | `hf-bitnet-divide` | | ⌈N/4⌉·K | 1 | one, in another tensor |
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Format {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Format {
            /// All of them.
            pub const ALL: &'static [Format] = &[$( Format::$variant ),+];

            pub(super) const fn codec(self) -> &'static Codec {
                match self { $( Format::$variant => &$codec, )+ }
            }
        }
    };
}

formats! {
    /// llama.cpp's `TQ1_0`: five trits a byte, first trit most significant. A block of 256 weights:
    ///
    /// | bytes | hold |
    /// |---|---|
    /// | 0..32 | byte m: weights m + 32·n, n < 5 |
    /// | 32..48 | byte 32 + m: weights 160 + m + 16·n, n < 5 |
    /// | 48..52 | byte 48 + m: weights 240 + m + 4·n, n < 4, and a digit 0 |
    /// | 52..54 | scale, f16 |
    Tq1_0 = tq1_0::CODEC;
    /// llama.cpp's `TQ2_0`: two bits. A block of 256 weights: byte 32·h + m (h < 2, m < 32) holds the codes of weights
    /// 128·h + m + 32·n, n < 4, the first lowest; then the scale, f16.
    Tq2_0 = tq2_0::CODEC;
    /// llama.cpp's `Q2_0`: the scale, f16, then 64 codes of two bits in order, the first lowest. Early Ternary-Bonsai files
    /// store [`Format::Pq2_0`] under this type's number: there a tensor has 34 bytes for 128 weights.
    Q2_0 = q2_0::CODEC;
    /// Ternary-Bonsai's `PQ2_0`: as [`Format::Q2_0`], with 128 codes.
    Pq2_0 = pq2_0::CODEC;
    /// Ternary-Bonsai's `PTQ1_0`: trits as in [`Format::Tq1_0`]. A block of 128 weights:
    ///
    /// | bytes | hold |
    /// |---|---|
    /// | 0..16 | byte m: weights m + 16·n, n < 5 |
    /// | 16..24 | byte 16 + m: weights 80 + m + 8·n, n < 5 |
    /// | 24..26 | byte 24 + m: weights 120 + m + 2·n, n < 4, and a digit 0 |
    /// | 26..28 | scale, f16 |
    Ptq1_0 = ptq1_0::CODEC;
    /// bitnet.cpp's `I2_S` as builds for x86 write it: the tensor's weights in one run, in blocks of 128; weight e of a block
    /// in byte e mod 32, bits 6 − 2·⌊e/32⌋ and up. After them the scale, f32, and 28 bytes without meaning (written as 0).
    /// Nothing in a file tells it from [`Format::I2sArm`].
    I2sX86 = i2_s::X86;
    /// bitnet.cpp's `I2_S` as builds for Arm write it: blocks of 64; weight e of a block in byte e mod 16, bits
    /// 6 − 2·⌊e/16⌋ and up.
    I2sArm = i2_s::ARM;
    /// ik_llama.cpp's `IQ1_BN`: a row is its scale, f16, and for each 64 weights 13 bytes. Byte 3·i + k (i < 4, k < 3) holds
    /// weights 16·i + 5·k + n, n < 5, as trits, the first *least* significant; byte 12 weights 16·n + 15, n < 4, likewise.
    Iq1Bn = iq1_bn::CODEC;
    /// ik_llama.cpp's `IQ2_BN`: a row is its scale, f32, and for each 64 weights 16 bytes; byte m holds the codes of weights
    /// m + 16·n, n < 4, the first lowest.
    Iq2Bn = iq2_bn::CODEC;
    /// Hugging Face `bitnet` with `linear_class = autobitlinear`: `uint8` `[⌈N/4⌉, K]`; byte `[r, c]` holds the codes of
    /// weights `[r + n·⌈N/4⌉, c]`, n < 4, the first lowest. `weight_scale` is what a result is multiplied by:
    /// y = acc · `weight_scale` / s_x, so it is the scale itself.
    HfMultiply = hf_bitnet::MULTIPLY;
    /// Hugging Face `bitnet` of the older kind (`linear_class = bitlinear`): the same bytes, but `weight_scale` is what a
    /// result is divided by: y = acc / (s_x · `weight_scale`), so the scale is its reciprocal, rounded to f32.
    HfDivide = hf_bitnet::DIVIDE;
}

impl Format {
    /// The name used on command lines and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.codec().name
    }

    /// The number of the type in a GGUF file (the projects that add types do not coordinate them: these are the numbers of
    /// the project named in the format's description). `None` for the formats of safetensors.
    #[must_use]
    pub const fn ggml_type(self) -> Option<u32> {
        self.codec().ggml_type
    }

    /// Bytes of a tensor.
    ///
    /// # Errors
    /// [`Error::Zero`]; [`Error::Multiple`] if the format has no tensor of that shape; [`Error::SizeOverflow`].
    pub fn tensor_len(self, outputs: usize, inputs: usize) -> Result<usize> {
        self.codec().shape(outputs, inputs).map(|shape| shape.len)
    }

    /// How the format itself keeps scales. Of weights packed so, nothing of them is lost.
    #[must_use]
    pub fn scaling(self) -> Scaling {
        match self.codec().cell {
            Cell::Tensor => Scaling::Tensor,
            Cell::Row => Scaling::Row,
            Cell::Block(len) => Scaling::GroupF16(GroupLen::try_from(len).expect("a block is a group")),
        }
    }

    /// Whether the scale is not among the tensor's bytes: [`Import::with_weight_scale`](super::Import::with_weight_scale).
    #[must_use]
    pub const fn has_weight_scale(self) -> bool {
        self.codec().scale_of_tensor.is_some()
    }
}

impl core::str::FromStr for Format {
    type Err = Error;

    /// The format with that [`Format::name`], or [`Error::Name`].
    fn from_str(name: &str) -> Result<Format> {
        let found = Self::ALL.iter().copied().find(|format| format.name() == name);
        found.ok_or(Error::Name { argument: "format" })
    }
}

impl core::fmt::Display for Format {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
