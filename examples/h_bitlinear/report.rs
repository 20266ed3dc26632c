//! What is printed about a layer: a table to read, and a line a case for scripts.

use crate::layer::Layer;
use crate::measure::{EPSILON, Measurement};

/// Prints one layer's page.
pub(crate) fn print(layer: &Layer, result: &Measurement) {
    let Layer { name, activations, weights, transform } = layer;
    println!("{name}");
    println!(
        "  {} tokens, K = {} inputs, N = {} outputs; transform {}; backend {}",
        activations.rows,
        weights.columns,
        weights.rows,
        transform.name,
        result.backend.name()
    );

    println!();
    println!("  signal-to-noise       without      with   the transform");
    for snr in &result.snr {
        println!("    {:<16} {:>9.2} {:>9.2}   dB", snr.rule.name(), snr.without, snr.with);
    }
    let (before, after) = (result.before.mean_peak, result.after.mean_peak);
    println!("    {:<16} {before:>9.1} {after:>9.1}   mean over the tokens", "max / mean");

    println!();
    let (accuracy, times, rule) = (&result.accuracy, &result.times, result.rule.name());
    println!(
        "  H-BitLinear: RMSNorm (epsilon {EPSILON:e}, no gain), transform, {rule}, ternary absmean weights"
    );
    println!(
        "    against the f64 oracle, {} tokens: error at most {:.1e} of a token's largest output",
        accuracy.tokens, accuracy.error
    );
    if accuracy.differing > 0 {
        println!(
            "    {} of {} quantised activations differ, at most {:.1e} steps from a rounding edge; without their tokens \
             {:.1e}",
            accuracy.differing, accuracy.integers, accuracy.edge, accuracy.error_of_equals
        );
    } else {
        println!("    all {} quantised activations are equal", accuracy.integers);
    }
    println!(
        "    µs per token, one thread: norm {:.2}, transform {:.2}, quantise {:.2}, product {:.2}; forward {:.2}",
        times.norm, times.transform, times.quantize, times.product, times.forward
    );

    println!();
    for snr in &result.snr {
        println!("snr {name} {} {:.2} {:.2}", snr.rule.name(), snr.without, snr.with);
    }
    println!("layer {name} {rule} {:.1e} {:016x}", accuracy.error, accuracy.digest);
    println!();
}
