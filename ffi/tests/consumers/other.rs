//! A static library in Rust of somebody else's, with std and unwinding, in the same program.

#[unsafe(no_mangle)]
pub extern "C" fn other_library() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| assert!(std::env::args().count() > 1000, "deliberate"));
    if caught.is_err() { 7 } else { 0 }
}
