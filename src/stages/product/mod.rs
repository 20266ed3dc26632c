//! Stage 3: ternary × int8 and ternary × int4, exact in i32, dequantised in one defined expression.
//!
//! `Y[t, n] = s_t · Σ_g α_{n,g} · Σ_{k in g} w[n, k] · q[t, k]`: the sums over k are integers; with more than one
//! group, the products `α · sum` (i32 rounded to f32 first) are added in ascending g, without fused multiply-add;
//! `s_t` comes last. With one group that is `y = (sum · α) · s`.
//!
//! Every backend gives the same bits, and cutting tokens or outputs anywhere changes none.

mod driver;
#[cfg(feature = "rayon")]
mod parallel;

use core::mem::MaybeUninit;
use core::ops::Range;

use driver::{Cut, Driver, Piece, SumValues, Sums};
#[cfg(feature = "rayon")]
pub use parallel::{par_product, par_workspace_len};

use super::output::OutputMut;
use super::workspace::Size;
use crate::buffer::Buffer;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::kernels::Backend;
use crate::kernels::contract::{Kernels, MAX_CALL_PANELS, ProductKernels};
use crate::layout::{Activations, PANEL_ROWS, Weights};

/// Bytes of workspace that any product needs, on every backend.
///
/// ```
/// assert!(hbitlinear::product_workspace_len() < 3 << 19);
/// ```
#[must_use]
pub fn product_workspace_len() -> usize {
    // The sizes are small constants, so the fallback is never taken.
    driver::size().map_or(usize::MAX, Size::bytes)
}

/// `Y = X Wᵀ`, dequantised, for the tokens and outputs of the ranges: `y` is `[tokens.len(), outputs.len()]`.
///
/// # Errors
/// [`Error::Length`] if the activations' K is not the weights' or `y` has another shape than the ranges;
/// [`Error::Range`]; [`Error::Workspace`] below [`product_workspace_len`] bytes. Then `y` is untouched.
///
/// ```
/// use hbitlinear::{
///     Activations, Backend, Bits, Layout, OutputMut, Scaling, WeightSpec, Weights, product, product_workspace_len,
/// };
/// let spec = WeightSpec::new(2, 2, Layout::TwoBit, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1, 1, 1, -1], &[0.5], &mut blob)?;
/// let weights = Weights::open(&blob)?;
/// let x = Activations::new(Bits::Eight, 2, &[3, 4], &[2.0], &[7])?;
/// let (mut y, mut workspace) = ([0.0; 2], vec![0; product_workspace_len()]);
/// product(Backend::best(), &weights, &x, 0..1, 0..2, OutputMut::rows(&mut y, 2)?, &mut workspace)?;
/// assert_eq!(y, [7.0, -1.0]);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn product<'w>(
    backend: Backend,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    y: OutputMut<'_, f32>,
    workspace: impl Into<Buffer<'w, u8>>,
) -> Result<()> {
    // SAFETY: a `Backend` proves the features.
    unsafe {
        product_with(backend.kernels(Kernels::of_product), weights, x, tokens, outputs, y, workspace.into())
    }
}

/// [`product`] with any kernels.
///
/// # Safety
/// The CPU has their features.
pub(crate) unsafe fn product_with(
    kernels: ProductKernels,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    y: OutputMut<'_, f32>,
    workspace: Buffer<'_, u8>,
) -> Result<()> {
    let driver = Driver::new(kernels, weights, x, tokens, outputs, &y, weights.spec().has_groups())?;
    let cut = driver.cut();
    dequantized(&driver, &cut, cut.pieces(), y, workspace)
}

/// Some pieces of a product, dequantised.
fn dequantized(
    driver: &Driver<'_>,
    cut: &Cut,
    pieces: impl Iterator<Item = Piece>,
    mut y: OutputMut<'_, f32>,
    workspace: Buffer<'_, u8>,
) -> Result<()> {
    let Driver { kernels, weights, x, tokens, outputs, .. } = driver;
    let (first_token, first_output) = (tokens.start, outputs.start);
    let mut alphas = [0.0; PANEL_ROWS * MAX_CALL_PANELS];
    driver.run(cut, pieces, workspace, |sums| {
        let Sums { tokens, panels, stride, values } = sums;
        if let SumValues::Codes(_) = values {
            for (alphas, panel) in alphas.as_chunks_mut::<PANEL_ROWS>().0.iter_mut().zip(panels.clone()) {
                *alphas = weights.panel_scales(panel);
            }
        }
        // The outputs of all panels; of the first and the last one only some may be asked for.
        let all = panels.start * PANEL_ROWS..panels.end * PANEL_ROWS;
        let asked = all.start.max(outputs.start)..all.end.min(outputs.end);
        let mut room = [const { MaybeUninit::uninit() }; PANEL_ROWS * MAX_CALL_PANELS];
        for (t, token) in tokens.enumerate() {
            let scale = x.scales()[token];
            let y = y.part(token - first_token, asked.start - first_output..asked.end - first_output);
            let whole = y.len() == all.len();
            let row = if whole { &mut *y } else { &mut room[..all.len()] };
            match values {
                // SAFETY: the CPU has the driver's kernels' features; there are 16 sums, scales and values for each panel.
                SumValues::Codes(sums) => unsafe {
                    (kernels.dequantize)(
                        &sums[t..],
                        stride,
                        x.sums()[token],
                        &alphas[..row.len()],
                        scale,
                        row,
                    );
                },
                SumValues::Scaled(sums) => {
                    let sums = sums[t..].iter().step_by(stride);
                    for (row, sums) in row.as_chunks_mut::<PANEL_ROWS>().0.iter_mut().zip(sums) {
                        for (value, sum) in row.iter_mut().zip(sums) {
                            value.write(sum * scale);
                        }
                    }
                }
            }
            if !whole {
                y.copy_from_slice(&room[asked.start - all.start..asked.end - all.start]);
            }
        }
    })
}

/// `Σ_k w[n, k] · q[t, k]` as i32, without any scale: `y` is `[tokens.len(), outputs.len()]`.
///
/// # Errors
/// As [`product`].
pub fn product_i32<'w>(
    backend: Backend,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    mut y: OutputMut<'_, i32>,
    workspace: impl Into<Buffer<'w, u8>>,
) -> Result<()> {
    let (first_token, first_output) = (tokens.start, outputs.start);
    let driver =
        Driver::new(backend.kernels(Kernels::of_product), weights, x, tokens, outputs.clone(), &y, false)?;
    let cut = driver.cut();
    driver.run(&cut, cut.pieces(), workspace.into(), |sums| {
        let Sums { tokens, panels, stride, values: SumValues::Codes(sums) } = sums else { return };
        for (t, token) in tokens.enumerate() {
            for (panel, sums) in panels.clone().zip(sums[t..].iter().step_by(stride)) {
                let first = outputs.start.max(panel * PANEL_ROWS);
                let end = outputs.end.min((panel + 1) * PANEL_ROWS);
                let y = y.part(token - first_token, first - first_output..end - first_output);
                for (y, sum) in y.iter_mut().zip(&sums[first % PANEL_ROWS..]) {
                    y.write(sum.wrapping_sub(x.sums()[token]));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
