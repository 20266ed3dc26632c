//! The product on rayon's threads, for Rust hosts that have no pool of their own (feature `rayon`).
//!
//! Outputs are halved at panel borders until each thread has a part, so every thread reads weights that no other
//! reads, and all read the same activations, which are small. No part is smaller than a panel.

use core::ops::Range;

use super::{product, product_workspace_len};
use crate::buffer::Buffer;
use crate::error::{Error, Result, check_len, check_range, checked_size};
use crate::kernels::Backend;
use crate::layout::{Activations, PANEL_ROWS, Weights};
use crate::stages::output::OutputMut;

/// Bytes of workspace that [`par_product`] needs to use that many threads.
///
/// # Errors
/// [`Error::SizeOverflow`].
pub fn par_workspace_len(threads: usize) -> Result<usize> {
    checked_size(threads, product_workspace_len(), "threads * product_workspace_len")
}

/// [`product`], on as many of rayon's threads as the workspace has room for ([`par_workspace_len`]). The bits are those of
/// [`product`].
///
/// # Errors
/// As [`product`]. Then `y` is untouched.
///
/// ```
/// use hbitlinear::{
///     Activations, Backend, Bits, Layout, OutputMut, Scaling, WeightSpec, Weights, par_product, par_workspace_len,
/// };
/// let spec = WeightSpec::new(40, 2, Layout::TwoBit, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1; 80], &[0.5], &mut blob)?;
/// let weights = Weights::open(&blob)?;
/// let x = Activations::new(Bits::Eight, 2, &[3, 4], &[2.0], &[7])?;
/// let (mut y, mut workspace) = ([0.0; 40], vec![0; par_workspace_len(2)?]);
/// par_product(Backend::best(), &weights, &x, 0..1, 0..40, OutputMut::rows(&mut y, 40)?, &mut workspace)?;
/// assert_eq!(y, [7.0; 40]);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn par_product<'w>(
    backend: Backend,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    tokens: Range<usize>,
    outputs: Range<usize>,
    y: OutputMut<'_, f32>,
    workspace: impl Into<Buffer<'w, u8>>,
) -> Result<()> {
    let (workspace, expected) = (workspace.into(), product_workspace_len());
    if workspace.len() < expected {
        return Err(Error::Workspace { expected, actual: workspace.len() });
    }
    check_len("inputs of the activations", weights.inputs(), x.inputs())?;
    check_range("tokens", &tokens, x.tokens())?;
    check_range("outputs", &outputs, weights.outputs())?;
    check_len("tokens of y", tokens.len(), y.tokens())?;
    check_len("outputs of y", outputs.len(), y.outputs())?;
    let parts = (workspace.len() / expected).min(rayon::current_num_threads());
    halves(&Job { backend, weights, x, tokens }, outputs, y, workspace, parts)
}

/// What all threads share.
struct Job<'a> {
    backend: Backend,
    weights: &'a Weights<'a>,
    x: &'a Activations<'a>,
    tokens: Range<usize>,
}

/// Some of the outputs, in up to `parts` parts.
fn halves(
    job: &Job<'_>,
    outputs: Range<usize>,
    y: OutputMut<'_, f32>,
    workspace: Buffer<'_, u8>,
    parts: usize,
) -> Result<()> {
    // In panels, so that no two threads multiply the same one.
    let panels = outputs.start / PANEL_ROWS..outputs.end.div_ceil(PANEL_ROWS);
    let border = (panels.start + (panels.len() * (parts / 2)).div_ceil(parts)) * PANEL_ROWS;
    if parts < 2 || border <= outputs.start || border >= outputs.end {
        return product(job.backend, job.weights, job.x, job.tokens.clone(), outputs, y, workspace);
    }
    let (y_left, y_right) = y.split_outputs(border - outputs.start)?;
    let (w_left, w_right) = workspace.split_at(parts / 2 * product_workspace_len());
    let (left, right) = rayon::join(
        || halves(job, outputs.start..border, y_left, w_left, parts / 2),
        || halves(job, border..outputs.end, y_right, w_right, parts - parts / 2),
    );
    left.and(right)
}
