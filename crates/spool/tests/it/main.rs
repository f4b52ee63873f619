//! The spool as its callers see it: files, processes, crashes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

mod batches;
mod corruption;
mod format;
mod kill;
mod limits;
mod model;
mod transactions;
mod views;
