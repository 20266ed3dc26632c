//! The committed header is the one the sources give.

use core::error::Error;
use std::{env, fs, path::Path};

#[test]
fn the_header_follows_the_sources() -> Result<(), Box<dyn Error>> {
    let ffi = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = ffi.join("../include/hbitlinear.h");
    let mut generated = Vec::new();
    cbindgen::Builder::new()
        .with_config(cbindgen::Config::from_file(ffi.join("cbindgen.toml"))?)
        .with_crate(ffi)
        .generate()?
        .write(&mut generated);
    if env::var_os("HBL_UPDATE_HEADER").is_some() {
        fs::write(&path, &generated)?;
    }
    let committed = fs::read_to_string(&path)?;
    let generated = String::from_utf8(generated)?;
    let difference = committed.lines().zip(generated.lines()).position(|(old, new)| old != new);
    assert!(
        committed == generated,
        "include/hbitlinear.h differs from the sources at line {}; HBL_UPDATE_HEADER=1 rewrites it",
        difference.map_or(committed.lines().count().min(generated.lines().count()), |line| line) + 1,
    );
    Ok(())
}
