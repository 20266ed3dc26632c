//! What a backend provides: function pointers over slices, and the geometry its product kernel wants.
//!
//! The wrappers in [`crate::norm`], [`crate::hadamard`], [`crate::quantize`] and [`crate::gemm`] check every
//! length once and completely before they call a kernel. What is left is one obligation:
//!
//! **Safety contract of every kernel:** the CPU has the features the backend was detected by, and the slices
//! have the lengths documented on the field. A [`Backend`](crate::Backend) value proves the first.
//!
//! All kernels of one field compute the same bits (see [`crate::layout`] for the float orders).

use core::ops::Range;

use crate::hadamard::SignRows;
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS, T5_QUARTER_COLUMNS};
use crate::quantize::Bits;
use crate::weights::{Layout, ScaleType};

/// The kernels of one backend. Build one with `Kernels { own…, ..lower::KERNELS }`.
#[derive(Clone, Copy)]
#[expect(clippy::type_complexity, reason = "the signatures are the contract, and read best in full")]
pub(crate) struct Kernels {
    /// `max` over the row of `bits(|x|)`: the bits of the largest magnitude, or ≥ `0x7f80_0000` if any element
    /// is not finite.
    pub(crate) max_magnitude_bits: unsafe fn(x: &[f32]) -> u32,

    /// `Σ |x|` in the canonical order of [`crate::layout`], first half: grouped in f32, so that a finite row may
    /// overflow. [`crate::means`] is what calls it.
    pub(crate) sum_magnitude: unsafe fn(x: &[f32]) -> f64,

    /// `Σ x²`, the same way.
    pub(crate) sum_square: unsafe fn(x: &[f32]) -> f64,

    /// `dst[i] = (src[i] · factor) · weight[i]`, the second product only with a weight.
    /// All slices have the same length.
    pub(crate) scale_row: unsafe fn(src: &[f32], factor: f32, weight: Option<&[f32]>, dst: &mut [f32]),

    /// Takes `x` from the source; then natural-order butterflies of 2^`log2` points, in place, on each contiguous
    /// run of that many elements; stages in ascending stride (1, 2, 4, …), then every element `· scale`.
    /// `x.len()` is a multiple of 2^`log2`; the source's slices are as long as `x`.
    pub(crate) butterflies: unsafe fn(source: Source<'_>, x: &mut [f32], log2: u32, scale: f32),

    /// On each contiguous run of `order · stride` elements, seen as `order` rows of `stride`: replace every
    /// column `c` by `matrix · c`, in the order that [`crate::hadamard::portable::sign_columns`] names, then
    /// every element `· scale`. `x.len()` is a multiple of `order · stride`.
    pub(crate) sign_columns: unsafe fn(x: &mut [f32], stride: usize, matrix: SignRows<'_>, scale: f32),

    /// `q[i] = clamp(round_half_even(x[i] · factor), −128, 127)`; returns `Σ q`. Same lengths; every
    /// `|x[i] · factor|` below 2^31, which a row's own factor keeps by far: at most 127, or √7 · K.
    pub(crate) quantize_i8: unsafe fn(x: &[f32], factor: f32, q: &mut [u8]) -> i32,

    /// The same clamped to −8..=7 and packed to nibbles: `q.len() = ⌈x.len()/2⌉`.
    pub(crate) quantize_i4: unsafe fn(x: &[f32], factor: f32, q: &mut [u8]) -> i32,

    /// Nibbles to bytes: `dst[2i], dst[2i+1] = low, high nibble of src[i]`, sign-extended.
    /// `dst.len() = 2 · src.len()`.
    pub(crate) widen_i4: unsafe fn(src: &[u8], dst: &mut [i8]),

    /// The products.
    pub(crate) product: Product,
}

/// The product kernels of a backend.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// Tokens that cost no more than fewer do: rows of a hardware tile, or 1. Divides every token tile above 1.
    pub(crate) token_multiple: usize,

    /// Neighbouring columns of a token in `q`: 4, or 64 for rows of tiles. A multiple of 4 that divides every scale group.
    pub(crate) interleave: usize,

    /// Sets the thread up for calls of the kernels below with that many tokens, and only those. Then comes `end`.
    pub(crate) begin: unsafe fn(tokens: usize),

    /// Undoes `begin`, with the same number of tokens.
    pub(crate) end: unsafe fn(tokens: usize),

    /// `T2` codes times any int8.
    pub(crate) t2: Calls,

    /// `T5` codes times any int8.
    pub(crate) t5: Calls,

    /// `T2` codes times values within −8..=7.
    pub(crate) t2_int4: Calls,

    /// `T5` codes times values within −8..=7.
    pub(crate) t5_int4: Calls,
}

impl Product {
    /// The kernels for some weights and activations.
    pub(crate) fn calls(&self, layout: Layout, bits: Bits) -> Calls {
        match (layout, bits) {
            (Layout::T2, Bits::Eight) => self.t2,
            (Layout::T5, Bits::Eight) => self.t5,
            (Layout::T2, Bits::Four) => self.t2_int4,
            (Layout::T5, Bits::Four) => self.t5_int4,
        }
    }
}

/// Kernels of a layout, and how they want to be called.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    /// Most tokens of a call.
    pub(crate) token_tile: usize,

    /// Most panels of a call, up to [`MAX_CALL_PANELS`]: many where a call begins with work on the activations.
    pub(crate) panels: usize,

    /// See [`TileKernel`].
    pub(crate) tile: TileKernel,

    /// See [`GroupKernel`].
    pub(crate) groups: GroupKernel,
}

/// What a kernel may use as it likes, and leaves as it likes: from the caller's workspace, as a host's stack may be small.
/// Starts at a cache line.
pub(crate) type Room = [u8; ROOM_BYTES];

/// Bytes of a [`Room`]: what the greediest kernel needs.
pub(crate) const ROOM_BYTES: usize = 84 << 10;

/// `sums[p · tokens + t][r] += Σ_k code(panel p, row r, column k) · q(t, k)`, wrapping.
///
/// `q` is interleaved by groups of `i` = [`Product::interleave`] columns: column `k` of token `t` is at
/// `(k / i · tokens + t) · i + k % i`, so that a kernel reads it from end to end. It holds `tokens` values for each column
/// of the panels, which are whole blocks and at most [`MAX_RUN_COLUMNS`], and zeros up to the next multiple of `i`;
/// `1 ≤ tokens ≤` [`Calls::token_tile`], as [`Product::begin`] was told; `sums` has one element for each panel and token.
pub(crate) type TileKernel =
    unsafe fn(panels: Panels<'_>, q: &[i8], tokens: usize, room: &mut Room, sums: &mut [[i32; PANEL_ROWS]]);

/// For each scale group, in ascending order: `scaled[p · tokens + t][r] += sum · scale(panel p, row r)`, where `sum` is what
/// a [`TileKernel`] adds up over the group's columns less `Σ q` of the group, rounded to f32; without fused multiply-add.
///
/// `panels`, `q` and `tokens` as there. `scratch` and `scaled` have one element for each panel and token; what `scratch`
/// holds means nothing, before and after.
pub(crate) type GroupKernel = unsafe fn(
    panels: Panels<'_>,
    q: &[i8],
    tokens: usize,
    groups: Groups<'_>,
    room: &mut Room,
    scratch: &mut [[i32; PANEL_ROWS]],
    scaled: &mut [[f32; PANEL_ROWS]],
);

/// The scale groups of a run of columns.
#[derive(Clone, Copy)]
pub(crate) struct Groups<'a> {
    columns: usize,
    scale_type: ScaleType,
    scales: &'a [u8],
    stride: usize,
    sums: &'a [i32],
}

impl<'a> Groups<'a> {
    /// Groups of `columns`; the last one of the run may be shorter. `scales` begins with the 16 scales of the first
    /// panel and group, the next group's follow, and the next panel's are `stride` bytes on. `sums` holds `Σ q` of each
    /// group and token, a group's tokens side by side.
    pub(crate) fn new(
        columns: usize,
        scale_type: ScaleType,
        (scales, stride): (&'a [u8], usize),
        sums: &'a [i32],
    ) -> Groups<'a> {
        assert!(columns > 0 && columns.is_multiple_of(T5_QUARTER_COLUMNS));
        Groups { columns, scale_type, scales, stride, sums }
    }

    /// Columns of a group.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// `Σ q` of a group for each of `tokens`.
    pub(crate) fn sums(&self, group: usize, tokens: usize) -> &'a [i32] {
        &self.sums[group * tokens..][..tokens]
    }

    /// How the scales are stored.
    pub(crate) fn scale_type(&self) -> ScaleType {
        self.scale_type
    }

    /// Where [`Groups::scale_bytes`] begin, unchecked.
    ///
    /// # Safety
    /// They are there.
    #[inline(always)]
    pub(crate) unsafe fn scales_at(&self, panel: usize, group: usize) -> *const u8 {
        // SAFETY: the caller's.
        unsafe {
            self.scales.as_ptr().add(panel * self.stride + group * PANEL_ROWS * self.scale_type.bytes())
        }
    }

    /// Bytes from a panel's scales to those of the panel [`CALL_PANELS`] on, which are fetched ahead.
    pub(crate) fn ahead(&self) -> usize {
        CALL_PANELS * self.stride
    }

    /// The stored scales of a panel's rows.
    pub(crate) fn scale_bytes(&self, panel: usize, group: usize) -> &'a [u8] {
        let bytes = PANEL_ROWS * self.scale_type.bytes();
        &self.scales[panel * self.stride + group * bytes..][..bytes]
    }
}

/// [`Calls::panels`] of kernels that have no reason for another number.
pub(crate) const CALL_PANELS: usize = 8;

/// Most panels of any call.
pub(crate) const MAX_CALL_PANELS: usize = 32;

/// Most columns of one call of a [`TileKernel`], which bounds what its accumulators must hold: 256 times the sums of
/// `code · q` fit in an i32. A multiple of every scale group.
pub(crate) const MAX_RUN_COLUMNS: usize = 1 << 15;

/// A run of columns of neighbouring weight panels.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    codes: &'a [u8],
    stride: usize,
    count: usize,
    first: usize,
    end: usize,
}

impl<'a> Panels<'a> {
    /// `count` panels of `stride` bytes from the start of `codes`. The columns start at a block of `T2`, at a quarter
    /// of `T5`, and end at the next one behind the range's end.
    pub(crate) fn new(codes: &'a [u8], stride: usize, count: usize, columns: Range<usize>) -> Panels<'a> {
        assert!(count > 0 && codes.len() >= count * stride && columns.len() <= MAX_RUN_COLUMNS);
        Panels { codes, stride, count, first: columns.start, end: columns.end }
    }

    /// The same panels, some of the run's columns.
    pub(crate) fn columns(&self, columns: Range<usize>) -> Panels<'a> {
        assert!(columns.start <= columns.end && columns.end <= self.end - self.first);
        Panels { first: self.first + columns.start, end: self.first + columns.end, ..*self }
    }

    /// How many columns.
    pub(crate) fn width(&self) -> usize {
        self.end - self.first
    }

    /// How many panels.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The run's `T2` blocks of a panel.
    pub(crate) fn t2(&self, panel: usize) -> &'a [u8] {
        &self.whole(panel)[self.t2_start()..self.end.div_ceil(BLOCK_COLUMNS) * BLOCK_BYTES]
    }

    /// All panels.
    pub(crate) fn codes(&self) -> &'a [u8] {
        self.codes
    }

    /// Bytes of a panel before the run's `T2` blocks.
    pub(crate) fn t2_start(&self) -> usize {
        self.first / BLOCK_COLUMNS * BLOCK_BYTES
    }

    /// All bytes of a panel.
    pub(crate) fn whole(&self, panel: usize) -> &'a [u8] {
        &self.codes[panel * self.stride..][..self.stride]
    }

    /// The run's `T5` quarters.
    pub(crate) fn quarters(&self) -> Range<usize> {
        self.first / T5_QUARTER_COLUMNS..self.end.div_ceil(T5_QUARTER_COLUMNS)
    }
}

/// What enters the first stage of a transform: `(values[i] · factor) · weight[i] · signs[i]`, so that the norm and the
/// signs ride on a load that happens anyway.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// `None`: the row that will be transformed, in place.
    pub(crate) values: Option<&'a [f32]>,
    /// 1 leaves the values' bits as they are.
    pub(crate) factor: f32,
    /// `None`: all 1.
    pub(crate) weight: Option<&'a [f32]>,
    /// +1 or −1 each. `None`: all +1.
    pub(crate) signs: Option<&'a [i8]>,
}

impl<'a> Source<'a> {
    /// The row itself.
    pub(crate) const IN_PLACE: Source<'static> =
        Source { values: None, factor: 1.0, weight: None, signs: None };

    /// Whether there is nothing to read or to change before the first stage.
    #[inline(always)]
    pub(crate) fn is_in_place(&self) -> bool {
        self.values.is_none() && self.signs.is_none()
    }

    /// Writes the source to `x` in a pass of its own. `factor` and `weight` need `values`.
    pub(crate) fn write(
        &self,
        x: &mut [f32],
        scale_row: impl FnOnce(&[f32], f32, Option<&[f32]>, &mut [f32]),
    ) {
        if let Some(values) = self.values {
            scale_row(values, self.factor, self.weight, x);
        }
        for (x, _) in x.iter_mut().zip(self.signs.unwrap_or_default()).filter(|&(_, &sign)| sign < 0) {
            *x = -*x;
        }
    }
}
