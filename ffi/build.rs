//! Names the shared library's ABI in its SONAME, and tells the tests what they are built for.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let linux = variable("CARGO_CFG_TARGET_OS") == "linux";
    if linux {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhbitlinear.so.1");
    }
    println!("cargo:rustc-check-cfg=cfg(native_linux)");
    if linux && variable("TARGET") == variable("HOST") {
        println!("cargo:rustc-cfg=native_linux");
    }
    for name in ["TARGET", "HOST", "PROFILE"] {
        println!("cargo:rustc-env=HBL_{name}={}", variable(name));
    }
}
