//! Rows to quantised activations, once, and those to the outputs of all matrices that share them, on rayon's threads.

use core::ops::Range;

use hbitlinear::{
    Activations, ActivationsMut, Backend, Error, OutputMut, Weights, product, product_workspace_len,
};
use rayon::prelude::*;

use crate::model::{Linear, Model};

/// Outputs of a thread's part are a multiple of this, so that no two threads multiply the same panel.
const PART: usize = 32;

/// Memory for activations and workspaces of as many threads.
#[derive(Debug)]
pub struct Bench {
    backend: Backend,
    threads: usize,
    values: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    workspace: Vec<u8>,
}

impl Bench {
    /// For any layer of a model and up to so many rows.
    ///
    /// # Errors
    /// Sizes that do not fit.
    pub fn new(
        model: &Model<'_>,
        backend: Backend,
        threads: usize,
        rows: usize,
    ) -> hbitlinear::Result<Bench> {
        let (mut inputs, mut workspace) = (0, product_workspace_len());
        for layer in &model.layers {
            for linear in [&layer.attention_in, &layer.attention_out, &layer.ffn_in, &layer.ffn_out] {
                inputs = inputs.max(linear.stages.inputs());
                workspace = workspace.max(linear.stages.workspace_len()?);
            }
        }
        let values = rows.checked_mul(inputs).ok_or(Error::SizeOverflow { argument: "rows * inputs" })?;
        Ok(Bench {
            backend,
            threads,
            values: vec![0; values],
            scales: vec![0.0; rows],
            sums: vec![0; rows],
            workspace: vec![0; threads * workspace],
        })
    }

    /// The first phase: rows of `x` to activations.
    ///
    /// # Errors
    /// [`Error::NonFinite`], naming a row within a thread's part.
    pub fn quantize(&mut self, linear: &Linear<'_>, x: &[f32]) -> hbitlinear::Result<Activations<'_>> {
        let (backend, stages) = (self.backend, &linear.stages);
        let (bits, inputs) = (stages.quantizer().rule().bits(), stages.inputs());
        let (rows, row_bytes) = (x.len() / inputs, bits.row_bytes(inputs));
        let part = rows.div_ceil(self.threads).max(1);
        let each = self.workspace.len() / self.threads;
        let (values, scales, sums) =
            (&mut self.values[..rows * row_bytes], &mut self.scales[..rows], &mut self.sums[..rows]);
        let parts = x.chunks(part * inputs).zip(values.chunks_mut(part * row_bytes));
        let parts = parts.zip(scales.chunks_mut(part).zip(sums.chunks_mut(part)));
        let parts: Vec<_> = parts.zip(self.workspace.chunks_mut(each)).collect();
        in_parallel(parts, |(((x, values), (scales, sums)), workspace)| {
            let room = ActivationsMut::new(bits, inputs, values, scales, sums)?;
            stages.quantize(backend, x, room, workspace).map(drop)
        })?;
        Activations::new(bits, inputs, values, scales, sums)
    }

    /// The second phase, of what [`quantize`](Self::quantize) made last: `out` is `[rows, outputs of all matrices]`.
    ///
    /// # Errors
    /// [`Error::Length`] if `out` is not.
    pub fn multiply(&mut self, linear: &Linear<'_>, out: &mut [f32]) -> hbitlinear::Result<()> {
        let (bits, inputs) = (linear.stages.quantizer().rule().bits(), linear.stages.inputs());
        let rows = out.len() / linear.outputs();
        let (values, scales, sums) =
            (&self.values[..rows * bits.row_bytes(inputs)], &self.scales[..rows], &self.sums[..rows]);
        let x = Activations::new(bits, inputs, values, scales, sums)?;
        let backend = self.backend;
        let each = self.workspace.len() / self.threads;
        let mut rest = OutputMut::rows(out, linear.outputs())?;
        let mut jobs = Vec::with_capacity(self.threads);
        for (pieces, workspace) in cut(&linear.weights, self.threads).zip(self.workspace.chunks_mut(each)) {
            let mut job = Vec::with_capacity(pieces.len());
            for (weights, outputs) in pieces {
                let (mine, others) = rest.split_outputs(outputs.len())?;
                rest = others;
                job.push((weights, outputs, mine));
            }
            jobs.push((job, workspace));
        }
        in_parallel(jobs, |(job, workspace)| {
            for (weights, outputs, out) in job {
                product(backend, weights, &x, 0..rows, outputs, out, &mut *workspace)?;
            }
            Ok(())
        })
    }
}

type Piece<'w, 'a> = (&'w Weights<'a>, Range<usize>);

/// The outputs of some matrices, one after another, in even parts.
fn cut<'w, 'a>(weights: &'w [Weights<'a>], parts: usize) -> impl Iterator<Item = Vec<Piece<'w, 'a>>> {
    let total: usize = weights.iter().map(Weights::outputs).sum();
    let border = move |part: usize| if part == parts { total } else { total * part / parts / PART * PART };
    (0..parts).map(move |part| {
        let mine = border(part)..border(part + 1);
        let mut first = 0;
        let mut pieces = Vec::new();
        for weights in weights {
            let start = mine.start.clamp(first, first + weights.outputs());
            let end = mine.end.clamp(first, first + weights.outputs());
            if start < end {
                pieces.push((weights, start - first..end - first));
            }
            first += weights.outputs();
        }
        pieces
    })
}

/// Each job on a thread; without a fork if there is one.
fn in_parallel<T: Send>(
    mut jobs: Vec<T>,
    work: impl Fn(T) -> hbitlinear::Result<()> + Sync + Send,
) -> hbitlinear::Result<()> {
    match jobs.len() {
        0 => Ok(()),
        1 => jobs.pop().map_or(Ok(()), work),
        _ => jobs.into_par_iter().try_for_each(work),
    }
}
