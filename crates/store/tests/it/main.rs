//! The store against a real Delta table in a temporary folder.

mod append;
mod bad_weather;
mod query;
mod sample;
