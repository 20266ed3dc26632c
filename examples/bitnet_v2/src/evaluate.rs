//! What a model makes of a text that it has not seen.

use std::fs;
use std::path::Path;

use hbitlinear::{Activations, InputStages};
use multiversion::multiversion;
use rayon::prelude::*;

use crate::exp::exp;
use crate::session::{Logits, Observer, Session, Settings, states_len};
use crate::{Model, Result};

/// Windows that are one piece of work, and share a session's memory.
const PART: usize = 8;

/// The natural logarithm of each byte's probability, in windows of the length the model was trained with, each after its
/// `begin` token alone. Windows are shared out among rayon's threads.
///
/// # Errors
/// As [`Session::forward`].
pub fn log_probabilities(model: &Model<'_>, settings: Settings, text: &[u8]) -> Result<Vec<f64>> {
    let parts = text.par_chunks(PART * window_len(model));
    let rows = parts.map(|part| watched_log_probabilities(model, settings, part, &mut ()));
    Ok(rows.collect::<Result<Vec<_>>>()?.concat())
}

/// Bytes of a window.
#[must_use]
pub fn window_len(model: &Model<'_>) -> usize {
    model.config.max_position_embeddings.min(model.rope.capacity())
}

/// [`log_probabilities`] on this thread, one window after another, watched.
///
/// # Errors
/// As [`Session::forward`].
pub fn watched_log_probabilities(
    model: &Model<'_>,
    settings: Settings,
    text: &[u8],
    observer: &mut impl Observer,
) -> Result<Vec<f64>> {
    let begin = model.config.bos_token_id.unwrap_or(0);
    let mut states = vec![0; states_len(model, settings.states)?];
    let settings = Settings { threads: 1, batch: settings.batch.min(window_len(model)), ..settings };
    let mut session = Session::new(model, settings, &mut states)?;
    let mut logs = Vec::with_capacity(text.len());
    for window in text.chunks(window_len(model)) {
        let before = window[..window.len() - 1].iter().map(|&byte| byte.into());
        let tokens: Vec<u32> = [begin].into_iter().chain(before).collect();
        session.clear();
        let logits = session.forward(&tokens, Logits::All, observer)?;
        let rows = logits.chunks_exact(model.config.vocab_size).zip(window);
        logs.extend(rows.map(|(logits, &byte)| log_softmax(logits, byte.into())));
    }
    Ok(logs)
}

/// What `llama-perplexity` counts of them, with windows of the same length: of each whole window the second half, but for its
/// last byte, which is not predicted there.
#[must_use]
pub fn second_halves(log_probabilities: &[f64], window: usize) -> Vec<f64> {
    log_probabilities
        .chunks_exact(window)
        .flat_map(|window| &window[window.len() / 2..window.len() - 1])
        .copied()
        .collect()
}

/// [`log_probabilities`] of the held-out text's first bytes as torch has them, of which a checkpoint's folder has some.
///
/// # Errors
/// If the file is not there, or has fewer.
pub fn torch_log_probabilities(folder: &Path, bytes: usize) -> Result<Vec<f64>> {
    let path = folder.join("log_probabilities.npy");
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = fs::read(&path).map_err(named)?;
    let logs: Vec<f32> = npyz::NpyFile::new(&file[..]).and_then(npyz::NpyFile::into_vec).map_err(named)?;
    let logs: Vec<f64> = logs.iter().map(|&log| log.into()).take(bytes).collect();
    if logs.len() < bytes {
        return Err(format!("{}: of {} bytes, not {bytes}", path.display(), logs.len()));
    }
    Ok(logs)
}

fn log_softmax(logits: &[f32], at: usize) -> f64 {
    let most = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    f64::from(logits[at]) - f64::from(most) - libm::log(sum_of_exponentials(logits, most))
}

/// `Σ e^(x − most)`, lane by lane.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn sum_of_exponentials(x: &[f32], most: f32) -> f64 {
    let mut lanes = [0.0_f64; 16];
    for run in x.chunks(lanes.len()) {
        for (lane, &x) in lanes.iter_mut().zip(run) {
            *lane += exp(f64::from(x) - f64::from(most));
        }
    }
    lanes.iter().sum()
}

/// A hash for each token of all integers that its activations were rounded to, which differs where one of them does.
#[derive(Clone, Debug, Default)]
pub struct Roundings {
    /// Of the tokens so far of one batch.
    pub hashes: Vec<u32>,
}

impl Observer for Roundings {
    fn input(&mut self, _: usize, _: usize, _: &InputStages<'_>, _: &[f32], quantized: &Activations<'_>) {
        self.hashes.resize(quantized.tokens(), 0);
        for (token, hash) in self.hashes.iter_mut().enumerate() {
            let row = (0..quantized.inputs()).fold(0_u32, |sum, input| {
                let factor = (input as u32 + 1).wrapping_mul(2_654_435_761);
                sum.wrapping_add((i32::from(quantized.value(token, input)) as u32).wrapping_mul(factor))
            });
            *hash = hash.wrapping_mul(31).wrapping_add(row);
        }
    }
}
