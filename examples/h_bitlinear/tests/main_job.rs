//! The main job as a user runs it: the binary of `examples/h_bitlinear`, its figures, its picture, its refusals.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use hbitlinear::Backend;
use npyz::WriterBuilder;

/// Decibels without → with the transform that a plain float64 computation gives on the data that comes with the
/// source, by input and quantiser.
const FIGURES: [(&str, &str, f64, f64); 9] = [
    ("attn_out_in_l5", "a8-absmax", 39.91, 43.13),
    ("attn_out_in_l5", "a4-absmean", 12.63, 19.27),
    ("attn_out_in_l5", "a4-absmax", 14.78, 17.94),
    ("ffn_down_in_l2", "a8-absmax", 29.36, 38.60),
    ("ffn_down_in_l2", "a4-absmean", 3.24, 17.24),
    ("ffn_down_in_l2", "a4-absmax", 8.46, 13.41),
    ("ffn_down_in_l5", "a8-absmax", 33.88, 33.54),
    ("ffn_down_in_l5", "a4-absmean", 7.39, 13.00),
    ("ffn_down_in_l5", "a4-absmax", 7.26, 9.38),
];

const TOLERANCE: f64 = 0.02 + 1e-9;

/// The example, which `cargo test` builds beside the tests; through the target's runner, if there is one.
fn job() -> Command {
    let tests = env::current_exe().expect("path of this test");
    let profile = tests.parent().and_then(Path::parent).expect("tests lie in a profile's deps");
    let binary = profile.join("examples").join(format!("h_bitlinear{}", env::consts::EXE_SUFFIX));
    assert!(
        binary.exists(),
        "{} is missing: `cargo test` builds it; before `cargo test --test main_job` run \
         `cargo build --profile test --example h_bitlinear`",
        binary.display()
    );
    let target = format!("CARGO_TARGET_{}_", env::consts::ARCH.to_uppercase());
    let runner = env::vars().find(|(name, _)| name.starts_with(&target) && name.ends_with("_RUNNER"));
    match runner {
        None => Command::new(binary),
        Some((_, runner)) => {
            let mut words = runner.split_whitespace();
            let mut command = Command::new(words.next().expect("a runner is a command"));
            command.args(words).arg(binary);
            command
        }
    }
}

/// An empty directory of this test's own.
fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("main_job_{test}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory for the test");
    path
}

fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    job().args(arguments).output().expect("the example starts")
}

/// The lines for scripts of a run that must succeed.
fn lines(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    assert_eq!(stderr, "", "nothing to complain about");
    let stdout = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    stdout
        .lines()
        .filter(|line| line.starts_with("snr ") || line.starts_with("layer "))
        .map(str::to_owned)
        .collect()
}

/// Refused with code 2, nothing on stdout, no picture, and a message with every one of `words`.
fn assert_refused<S: AsRef<OsStr>>(test: &str, arguments: &[S], words: &[&str]) {
    let picture = directory(test).join("none.svg");
    let output = job().args(arguments).arg("--picture").arg(&picture).output().expect("the example starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{test}: {stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{test}");
    assert!(!stderr.contains("panicked"), "{test}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{test}: expected {word:?} in {stderr}");
    }
    assert_eq!(fs::read_dir(directory_of(&picture)).expect("still there").count(), 0, "{test}: left a file");
}

fn directory_of(file: &Path) -> &Path {
    file.parent().expect("a file in a directory")
}

fn write<T: npyz::AutoSerialize + Copy>(path: &Path, shape: &[u64], values: &[T]) {
    let file = fs::File::create(path).expect("an array's file");
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().expect("a header");
    writer.extend(values.iter().copied()).expect("values");
    writer.finish().expect("a whole file");
}

#[test]
fn figures_picture_and_digits_on_every_backend() {
    let directory = directory("figures");
    let backends: Vec<&str> = Backend::available().map(Backend::name).collect();
    println!("backends: {}", backends.join(", "));
    let results: Vec<(Vec<String>, Vec<u8>)> = thread::scope(|scope| {
        let directory = directory.as_path();
        let start = |&name| scope.spawn(move || figures(name, directory));
        let running: Vec<_> = backends.iter().map(start).collect();
        running.into_iter().map(|run| run.join().expect("this backend's checks hold")).collect()
    });
    for (name, (lines, svg)) in backends.iter().zip(&results) {
        assert_eq!(lines, &results[0].0, "{name}: the digits of {}", backends[0]);
        assert!(svg == &results[0].1, "{name}: the picture of {}", backends[0]);
    }
    let files = fs::read_dir(&directory).expect("still there").count();
    assert_eq!(files, backends.len(), "one picture each, no more files");
}

/// Runs the default job on one backend and checks the figures and the picture; returns the lines for scripts, and
/// the picture.
fn figures(backend: &str, directory: &Path) -> (Vec<String>, Vec<u8>) {
    let picture = directory.join(format!("{backend}.svg"));
    // The oracle is slow, and compared with the backends elsewhere.
    let options = ["--check", "4", "--backend", backend, "--picture"].map(OsStr::new);
    let output = run(options.into_iter().chain([picture.as_os_str()]));
    let lines = lines(&output);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout.matches(&format!("; backend {backend}\n")).count(), 3, "{backend} is what ran");

    let ratios = lines.iter().filter_map(|line| line.strip_prefix("snr "));
    let ratios: Vec<Vec<&str>> = ratios.map(|line| line.split(' ').collect()).collect();
    assert_eq!(ratios.len(), FIGURES.len(), "{backend}");
    for (words, (input, rule, without, with)) in ratios.iter().zip(FIGURES) {
        let figure = |word: &str| word.parse::<f64>().expect("decibels");
        assert_eq!(words[..2], [input, rule], "{backend}");
        assert!((figure(words[2]) - without).abs() <= TOLERANCE, "{backend}: {words:?}, expected {without}");
        assert!((figure(words[3]) - with).abs() <= TOLERANCE, "{backend}: {words:?}, expected {with}");
    }

    let svg = fs::read(&picture).expect("the picture");
    assert!(svg.starts_with(b"<svg ") && svg.trim_ascii_end().ends_with(b"</svg>"), "{backend}: whole");
    for input in ["attn_out_in_l5", "ffn_down_in_l2", "ffn_down_in_l5"] {
        assert!(String::from_utf8_lossy(&svg).contains(input), "{backend}: {input} is in the picture");
    }
    (lines, svg)
}

#[test]
fn layer_is_the_oracle_s_up_to_rounding() {
    let picture = directory("oracle").join("picture.svg");
    for bits in ["4", "8"] {
        let shape = ["--m", "3", "--n", "70", "--k", "240", "--transform", "quarot:60*4", "--bits", bits];
        let output =
            run(shape.map(OsStr::new).into_iter().chain(["--picture".as_ref(), picture.as_os_str()]));
        let lines = lines(&output);
        let layer: Vec<&str> = lines.last().expect("a layer").split(' ').collect();
        let error: f64 = layer[3].parse().expect("an error");
        assert_eq!(layer[..2], ["layer", "synthetic_3x70x240"]);
        assert!(error < 1e-6, "{bits} bits: {error}");
    }
}

#[test]
fn own_arrays_of_f32_and_f16() {
    let directory = directory("own");
    let (x, w, h) = (directory.join("my x.npy"), directory.join("w.npy"), directory.join("h.npy"));
    let wave = |count: usize| (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 16.0);
    write(&x, &[5, 48], &wave(5 * 48).collect::<Vec<_>>());
    write(&w, &[7, 48], &wave(7 * 48).collect::<Vec<_>>());
    write(&h, &[7, 48], &wave(7 * 48).map(half::f16::from_f32).collect::<Vec<_>>());
    let job = |weights: &Path, transform: &[&str]| {
        let mut arguments =
            vec![OsStr::new("--activations"), x.as_ref(), "--weights".as_ref(), weights.as_ref()];
        let picture = directory.join("picture.svg");
        arguments.extend(["--picture".as_ref(), picture.as_os_str()]);
        arguments.extend(transform.iter().map(OsStr::new));
        lines(&run(arguments))
    };
    let whole = job(&w, &["--transform", "paley1:12*4"]);
    assert_eq!(whole.len(), 4, "three quantisers and the layer");
    assert!(whole[0].starts_with("snr my_x a8-absmax "), "one word a name: {}", whole[0]);
    assert_eq!(whole, job(&h, &["--transform", "paley1:12*4"]), "these weights are exact in f16");
    assert_ne!(whole, job(&w, &["--transform", "16", "--blocks", "3"]), "another transform");
}

#[test]
fn refuses_arguments() {
    let job = |test, arguments: &[&str], words: &[&str]| assert_refused(test, arguments, words);
    let names: Vec<_> = Backend::available().map(Backend::name).collect();
    job("backend", &["--backend", "sse9"], &["--backend", "sse9", "no such name", &names.join(", ")]);
    job("bits", &["--bits", "5"], &["--bits", "5", "expected 4 or 8"]);
    job("zero", &["--m", "0", "--n", "1", "--k", "1"], &["--m", "'0'", "at least 1"]);
    job("half_a_shape", &["--m", "1", "--n", "1"], &["--k"]);
    job("huge", &["--m", "1", "--n", "1048576", "--k", "1048576"], &["--n * --k", "1048576 * 1048576"]);
    job("overflow", &["--m", "9223372036854775807", "--n", "1", "--k", "8"], &["--m * --k", "at most"]);
    job("half_the_arrays", &["--activations", "x.npy"], &["--weights"]);
    job(
        "both",
        &["--m", "1", "--n", "1", "--k", "1", "--activations", "x", "--weights", "w"],
        &["cannot be used"],
    );
    job("bundled_transform", &["--transform", "1024"], &["--transform", "--activations"]);
    job("unnamed", &["--m", "1", "--n", "1", "--k", "1536"], &["--transform", "1536", "paley1:12*128"]);
    let shape = ["--m", "1", "--n", "1", "--k", "1536", "--transform"];
    let transform = |test, name, words: &[&str]| job(test, &[&shape[..], &[name]].concat(), words);
    transform("unknown_transform", "walsh", &["--transform walsh", "FAMILY:ORDER", "paley1", "quarot"]);
    transform("unknown_order", "paley1:13*128", &["--transform paley1:13*128", "order 13", "paley1:12*128"]);
    transform("wrong_length", "paley1:12*64", &["rows of 768", "rows of 1536", "quarot:12*128"]);
    job("odd", &["--m", "1", "--n", "1", "--k", "12032"], &["12032", "--transform 256 --blocks 47"]);
}

#[test]
fn refuses_files() {
    let directory = directory("files");
    let path = |name: &str| directory.join(name);
    write(&path("x.npy"), &[2, 16], &[1.0_f32; 32]);
    write(&path("w.npy"), &[3, 16], &[1.0_f32; 48]);
    write(&path("narrow.npy"), &[3, 8], &[1.0_f32; 24]);
    write(&path("flat.npy"), &[32], &[1.0_f32; 32]);
    write(&path("double.npy"), &[2, 16], &[1.0_f64; 32]);
    write::<f32>(&path("empty.npy"), &[0, 16], &[]);
    let mut values = [1.0_f32; 32];
    values[20] = f32::NAN;
    write(&path("nan.npy"), &[2, 16], &values);
    fs::write(path("text.npy"), "not an array").expect("a file");
    let whole = fs::read(path("x.npy")).expect("a file");
    fs::write(path("short.npy"), &whole[..whole.len() - 1]).expect("a file");
    let order = whole.windows(5).position(|word| word == b"False").expect("the order in the header");
    let mut fortran = whole.clone();
    fortran[order..order + 5].copy_from_slice(b"True ");
    fs::write(path("fortran.npy"), fortran).expect("a file");

    for (x, w, words) in [
        ("missing.npy", "w.npy", &["missing.npy"][..]),
        ("x.npy", "missing.npy", &["missing.npy"]),
        ("text.npy", "w.npy", &["text.npy", "not a .npy file"]),
        ("short.npy", "w.npy", &["short.npy", "[2, 16]", "more values than"]),
        ("fortran.npy", "w.npy", &["fortran.npy", "expected C order"]),
        ("flat.npy", "w.npy", &["flat.npy", "two dimensions", "[32]"]),
        ("empty.npy", "w.npy", &["empty.npy", "[0, 16]"]),
        ("double.npy", "w.npy", &["double.npy", "f32 or f16", "f8"]),
        ("x.npy", "narrow.npy", &["narrow.npy", "K = 16", "[3, 8]"]),
        ("nan.npy", "w.npy", &["nan.npy", "row 1, column 4", "NaN"]),
        ("x.npy", "nan.npy", &["nan.npy", "row 1, column 4", "NaN"]),
    ] {
        let arguments = ["--activations".into(), path(x), "--weights".into(), path(w)];
        assert_refused(&format!("files_{x}_{w}"), &arguments, words);
    }
}

#[test]
fn refuses_pictures() {
    let directory = directory("pictures");
    let file = directory.join("file");
    fs::write(&file, "").expect("a file");
    let shape = ["--m", "1", "--n", "1", "--k", "8", "--picture"].map(OsStr::new);
    for (picture, word) in
        [(directory.join("picture.png"), ".svg"), (file.join("picture.svg"), "picture.svg")]
    {
        let output = run(shape.into_iter().chain([picture.as_os_str()]));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("--picture") && stderr.contains(word), "{stderr}");
    }
    assert_eq!(fs::read_dir(&directory).expect("still there").count(), 1, "nothing but the file");
}

#[test]
fn helps() {
    let output = run(["--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for word in ["Examples", "--activations", "--backend", "--bits", "paley1:12*128", "snr <input>"] {
        assert!(help.contains(word), "{word} in {help}");
    }
}
