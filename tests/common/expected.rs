//! What products must give, index by index.

use hbitlinear::reference::{self, Shape};

use super::owned::{OwnedActivations, OwnedWeights};

/// `sums[(t · outputs + n) · groups + g]`: the oracle's product of each group of inputs on its own.
fn group_sums(x: &OwnedActivations, w: &OwnedWeights, group: usize) -> Vec<i64> {
    let (tokens, outputs, inputs) = (x.tokens(), w.spec.outputs(), x.inputs());
    let groups = inputs.div_ceil(group);
    let mut sums = vec![0; tokens * outputs * groups];
    for g in 0..groups {
        let run = g * group..inputs.min((g + 1) * group);
        let part = |values: &[i8]| -> Vec<i8> {
            values.chunks_exact(inputs).flat_map(|row| row[run.clone()].to_vec()).collect()
        };
        let mut y = vec![0; tokens * outputs];
        let shape = Shape { tokens, outputs, inputs: run.len() };
        reference::product(&part(&x.q), &part(&w.ternary), shape, &mut y).unwrap();
        for (at, sum) in y.into_iter().enumerate() {
            sums[at * groups + g] = sum;
        }
    }
    sums
}

/// What `product_i32` must give.
pub(crate) fn expected_i32(x: &OwnedActivations, w: &OwnedWeights) -> Vec<i32> {
    group_sums(x, w, x.inputs()).iter().map(|&sum| i32::try_from(sum).expect("within MAX_INPUTS")).collect()
}

/// What `product` must give: `(Σ_g (sum as f32) · α) · s`, every operation rounded to f32.
pub(crate) fn expected_f32(x: &OwnedActivations, w: &OwnedWeights) -> Vec<f32> {
    let (groups, outputs) = (w.spec.groups(), w.spec.outputs());
    let sums = group_sums(x, w, w.spec.group_inputs());
    let mut y = Vec::new();
    for (at, sums) in sums.chunks_exact(groups).enumerate() {
        let (token, output) = (at / outputs, at % outputs);
        let mut total = sums[0] as i32 as f32 * w.scale(output, 0);
        for (group, &sum) in sums.iter().enumerate().skip(1) {
            total += sum as i32 as f32 * w.scale(output, group);
        }
        y.push(total * x.quantised.scales[token]);
    }
    y
}
