//! A kernel of your own as the thing under test: strategies of [`proptest`], and a harness that takes a closure or a function of
//! C. With feature `proptest`, which needs std.
//!
//! [`check_product`] is the short way: a few hundred products, of shapes around the widths of vectors and blocks and of
//! values that overflow sums which are too narrow, each output held against plain 64-bit arithmetic. What it finds is
//! made smaller before it is told.
//!
//! ```
//! use hbitlinear::Bits;
//! use hbitlinear::check::{Product, check_product};
//!
//! // Sums of 16 bits are not enough for 6913 inputs.
//! fn kernel(x: &Product, y: &mut [i32]) {
//!     for (i, y) in y.iter_mut().enumerate() {
//!         let (token, output) = (i / x.outputs, i % x.outputs);
//!         let terms = x.q_row(token).iter().zip(x.w_row(output)).map(|(&q, &w)| i16::from(q) * i16::from(w));
//!         *y = terms.fold(0_i16, i16::wrapping_add).into();
//!     }
//! }
//! let wrong = check_product(Bits::Four, 1, kernel).unwrap_err();
//! assert_ne!(i64::from(wrong.found), wrong.expected);
//! ```
//!
//! The strategies ([`products`], [`rows`], [`blobs`], [`damaged_blobs`]) are for tests of one's own, with `proptest!`. The bits of
//! other stages than the product are held by [`crate::conformance`], to which one's own kernels are a
//! [`Subject`](crate::conformance::Subject).

mod blobs;
mod product;
mod rows;

pub use blobs::{blobs, damaged_blobs};
pub use product::{CKernel, Product, Values, Wrong, c_kernel, check_product, products};
pub use rows::rows;

/// A small generator: a case is its shape and a seed, so that thousands of values cost one to make and to make smaller.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// From `low` to `high`.
    fn in_range(&mut self, low: i8, high: i8) -> i8 {
        let count = (i32::from(high) - i32::from(low) + 1) as u32;
        (i32::from(low) + (self.next() % count) as i32) as i8
    }

    fn ternary(&mut self, len: usize) -> std::vec::Vec<i8> {
        (0..len).map(|_| self.in_range(-1, 1)).collect()
    }
}
