//! The gate of the feed-forward part: `f(gate) · up`.

use multiversion::multiversion;

use crate::config::Gate;
use crate::exp::exp;

impl Gate {
    /// Writes `f(gate) · up`, all three of one length.
    pub fn apply(self, gate: &[f32], up: &[f32], out: &mut [f32]) {
        match self {
            Gate::Relu2 => relu2(gate, up, out),
            Gate::Silu => silu(gate, up, out),
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn relu2(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
        let positive = gate.max(0.0);
        *out = positive * positive * up;
    }
}

/// In f64, so that every exponential function that is worth the name gives the same f32.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn silu(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
        let gate = f64::from(gate);
        *out = (gate / (1.0 + exp(-gate))) as f32 * up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_what_they_are_called() {
        let gate = [-200.0_f32, -3.0, -0.0, 0.5, 1.0, 20.0, 200.0];
        let up = [2.0_f32, 1.0, 1.0, -1.0, 3.0, 1.0, 1.0];
        let mut out = [f32::NAN; 7];
        Gate::Silu.apply(&gate, &up, &mut out);
        for ((&gate, &up), &out) in gate.iter().zip(&up).zip(&out) {
            let exact = f64::from(gate) / (1.0 + libm::exp(-f64::from(gate)));
            assert_eq!(out.to_bits(), (exact as f32 * up).to_bits(), "{gate}");
        }
        Gate::Relu2.apply(&gate, &up, &mut out);
        assert_eq!(out, [0.0, 0.0, 0.0, -0.25, 3.0, 400.0, 40000.0]);
    }
}
