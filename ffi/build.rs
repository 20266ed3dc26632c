//! Names the shared library's ABI in its SONAME, and tells the tests what they are built for.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let linux = variable("CARGO_CFG_TARGET_OS") == "linux";
    if linux {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhbitlinear.so.1");
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
