//! The store against a real Delta table in a temporary folder.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod append;
mod bad_weather;
mod compact;
mod look_up;
mod query;
mod sample;
mod upkeep;
