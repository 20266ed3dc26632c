//! A bar on standard error for long work, where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for so many bytes.
#[must_use]
pub fn bar(bytes: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(bytes).with_message(what);
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}
