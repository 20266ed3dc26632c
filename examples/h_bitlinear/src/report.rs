//! What is printed about a layer: a table to read, and a line a case for scripts.

use std::io::{self, Write};

use crate::layer::Layer;
use crate::measure::{EPSILON, Measurement};

/// Writes one layer's page.
pub(crate) fn write(out: &mut impl Write, layer: &Layer, result: &Measurement) -> io::Result<()> {
    let Layer { name, activations, weights, transform } = layer;
    writeln!(out, "{name}")?;
    writeln!(
        out,
        "  {} tokens, K = {} inputs, N = {} outputs; transform {}; backend {}",
        activations.rows,
        weights.columns,
        weights.rows,
        transform.name,
        result.backend.name()
    )?;

    writeln!(out)?;
    writeln!(out, "  signal-to-noise       without      with   the transform")?;
    for snr in &result.snr {
        writeln!(out, "    {:<16} {:>9.2} {:>9.2}   dB", snr.rule.name(), snr.without, snr.with)?;
    }
    let (before, after) = (result.before.mean_peak, result.after.mean_peak);
    writeln!(out, "    {:<16} {before:>9.1} {after:>9.1}   mean over the tokens", "max / mean")?;

    writeln!(out)?;
    let (accuracy, times, rule) = (&result.accuracy, &result.times, result.rule.name());
    writeln!(
        out,
        "  H-BitLinear: RMSNorm (epsilon {EPSILON:e}, no gain), transform, {rule}, ternary absmean weights"
    )?;
    writeln!(
        out,
        "    against the f64 oracle, {} tokens: error at most {:.1e} of a token's largest output",
        accuracy.tokens, accuracy.error
    )?;
    if accuracy.differing > 0 {
        writeln!(
            out,
            "    {} of {} quantised activations differ, at most {:.1e} steps from a rounding edge; without their tokens \
             {:.1e}",
            accuracy.differing, accuracy.integers, accuracy.edge, accuracy.error_of_equals
        )?;
    } else {
        writeln!(out, "    all {} quantised activations are equal", accuracy.integers)?;
    }
    writeln!(
        out,
        "    µs per token, one thread: norm {:.2}, transform {:.2}, quantise {:.2}, product {:.2}; forward {:.2}",
        times.norm, times.transform, times.quantize, times.product, times.forward
    )?;

    writeln!(out)?;
    for snr in &result.snr {
        writeln!(out, "snr {name} {} {:.2} {:.2}", snr.rule.name(), snr.without, snr.with)?;
    }
    writeln!(out, "layer {name} {rule} {:.1e} {:016x}", accuracy.error, accuracy.digest)?;
    writeln!(out)
}
