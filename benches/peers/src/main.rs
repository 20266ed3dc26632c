//! hbitlinear beside its peers on one thread, in interleaved runs: who is faster, where, by how much.
//!
//! All start from f32 and end at f32, and are checked against floats before they are timed. README.md says how to build it and how to read it.

mod ggml;
mod measure;
mod ours;
mod problem;
mod products;
mod transforms;

use std::error::Error;
use std::ffi::CStr;

use clap::{Parser, ValueEnum};
use hbitlinear::{Backend, BackendId};

/// Times hbitlinear and its peers side by side.
#[derive(Parser)]
struct Options {
    /// Fewer shapes and rounds: about a minute.
    #[arg(long)]
    quick: bool,
    /// The backend of hbitlinear; the others always use all of the CPU.
    #[arg(long, value_name = "NAME", default_value = Backend::best().name())]
    backend: String,
    /// What to time; without it all.
    #[arg(long, value_enum)]
    only: Option<What>,
}

/// Parts of the run.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    Products,
    Transforms,
}

/// Who the peers are.
fn versions() -> String {
    // SAFETY: static strings.
    let ggml = unsafe { CStr::from_ptr(llama_cpp_sys_2::ggml_version()) };
    format!("llama.cpp's ggml {}, FFHT of {}", ggml.to_string_lossy(), env!("FALCONN"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let backend = Backend::new(options.backend.parse::<BackendId>()?)?;
    let llama = ggml::start()?;
    let rounds = if options.quick { 5 } else { 11 };
    let mut lines = Vec::new();
    if options.only != Some(What::Products) {
        lines.extend(transforms::run(backend, llama, options.quick, 2 * rounds + 1)?);
    }
    if options.only != Some(What::Transforms) {
        lines.extend(products::run(backend, llama, options.quick, rounds)?);
    }
    println!("\nbackend {}\nversions {}", backend.name(), versions());
    println!("{}", lines.join("\n"));
    Ok(())
}
