//! Products with a tensor of a ternary type that holds something else: a code 3 of Q2_0, a scale that is not finite. Slow and
//! right, on the rows that the host decodes.

use core::ffi::c_void;
use core::ops::Range;

use hbitlinear::interop::Format;
use hbitlinear::{Activations, Error, Result};

use crate::guard::instance;
use crate::matrix::Matrix;

/// Some outputs of all tokens, to `y[t * stride + n]`.
///
/// # Safety
/// `y` is valid for writes there, and nobody else writes these outputs.
pub(crate) unsafe fn multiply(
    matrix: &Matrix,
    x: &Activations<'_>,
    outputs: Range<usize>,
    y: *mut f32,
    stride: usize,
) -> Result<()> {
    let host = &instance().host;
    let inputs = matrix.form.inputs;
    let decode = match matrix.form.format {
        Format::Tq1_0 => host.dequantize_row_tq1_0,
        Format::Tq2_0 => host.dequantize_row_tq2_0,
        Format::Q2_0 => host.dequantize_row_q2_0,
        _ => return Err(Error::Value { argument: "format", value: 0 }),
    };
    let row_bytes = matrix.form.len / matrix.form.outputs;
    let count = i64::try_from(inputs).map_err(|_| Error::SizeOverflow { argument: "inputs" })?;
    let (mut weights, mut values) = (vec![0.0_f32; outputs.len() * inputs], vec![0.0_f32; inputs]);
    for (row, output) in weights.chunks_exact_mut(inputs).zip(outputs.clone()) {
        // SAFETY: the tensor's memory holds the file's rows; `row` has K elements.
        unsafe {
            decode(matrix.data.as_ptr().add(output * row_bytes).cast::<c_void>(), row.as_mut_ptr(), count)
        };
    }
    for token in 0..x.tokens() {
        values.iter_mut().enumerate().for_each(|(input, value)| *value = f32::from(x.value(token, input)));
        for (row, output) in weights.chunks_exact(inputs).zip(outputs.clone()) {
            let sum: f64 = row.iter().zip(&values).map(|(&w, &q)| f64::from(w) * f64::from(q)).sum();
            // SAFETY: promised.
            unsafe { y.add(token * stride + output).write((sum * f64::from(x.scales()[token])) as f32) };
        }
    }
    Ok(())
}
