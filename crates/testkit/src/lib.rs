//! Failing stores and servers, clocks and sample records for tests.
#![forbid(unsafe_code)]

mod clock;
mod fault;
mod proxy;
mod sample;
mod server;

pub use crate::clock::ManualClock;
pub use crate::fault::{Effect, FaultyStore};
pub use crate::proxy::{Fault, FaultProxy, Request};
pub use crate::sample::invoice_record;
pub use crate::server::S3Server;
