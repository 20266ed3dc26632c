//! Names the shared library's ABI in its SONAME, and tells the tests which target they are for.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhbitlinear.so.1");
    }
    for name in ["TARGET", "HOST", "PROFILE"] {
        println!("cargo:rustc-env=HBL_{name}={}", variable(name));
    }
}
