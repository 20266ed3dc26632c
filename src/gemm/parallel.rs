//! The product on rayon's threads, for Rust hosts that have no pool of their own (feature `rayon`).
//!
//! Outputs are halved at panel borders until each thread has a part, so every thread reads weights that no other
//! reads, and all read the same activations, which are small. No part is smaller than a panel.

use super::{product, workspace_len};
use crate::arch::Backend;
use crate::error::{Error, Result, check_len, checked_size};
use crate::layout::PANEL_ROWS;
use crate::output::OutputMut;
use crate::quantize::Activations;
use crate::weights::Weights;

/// Bytes of workspace that [`par_product`] needs to use that many threads.
///
/// # Errors
/// [`Error::SizeOverflow`].
pub fn par_workspace_len(threads: usize) -> Result<usize> {
    checked_size(threads, workspace_len(), "threads * workspace_len")
}

/// [`product`] of all tokens and all outputs, on as many of rayon's threads as the workspace has room for
/// ([`par_workspace_len`]). The bits are those of [`product`].
///
/// # Errors
/// As [`product`]. Then `y` is untouched.
///
/// ```
/// use hbitlinear::{Backend, OutputMut, gemm, quantize::*, weights::*};
/// let spec = WeightSpec::new(40, 2, Layout::T2, Scaling::Tensor)?;
/// let mut blob = vec![0; spec.packed_len()];
/// spec.pack(&[1; 80], &[0.5], &mut blob)?;
/// let weights = Weights::open(&blob)?;
/// let x = Activations::new(Bits::Eight, 2, &[3, 4], &[2.0], &[7])?;
/// let (mut y, mut workspace) = ([0.0; 40], vec![0; gemm::par_workspace_len(2)?]);
/// gemm::par_product(Backend::best(), &weights, &x, OutputMut::new(&mut y, 1, 40, 40)?, &mut workspace)?;
/// assert_eq!(y, [7.0; 40]);
/// # Ok::<(), hbitlinear::Error>(())
/// ```
pub fn par_product(
    backend: Backend,
    weights: &Weights<'_>,
    x: &Activations<'_>,
    y: OutputMut<'_, f32>,
    workspace: &mut [u8],
) -> Result<()> {
    let expected = workspace_len();
    if workspace.len() < expected {
        return Err(Error::Workspace { expected, actual: workspace.len() });
    }
    check_len("features of the activations", weights.columns(), x.features())?;
    check_len("tokens of y", x.tokens(), y.tokens())?;
    check_len("outputs of y", weights.rows(), y.outputs())?;
    let parts = (workspace.len() / expected).min(rayon::current_num_threads());
    halves(&Job { backend, weights, x }, 0, y, workspace, parts)
}

/// What all threads share.
struct Job<'a> {
    backend: Backend,
    weights: &'a Weights<'a>,
    x: &'a Activations<'a>,
}

/// The outputs from `first` on that `y` has room for, in up to `parts` parts.
fn halves(
    job: &Job<'_>,
    first: usize,
    mut y: OutputMut<'_, f32>,
    workspace: &mut [u8],
    parts: usize,
) -> Result<()> {
    let outputs = y.outputs();
    // In panels, so that no two threads multiply the same one.
    let left = (outputs.div_ceil(PANEL_ROWS) * (parts / 2)).div_ceil(parts) * PANEL_ROWS;
    if parts < 2 || left == 0 || left >= outputs {
        let (tokens, outputs) = (0..job.x.tokens(), first..first + outputs);
        return product(job.backend, job.weights, job.x, tokens, outputs, &mut y, workspace);
    }
    let (y_left, y_right) = y.split_outputs(left)?;
    let (w_left, w_right) = workspace.split_at_mut(parts / 2 * workspace_len());
    let (left, right) = rayon::join(
        || halves(job, first, y_left, w_left, parts / 2),
        || halves(job, first + left, y_right, w_right, parts - parts / 2),
    );
    left.and(right)
}
