//! What tells the two orders of I2_S apart, where something does.
//!
//! Both orders have the same codes; the wrong one puts the weights of a block of 128 in another order. Of trained weights
//! nothing shows that. What does:
//!
//! - the number of weights: 64 more than a multiple of 128 is Arm's alone ([`Import::new`] refuses the other);
//! - inputs that no output uses, at the end of every row, because a model was padded to a length that kernels like: in the
//!   wrong order they are elsewhere;
//! - where rows do not end with blocks: an output whose weights are all 0, which in the wrong order has some of its
//!   neighbours'.
//!
//! Elsewhere `verify` against any other file of the same model finds it, usually in the first row.

use hbitlinear::interop::{Format, Import};

/// Weights of an x86 block, which is two blocks of the other order.
const BLOCK: usize = 128;

/// A block of zeros: code 1 four times in a byte.
const ZEROS: u8 = 0b01_01_01_01;

/// Padding shorter than this could be chance.
const LEAST_PADDING: usize = 4;

/// Why the weights cannot have the order that they are read with, if that shows.
#[must_use]
pub fn contradiction(import: &Import<'_>, bytes: &[u8]) -> Option<String> {
    let (format, other) = match import.format() {
        Format::I2sX86 => (Format::I2sX86, Format::I2sArm),
        Format::I2sArm => (Format::I2sArm, Format::I2sX86),
        _ => return None,
    };
    let (outputs, inputs) = (import.outputs(), import.inputs());
    let reason = if inputs.is_multiple_of(BLOCK) {
        let unused = unused_at_the_end(outputs, inputs, bytes);
        let (ours, others) = (padding(&unused, format), padding(&unused, other));
        (ours < LEAST_PADDING && others >= LEAST_PADDING)
            .then(|| format!("the last {others} inputs of every row are 0 in the other order, as padding is"))
    } else {
        let reread = Import::new(other, outputs, inputs, bytes).ok()?;
        let (ours, others) = (zero_rows(import)?, zero_rows(&reread)?);
        (ours < others).then(|| format!("{others} whole rows are 0 in the other order, {ours} in this one"))
    };
    reason.map(|reason| format!("the weights are not in the order of {format}, but of {other}: {reason}"))
}

/// Of the bytes of every row's last block, the bits that are of a zero weight in all rows, as 1.
fn unused_at_the_end(outputs: usize, inputs: usize, bytes: &[u8]) -> [u8; BLOCK / 4] {
    let mut differ = [0; BLOCK / 4];
    for row in bytes.chunks_exact(inputs / 4).take(outputs) {
        for (differ, byte) in differ.iter_mut().zip(&row[row.len() - BLOCK / 4..]) {
            *differ |= byte ^ ZEROS;
        }
    }
    differ.map(|byte| !byte)
}

/// How many inputs at the end of the block are unused, in that order of bytes; 0 if all are.
fn padding(unused: &[u8; BLOCK / 4], format: Format) -> usize {
    let is_unused = |input: usize| {
        let (byte, field) = if format == Format::I2sX86 {
            (input % 32, input / 32)
        } else {
            (input / 64 * 16 + input % 16, input % 64 / 16)
        };
        unused[byte] >> (6 - 2 * field) & 3 == 3
    };
    let padding = (0..BLOCK).rev().take_while(|&input| is_unused(input)).count();
    let all_others_used = (0..BLOCK - padding).all(|input| !is_unused(input));
    if all_others_used && padding < BLOCK { padding } else { 0 }
}

/// `None` if a code is none.
fn zero_rows(import: &Import<'_>) -> Option<usize> {
    let (mut row, mut zeros) = (vec![0; import.inputs()], 0);
    for output in 0..import.outputs() {
        import.row(output, &mut row).ok()?;
        zeros += usize::from(row.iter().all(|&weight| weight == 0));
    }
    Some(zeros)
}
