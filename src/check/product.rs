//! Products.

use core::cell::RefCell;
use core::ffi::c_void;
use core::fmt;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::Random;
use crate::layout::Bits;
use crate::reference::{self, Shape};

/// What the operands of a [`Product`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Every one anything.
    Random,
    /// The largest activation everywhere; rows of weights all 1 or all −1, in turn.
    Largest,
    /// The smallest one, the same way.
    Smallest,
    /// The largest one with the sign of its weight, which changes from input to input: pairs of products of one sign.
    Alternating,
    /// One activation of a row, the rest 0.
    One,
}

/// A product to compute: `y[t, n] = Σ_k w[n, k] · q[t, k]`, exactly. `Debug` tells all that it was made of.
#[derive(Clone, PartialEq)]
pub struct Product {
    /// Of the activations.
    pub bits: Bits,
    /// M.
    pub tokens: usize,
    /// N.
    pub outputs: usize,
    /// K.
    pub inputs: usize,
    /// What the values are.
    pub values: Values,
    /// What made those that are random.
    pub seed: u64,
    /// `[N, K]`, row-major: −1, 0 or 1.
    pub w: Vec<i8>,
    /// `[M, K]`, row-major: as many bits as `bits` has, two's complement.
    pub q: Vec<i8>,
}

impl fmt::Debug for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Product { bits, tokens, outputs, inputs, values, seed, .. } = self;
        write!(f, "{bits}, {tokens} x {outputs} x {inputs}, {values:?}, seed {seed}")
    }
}

impl Product {
    fn new(bits: Bits, shape: Shape, values: Values, seed: u64) -> Product {
        let Shape { tokens, outputs, inputs } = shape;
        let mut random = Random(seed);
        let (least, largest) = match bits {
            Bits::Four => (-8, 7),
            Bits::Eight => (-128, 127),
        };
        // −1 for each odd input, if they alternate.
        let turn = |i: usize| if values == Values::Alternating && i % inputs % 2 == 1 { -1 } else { 1 };
        let place = random.next() as usize % inputs;
        let w = if values == Values::Random {
            random.ternary(outputs * inputs)
        } else {
            (0..outputs * inputs).map(|i| if i / inputs % 2 == 0 { turn(i) } else { -turn(i) }).collect()
        };
        let mut q = |i: usize| match values {
            Values::Random => random.in_range(least, largest),
            Values::Largest | Values::Alternating => largest * turn(i),
            Values::Smallest => least,
            Values::One => largest * i8::from(i % inputs == place),
        };
        let q = (0..tokens * inputs).map(&mut q).collect();
        Product { bits, tokens, outputs, inputs, values, seed, w, q }
    }

    /// The activations of a token.
    #[must_use]
    pub fn q_row(&self, token: usize) -> &[i8] {
        &self.q[token * self.inputs..][..self.inputs]
    }

    /// The weights of an output.
    #[must_use]
    pub fn w_row(&self, output: usize) -> &[i8] {
        &self.w[output * self.inputs..][..self.inputs]
    }

    /// `[M, N]`, by [`reference::product`].
    #[must_use]
    pub fn expected(&self) -> Vec<i64> {
        let &Product { tokens, outputs, inputs, .. } = self;
        let mut y = vec![0; tokens * outputs];
        // The slices have the lengths of the shape, and inputs are at least one.
        reference::product(&self.q, &self.w, Shape { tokens, outputs, inputs }, &mut y)
            .unwrap_or_else(|error| unreachable!("{error}"));
        y
    }
}

/// Products of every shape around the widths of vectors and blocks; of long rows, on which sums of 16 bits overflow; and of
/// many outputs, for what goes wrong rarely.
pub fn products(bits: Bits) -> impl Strategy<Value = Product> {
    const INPUTS: &[usize] = &[
        1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1025,
        2560,
    ];
    const OUTPUTS: &[usize] = &[1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33];
    let edges = (select([1, 2, 3, 4, 5, 8, 13].as_slice()), select(OUTPUTS), select(INPUTS));
    let long = (1..=3_usize, select([1, 17].as_slice()), select([4683, 6913].as_slice()));
    let many = (Just(64_usize), Just(256_usize), 64..=68_usize);
    let shape = prop_oneof![6 => edges, 1 => long, 1 => many];
    let values = select(
        [Values::One, Values::Largest, Values::Smallest, Values::Alternating, Values::Random].as_slice(),
    );
    (shape, values, any::<u64>()).prop_map(move |((tokens, outputs, inputs), values, seed)| {
        Product::new(bits, Shape { tokens, outputs, inputs }, values, seed)
    })
}

/// A wrong output.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// Of that product.
    pub product: Product,
    /// Which token.
    pub token: usize,
    /// Which output.
    pub output: usize,
    /// The sum.
    pub expected: i64,
    /// What the kernel wrote.
    pub found: i32,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wrong { product, token, output, expected, found } = self;
        write!(f, "{product:?}: y[{token}, {output}] is {found}, not {expected}")
    }
}

impl core::error::Error for Wrong {}

/// Gives a kernel 384 of the [`products`] that come from a seed, and `[M, N]` outputs to write.
///
/// # Errors
/// A wrong output, of the smallest product that was found to have one.
///
/// # Panics
/// If the kernel does.
pub fn check_product(bits: Bits, seed: u64, kernel: impl FnMut(&Product, &mut [i32])) -> Result<(), Wrong> {
    let config = Config { cases: 384, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let (kernel, last) = (RefCell::new(kernel), RefCell::new(None));
    let found = TestRunner::new_with_rng(config, random).run(&products(bits), |product| {
        let mut y = vec![0xA5A5_A5A5_u32 as i32; product.tokens * product.outputs];
        kernel.borrow_mut()(&product, &mut y);
        let wrong = product.expected().into_iter().zip(y).enumerate();
        let Some((at, (expected, found))) = wrong.into_iter().find(|(_, (sum, y))| *sum != i64::from(*y))
        else {
            return Ok(());
        };
        let (token, output) = (at / product.outputs, at % product.outputs);
        *last.borrow_mut() = Some(Wrong { product, token, output, expected, found });
        Err(TestCaseError::fail("a wrong output"))
    });
    match (found, last.into_inner()) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(wrong)) => Err(wrong),
        // The runner has caught it.
        (Err(error), None) => panic!("the kernel panicked: {error}"),
    }
}

/// A product kernel in C: `hbl_check_kernel` of `hbitlinear_check.h`. It writes y `[tokens, outputs]` from w `[outputs,
/// inputs]` and q `[tokens, inputs]`.
pub type CKernel = unsafe extern "C" fn(
    context: *mut c_void,
    w: *const i8,
    q: *const i8,
    tokens: usize,
    outputs: usize,
    inputs: usize,
    y: *mut i32,
);

/// A kernel in C as [`check_product`] takes it.
///
/// # Safety
/// The kernel keeps within its arrays, and may be called with the context as long as the result is used.
pub unsafe fn c_kernel(kernel: CKernel, context: *mut c_void) -> impl FnMut(&Product, &mut [i32]) {
    move |product, y| {
        let Product { tokens, outputs, inputs, w, q, .. } = product;
        // SAFETY: the arrays have the lengths of the shape; the rest as promised.
        unsafe {
            kernel(context, w.as_ptr(), q.as_ptr(), *tokens, *outputs, *inputs, y.as_mut_ptr());
        }
    }
}
