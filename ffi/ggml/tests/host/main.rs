//! Loads the backend into a real, unmodified ggml and holds what it computes to a plain oracle.
//!
//! `HBITLINEAR_GGML_LIBS` names the folder with ggml's libraries (`libs` fetches some). Each scenario is a process of its own,
//! because the environment is read once. `HBITLINEAR_GGML_SHAPES` is the number of random graphs, 300 unless given.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every unsafe block here calls ggml with tensors that it made"
)]

// The structs under test, for what the tests look into.
#[allow(dead_code, unreachable_pub, reason = "the tests need some of it")]
#[path = "../../src/abi.rs"]
mod abi;
mod ggml;
mod graphs;
mod oracle;
mod scenarios;

use std::env;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &arguments[..]
        && flag == "--scenario"
    {
        let scenario = scenarios::ALL.iter().find(|scenario| scenario.name == name).expect("a scenario");
        (scenario.run)();
        return ExitCode::SUCCESS;
    }
    let program = env::current_exe().expect("a path");
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for scenario in
        scenarios::ALL.iter().filter(|s| wanted.is_none_or(|wanted| s.name.contains(wanted.as_str())))
    {
        let mut command = Command::new(&program);
        command.args(["--scenario", scenario.name]).envs(scenario.environment.iter().copied());
        let passed = command.status().expect("starts").success();
        println!("scenario {} ... {}", scenario.name, if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
