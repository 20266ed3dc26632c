//! JSON, in and out.

use serde_json::Value;

/// Parses a text; `None` if it is no JSON.
#[must_use]
pub fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
