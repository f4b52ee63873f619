//! Crash-safe local segments of opaque records.
