//! The command on a real trail, in temporary folders.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod bucket;
mod export;
