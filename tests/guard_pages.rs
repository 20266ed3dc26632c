//! The pages beside a guarded buffer are inaccessible, or the tests with guard pages would prove nothing.
//!
//! A program of its own: the system's list of mappings is not read at one moment, and other tests that map and unmap
//! meanwhile can make it miss one.
#![cfg(unix)]

#[allow(dead_code, reason = "one of the shared helpers")]
#[path = "common/guarded.rs"]
mod guarded;

use guarded::{Edge, Guarded};
use region::Protection;

#[test]
fn guard_pages_are_there() {
    for (edge, len) in Edge::BOTH.iter().flat_map(|&edge| [0, 1, 100, 4096, 10_000].map(|len| (edge, len))) {
        let buffer = Guarded::new(edge, &vec![1_u8; len]);
        let range = buffer.as_ptr_range();
        let (inside, outside) = match edge {
            Edge::Start => (range.start, range.start.wrapping_sub(1)),
            Edge::End => (range.end.wrapping_sub(1), range.end),
        };
        assert_eq!(region::query(outside).unwrap().protection(), Protection::NONE, "{edge:?} {len}");
        if len > 0 {
            assert_eq!(region::query(inside).unwrap().protection(), Protection::READ_WRITE, "{edge:?} {len}");
        }
    }
}
