//! The Delta table of events: commits, files, queries.
