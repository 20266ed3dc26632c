//! A head to codes, whatever they are for.

use crate::kernels::Backend;

/// Codes that are made at a time.
const RUN: usize = 256;

/// Hands out the code of each element of a head, whose largest magnitude is γ.
pub(super) fn quantize_each(
    backend: Backend,
    x: &[f32],
    gamma: f32,
    levels: u8,
    mut take: impl FnMut(usize, u8),
) {
    let mut codes = [0; RUN];
    for (run, x) in x.chunks(RUN).enumerate() {
        if gamma > 0.0 {
            let quantize = backend.kernels(|kernels| kernels.attention.quantize);
            // SAFETY: `backend` proves the CPU's features; one length, and no element is beyond γ, which is finite.
            unsafe { quantize(x, gamma, levels, &mut codes[..x.len()]) };
        }
        for (i, &code) in codes[..x.len()].iter().enumerate() {
            take(run * RUN + i, code);
        }
    }
}
