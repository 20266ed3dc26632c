//! What the quantisers of the two H-BitLinear projections meet: how heavy the tails of a token's activations are.

use bitnet_v2::evaluate::{watched_log_probabilities, window_len};
use bitnet_v2::{Model, Observer, Result, Settings};
use hbitlinear::{Activations, Backend, InputStages};

/// The input of one projection in all layers, each row in units of its standard deviation (about zero).
#[derive(Default)]
pub(crate) struct Sample {
    /// Behind the norm.
    pub(crate) normed: Vec<f32>,
    /// As quantised: behind the transform, if there is one.
    pub(crate) quantized: Vec<f32>,
    /// Length of a row.
    pub(crate) inputs: usize,
}

/// Of attention's output and of down.
pub(crate) struct Samples {
    backend: Backend,
    /// In that order.
    pub(crate) places: [Sample; 2],
}

impl Samples {
    /// Of a text's first windows.
    pub(crate) fn collect(
        model: &Model<'_>,
        settings: Settings,
        text: &[u8],
        windows: usize,
    ) -> Result<Samples> {
        let mut samples = Samples { backend: settings.backend, places: Default::default() };
        let text = &text[..text.len().min(windows * window_len(model))];
        watched_log_probabilities(model, settings, text, &mut samples)?;
        Ok(samples)
    }
}

impl Observer for Samples {
    fn input(&mut self, _: usize, place: usize, stages: &InputStages<'_>, x: &[f32], _: &Activations<'_>) {
        if place.is_multiple_of(2) {
            return;
        }
        let sample = &mut self.places[place / 2];
        let mut rows = x.to_vec();
        // Both took this row a moment ago.
        let mut fits = true;
        if let Some(norm) = stages.norm() {
            fits &= norm.forward(self.backend, stages.inputs(), x, &mut rows).is_ok();
        }
        sample.inputs = stages.inputs();
        sample.normed.extend(in_deviations(stages.inputs(), &rows));
        if let Some(transform) = stages.transform() {
            fits &= transform.forward(self.backend, &mut rows).is_ok();
        }
        sample.quantized.extend(in_deviations(stages.inputs(), &rows));
        assert!(fits, "the stages took the same rows");
    }
}

fn in_deviations(inputs: usize, rows: &[f32]) -> impl Iterator<Item = f32> {
    rows.chunks_exact(inputs).flat_map(move |row| {
        let mean = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / inputs as f64;
        let deviation = mean.sqrt().max(f64::MIN_POSITIVE);
        row.iter().map(move |&x| (f64::from(x) / deviation) as f32)
    })
}

/// Mean over the rows of the largest magnitude, in standard deviations.
pub(crate) fn peak(inputs: usize, values: &[f32]) -> f64 {
    let peaks = values.chunks_exact(inputs).map(|row| row.iter().fold(0.0_f32, |a, x| a.max(x.abs())));
    peaks.map(f64::from).sum::<f64>() / (values.len() / inputs) as f64
}

/// The fourth moment: 3 for a normal distribution.
pub(crate) fn kurtosis(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x).powi(4)).sum::<f64>() / values.len() as f64
}
