//! The program as a user runs it.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use hbitlinear::Backend;

/// Runs the example, which `cargo test` builds beside the tests.
fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let tests = env::current_exe().expect("path of this test");
    let profile = tests.parent().and_then(Path::parent).expect("tests lie in a profile's deps");
    let binary = profile.join("examples").join(format!("bitnet_v2{}", env::consts::EXE_SUFFIX));
    assert!(
        binary.exists(),
        "{} is missing: `cargo test` builds it; before `cargo test --test main_job` run \
         `cargo build --profile test --example bitnet_v2`",
        binary.display()
    );
    Command::new(binary).args(arguments).output().expect("the example starts")
}

fn checkpoint() -> String {
    format!("{}/checkpoints/small-v2-a4", env!("CARGO_MANIFEST_DIR"))
}

fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn generates_the_same_text_on_every_backend_and_thread_count() {
    let text = |options: &[&str]| {
        let fixed = ["generate".to_owned(), checkpoint(), "--tokens".into(), "60".into()];
        stdout(&run(fixed.into_iter().chain(options.iter().map(|&option| option.into()))))
    };
    let whole = text(&[]);
    assert!(whole.starts_with("In the beginning ") && whole.len() > 70, "{whole}");
    for backend in Backend::available() {
        assert_eq!(text(&["--backend", backend.name(), "--threads", "1"]), whole, "{}", backend.name());
    }
    assert_eq!(text(&["--threads", "3", "--layout", "five-trit"]), whole);
    assert_ne!(text(&["--seed", "2"]), whole);
    assert_ne!(text(&["--prompt", "And it came to pass "]), whole);
}

#[test]
fn refuses_arguments() {
    let checkpoint = checkpoint();
    for (arguments, word) in [
        (&["--threads", "0"][..], "--threads"),
        (&["--backend", "sse9"], "sse9"),
        (&["dance"], "dance"),
        (&["generate", "no/such/folder"], "no/such/folder"),
        (&["generate", &checkpoint, "--kv", "5"], "32, 16, 8, 4 or 3"),
        (&["generate", &checkpoint, "--bits", "2"], "4 or 8"),
        (&["generate", &checkpoint, "--temperature=-1"], "--temperature"),
        (&["perplexity", &checkpoint, "no/such/text"], "no/such/text"),
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(word) && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn helps() {
    let help = stdout(&run(["--help"]));
    for word in ["generate", "perplexity", "speed", "pictures", "ppl <model>"] {
        assert!(help.contains(word), "{word} in {help}");
    }
}
