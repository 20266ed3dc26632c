//! A product kernel of your own, checked against plain arithmetic: `cargo run --features proptest --example check_kernel`.

use hbitlinear::Bits;
use hbitlinear::check::{Product, Wrong, check_product};

/// The kernel: here a plain one. Pack `x.w` and `x.q` as yours wants them.
fn kernel(x: &Product, y: &mut [i32]) {
    for (token, y) in y.chunks_exact_mut(x.outputs).enumerate() {
        for (output, y) in y.iter_mut().enumerate() {
            let terms = x.q_row(token).iter().zip(x.w_row(output));
            *y = terms.map(|(&q, &w)| i32::from(q) * i32::from(w)).sum();
        }
    }
}

pub(crate) fn main() -> Result<(), Wrong> {
    for bits in Bits::ALL {
        check_product(*bits, 1, kernel)?;
        println!("{bits}: every output is right");
    }
    Ok(())
}
