//! Python module trailkeeper_engine: drain, query, verify, command line.
