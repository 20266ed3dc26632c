//! Compiles FFHT, for the CPU at hand, as its own makefile does. The Python package FALCONN brings its source.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// The package's version.
const VERSION: &str = "1.3.1";

/// Its archive's SHA-256.
const HASH: &str = "00cf778a97e9f2d9b501e86c16ff6f39528d70142302028675b3947e4a565eef";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, format!("falconn=={VERSION} --hash=sha256:{HASH}"))?;
    let pip =
        ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes", "-r"];
    run(Command::new("python3").args(pip).arg(&requirements).arg("--dest").arg(&folder))?;
    run(Command::new("tar")
        .arg("-C")
        .arg(&folder)
        .arg("-xzf")
        .arg(folder.join(format!("FALCONN-{VERSION}.tar.gz"))))?;
    cc::Build::new()
        .file(folder.join(format!("FALCONN-{VERSION}/include/falconn/ffht/fht.c")))
        .opt_level(3)
        .flag("-march=native")
        .warnings(false)
        .compile("ffht");
    println!("cargo::rustc-env=FALCONN=FALCONN {VERSION}");
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
