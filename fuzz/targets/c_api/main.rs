//! The C functions, called as a program might: any arguments, some wrong on purpose, every buffer at the edge of a page
//! that must not be touched, before it or behind it. No call crashes; a refused one writes nothing but its workspace and
//! says why; one that succeeds gives what the core gives.

#![no_main]

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

use input::Step;
use libfuzzer_sys::{arbitrary, fuzz_target};
use program::Program;

#[derive(arbitrary::Arbitrary, Debug)]
struct Input<'a> {
    number: u8,
    calls: Vec<Step<'a>>,
}

fuzz_target!(|input: Input| {
    buffers::with_rooms(|rooms| {
        let mut program = Program::new(input.number);
        for step in input.calls.iter().take(24) {
            program.run(rooms, step);
        }
    });
});
