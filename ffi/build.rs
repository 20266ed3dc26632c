//! Names the shared library's ABI in its SONAME and in its symbols' version, and tells the tests what they are built for.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let linux = variable("CARGO_CFG_TARGET_OS") == "linux";
    if linux {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhbitlinear.so.1");
        if variable("CARGO_CFG_TARGET_ENV") == "gnu" {
            version_symbols();
        }
        #[cfg(unix)]
        name_in_the_build_folder(Path::new(&variable("OUT_DIR")));
    }
    println!("cargo:rustc-check-cfg=cfg(native_linux)");
    if linux && variable("TARGET") == variable("HOST") {
        println!("cargo:rustc-cfg=native_linux");
    }
    for name in ["TARGET", "HOST", "PROFILE"] {
        println!("cargo:rustc-env=HBL_{name}={}", variable(name));
    }
}

/// Every function gets a version that is called like the SONAME.
///
/// rustc has a version script of its own for a cdylib, without a name. Beside it GNU ld takes no other, and LLVM's linker
/// takes one but leaves the functions to rustc's. GNU ld's own option is what both live with.
fn version_symbols() {
    for argument in ["-fuse-ld=bfd", "-Wl,--default-symver"] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
}

/// A program that was linked to the library where cargo leaves it looks there for its SONAME.
#[cfg(unix)]
fn name_in_the_build_folder(out: &Path) {
    // <folder>/build/<package>/out
    if let Some(folder) = out.ancestors().nth(3) {
        let link = folder.join("libhbitlinear.so.1");
        if std::fs::symlink_metadata(&link).is_err()
            && let Err(error) = std::os::unix::fs::symlink("libhbitlinear.so", &link)
        {
            println!("cargo:warning={}: {error}", link.display());
        }
    }
}
