//! Drain, sequence, search, verify: how the parts meet.
