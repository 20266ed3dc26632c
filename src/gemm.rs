//! Stage 3: ternary × int8 and ternary × int4, exact in i32, dequantised in one defined expression.
//!
//! `Y[t, n] = s_t · Σ_g α_{n,g} · Σ_{k in g} w[n, k] · q[t, k]`: the sums over k are integers; with more than one
//! group, the products `α · sum` (i32 rounded to f32 first) are added in ascending g, without fused multiply-add;
//! `s_t` comes last. With one group that is `y = (sum · α) · s`.
//!
//! **The driver** walks tiles of tokens, then groups of eight weight panels, then runs of columns: the
//! activations of a tile are widened to int8 once a run, in cache, and used by every panel of the group. The micro
//! kernel of the backend sees one panel, a run of whole blocks and at most `token_tile` tokens; shapes, tails,
//! ranges and scales end here. Cutting tokens or outputs anywhere therefore changes no bit.

use core::ops::Range;

use crate::arch::Backend;
use crate::arch::kernels::{Kernels, MAX_TOKEN_TILE};
#[cfg(doc)]
use crate::error::Error;
use crate::error::{Result, check_len, check_range};
use crate::layout::{BLOCK_BYTES, BLOCK_COLUMNS, PANEL_ROWS};
use crate::output::OutputMut;
use crate::quantize::{Activations, Bits};
use crate::weights::{Scaling, Weights};
use crate::workspace::{Size, Workspace};

/// Panels that share one widening of the activations.
const PANELS: usize = 8;

/// Columns of a run: a multiple of every scale group and of the block.
const RUN_COLUMNS: usize = 1024;

/// Bytes of workspace that any product needs, on every backend.
///
/// ```
/// assert!(hbitlinear::gemm::workspace_len() < 128 * 1024);
/// ```
#[must_use]
pub fn workspace_len() -> usize {
    // The sizes are small constants, so the fallback is never taken.
    size().map_or(usize::MAX, Size::bytes)
}

fn size() -> Result<Size> {
    Size::EMPTY
        .and::<i8>(MAX_TOKEN_TILE * RUN_COLUMNS)?
        .and::<[i32; PANEL_ROWS]>(PANELS * MAX_TOKEN_TILE)?
        .and::<[f32; PANEL_ROWS]>(PANELS * MAX_TOKEN_TILE)
}

/// `Y = X Wᵀ`, dequantised, for the tokens and outputs of the ranges: `y` is `[tokens.len(), outputs.len()]`.
///
/// # Errors
/// [`Error::Length`] if the activations' K is not the weights' or `y` has another shape than the ranges;
/// [`Error::Range`]; [`Error::Workspace`] below [`workspace_len`] bytes. Then `y` is untouched.
///
/// ```
/// use hbitlinear::{Backend, OutputMut, gemm, quantize::*, weights::*};
/// let spec = WeightSpec::new(2, 2, Layout::T2, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1, 1, 1, -1], &[0.5], &mut blob)?;
/// let weights = Weights::open(&blob)?;
/// let x = Activations::new(Bits::Eight, 2, &[3, 4], &[2.0], &[7])?;
/// let (mut y, mut workspace) = ([0.0; 2], vec![0; gemm::workspace_len()]);
/// gemm::product(
///     Backend::best(), &weights, &x, 0..1, 0..2, &mut OutputMut::new(&mut y, 1, 2, 2)?, &mut workspace,
/// )?;
/// assert_eq!(y, [7.0, -1.0]);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn product(
    backend: Backend,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    y: &mut OutputMut<'_, f32>,
    workspace: &mut [u8],
) -> Result<()> {
    let (first_token, first_output) = (tokens.start, outputs.start);
    let driver = Driver::new(backend, weights, x, tokens, outputs, (y.tokens(), y.outputs()))?;
    driver.run(workspace, matches!(weights.spec().scaling(), Scaling::Group(_)), |token, rows, tile| {
        let mut values = [0.0; PANEL_ROWS];
        let scale = x.scales()[token];
        match tile {
            Tile::Integer { panel, sums } => {
                let alpha = weights.panel_scales(panel, 0);
                for ((value, &sum), alpha) in values.iter_mut().zip(sums).zip(alpha) {
                    *value = sum as f32 * alpha * scale;
                }
            }
            Tile::Scaled { sums } => {
                for (value, sum) in values.iter_mut().zip(sums) {
                    *value = sum * scale;
                }
            }
        }
        y.write(token - first_token, rows.output - first_output, &values[rows.within]);
    })
}

/// `Σ_k w[n, k] · q[t, k]` as i32, without any scale: `y` is `[tokens.len(), outputs.len()]`.
///
/// # Errors
/// As [`product`].
pub fn product_i32(
    backend: Backend,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    y: &mut OutputMut<'_, i32>,
    workspace: &mut [u8],
) -> Result<()> {
    let (first_token, first_output) = (tokens.start, outputs.start);
    let driver = Driver::new(backend, weights, x, tokens, outputs, (y.tokens(), y.outputs()))?;
    driver.run(workspace, false, |token, rows, tile| {
        if let Tile::Integer { sums, .. } = tile {
            y.write(token - first_token, rows.output - first_output, &sums[rows.within]);
        }
    })
}

/// A finished row of one panel for one token.
enum Tile<'a> {
    /// Integer sums over all columns.
    Integer { panel: usize, sums: &'a [i32; PANEL_ROWS] },
    /// `Σ_g α · sum_g`.
    Scaled { sums: &'a [f32; PANEL_ROWS] },
}

/// The part of a panel's 16 rows that the caller asked for.
struct PanelRows {
    /// First of them, as an output index.
    output: usize,
    /// Where they are within the panel.
    within: Range<usize>,
}

/// Checked arguments of one product.
struct Driver<'a> {
    kernels: &'static Kernels,
    weights: &'a Weights<'a>,
    x: &'a Activations<'a>,
    tokens: Range<usize>,
    outputs: Range<usize>,
}

impl<'a> Driver<'a> {
    fn new(
        backend: Backend,
        weights: &'a Weights<'a>,
        x: &'a Activations<'a>,
        tokens: Range<usize>,
        outputs: Range<usize>,
        shape: (usize, usize),
    ) -> Result<Driver<'a>> {
        check_len("features of the activations", weights.columns(), x.features())?;
        check_range("tokens", &tokens, x.tokens())?;
        check_range("outputs", &outputs, weights.rows())?;
        check_len("tokens of y", tokens.len(), shape.0)?;
        check_len("outputs of y", outputs.len(), shape.1)?;
        Ok(Driver { kernels: backend.kernels(), weights, x, tokens, outputs })
    }

    fn run(
        &self,
        workspace: &mut [u8],
        by_group: bool,
        mut emit: impl FnMut(usize, PanelRows, Tile<'_>),
    ) -> Result<()> {
        let mut workspace = Workspace::new(workspace, size()?)?;
        if self.outputs.is_empty() {
            return Ok(());
        }
        let staged = workspace.take::<i8>(MAX_TOKEN_TILE * RUN_COLUMNS);
        let sums = workspace.take::<[i32; PANEL_ROWS]>(PANELS * MAX_TOKEN_TILE);
        let scaled = workspace.take::<[f32; PANEL_ROWS]>(PANELS * MAX_TOKEN_TILE);
        let tile = self.kernels.token_tile;

        for first in self.tokens.clone().step_by(tile) {
            let tokens = first..self.tokens.end.min(first + tile);
            let panels = self.outputs.start / PANEL_ROWS..self.outputs.end.div_ceil(PANEL_ROWS);
            for start in panels.clone().step_by(PANELS) {
                let panels = start..panels.end.min(start + PANELS);
                if by_group {
                    self.sum_by_group(&tokens, &panels, staged, sums, scaled);
                } else {
                    self.sum_all(&tokens, &panels, staged, sums);
                }
                for (slot, panel) in panels.enumerate() {
                    for (t, token) in tokens.clone().enumerate() {
                        let at = slot * tokens.len() + t;
                        let tile = if by_group {
                            Tile::Scaled { sums: &scaled[at] }
                        } else {
                            Tile::Integer { panel, sums: &sums[at] }
                        };
                        emit(token, self.rows_of(panel), tile);
                    }
                }
            }
        }
        Ok(())
    }

    fn rows_of(&self, panel: usize) -> PanelRows {
        let start = self.outputs.start.max(panel * PANEL_ROWS);
        let end = self.outputs.end.min((panel + 1) * PANEL_ROWS);
        PanelRows { output: start, within: start - panel * PANEL_ROWS..end - panel * PANEL_ROWS }
    }

    /// `sums[slot · tokens + t]` = the integer sums of a panel over all columns.
    fn sum_all(
        &self,
        tokens: &Range<usize>,
        panels: &Range<usize>,
        staged: &mut [i8],
        sums: &mut [[i32; PANEL_ROWS]],
    ) {
        // Codes are w + 1, so Σ w·q starts from −Σ q.
        for slot in 0..panels.len() {
            for (t, token) in tokens.clone().enumerate() {
                sums[slot * tokens.len() + t] = [self.x.sums()[token].wrapping_neg(); PANEL_ROWS];
            }
        }
        let columns = self.weights.columns();
        for start in (0..columns).step_by(RUN_COLUMNS) {
            let run = start..columns.min(start + RUN_COLUMNS);
            let stride = self.stage(tokens, &run, staged);
            self.add_panels(&run, panels, tokens.len(), staged, stride, sums);
        }
    }

    /// `scaled[slot · tokens + t]` = `Σ_g α · sum_g` of a panel.
    fn sum_by_group(
        &self,
        tokens: &Range<usize>,
        panels: &Range<usize>,
        staged: &mut [i8],
        sums: &mut [[i32; PANEL_ROWS]],
        scaled: &mut [[f32; PANEL_ROWS]],
    ) {
        let (columns, group_columns) = (self.weights.columns(), self.weights.spec().group_columns());
        for (group, start) in (0..columns).step_by(group_columns).enumerate() {
            let run = start..columns.min(start + group_columns);
            let stride = self.stage(tokens, &run, staged);
            for t in 0..tokens.len() {
                let sum: i32 = staged[t * stride..][..stride].iter().map(|&q| i32::from(q)).sum();
                for slot in 0..panels.len() {
                    sums[slot * tokens.len() + t] = [-sum; PANEL_ROWS];
                }
            }
            self.add_panels(&run, panels, tokens.len(), staged, stride, sums);
            for (slot, panel) in panels.clone().enumerate() {
                let alpha = self.weights.panel_scales(panel, group);
                for at in slot * tokens.len()..(slot + 1) * tokens.len() {
                    for r in 0..PANEL_ROWS {
                        let term = sums[at][r] as f32 * alpha[r];
                        scaled[at][r] = if group == 0 { term } else { scaled[at][r] + term };
                    }
                }
            }
        }
    }

    /// Adds the run's columns to the sums of each panel.
    fn add_panels(
        &self,
        run: &Range<usize>,
        panels: &Range<usize>,
        tokens: usize,
        staged: &[i8],
        stride: usize,
        sums: &mut [[i32; PANEL_ROWS]],
    ) {
        let bytes = run.start / BLOCK_COLUMNS * BLOCK_BYTES..run.end.div_ceil(BLOCK_COLUMNS) * BLOCK_BYTES;
        for (slot, panel) in panels.clone().enumerate() {
            let sums = &mut sums[slot * tokens..(slot + 1) * tokens];
            // SAFETY: the `Backend` behind `kernels` proves the CPU's features; the run is whole blocks of the
            // panel, `stage` filled `stride` values for each token, and there are at most `token_tile` tokens.
            unsafe {
                (self.kernels.panel_t2)(&self.weights.panel(panel)[bytes.clone()], staged, stride, sums)
            };
        }
    }

    /// Writes the run's activations as int8, zero-padded to whole blocks; returns the stride between tokens.
    fn stage(&self, tokens: &Range<usize>, run: &Range<usize>, staged: &mut [i8]) -> usize {
        let stride = run.len().next_multiple_of(BLOCK_COLUMNS);
        for (row, token) in staged.chunks_exact_mut(stride).zip(tokens.clone()) {
            let bytes = self.x.row(token);
            match self.x.bits() {
                Bits::Eight => {
                    for (q, &byte) in row.iter_mut().zip(&bytes[run.clone()]) {
                        *q = byte as i8;
                    }
                }
                Bits::Four => {
                    let bytes = &bytes[run.start / 2..run.end.div_ceil(2)];
                    // SAFETY: the `Backend` behind `kernels` proves the CPU's features; two values a byte, and
                    // the stride is even and covers them.
                    unsafe { (self.kernels.widen_i4)(bytes, &mut row[..2 * bytes.len()]) };
                }
            }
            row[run.len()..].fill(0);
        }
        stride
    }
}

#[cfg(test)]
mod tests;
