//! C and C++ programs against the built library: the examples, the quick start, bad input, structs of other sizes, memory
//! that was never written.
//!
//! Each is compiled with all warnings as errors, against the static or the shared library, and run.

use core::error::Error;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

extern crate core_crate as hbitlinear;
use hbitlinear::conformance::{Grid, Group};
use hbitlinear::{Backend, BackendId, Layout, StateBits};

#[allow(dead_code, reason = "its main")]
#[path = "../../examples/quickstart.rs"]
mod quickstart;
#[allow(dead_code, reason = "its main")]
#[path = "../../examples/vectors.rs"]
mod vectors;

#[path = "programs/arguments.rs"]
mod arguments;
#[path = "programs/model.rs"]
mod model;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const FFI: &str = env!("CARGO_MANIFEST_DIR");

/// The built library.
struct Library {
    shared: PathBuf,
    archive: PathBuf,
}

/// `cargo test` does not build a library without an rlib, so it is asked for, and cargo says where it is.
fn library() -> Outcome<&'static Library> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    Ok(LIBRARY.get_or_init(|| build().map_err(|error| error.to_string())).as_ref().map_err(String::as_str)?)
}

fn build() -> Outcome<Library> {
    let manifest = Path::new(FFI).join("Cargo.toml");
    // In the profile that this test was built in, so that the dependencies are at hand.
    let profile = if env!("HBL_PROFILE") == "release" { "bench" } else { "test" };
    let output = Command::new(env!("CARGO"))
        .current_dir(FFI)
        .args(["build", "--package", "hbitlinear-ffi", "--lib", "--profile", profile])
        .args(["--message-format", "json-render-diagnostics"])
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the library does not build:\n{log}");
    let messages = String::from_utf8(output.stdout)?;
    let files: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest))
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flat_map(|names| names.into_iter().filter_map(|name| name.as_str().map(PathBuf::from)))
        .collect();
    let with = |extension| {
        let found = files.iter().find(|path| path.extension().is_some_and(|found| found == extension));
        found.cloned().ok_or_else(|| format!("cargo names no .{extension} but {files:?}"))
    };
    Ok(Library { shared: with("so")?, archive: with("a")? })
}

/// How a program finds the library.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    Static,
    Shared,
}

/// A compiled program.
struct Program {
    path: PathBuf,
    directory: PathBuf,
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env("LD_LIBRARY_PATH", &self.directory);
        command
    }
}

/// Compiles a source under `ffi/`, in that standard of C, or of C++ if it says so.
fn compile(source: &str, standard: &str, link: Link) -> Outcome<Program> {
    compile_all(&[source], standard, link)
}

/// The same of several sources that make one program, the one with its name first.
fn compile_all(sources: &[&str], standard: &str, link: Link) -> Outcome<Program> {
    let library = library()?;
    let sources: Vec<PathBuf> = sources.iter().map(|source| Path::new(FFI).join(source)).collect();
    let source = sources.first().ok_or("no source")?;
    let cpp = standard.starts_with("c++");
    let name = source.file_stem().ok_or("no file name")?.to_string_lossy();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}_{standard}_{link:?}"));
    fs::create_dir_all(&directory)?;
    let path = directory.join("program");

    let compiler = cc::Build::new()
        .cpp(cpp)
        .target(env!("HBL_TARGET"))
        .host(env!("HBL_HOST"))
        .opt_level(1)
        .cargo_metadata(false)
        .try_get_compiler()?;
    let mut compile = compiler.to_command();
    compile
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread", "-I"])
        .arg(Path::new(FFI).join("../include"))
        .arg("-o")
        .arg(&path)
        .args(["-x", if cpp { "c++" } else { "c" }])
        .args(&sources)
        .args(["-x", "none"]);
    match link {
        Link::Static => compile.arg(&library.archive).args(["-lpthread", "-ldl", "-lm"]),
        Link::Shared => {
            // The loader looks for the SONAME, as it would after an installation.
            let installed = directory.join("libhbitlinear.so.1");
            fs::copy(&library.shared, &installed)?;
            compile.arg(installed)
        }
    };
    succeed(&mut compile)?;
    Ok(Program { path, directory })
}

/// Compiles a source, runs it, and returns what it prints.
fn run(source: &str, link: Link) -> Outcome<String> {
    let standard = if source.ends_with(".cpp") { "c++17" } else { "c11" };
    succeed(&mut compile(source, standard, link)?.command())
}

fn header() -> Outcome<String> {
    Ok(fs::read_to_string(Path::new(FFI).join("../include/hbitlinear.h"))?)
}

/// The functions that a header declares.
fn functions(header: &str) -> impl Iterator<Item = &str> {
    let code = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/', '#']));
    let names = code.filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next());
    names.filter(|name| name.starts_with("hbl_"))
}

fn succeed(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    let (out, log) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    let program = command.get_program();
    assert!(output.status.success(), "{program:?} {:?}: {}\n{out}{log}", command.get_args(), output.status);
    Ok(out)
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn rust_c_and_cpp_print_the_same_digits() -> Outcome {
    let mut printed = Vec::new();
    quickstart::run(&mut printed)?;
    let rust = String::from_utf8(printed)?;
    assert_eq!(rust.lines().count(), 2 + 4 * 32, "{rust}");
    println!("{}", rust.lines().next().unwrap_or_default());
    for (source, link) in
        [("examples/h_bitlinear.c", Link::Shared), ("examples/h_bitlinear.cpp", Link::Static)]
    {
        let other = run(source, link)?;
        for (number, (expected, found)) in rust.lines().zip(other.lines()).enumerate() {
            assert_eq!(expected, found, "line {} of {source}", number + 1);
        }
        assert_eq!(rust.len(), other.len(), "{source}");
    }
    Ok(())
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn the_quick_start_prints_what_it_should() -> Outcome {
    for link in [Link::Static, Link::Shared] {
        let printed = run("examples/quickstart.c", link)?;
        let y: Vec<f64> = printed.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        assert_eq!(y.len(), 3, "{printed}");
        assert!(y[0] > 0.0, "{printed}");
    }
    Ok(())
}

/// Plain kernels in C meet the vectors, and not if one of their bytes is another.
#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn c_reads_the_test_vectors() -> Outcome {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors.bin");
    let mut bytes = vectors::vectors()?;
    fs::write(&path, &bytes)?;
    let program = compile("examples/read_vectors.c", "c11", Link::Static)?;
    println!("{} bytes, {}", bytes.len(), succeed(program.command().arg(&path))?);
    // The first output of the first product, of 1 x 1 x 1.
    bytes[8 + 36 + 2] ^= 1;
    fs::write(&path, &bytes)?;
    let output = program.command().arg(&path).output()?;
    let printed = String::from_utf8(output.stdout)?;
    assert!(output.status.code() == Some(1) && printed.starts_with("record 0, of kind 1"), "{printed}");
    Ok(())
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn a_model_file_runs() -> Outcome {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("model_file");
    fs::create_dir_all(&directory)?;
    for model in [model::with("none"), model::with("each:64")] {
        let model = model?;
        let (container, tensor) = (directory.join("model.hbl"), directory.join("model.tq2_0"));
        fs::write(&container, &model.container)?;
        fs::write(&tensor, &model.tq2_0)?;
        for link in [Link::Static, Link::Shared] {
            let program = compile("examples/model_file.c", "c11", link)?;
            let printed = succeed(program.command().arg(&container).arg(model::TENSOR))?;
            assert_eq!(numbers(&printed)?, model.outputs);
            let (outputs, inputs) = model::SHAPE;
            let mut command = program.command();
            let printed = succeed(command.arg(&tensor).args([outputs.to_string(), inputs.to_string()]))?;
            assert_eq!(numbers(&printed)?, model.plain);
            let none = program.command().arg(&container).arg("blk.9").output()?;
            assert!(!none.status.success());
            assert!(String::from_utf8_lossy(&none.stderr).contains("no such name"));
        }
    }
    Ok(())
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn the_cpp_header_wraps_everything() -> Outcome {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hpp");
    fs::create_dir_all(&directory)?;
    let container = directory.join("model.hbl");
    fs::write(&container, model::with("none")?.container)?;
    for (source, standard) in [("hpp", "c++17"), ("hpp_expected", "c++17"), ("hpp_expected", "c++20")] {
        let program = compile(&format!("tests/{source}.cpp"), standard, Link::Static)?;
        assert_eq!(succeed(program.command().arg(&container))?, "all as it should be\n", "{source}");
    }
    let wrapped = fs::read_to_string(Path::new(FFI).join("../include/hbitlinear.hpp"))?;
    let header = header()?;
    let called =
        |name: &&str| wrapped.contains(&format!("{name}(")) || wrapped.contains(&format!("call({name},"));
    let missing: Vec<&str> = functions(&header).filter(|name| !called(name)).collect();
    assert!(missing.is_empty(), "the C++ header does not call {missing:?}");
    Ok(())
}

/// Linked where cargo leaves the library, a program finds it there.
#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn the_build_folder_links() -> Outcome {
    let folder = library()?.shared.parent().ok_or("no folder")?;
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_folder");
    let compiler = cc::Build::new()
        .target(env!("HBL_TARGET"))
        .host(env!("HBL_HOST"))
        .opt_level(1)
        .cargo_metadata(false)
        .try_get_compiler()?;
    let mut link = compiler.to_command();
    link.arg("-I").arg(Path::new(FFI).join("../include")).arg("-o").arg(&program);
    link.arg(Path::new(FFI).join("examples/quickstart.c")).arg("-L").arg(folder).arg("-lhbitlinear");
    succeed(&mut link)?;
    succeed(Command::new(&program).env("LD_LIBRARY_PATH", folder))?;
    Ok(())
}

/// A whole model, from its checkpoint through a container, to the digits that the runner in Rust gives.
#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn a_bitnet_v2_model_runs() -> Outcome {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bitnet_v2");
    fs::create_dir_all(&directory)?;
    let checkpoints = Path::new(FFI).join("../examples/bitnet_v2/checkpoints");
    let bytes = fs::read(checkpoints.join("held_out.txt"))?;
    let text = directory.join("text");
    fs::write(&text, &bytes[..1000])?;
    let program =
        compile_all(&["examples/bitnet_v2/perplexity.c", "examples/bitnet_v2/model.c"], "c11", Link::Static)?;
    for (name, bits) in [("small-v2-a4", 32), ("small-v2-a4", 3), ("small-plain-a8", 8)] {
        let checkpoint = checkpoints.join(name);
        let convert = hbl::convert::Convert {
            told: Default::default(),
            layout: Layout::FiveTrit,
            contract: Some(fs::read_to_string(checkpoint.join("contract.txt"))?),
            format: None,
            threads: 1,
        };
        let container = directory.join(format!("{name}.hbl"));
        let _ = fs::remove_file(&container);
        convert.convert(&checkpoint.join("model.safetensors"), &container)?;

        let checkpoint = bitnet_v2::Checkpoint::read(&checkpoint, Layout::TwoBit)?;
        let window = checkpoint.config.max_position_embeddings;
        let model = bitnet_v2::Model::new(&checkpoint, Default::default(), window)?;
        let states = StateBits::ALL.iter().find(|states| **states as u32 == bits).ok_or("no such width")?;
        let states = bitnet_v2::StateWidths::new(*states);
        let settings = bitnet_v2::Settings { backend: Backend::best(), states, threads: 1, batch: window };
        let logs = bitnet_v2::log_probabilities(&model, settings, &bytes[..1000])?;
        let nats = -logs.iter().sum::<f64>() / logs.len() as f64;
        let expected = format!("1000 bytes: {nats:.5} nats a byte, perplexity {:.4}\n", nats.exp());

        let printed = succeed(program.command().arg(&container).arg(&text).arg(bits.to_string()))?;
        assert_eq!(printed, expected, "{name} {bits}");
    }
    Ok(())
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn conformance_prints_the_committed_numbers() -> Outcome {
    let program = compile("examples/conformance.c", "c11", Link::Static)?;
    for (grid, argument) in [(Grid::Full, "full"), (Grid::Reduced, "reduced")] {
        let mut expected = String::new();
        for backend in Backend::available() {
            for group in Group::ALL {
                expected += &format!("{backend} {group} {:016x}\n", group.expected(grid));
            }
        }
        assert_eq!(succeed(program.command().arg(argument))?, expected, "{argument}");
    }
    Ok(())
}

fn numbers(printed: &str) -> Outcome<Vec<f32>> {
    Ok(printed.lines().map(str::parse).collect::<Result<_, _>>()?)
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn the_header_is_every_standards() -> Outcome {
    for standard in ["c99", "c11", "c17", "c++11", "c++14", "c++17"] {
        let program = compile("tests/include.c", standard, Link::Static)?;
        succeed(&mut program.command())?;
    }
    Ok(())
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn bad_input_is_refused_and_changes_nothing() -> Outcome {
    let mut seen = BTreeSet::new();
    let refused = ["errors", "errors_weights", "errors_layers", "errors_files", "errors_attention", "growth"];
    for source in refused.map(|name| format!("tests/{name}.c")) {
        let printed = run(&source, Link::Static)?;
        println!("{printed}");
        let numbers = printed
            .lines()
            .filter_map(|line| line.strip_prefix("status ")?.split_once(':')?.0.parse::<usize>().ok());
        seen.extend(numbers);
    }
    // A machine with every backend cannot be asked for one it lacks; nothing at all produces the internal defect.
    let header = header()?;
    let declared =
        header.lines().filter_map(|line| line.trim().strip_prefix("HBL_STATUS_")?.split_once(" = "));
    let expected: BTreeSet<usize> = declared
        .filter(|(name, _)| match *name {
            "OK" | "INTERNAL" => false,
            "BACKEND_UNAVAILABLE" => Backend::available().count() < BackendId::ALL.len(),
            _ => true,
        })
        .filter_map(|(_, number)| number.trim_end_matches(',').parse().ok())
        .collect();
    assert!(expected.len() > 20, "the header's statuses are not found");
    assert_eq!(seen, expected, "a status that the programs never met");
    Ok(())
}

/// The same bits with any number of threads, and no data race that helgrind sees.
#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn the_hosts_threads_share_the_work() -> Outcome {
    let program = compile("examples/threads.c", "c11", Link::Static)?;
    println!("{}", succeed(&mut program.command())?);
    if Command::new("valgrind").arg("--version").output().is_err() {
        writeln!(std::io::stderr(), "WARNING: valgrind is not installed; threads.c ran without it")?;
        return Ok(());
    }
    let mut helgrind = Command::new("valgrind");
    helgrind.args(["--quiet", "--tool=helgrind", "--error-exitcode=9"]).arg(&program.path);
    println!("under helgrind: {}", succeed(&mut helgrind)?);
    Ok(())
}

/// The checks for other people's kernels find what is planted, and nothing in ours.
#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn a_planted_defect_is_found() -> Outcome {
    for source in ["examples/check_kernel.c", "tests/check_kernel.c"] {
        println!("{}", run(source, Link::Static)?);
    }
    Ok(())
}

/// Each argument of each function, from a table that forgets none.
#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn every_argument_is_refused_where_it_is_wrong() -> Outcome {
    let (header, tests) = (header()?, Path::new(FFI).join("tests"));
    let table = fs::read_to_string(tests.join("arguments.txt"))?;
    let source = arguments::program(&header, &table)?;
    // It would notice.
    let less = table.replacen("hbl_row_bytes", "hbl_row_bits", 1);
    assert!(arguments::program(&header, &less).is_err());
    let less = table.replacen("    part_count = 1; ZERO_SIZE: 0; SIZE_OVERFLOW: SIZE_MAX\n", "", 1);
    assert!(arguments::program(&header, &less).is_err());
    let less = table.replacen(
        "    part_count = 1; ZERO_SIZE: 0; SIZE_OVERFLOW: SIZE_MAX\n",
        "    part_count = 1\n",
        1,
    );
    assert!(arguments::program(&header, &less).is_err());

    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("arguments.c");
    fs::write(&path, source.replacen("arguments.h", &tests.join("arguments.h").to_string_lossy(), 1))?;
    let program = compile(path.to_str().ok_or("not UTF-8")?, "c11", Link::Static)?;
    let output = program.command().output()?;
    let (printed, log) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert!(output.status.success(), "{printed}{log}");
    assert!(log.is_empty() && printed.lines().last().is_some_and(|line| line.ends_with(", 0 failures")));
    println!("{printed}");
    Ok(())
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn memory_that_was_never_written_is_not_read() -> Outcome {
    let sources = ["tests/uninitialised.c", "tests/uninitialised_files.c", "tests/uninitialised_attention.c"];
    let read = |source| fs::read_to_string(Path::new(FFI).join(source));
    let code = sources.map(read).into_iter().collect::<Result<String, _>>()?;
    let header = header()?;
    let missing: Vec<&str> =
        functions(&header).filter(|function| !code.contains(&format!("{function}("))).collect();
    assert!(missing.is_empty(), "{sources:?} do not call {missing:?}");
    for source in sources.into_iter().chain(["tests/growth.c"]) {
        let program = compile(source, "c11", Link::Shared)?;
        println!("{}", succeed(&mut program.command())?);
        if Command::new("valgrind").arg("--version").output().is_err() {
            // Past the test harness, which keeps what a passing test prints.
            writeln!(std::io::stderr(), "WARNING: valgrind is not installed; {source} ran without it")?;
            continue;
        }
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--quiet", "--partial-loads-ok=no", "--error-exitcode=9"])
            .arg(&program.path)
            .env("LD_LIBRARY_PATH", &program.directory);
        println!("under valgrind: {}", succeed(&mut valgrind)?);
    }
    Ok(())
}

#[cfg_attr(not(native_linux), ignore = "programs are built and run on Linux, for the machine itself")]
#[test]
fn the_shared_library_exports_the_header_and_nothing_else() -> Outcome {
    let header = header()?;
    let version = header.lines().find_map(|line| line.strip_prefix("#define HBL_ABI_VERSION "));
    let soname = format!("libhbitlinear.so.{}", version.ok_or("the header has no ABI version")?);
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(&library()?.shared))?;
    assert!(dynamic.contains(&format!("[{soname}]")), "the SONAME is not {soname}");

    let listed = succeed(Command::new("nm").args(["-D", "--defined-only"]).arg(&library()?.shared))?;
    let mut exported: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    // The version of the functions is itself a symbol, of no address.
    let mut declared: Vec<String> = functions(&header).map(|name| format!("{name}@@{soname}")).collect();
    declared.push(soname);
    exported.sort_unstable();
    declared.sort_unstable();
    assert_eq!(exported, declared);
    Ok(())
}
