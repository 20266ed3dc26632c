//! What a model makes of a text that it has not seen.

use hbitlinear::{Activations, InputStages};
use rayon::prelude::*;

use crate::session::{Logits, Observer, Session, Settings, states_len};
use crate::{Model, Result};

/// The natural logarithm of each byte's probability, in windows of the length the model was trained with, each after its
/// `begin` token alone. Windows are shared out among rayon's threads.
///
/// # Errors
/// As [`Session::forward`].
pub fn log_probabilities(model: &Model<'_>, settings: Settings, text: &[u8]) -> Result<Vec<f64>> {
    let windows = text.par_chunks(window_len(model));
    let rows = windows.map(|window| window_log_probabilities(model, settings, window, &mut ()));
    Ok(rows.collect::<Result<Vec<_>>>()?.concat())
}

/// Bytes of a window.
#[must_use]
pub fn window_len(model: &Model<'_>) -> usize {
    model.config.max_position_embeddings.min(model.rope.capacity())
}

/// [`log_probabilities`] of one window, watched.
///
/// # Errors
/// As [`Session::forward`].
pub fn window_log_probabilities(
    model: &Model<'_>,
    settings: Settings,
    window: &[u8],
    observer: &mut impl Observer,
) -> Result<Vec<f64>> {
    let Some((_, before_last)) = window.split_last() else { return Ok(Vec::new()) };
    let begin = model.config.bos_token_id.unwrap_or(0);
    let tokens: Vec<u32> = [begin].into_iter().chain(before_last.iter().map(|&byte| byte.into())).collect();
    let mut states = vec![0; states_len(model, settings.states)?];
    let settings = Settings { threads: 1, batch: settings.batch.min(tokens.len()), ..settings };
    let mut session = Session::new(model, settings, &mut states)?;
    let logits = session.forward(&tokens, Logits::All, observer)?;
    let rows = logits.chunks_exact(model.config.vocab_size).zip(window);
    Ok(rows.map(|(logits, &byte)| log_softmax(logits, byte.into())).collect())
}

fn log_softmax(logits: &[f32], at: usize) -> f64 {
    let most = f64::from(logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
    let sum: f64 = logits.iter().map(|&logit| libm::exp(f64::from(logit) - most)).sum();
    f64::from(logits[at]) - most - libm::log(sum)
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
