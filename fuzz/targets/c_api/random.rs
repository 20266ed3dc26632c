//! The same calls from a generator instead of a fuzzer: `random_calls [CALLS] [SEED]`, in a program without instrumentation,
//! so that many millions take minutes. Prints how many were refused, and how many there were a second.

// The C ABI's name for it.
extern crate hbitlinear as core_crate;

mod activations;
mod attention;
mod buffers;
mod containers;
mod input;
mod kept;
mod layers;
mod program;
mod tensors;
mod transforms;
mod weights;

/// The library: C has no other way in, so its source is taken as it is.
#[allow(
    dead_code,
    unfulfilled_lint_expectations,
    reason = "a library of its own: here it is private, and called by a part of its functions"
)]
#[path = "../../../ffi/src/lib.rs"]
mod library;

use core::sync::atomic::Ordering::Relaxed;
use std::env;
use std::time::Instant;

use buffers::{CALLS, REFUSED};
use input::Step;
use libfuzzer_sys::arbitrary::{Arbitrary, Unstructured};
use program::Program;

/// Steps of a program, from opening a handle to using it.
const STEPS: usize = 256;

fn main() {
    let mut numbers = env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let (calls, mut seed) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(1));
    let start = Instant::now();
    let mut bytes = [0; 512];
    while CALLS.load(Relaxed) < calls {
        // A failure is met again from here.
        eprint!("\rseed {seed} ");
        buffers::with_rooms(|rooms| {
            // The low bits are the same for each program.
            let mut program = Program::new((seed >> 56) as u8);
            for _ in 0..STEPS {
                for byte in &mut bytes {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *byte = (seed >> 56) as u8;
                }
                if let Ok(mut step) = Step::arbitrary(&mut Unstructured::new(&bytes)) {
                    // As often right as wrong: from bytes alone hardly a handle would open.
                    if seed >> 40 & 1 == 0 {
                        (step.odd, step.wrong) = (None, None);
                    }
                    program.run(rooms, &step);
                }
            }
        });
    }
    let (calls, refused) = (CALLS.load(Relaxed), REFUSED.load(Relaxed));
    let rate = calls as f64 / start.elapsed().as_secs_f64();
    println!("\n{calls} calls at random over guarded memory, {refused} refused; {rate:.0} a second");
}
