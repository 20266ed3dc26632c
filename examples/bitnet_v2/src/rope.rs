//! Rotary embedding: pairs of numbers half a head apart are turned by an angle that grows with the token's place.

/// Cosines and sines of every place and pair.
#[derive(Clone, Debug)]
pub struct Rope {
    head_size: usize,
    /// `[capacity, head_size / 2]`.
    turns: Vec<(f32, f32)>,
}

impl Rope {
    /// For heads of that size and places below `capacity`. Frequencies and angles are rounded to f32 as torch has them.
    #[must_use]
    pub fn new(head_size: usize, theta: f64, capacity: usize) -> Rope {
        let frequency = |pair: usize| libm::pow(theta, -((2 * pair) as f64) / head_size as f64) as f32;
        let frequencies: Vec<f32> = (0..head_size / 2).map(frequency).collect();
        let turn = |place: usize, frequency: f32| {
            let angle = f64::from(place as f32 * frequency);
            (libm::cos(angle) as f32, libm::sin(angle) as f32)
        };
        let turns = (0..capacity).flat_map(|place| frequencies.iter().map(move |&f| turn(place, f)));
        Rope { head_size, turns: turns.collect() }
    }

    /// Places that there are angles for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.turns.len() / (self.head_size / 2)
    }

    /// Turns all heads of one token.
    pub fn apply(&self, place: usize, heads: &mut [f32]) {
        let pairs = self.head_size / 2;
        let turns = &self.turns[place * pairs..][..pairs];
        for head in heads.chunks_exact_mut(self.head_size) {
            let (low, high) = head.split_at_mut(pairs);
            for ((low, high), &(cos, sin)) in low.iter_mut().zip(high).zip(turns) {
                (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
            }
        }
    }
}
