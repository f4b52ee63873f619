//! The store against a real Delta table in a temporary folder, and in a bucket.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod append;
mod bad_weather;
mod bucket;
mod compact;
mod look_up;
mod query;
mod sample;
mod upkeep;
