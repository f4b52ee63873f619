//! What one process keeps in memory, and what one value may take.

/// The bytes of a transaction's records that stay in memory; beyond, they spill into the spool.
pub(crate) const SPILL_BYTES: usize = 4 << 20;

/// How deep a JSON value may nest before it counts as unavailable.
pub(crate) const MAX_DEPTH: usize = 128;
