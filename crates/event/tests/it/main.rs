//! The event as its users see it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

#[cfg(feature = "arrow")]
mod row;
mod vectors;
