//! The next token from its logits.

use fastrand::Rng;

/// Takes tokens by their probabilities at some temperature, the same ones for the same seed; at 0 always the likeliest.
#[derive(Clone, Debug)]
pub struct Sampler {
    temperature: f32,
    random: Rng,
    weights: Vec<f64>,
}

impl Sampler {
    /// With a temperature of at least 0.
    #[must_use]
    pub fn new(temperature: f32, seed: u64) -> Sampler {
        Sampler { temperature, random: Rng::with_seed(seed), weights: Vec::new() }
    }

    /// The next token; the first of those that are equally likely.
    pub fn next(&mut self, logits: &[f32]) -> u32 {
        let best = logits.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (token, &logit)| {
            if logit > best.1 { (token, logit) } else { best }
        });
        if self.temperature <= 0.0 {
            return best.0 as u32;
        }
        let temperature = f64::from(self.temperature);
        self.weights.clear();
        let weight = |&logit: &f32| libm::exp(f64::from(logit - best.1) / temperature);
        self.weights.extend(logits.iter().map(weight));
        let mut rest = self.random.f64() * self.weights.iter().sum::<f64>();
        let found = self.weights.iter().position(|weight| {
            rest -= weight;
            rest < 0.0
        });
        found.unwrap_or(best.0) as u32
    }
}
