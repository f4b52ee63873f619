//! Failing stores, clocks and sample records for tests.
#![forbid(unsafe_code)]

mod clock;
mod fault;
mod sample;

pub use crate::clock::ManualClock;
pub use crate::fault::{Effect, FaultyStore};
pub use crate::sample::invoice_record;
