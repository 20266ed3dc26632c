//! What a backend provides: function pointers over slices, and the geometry its product kernels want.
//!
//! The stages check every length once and completely before they call a kernel. What is left is one obligation:
//!
//! **Safety contract of every kernel:** the CPU has the features the backend was detected by, and the slices
//! have the lengths documented on the field. A [`Backend`](crate::Backend) value proves the first.
//!
//! All kernels of one field compute the same bits (see [`crate::layout::sums`] for the float orders).

use core::mem::MaybeUninit;
use core::ops::Range;

use crate::layout::{Bits, Codes, Layout, PANEL_ROWS, ScaleType};
use crate::matrices::SignRows;

/// The kernels of one backend. Build one with `Kernels { own…, ..lower::KERNELS }`.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    /// `max` over the row of `bits(|x|)`: the bits of the largest magnitude, or ≥ `0x7f80_0000` if any element
    /// is not finite.
    pub(crate) max_magnitude_bits: unsafe fn(x: &[f32]) -> u32,

    /// `Σ |x|` in the canonical order of [`crate::layout::sums`], first half: grouped in f32, so that a finite row may
    /// overflow.
    pub(crate) sum_magnitude: unsafe fn(x: &[f32]) -> f64,

    /// `Σ x²`, the same way.
    pub(crate) sum_square: unsafe fn(x: &[f32]) -> f64,

    /// `dst[i] = (src[i] · factor) · weight[i]`, the second product only with a weight.
    /// All slices have the same length; `dst` is written.
    pub(crate) scale_row: ScaleRow,

    /// Takes `x` from the prologue; then natural-order butterflies of 2^`log2` points, in place, on each contiguous
    /// run of that many elements; stages in ascending stride (1, 2, 4, …), then every element `· scale`.
    /// `x.len()` is a multiple of 2^`log2`; the prologue's slices are as long as `x`, which is initialised if the prologue
    /// has no values. Afterwards it is.
    pub(crate) butterflies:
        unsafe fn(prologue: Prologue<'_>, x: &mut [MaybeUninit<f32>], log2: u32, scale: f32),

    /// On each contiguous run of `order · stride` elements, seen as `order` rows of `stride`: the last `stages` of a row's
    /// butterflies; then replace every column `c` by `matrix · c`, in the order that [`super::scalar::transform::sign_columns`]
    /// names, then every element `· scale`. `x.len()` is a multiple of `order · stride`, `stages` is 0 or what the next
    /// function says.
    pub(crate) sign_columns:
        unsafe fn(x: &mut [f32], stride: usize, stages: u32, matrix: SignRows<'_>, scale: f32),

    /// How many of the last stages of butterflies on rows of `stride` elements are best left to `sign_columns`: 0 unless
    /// `stride` is a power of two, and no more than it has.
    pub(crate) stages_of_columns: fn(order: usize, stride: usize) -> u32,

    /// `q[i] = clamp(round_half_even(x[i] · factor), −128, 127)`; returns `Σ q`. Same lengths, `q` is written; every
    /// `|x[i] · factor|` below 2^31, which a row's own factor keeps by far: at most 127, or √7 · K.
    pub(crate) quantize_i8: QuantizeRow,

    /// The same clamped to −8..=7 and packed to nibbles: `q.len() = ⌈x.len()/2⌉`.
    pub(crate) quantize_i4: QuantizeRow,

    /// Nibbles to bytes: `dst[2i], dst[2i+1] = low, high nibble of src[i]`, sign-extended.
    /// `dst.len() = 2 · src.len()`.
    pub(crate) widen_i4: WidenI4,

    /// `y[16 p + r] = ((sums[p · stride][r] − total) · alphas[16 p + r]) · scale`, the difference wrapping and rounded to f32;
    /// no fused multiply-add. `y` and `alphas` have 16 elements for each panel, `y` is written, and `sums` reaches to
    /// the last one's.
    pub(crate) dequantize: Dequantize,

    /// The products: by reference, as the table is looked up at run time, and would keep all the rest in a program.
    pub(crate) product: &'static Product,

    /// Attention.
    pub(crate) attention: super::attention::AttentionKernels,
}

impl Kernels {
    /// What a product calls.
    #[inline(always)]
    pub(crate) const fn of_product(&self) -> ProductKernels {
        ProductKernels { product: self.product, widen_i4: self.widen_i4, dequantize: self.dequantize }
    }
}

/// The kernels that a product calls.
#[derive(Clone, Copy)]
pub(crate) struct ProductKernels {
    product: &'static Product,
    /// See [`Kernels::widen_i4`].
    pub(crate) widen_i4: WidenI4,
    /// See [`Kernels::dequantize`].
    pub(crate) dequantize: Dequantize,
}

impl ProductKernels {
    /// The kernels for some weights, activations and tokens.
    pub(crate) fn get(&self, layout: Layout, bits: Bits, tokens: usize) -> TileKernels {
        self.product.get(layout, bits, tokens)
    }
}

/// See [`Kernels::scale_row`].
pub(crate) type ScaleRow =
    unsafe fn(src: &[f32], factor: f32, weight: Option<&[f32]>, dst: &mut [MaybeUninit<f32>]);

/// See [`Kernels::quantize_i8`].
pub(crate) type QuantizeRow = unsafe fn(x: &[f32], factor: f32, q: &mut [MaybeUninit<u8>]) -> i32;

/// See [`Kernels::widen_i4`].
pub(crate) type WidenI4 = unsafe fn(src: &[u8], dst: &mut [i8]);

/// See [`Kernels::dequantize`].
pub(crate) type Dequantize = unsafe fn(
    sums: &[[i32; PANEL_ROWS]],
    stride: usize,
    total: i32,
    alphas: &[f32],
    scale: f32,
    y: &mut [MaybeUninit<f32>],
);

/// The product kernels of a backend.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// By layout and width.
    pub(crate) tiles: TileTable,

    /// What does fewer tokens than [`TileKernels::min_tokens`], if others do.
    pub(crate) few: Option<&'static Product>,
}

impl Product {
    /// The kernels for some weights, activations and tokens.
    pub(crate) fn get(&self, layout: Layout, bits: Bits, tokens: usize) -> TileKernels {
        let kernels = self.tiles.get(layout, bits);
        match self.few {
            Some(few) if tokens < kernels.min_tokens => few.get(layout, bits, tokens),
            _ => kernels,
        }
    }
}

/// Tile kernels for every layout of weights and width of activations.
#[derive(Clone, Copy)]
pub(crate) struct TileTable([[TileKernels; Bits::ALL.len()]; Layout::ALL.len()]);

impl TileTable {
    /// The same kernels for everything.
    pub(crate) const fn new(kernels: TileKernels) -> TileTable {
        TileTable([[kernels; Bits::ALL.len()]; Layout::ALL.len()])
    }

    /// With other kernels for a layout, by width.
    pub(crate) const fn with(self, layout: Layout, int8: TileKernels, int4: TileKernels) -> TileTable {
        self.set(layout, Bits::Eight, int8).set(layout, Bits::Four, int4)
    }

    /// With other kernels for a layout and width.
    pub(crate) const fn set(mut self, layout: Layout, bits: Bits, kernels: TileKernels) -> TileTable {
        self.0[Self::row(layout)][bits as usize / 8] = kernels;
        self
    }

    /// The kernels for some weights and activations.
    pub(crate) const fn get(&self, layout: Layout, bits: Bits) -> TileKernels {
        self.0[Self::row(layout)][bits as usize / 8]
    }

    const fn row(layout: Layout) -> usize {
        let mut row = 0;
        while Layout::ALL[row] as u8 != layout as u8 {
            row += 1;
        }
        row
    }
}

/// Kernels of a layout and width, and how they want to be called.
#[derive(Clone, Copy)]
pub(crate) struct TileKernels {
    /// Fewest tokens of a product that these are for, see [`Product::few`].
    pub(crate) min_tokens: usize,

    /// Tokens are filled up with zeros to a multiple of it: rows of a hardware tile, or 1.
    pub(crate) token_multiple: usize,

    /// Neighbouring columns of a token in [`Operands::q`]: 4, or 64 for rows of tiles. A multiple of 4 that divides every
    /// scale group.
    pub(crate) interleave: usize,

    /// Most tokens of a tile, a multiple of `token_multiple`.
    pub(crate) token_tile: usize,

    /// Most tiles of a call.
    pub(crate) tiles: usize,

    /// Bytes of activations that are staged together, up to [`MAX_STAGED_BYTES`]: a part of the second-level cache.
    pub(crate) staged_bytes: usize,

    /// Most panels of a call, up to [`MAX_CALL_PANELS`]: many where a call begins with work on the activations, and so
    /// many fewer that with the tokens of all tiles they make up to [`MAX_CALL_SUMS`], in fours.
    pub(crate) panels: usize,

    /// See [`SumKernel`].
    pub(crate) sums: SumKernel,

    /// See [`GroupKernel`].
    pub(crate) groups: GroupKernel,
}

/// What a kernel may use as it likes: from the caller's workspace, as a host's stack may be small.
#[repr(C, align(64))]
pub(crate) struct Scratch(pub(crate) [MaybeUninit<u8>; SCRATCH_BYTES]);

/// Bytes of a [`Scratch`]: what the greediest kernel needs.
pub(crate) const SCRATCH_BYTES: usize = 84 << 10;

/// What a product kernel multiplies: panels of codes and a tile of activations.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    /// Whole blocks, at most [`MAX_RUN_COLUMNS`] columns.
    pub(crate) panels: Panels<'a>,

    /// `tokens` values for each column of the panels, and zeros up to the next multiple of `i` = [`TileKernels::interleave`]
    /// and of [`Codes::column_multiple`]: exactly as many, which kernels may rely on.
    /// Tile after tile, and in a tile of `m` tokens interleaved by groups of as many columns: column `k` of token `t` is at
    /// `(k / i · m + t) · i + k % i`, so that a kernel reads it from end to end.
    pub(crate) q: &'a [i8],

    /// At least one; a multiple of [`TileKernels::token_multiple`].
    pub(crate) tokens: usize,

    /// Tokens of each tile but the last one, which may have fewer: up to [`TileKernels::token_tile`].
    pub(crate) tile: usize,
}

/// `sums[p · tokens + t][r] += Σ_k code(panel p, row r, column k) · q(t, k)`, wrapping. `sums` has one element for each
/// panel and token.
pub(crate) type SumKernel =
    unsafe fn(operands: Operands<'_>, scratch: &mut Scratch, sums: &mut [[i32; PANEL_ROWS]]);

/// For each scale group, in ascending order: `scaled[p · tokens + t][r] += sum · scale(panel p, row r)`, where `sum` is what
/// a [`SumKernel`] adds up over the group's columns less `Σ q` of the group, rounded to f32; without fused multiply-add.
pub(crate) type GroupKernel =
    unsafe fn(operands: Operands<'_>, groups: Groups<'_>, buffers: GroupBuffers<'_>);

/// What a [`GroupKernel`] writes. `sums` and `scaled` have one element for each panel and token.
pub(crate) struct GroupBuffers<'a> {
    pub(crate) scratch: &'a mut Scratch,
    /// What they hold means nothing, before and after.
    pub(crate) sums: &'a mut [[i32; PANEL_ROWS]],
    pub(crate) scaled: &'a mut [[f32; PANEL_ROWS]],
}

/// The scale groups of a run of columns.
#[derive(Clone, Copy)]
pub(crate) struct Groups<'a> {
    columns: usize,
    scale_type: ScaleType,
    scales: &'a [u8],
    stride: usize,
    sums: &'a [i32],
    tile_sums: usize,
}

impl<'a> Groups<'a> {
    /// Groups of `columns`; the last one of the run may be shorter. `scales` begins with the 16 scales of the first
    /// panel and group, the next group's follow, and the next panel's are `stride` bytes on. `sums` holds `Σ q` of each
    /// group and token, a group's tokens side by side, and a tile's `tile_sums` after those of the one before.
    pub(crate) fn new(
        columns: usize,
        scale_type: ScaleType,
        (scales, stride): (&'a [u8], usize),
        (sums, tile_sums): (&'a [i32], usize),
    ) -> Groups<'a> {
        Groups { columns, scale_type, scales, stride, sums, tile_sums }
    }

    /// Columns of a group.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// `Σ q` of a group for each of the `tokens` of a tile.
    pub(crate) fn sums(&self, tile: usize, group: usize, tokens: usize) -> &'a [i32] {
        &self.sums[tile * self.tile_sums + group * tokens..][..tokens]
    }

    /// How the scales are stored.
    pub(crate) fn scale_type(&self) -> ScaleType {
        self.scale_type
    }

    /// Where [`Groups::scale_bytes`] begin, unchecked.
    ///
    /// # Safety
    /// [`Groups::scale_bytes`] of the same panel and group would not panic.
    #[inline(always)]
    pub(crate) unsafe fn scales_at(&self, panel: usize, group: usize) -> *const u8 {
        // SAFETY: within the slice, as promised.
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

/// [`TileKernels::panels`] of kernels that have no reason for another number.
pub(crate) const CALL_PANELS: usize = 8;

/// Most panels of any call.
pub(crate) const MAX_CALL_PANELS: usize = 64;

/// Most panels times tokens of any call.
pub(crate) const MAX_CALL_SUMS: usize = 1024;

/// Most of [`TileKernels::staged_bytes`] that any backend of the architecture takes: CPUs with tiles have 2 MiB of
/// second-level cache.
pub(crate) const MAX_STAGED_BYTES: usize = if cfg!(target_arch = "x86_64") { 1 << 20 } else { STAGED_BYTES };

/// [`TileKernels::staged_bytes`] that are a part of every second-level cache.
pub(crate) const STAGED_BYTES: usize = 1 << 18;

/// Kernels of one tile of up to as many tokens, whose columns are in fours.
pub(crate) const fn by_fours(
    token_tile: usize,
    panels: usize,
    sums: SumKernel,
    groups: GroupKernel,
) -> TileKernels {
    TileKernels {
        min_tokens: 1,
        token_multiple: 1,
        interleave: 4,
        token_tile,
        tiles: 1,
        staged_bytes: STAGED_BYTES,
        panels,
        sums,
        groups,
    }
}

/// Most columns of one call of a product kernel, which bounds what its accumulators must hold: 256 times the sums of
/// `code · q` fit in an i32. A multiple of every scale group.
pub(crate) const MAX_RUN_COLUMNS: usize = 1 << 15;

/// A run of columns of neighbouring weight panels.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    layout: &'static Codes,
    codes: &'a [u8],
    stride: usize,
    count: usize,
    first: usize,
    end: usize,
}

impl<'a> Panels<'a> {
    /// `count` panels of `stride` bytes from the start of `codes`. The columns start at a multiple of the layout's
    /// [`Codes::column_multiple`] and end at the next one behind the range's end.
    pub(crate) fn new(
        layout: Layout,
        codes: &'a [u8],
        stride: usize,
        count: usize,
        columns: Range<usize>,
    ) -> Panels<'a> {
        let layout = layout.codes();
        assert!(count > 0 && count.checked_mul(stride).is_some_and(|bytes| bytes <= codes.len()));
        assert!(columns.start <= columns.end && columns.len() <= MAX_RUN_COLUMNS);
        assert!(columns.start.is_multiple_of(layout.column_multiple));
        assert!((layout.panel_bytes)(columns.end) <= stride);
        Panels { layout, codes, stride, count, first: columns.start, end: columns.end }
    }

    /// The same panels, some of the run's columns, counted from its start.
    pub(crate) fn columns(&self, columns: Range<usize>) -> Panels<'a> {
        assert!(columns.start <= columns.end && columns.end <= self.end - self.first);
        assert!(columns.start.is_multiple_of(self.layout.column_multiple));
        Panels { first: self.first + columns.start, end: self.first + columns.end, ..*self }
    }

    /// The functions of the layout.
    pub(crate) fn layout(&self) -> &'static Codes {
        self.layout
    }

    /// How many columns.
    pub(crate) fn width(&self) -> usize {
        self.end - self.first
    }

    /// The run's columns, counted from a panel's first one.
    pub(crate) fn range(&self) -> Range<usize> {
        self.first..self.end
    }

    /// How many panels.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The bytes of all panels.
    pub(crate) fn codes(&self) -> &'a [u8] {
        self.codes
    }

    /// An address counted from a panel's first byte, also beyond what there is: for fetching ahead.
    #[inline(always)]
    pub(crate) fn at(&self, panel: usize, byte: usize) -> *const u8 {
        self.codes.as_ptr().wrapping_add(panel * self.stride + byte)
    }

    /// All bytes of a panel.
    #[inline(always)]
    pub(crate) fn panel(&self, panel: usize) -> &'a [u8] {
        &self.codes[panel * self.stride..][..self.stride]
    }
}

/// What enters the first stage of a transform: `(values[i] · factor) · weight[i] · signs[i]`, so that the norm and the
/// signs ride on a load that happens anyway.
#[derive(Clone, Copy)]
pub(crate) struct Prologue<'a> {
    /// `None`: the row that will be transformed, in place.
    pub(crate) values: Option<&'a [f32]>,
    /// 1 leaves the values' bits as they are. Needs values.
    pub(crate) factor: f32,
    /// `None`: all 1. Needs values.
    pub(crate) weight: Option<&'a [f32]>,
    /// +1 or −1 each. `None`: all +1.
    pub(crate) signs: Option<&'a [i8]>,
}

impl Prologue<'static> {
    /// The row itself.
    pub(crate) const IN_PLACE: Prologue<'static> =
        Prologue { values: None, factor: 1.0, weight: None, signs: None };
}

impl Prologue<'_> {
    /// Whether there is nothing to read or to change before the first stage.
    #[inline(always)]
    pub(crate) fn is_in_place(&self) -> bool {
        self.values.is_none() && self.signs.is_none()
    }

    /// Of a part of the row.
    pub(crate) fn part(&self, range: core::ops::Range<usize>) -> Self {
        Prologue {
            values: self.values.map(|values| &values[range.clone()]),
            factor: self.factor,
            weight: self.weight.map(|weight| &weight[range.clone()]),
            signs: self.signs.map(|signs| &signs[range]),
        }
    }

    /// Applies the prologue to `x` in a pass of its own.
    ///
    /// # Safety
    /// Its slices are as long as `x`, which is initialised if it has no values, and `scale_row` is a kernel that the CPU can
    /// run.
    pub(crate) unsafe fn apply<'x>(
        &self,
        x: &'x mut [MaybeUninit<f32>],
        scale_row: ScaleRow,
    ) -> &'x mut [f32] {
        if let Some(values) = self.values {
            // SAFETY: one length, and the CPU's features, as promised.
            unsafe { scale_row(values, self.factor, self.weight, x) };
        }
        // SAFETY: written just now, or before as promised.
        let x = unsafe { crate::buffer::init(x) };
        for (x, _) in x.iter_mut().zip(self.signs.unwrap_or_default()).filter(|&(_, &sign)| sign < 0) {
            *x = -*x;
        }
        x
    }
}
