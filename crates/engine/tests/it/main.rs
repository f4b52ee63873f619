//! The engine on a real spool and a real store, in temporary folders.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod bucket;
mod compact;
mod copy;
mod crash;
mod doubt;
mod export;
mod export_ocsf;
mod export_proofs;
mod ownership;
mod path;
mod released;
mod sample;
mod tamper;
mod weather;
