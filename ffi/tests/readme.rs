//! The C of the README is the quick start that `programs.rs` compiles and runs.

use std::fs;

#[test]
fn the_readme_quotes_the_quick_start() -> std::io::Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = fs::read_to_string(format!("{root}/README.md"))?;
    let program = fs::read_to_string(format!("{root}/ffi/examples/quickstart.c"))?;
    assert!(
        readme.contains(&format!("```c\n{program}```\n")),
        "copy ffi/examples/quickstart.c into README.md"
    );
    Ok(())
}
