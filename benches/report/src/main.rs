//! Runs the scorecard and the peers on this machine, and writes one page of what they say: tables, plots, machine, day,
//! versions. The output itself is kept beside it, so that the page can be written again without a run.
//!
//! ```text
//! cargo run --release --manifest-path benches/report/Cargo.toml -- benches/report/machines/<name>
//! ```

mod grid;
mod lines;
mod machine;
mod page;
mod plots;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;

/// Writes a page of what was measured on this machine.
#[derive(Parser)]
struct Options {
    /// The page's folder.
    folder: PathBuf,
    /// Fewer sizes and rounds: some minutes in all.
    #[arg(long)]
    quick: bool,
    /// Backends that run beside the peers.
    #[arg(long, value_delimiter = ',', default_values = ["best", "avx2"])]
    backends: Vec<String>,
    /// Runs nothing: writes the page again, from the output that is in the folder.
    #[arg(long)]
    again: bool,
}

const FACTS: &str = "facts.txt";
const SCORECARD: &str = "scorecard.txt";

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if !options.again {
        measure(&options, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    }
    page::write(&read(&options.folder)?, &options.folder)?;
    println!("{}", options.folder.join("README.md").display());
    Ok(())
}

/// The peers' output of one backend, counted from 1.
fn peers_file(number: usize) -> String {
    format!("peers-{number}.txt")
}

/// What [`measure`] left in a folder.
fn read(folder: &Path) -> Result<page::Run, Box<dyn Error>> {
    let read = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let peers = (1..).map(peers_file).take_while(|file| folder.join(file).exists()).map(|file| read(&file));
    Ok(page::Run {
        facts: read(FACTS)?.lines().map(str::to_owned).collect(),
        scorecard: read(SCORECARD)?,
        peers: peers.collect::<Result<_, _>>()?,
    })
}

/// Runs all of it and leaves the output in the folder.
fn measure(options: &Options, root: &Path) -> Result<(), Box<dyn Error>> {
    // Before anything is written, which would make it dirty.
    let commit = machine::first_line(root, "git", &["describe", "--always", "--dirty"])?;
    fs::create_dir_all(&options.folder)?;
    let quick = if options.quick { &["--quick"][..] } else { &[] };
    let scorecard = ["bench", "--package", "hbitlinear-benches", "--bench", "scorecard", "--"];
    fs::write(options.folder.join(SCORECARD), cargo(root, &scorecard, quick)?)?;
    // Its configuration, which compiles llama.cpp for this CPU, is found from its folder alone.
    let folder = root.join("benches/peers");
    let mut versions = None;
    for (number, backend) in (1..).zip(&options.backends) {
        let forced = ["--backend", backend];
        let arguments = if backend == "best" { quick.to_vec() } else { [quick, &forced].concat() };
        let output = cargo(&folder, &["run", "--release", "--"], &arguments)?;
        versions = versions.or_else(|| lines::word(&output, "versions").map(str::to_owned));
        fs::write(options.folder.join(peers_file(number)), output)?;
    }
    let facts = [
        machine::cpu(),
        chrono::Utc::now().format("%Y-%m-%d").to_string(),
        format!("hbitlinear at {commit}"),
        versions.ok_or("the peers name no versions")?,
        machine::first_line(root, "rustc", &["--version"])?,
        format!(
            "{}, peers beside {}",
            if options.quick { "quick" } else { "all sizes" },
            options.backends.join(" and ")
        ),
    ];
    fs::write(options.folder.join(FACTS), facts.join("\n") + "\n")?;
    Ok(())
}

/// What a program of cargo's prints.
fn cargo(folder: &Path, arguments: &[&str], more: &[&str]) -> Result<String, Box<dyn Error>> {
    println!("cargo {} {}", arguments.join(" "), more.join(" "));
    let output = Command::new(env!("CARGO")).args(arguments).args(more).current_dir(folder).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("cargo {}: {}\n{error}", arguments.join(" "), output.status).into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{page, read};

    /// Nobody wrote into a page by hand, and all that stands there was printed.
    #[test]
    fn committed_pages_are_what_their_output_gives() {
        let machines = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines");
        let mut pages = 0;
        for machine in fs::read_dir(machines).unwrap() {
            let machine = machine.unwrap().path();
            let folder = std::env::temp_dir().join(format!("hbitlinear-report-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            page::write(&read(&machine).unwrap(), &folder).unwrap();
            for file in fs::read_dir(&folder).unwrap() {
                let file = file.unwrap();
                let committed = fs::read_to_string(machine.join(file.file_name())).unwrap();
                assert!(
                    committed == fs::read_to_string(file.path()).unwrap(),
                    "{machine:?}: {:?}",
                    file.file_name()
                );
            }
            fs::remove_dir_all(&folder).unwrap();
            pages += 1;
        }
        assert!(pages > 0, "no page");
    }
}
