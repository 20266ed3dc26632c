//! `FiveTrit` with dots by element: as with any others.

pub(crate) use super::dot_u8s8::{one_token, several_tokens};
