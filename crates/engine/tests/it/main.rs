//! The engine on a real spool and a real store, in temporary folders.

mod crash;
mod doubt;
mod ownership;
mod path;
mod sample;
mod tamper;
mod weather;
