//! How the activations of a file are distributed, each in units of its token's mean magnitude.

/// Shape of a set of activations.
pub(crate) struct Distribution {
    /// Every x / mean|x| over its own token; tokens of zeros are left out.
    pub(crate) values: Vec<f32>,
    /// Largest magnitude of those in each channel.
    pub(crate) channel_max: Vec<f32>,
    /// Mean over the tokens of max|x| / mean|x|.
    pub(crate) mean_peak: f64,
}

impl Distribution {
    /// Of `x`, rows of `inputs` values.
    pub(crate) fn new(inputs: usize, x: &[f32]) -> Distribution {
        let mut values = Vec::with_capacity(x.len());
        let mut channel_max = vec![0.0_f32; inputs];
        let (mut peaks, mut tokens) = (0.0, 0);
        for row in x.chunks_exact(inputs) {
            let mean = row.iter().map(|x| f64::from(x.abs())).sum::<f64>() / inputs as f64;
            if mean == 0.0 {
                continue;
            }
            let start = values.len();
            values.extend(row.iter().map(|&x| (f64::from(x) / mean) as f32));
            let mut peak = 0.0_f32;
            for (max, value) in channel_max.iter_mut().zip(&values[start..]) {
                *max = max.max(value.abs());
                peak = peak.max(value.abs());
            }
            peaks += f64::from(peak);
            tokens += 1;
        }
        let mean_peak = if tokens == 0 { 0.0 } else { peaks / f64::from(tokens) };
        Distribution { values, channel_max, mean_peak }
    }

    /// The largest magnitude of all, at least 1.
    pub(crate) fn extent(&self) -> f32 {
        self.channel_max.iter().fold(1.0, |a, &b| a.max(b))
    }

    /// Share of the values that int4 absmean cannot reach: those that round beyond −8..=7.
    pub(crate) fn clipped(&self) -> f64 {
        let step = 1.0 / 7.0_f32.sqrt();
        let clipped = self.values.iter().filter(|&&x| x > 7.5 * step || x < -8.5 * step).count();
        clipped as f64 / self.values.len().max(1) as f64
    }
}
