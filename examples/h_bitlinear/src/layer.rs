//! What is run: the layers that come with the source, the user's own, or synthetic ones.

use std::collections::BTreeSet;
use std::path::Path;

use hbitlinear::layout::{MAX_INPUTS, MAX_OUTPUTS};

use crate::npy::{self, Matrix};
use crate::transforms::{self, Named};

/// Largest matrix of a synthetic layer, in elements (2 GiB of f32).
const MAX_ELEMENTS: usize = 1 << 29;

/// A linear layer and its input.
pub(crate) struct Layer {
    /// One word, for scripts.
    pub(crate) name: String,
    /// `[M, K]`.
    pub(crate) activations: Matrix,
    /// `[N, K]`.
    pub(crate) weights: Matrix,
    /// For rows of K.
    pub(crate) transform: Named,
}

impl Layer {
    /// The two places where BitNet v2 puts H-BitLinear, in all-MiniLM-L6-v2.
    pub(crate) fn bundled() -> Result<Vec<Layer>, String> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/minilm");
        [
            ("attn_out_in_l5", "attn_out_weight_l5", "paley1:12*32"),
            ("ffn_down_in_l2", "ffn_down_weight_l2", "paley1:12*128"),
            ("ffn_down_in_l5", "ffn_down_weight_l5", "paley1:12*128"),
        ]
        .into_iter()
        .map(|(activations, weights, transform)| {
            let file = |name| data.join(name).with_extension("npy");
            Layer::from_files(&file(activations), &file(weights), |len| {
                transforms::choose(Some(transform), 1, len)
            })
        })
        .collect()
    }

    /// From two `.npy` files; `transform` chooses for K.
    pub(crate) fn from_files(
        activations: &Path,
        weights: &Path,
        transform: impl Fn(usize) -> Result<Named, String>,
    ) -> Result<Layer, String> {
        let stem = activations.file_stem().unwrap_or_default().to_string_lossy();
        let name = stem.replace(char::is_whitespace, "_");
        let (activations_name, weights_name) = (activations.display(), weights.display());
        let (activations, weights) = (npy::read(activations)?, npy::read(weights)?);
        if activations.columns != weights.columns {
            return Err(format!(
                "{weights_name}: expected [N, K] with the K = {} of {activations_name}, got [{}, {}]",
                activations.columns, weights.rows, weights.columns
            ));
        }
        let transform = transform(activations.columns)?;
        Ok(Layer { name, activations, weights, transform })
    }

    /// The same numbers on every machine, from SplitMix64 with fixed seeds: bell-shaped values (the sum of four
    /// 16-bit uniforms, unit variance), and about one input channel in 128 (at least one) 30 times as large.
    pub(crate) fn synthetic(m: usize, n: usize, k: usize, transform: Named) -> Result<Layer, String> {
        for (argument, size, limit) in [("--k", k, MAX_INPUTS), ("--n", n, MAX_OUTPUTS)] {
            if size > limit {
                return Err(format!("{argument}: expected at most {limit}, got {size}"));
            }
        }
        for (argument, rows) in [("--m * --k", m), ("--n * --k", n)] {
            if rows.checked_mul(k).is_none_or(|elements| elements > MAX_ELEMENTS) {
                return Err(format!(
                    "{argument}: expected at most {MAX_ELEMENTS} elements, got {rows} * {k}"
                ));
            }
        }
        let matrix = |rows, mut random: SplitMix64| Matrix {
            rows,
            columns: k,
            values: (0..rows * k).map(|_| random.bell()).collect(),
        };
        let mut activations = matrix(m, SplitMix64(1));
        let weights = matrix(n, SplitMix64(2));
        let mut random = SplitMix64(3);
        let draws = k.div_ceil(128);
        let outliers: BTreeSet<usize> = (0..draws).map(|_| (random.next() % k as u64) as usize).collect();
        for row in activations.values.chunks_exact_mut(k) {
            for &channel in &outliers {
                row[channel] *= 30.0;
            }
        }
        Ok(Layer { name: format!("synthetic_{m}x{n}x{k}"), activations, weights, transform })
    }
}

/// Steele, Lea and Flood's generator: 64 bits of state, any seed.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn bell(&mut self) -> f32 {
        let bits = self.next();
        let sum: i64 = (0..4).map(|part| (bits >> (16 * part) & 0xFFFF) as i64).sum();
        // Four uniforms of width 65536 have a variance of 4 · 65536² / 12.
        ((sum - 2 * 65535) as f64 / (65536.0 * (4.0_f64 / 12.0).sqrt())) as f32
    }
}
